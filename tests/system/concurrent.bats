#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Many at once: nothing is lost, in file or kernel.
#
# Backends: nftables iptables
# Through a daemon: nftables iptables

load helpers
load daemon

@test "twenty adds at once end with twenty forwards in file and kernel" {
	local i pids=()

	serve_tcp web server "$SERVER4" 80
	for i in {1..20}; do
		pfw add "web$i" "$((8000 + i))" "$SERVER4:80" > "$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
		pids+=("$!")
	done
	for i in {1..20}; do
		wait "${pids[i - 1]}" || {
			echo "add $i failed: $(cat "$BATS_TEST_TMPDIR/out.$i")" >&2
			return 1
		}
	done
	settled
	equal 20 "$(jq '.forwards | length' "$CONFIG")" "in the file"
	equal 20 "$(jq '[.forwards[].name] | unique | length' "$CONFIG")" "names in the file"
	equal 20 "$(pfw_json '[.forwards[] | select(.state == "active")] | length' list)" "in the kernel"
	pfw diff
	reaches tcp client "$WAN4" 8001 web
	reaches tcp client "$WAN4" 8020 web
}

@test "adds and removes at once: each command's answer is true" {
	local i pids=()

	for i in {1..8}; do
		pfw add "old$i" "$((7000 + i))" "$SERVER4:80"
	done
	for i in {1..8}; do
		pfw add "new$i" "$((8000 + i))" "$SERVER4:80" > "$BATS_TEST_TMPDIR/add.$i" 2>&1 3>&- &
		pids+=("$!")
		pfw remove "old$i" > "$BATS_TEST_TMPDIR/remove.$i" 2>&1 3>&- &
		pids+=("$!")
	done
	for i in "${pids[@]}"; do
		wait "$i" || {
			cat "$BATS_TEST_TMPDIR"/{add,remove}.* >&2
			return 1
		}
	done
	settled
	equal "new1 new2 new3 new4 new5 new6 new7 new8" \
		"$(jq -r '[.forwards[].name] | sort | join(" ")' "$CONFIG")"
	pfw diff
}

@test "one add that all want: one makes it, the others find it done" {
	local i pids=()

	for i in {1..10}; do
		pfw add web 8080 "$SERVER4:80" > /dev/null 3>&- &
		pids+=("$!")
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	settled
	equal 1 "$(jq '.forwards | length' "$CONFIG")"
	pfw diff
}

@test "one configuration in two run directories and two namespaces: nothing is lost" {
	local i pids=()

	for i in {1..8}; do
		pfw add "one$i" "$((8000 + i))" "$SERVER4:80" > "$BATS_TEST_TMPDIR/one.$i" 2>&1 3>&- &
		pids+=("$!")
		ip netns exec second "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR-2" "${BACKEND_WORDS[@]}" \
			add "two$i" "$((9000 + i))" "$SERVER4:80" > "$BATS_TEST_TMPDIR/two.$i" 2>&1 3>&- &
		pids+=("$!")
	done
	for i in "${pids[@]}"; do
		wait "$i" || {
			cat "$BATS_TEST_TMPDIR"/{one,two}.* >&2
			return 1
		}
	done
	settled
	equal 16 "$(jq '[.forwards[].name] | unique | length' "$CONFIG")"
	without_daemon equal ".portfwd.json.applied .portfwd.lock portfwd.json" "$(ls -A "${CONFIG%/*}" | paste -sd' ')"
}

@test "whoever holds the folder itself keeps nobody waiting" {
	local fd
	exec {fd}< "${CONFIG%/*}"
	flock "$fd"
	timeout 20 ip netns exec gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" \
		add web 8080 "$SERVER4:80"
	exec {fd}<&-
	equal "600 0" "$(stat -c '%a %u' "${CONFIG%/*}/.portfwd.lock")"
}

# bats test_tags=nftables
@test "somebody else's changes of nftables at the same time disturb nothing" {
	local i other

	(
		exec 3>&-
		while :; do
			in_ns gw nft 'add table inet other; add chain inet other c; delete table inet other'
		done
	) &
	other=$!
	for i in {1..10}; do
		if ! pfw add "web$i" "$((8000 + i))" "$SERVER4:80"; then
			kill "$other"
			return 1
		fi
	done
	kill "$other"
	wait "$other" || true
	equal 10 "$(pfw_json '[.forwards[] | select(.state == "active")] | length' list)"
	pfw diff
}

# As where nobody listens: it does all by itself.
pfw_apart() { # ARGUMENT …
	in_ns gw unshare --mount sh -c '[ ! -e "$1" ] || mount --bind /dev/null "$1"; shift; exec "$@"' sh \
		"$RUN_DIR/portfwd.sock" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" "$@"
}

# Adds forwards and removes each third, and notes what was answered: it is there (+), it is gone (-),
# nobody knows (?).
change_some() { # NAME PORTS COMMAND …
	local name=$1 ports=$2 i
	shift 2
	for i in {1..18}; do
		"$@" -q add "$name-$i" "$((ports + i))" "$SERVER4:80" || return
		if ((i % 3)); then
			echo "$name-$i +"
		elif "$@" -q remove "$name-$i"; then
			echo "$name-$i -"
		else
			echo "$name-$i ?"
		fi
	done
}

# Not through a daemon: it starts and ends its own.
# bats test_tags=alone
@test "commands through a daemon and beside it, which comes, ends and is killed: each change is there" {
	local pids=() pid i answers=$BATS_TEST_TMPDIR/answers name answer now bad=""
	daemon_setup
	change_some one 8000 pfw > "$answers.1" 3>&- &
	pids+=("$!")
	change_some two 8100 pfw > "$answers.2" 3>&- &
	pids+=("$!")
	change_some apart 8200 pfw_apart > "$answers.3" 3>&- &
	pids+=("$!")
	for i in TERM KILL KILL TERM KILL; do
		daemon_start "${BACKEND_WORDS[@]}"
		sleep "0.$((RANDOM % 5 + 1))"
		daemon_stop "$i" || [ "$i" = KILL ]
	done
	daemon_start "${BACKEND_WORDS[@]}"
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	pfw diff
	now=" $(pfw_json '[.forwards[] | select(.state == "active") | .name] | join(" ")' list) "
	while read -r name answer; do
		case $answer$now in
		-*" $name "*) bad+=" $name" ;;
		+*" $name "* | [-?]*) ;;
		*) bad+=" $name" ;;
		esac
	done < <(cat "$answers".*)
	equal "" "$bad" "not as it was answered; there are:$now"
	daemon_stop
	pfw diff
	equal "$now" " $(jq -r '[.forwards[].name] | join(" ")' "$CONFIG") "
	equal ".portfwd.json.applied .portfwd.lock portfwd.json" "$(ls -A "${CONFIG%/*}" | paste -sd' ')"
}

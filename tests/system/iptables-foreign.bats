#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The rules of others in the tables that portfwd shares with them: Docker's, firewalld's,
# libvirt's and ufw's, and those of whoever types at the same time.
#
# Backends: iptables

load helpers

# Nothing sends a packet here, no group of routers is joined, so counts stay as they were loaded.
setup() {
	sandbox_check
	portfwd_setup
	host_add gw
	ip -n gw link add wan0 type bridge
	ip -n gw link add lan0 type bridge
	in_ns gw sh -c 'echo 1 | tee /proc/sys/net/ipv6/conf/?an0/disable_ipv6 > /dev/null'
	addr_add gw wan0 "$WAN4/24"
	addr_add gw lan0 "$LAN4/24"
}

# Each chain and rule with counts of its own.
counted() { # FILE
	awk '/^:/ { sub(/\[.*/, "[" NR ":" NR * 60 "]") } /^-A/ { $0 = "[" NR ":" NR * 40 "] " $0 } { print }' "$1"
}

load_foreign() { # NAME
	counted "$BATS_TEST_DIRNAME/foreign/$1.4.rules" | in_ns gw iptables-legacy-restore -w -c
	counted "$BATS_TEST_DIRNAME/foreign/$1.6.rules" | in_ns gw ip6tables-legacy-restore -w -c
	# A table that is opened stays, so all are open before.
	local tool table
	for tool in iptables ip6tables; do
		for table in raw mangle nat filter; do
			in_ns gw "$tool-legacy" -w -t "$table" -S > /dev/null
		done
	done
}

# All that is not portfwd's, with counts.
others() {
	in_ns gw iptables-legacy-save -c | grep -Ev '^#|PORTFWD'
	in_ns gw ip6tables-legacy-save -c | grep -Ev '^#|PORTFWD'
}

# The second half is IPv6's: it begins anew with the table that came first.
uncounted6() {
	awk '/^\*/ { six = six || seen[$0]++ } six { gsub(/\[[0-9:]+\] ?/, "") } { print }'
}

unharmed() { # BEFORE WHEN [FILTER]
	diff <(printf '%s\n' "$1") <(others | "${3:-cat}") || {
		echo "the rules of others have changed: $2" >&2
		return 1
	}
}

# Everything that portfwd makes, in each table: the guard, the shield, chains of forwards.
full_life() { # WHOSE
	local before
	before=$(others)
	pfw add web 8080 "$SERVER4:80,[$SERVER6]:80"
	unharmed "$before" "$1, add"
	pfw add inner 9000 127.0.0.1:9000
	pfw add pool "$WAN4:8081" "$SERVER4:80,$SERVER4:81" --balance round-robin --source 203.0.113.0/24
	pfw add limited 8000-8010/tcp+udp "$SERVER4" --limit rate=5/second,connections=3 --log
	pfw add hides "[$WAN6]:8082" "[$SERVER6]:80" --snat masquerade --interface wan0
	unharmed "$before" "$1, more of them"
	equal "4 *filter 4 *nat 4 *raw 6 *filter 6 *nat" "$(iptables_save gw | awk '
		$2 ~ /^\*/ { table = $1 " " $2 } /PORTFWD/ { print table }' | sort -u | xargs)"
	pfw diff
	pfw disable pool
	pfw enable pool
	pfw add --replace web 8080 "$SECOND4:80,[$SECOND6]:80"
	pfw reload
	unharmed "$before" "$1, changes"
	pfw remove inner limited
	unharmed "$before" "$1, remove"
	seq 100 | jq '{ name: "f\(.)", listen: "\(. + 20000)", target: "10.0.0.2:80" }' |
		jq -s '{ forwards: . }' | config
	pfw reload
	pfw diff
	unharmed "$before" "$1, a hundred"
	pfw flush
	# With routing the machine leaves groups of IPv6, and tells so: packets that count.
	unharmed "$(uncounted6 <<< "$before")" "$1, flush" uncounted6
	nothing_is_left
}

@test "Docker's rules stay byte for byte, with counts and policies, through a full life" {
	load_foreign docker
	full_life docker
}

@test "firewalld's rules do" {
	load_foreign firewalld
	full_life firewalld
}

@test "libvirt's rules do" {
	load_foreign libvirt
	full_life libvirt
}

@test "ufw's rules do" {
	load_foreign ufw
	full_life ufw
}

@test "rules of others in the built-in chains stay where they are, before ours and behind" {
	local before
	in_ns gw iptables-legacy -w -t nat -A PREROUTING -p tcp --dport 2222 -j DNAT --to-destination 10.0.0.9:22
	pfw add web 8080 "$SERVER4:80"
	in_ns gw iptables-legacy -w -t nat -I PREROUTING -p tcp --dport 2223 -j DNAT --to-destination 10.0.0.9:22
	in_ns gw iptables-legacy -w -t nat -A PREROUTING -p tcp --dport 2224 -j DNAT --to-destination 10.0.0.9:22
	before=$(in_ns gw iptables-legacy -w -t nat -S PREROUTING)
	equal "2223 PORTFWD-DNAT 2222 2224" "$(grep -oE '222[0-9]|PORTFWD-DNAT' <<< "$before" | xargs)"
	pfw diff
	pfw add more 8081 "$SERVER4:80"
	pfw reload
	equal "$before" "$(in_ns gw iptables-legacy -w -t nat -S PREROUTING)"
	pfw flush
	equal "$(grep -v PORTFWD <<< "$before")" "$(in_ns gw iptables-legacy -w -t nat -S PREROUTING)"
}

@test "an interface that comes or goes: diff tells, and the forwards are active all the same" {
	active() { # WHEN
		pfw_fails 7 diff
		contains "$output" PORTFWD-HAIRPIN
		equal active "$(pfw_json '.forwards[0].state' list)" "$1"
	}
	pfw add web 8080 "$SERVER4:80"
	ip -n gw link add later type bridge
	active "it comes"
	pfw reload
	pfw diff
	ip -n gw link del later
	active "it goes"
	pfw reload
	in_ns gw iptables-legacy -w -t nat -F PORTFWD-HAIRPIN
	pfw_fails 7 diff
	equal missing "$(pfw_json '.forwards[0].state' list)"
}

@test "a rule of others whose comment names us, or a forward of ours, is theirs" {
	local before
	load_foreign ufw
	in_ns gw iptables-legacy -w -A INPUT -p tcp --dport 8080 -m comment --comment portfwd -j ACCEPT
	in_ns gw iptables-legacy -w -A FORWARD -m comment --comment portfwd -j ACCEPT
	in_ns gw iptables-legacy -w -A FORWARD -p tcp --dport 80 -m comment --comment portfwd:web -j ACCEPT
	in_ns gw iptables-legacy -w -t nat -A POSTROUTING -m comment --comment portfwd:web -j MASQUERADE
	before=$(others)
	pfw add web 8080 "$SERVER4:80"
	unharmed "$before" "add"
	pfw diff
	pfw remove web
	unharmed "$before" "remove"
	pfw flush
	unharmed "$(uncounted6 <<< "$before")" "flush" uncounted6
}

@test "what others take away is told by diff and brought back by reload: -F, -X, and a restore" {
	local rules
	load_foreign ufw
	pfw add web 8080 "$SERVER4:80,[$SERVER6]:80"
	pfw add pool "$WAN4:8081" "$SERVER4:80,$SERVER4:81" --balance round-robin
	rules=$(rules)
	back() { # WHAT
		pfw_fails 7 diff
		equal false "$(pfw_json .in_sync status)"
		pfw reload
		pfw diff
		equal "$rules" "$(rules)" "$1"
	}
	in_ns gw iptables-legacy -w -t nat -F
	back "nat flushed"
	in_ns gw iptables-legacy -w -t nat -F
	in_ns gw iptables-legacy -w -t nat -X
	back "nat flushed, its chains deleted"
	in_ns gw iptables-legacy -w -F
	in_ns gw iptables-legacy -w -X
	back "filter flushed, its chains deleted"
	in_ns gw ip6tables-legacy -w -t nat -F PORTFWD-DNAT
	back "a chain of IPv6"
	in_ns gw iptables-legacy -w -t nat -D PREROUTING 1
	back "a jump"
	iptables_lose portfwd:web
	back "a rule of a forward"
	in_ns gw iptables-legacy -w -t nat -I PORTFWD-DNAT -p tcp --dport 22 -j ACCEPT
	back "a rule of others in our chain"
	in_ns gw iptables-legacy -w -t nat -F PORTFWD-to-pool
	back "a forward's chain"
	in_ns gw iptables-legacy-restore -w < "$BATS_TEST_DIRNAME/foreign/docker.4.rules"
	in_ns gw ip6tables-legacy-restore -w < "$BATS_TEST_DIRNAME/foreign/docker.6.rules"
	back "all restored by others"
	saved_and_loaded
	pfw diff
	equal "$rules" "$(rules)" "saved and loaded"
}

@test "50 that add through portfwd while others add and delete: nothing of either is lost" {
	local i pids=() others=() stop=$BATS_TEST_TMPDIR/stop
	load_foreign docker
	# Each leaves the even ones of its rules and counts how many it made.
	whirl() { # TOOL TABLE CHAIN
		local n=0
		exec 3>&-
		while [ ! -e "$stop" ] || [ "$n" -lt 20 ]; do
			n=$((n + 1))
			in_ns gw "$1-legacy" -w -t "$2" -A "$3" -p udp --dport "$n" -m comment --comment "whirl $n"
			[ $((n % 2)) = 0 ] ||
				in_ns gw "$1-legacy" -w -t "$2" -D "$3" -p udp --dport "$n" -m comment --comment "whirl $n"
		done
		echo "$((n / 2))" > "$BATS_TEST_TMPDIR/made.$1.$2"
	}
	whirl iptables nat PREROUTING &
	others+=("$!")
	whirl ip6tables nat POSTROUTING &
	others+=("$!")
	whirl iptables filter FORWARD &
	others+=("$!")
	for i in {1..50}; do
		pfw -q add "web$i" "$((8000 + i))" "$SERVER4:80,[$SERVER6]:80" > "$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
		pids+=("$!")
	done
	for i in {1..50}; do
		wait "${pids[i - 1]}" || {
			echo "add $i failed: $(cat "$BATS_TEST_TMPDIR/out.$i")" >&2
			touch "$stop"
			return 1
		}
	done
	touch "$stop"
	wait "${others[@]}"
	equal 50 "$(pfw_json '[.forwards[] | select(.state == "active")] | length' list)"
	pfw diff
	equal "$(cat "$BATS_TEST_TMPDIR/made.iptables.nat")" \
		"$(in_ns gw iptables-legacy-save -t nat | grep -c 'whirl')" "rules in IPv4 nat"
	equal "$(cat "$BATS_TEST_TMPDIR/made.ip6tables.nat")" \
		"$(in_ns gw ip6tables-legacy-save -t nat | grep -c 'whirl')" "rules in IPv6 nat"
	equal "$(cat "$BATS_TEST_TMPDIR/made.iptables.filter")" \
		"$(in_ns gw iptables-legacy-save -t filter | grep -c 'whirl')" "rules in the filter"
	diff <(grep '^-A' "$BATS_TEST_DIRNAME/foreign/docker.4.rules" | sort) \
		<(in_ns gw iptables-legacy-save | grep '^-A' | grep -v 'PORTFWD\|whirl' | sort)
}

@test "a lock that somebody holds: an error in bounded time, nothing has changed; then it works" {
	local before begun=$SECONDS holder ready
	pfw add web 8080 "$SERVER4:80"
	before=$(cat "$CONFIG"; rules; find "$RUN_DIR" | sort)
	mkfifo "$BATS_TEST_TMPDIR/held"
	setsid flock "$XTABLES_LOCKFILE" sh -c 'echo held > "$1"; exec sleep 60' sh "$BATS_TEST_TMPDIR/held" 3>&- &
	holder=$!
	PIDS+=("$holder")
	read -r ready < "$BATS_TEST_TMPDIR/held"
	equal held "$ready"
	pfw_fails 1 add more 8081 "$SERVER4:80"
	contains "$output" "$XTABLES_LOCKFILE"
	[ $((SECONDS - begun)) -lt 25 ]
	equal "$before" "$(cat "$CONFIG"; rules; find "$RUN_DIR" | sort)"
	# Who only looks needs no lock.
	timeout 5 ip netns exec gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" diff
	equal active "$(pfw_json '.forwards[0].state' list)"
	kill -- "-$holder"
	wait "$holder" || true
	pfw add more 8081 "$SERVER4:80"
	pfw diff
}

@test "a table that stands and whose counts the kernel refuses is put back" {
	local before call first
	command -v strace > /dev/null || skip "strace is not there"
	# Whoever is traced cannot look for leaks.
	local -x ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
	# The first command of all looks for more.
	pfw add web 8080 "$SERVER4:80,[$SERVER6]:80"
	in_ns gw strace -qq -f -o "$BATS_TEST_TMPDIR/calls" -e trace=setsockopt "$PORTFWD" -c "$CONFIG" \
		--run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" add other 8082 "$SERVER4:80,[$SERVER6]:80"
	# What has nothing to do with tables comes first.
	first=$(awk '/SET_REPLACE/ { print NR - 1; exit }' "$BATS_TEST_TMPDIR/calls")
	before=$(cat "$CONFIG"; rules)
	# Each table is replaced, then counted: the second and the fourth call fail.
	for call in 2 4; do
		run in_ns gw strace -qq -f -o /dev/null -e trace=setsockopt \
			-e inject=setsockopt:error=EINVAL:when="$((first + call))" "$PORTFWD" -c "$CONFIG" \
			--run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" add more 8081 "$SERVER4:80,[$SERVER6]:80"
		equal 1 "$status" "exit code"
		contains "$output" "cannot change the IPv$((call == 2 ? 4 : 6)) table nat"
		equal "$before" "$(cat "$CONFIG"; rules)" "call $call"
	done
	pfw add more 8081 "$SERVER4:80,[$SERVER6]:80"
}

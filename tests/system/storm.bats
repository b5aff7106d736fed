#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Many clients change forwards at random, while the daemon is killed, ended, started and made to
# reload. If this fails, a change is lost that somebody was told is done, or file, memory
# and kernel say different things in the end. STORM_SECONDS says how long, and SEED which.
#
# As long as 40 tests.
#
# Backends: nftables iptables
# shellcheck disable=SC2154 # status and output are set by run

load helpers
load daemon

setup_file() {
	"${CC:-cc}" -O1 -pthread -D_GNU_SOURCE -o "$BATS_FILE_TMPDIR/storm" "$BATS_TEST_DIRNAME/storm.c"
}

STORM=$BATS_FILE_TMPDIR/storm

setup() {
	sandbox_check
	portfwd_setup
	# In memory: it is the daemon that is killed, not the machine.
	ETC=/run/etc-storm RUN_DIR=/run/portfwd
	rm -rf "$ETC" "$RUN_DIR"
	mkdir -p "$ETC/portfwd.d"
	CONFIG=$ETC/portfwd.json
	host_add gw
	daemon_setup
	: "${STORM_SECONDS:=20}" "${STORM_CLIENTS:=32}" "${SEED:=$RANDOM}"
	case $BACKEND in
	nftables) : "${STORM_FORWARDS:=5000}" ;;
	# Where what a change costs is by the size of the whole.
	iptables) : "${STORM_FORWARDS:=500}" ;;
	esac
	RANDOM=$SEED
}

# The configuration in the beginning, and the daemon.
begin() { # SETTINGS
	"$STORM" file "$STORM_FORWARDS" | jq --argjson settings "$1" '.settings = $settings |
		.forwards += [{ name: "stays", listen: "80", target: "10.0.0.2" }]' > "$CONFIG"
	"$STORM" drop-in "$STORM_FORWARDS" > "$ETC/portfwd.d/some.json"
	daemon_start "${BACKEND_WORDS[@]}"
}

teardown() {
	kill -KILL "${CLIENTS_PID-}" 2> /dev/null || true
	daemon_end
	hosts_remove
}

pfw() {
	in_ns gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" "$@"
}

clients_start() {
	nsenter --net=/run/netns/gw "$STORM" clients "$STORM_FORWARDS" "$STORM_CLIENTS" "$SEED" "$RUN_DIR/portfwd.sock" \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" -q \
		3>&- < /dev/null > /run/expected 2> /run/clients &
	CLIENTS_PID=$!
}

clients_end() {
	local code=0

	kill "$CLIENTS_PID" 2> /dev/null || true
	wait "$CLIENTS_PID" || code=$?
	CLIENTS_PID=
	echo "# seed $SEED, $STORM_SECONDS s, $STORM_CLIENTS clients of $STORM_FORWARDS forwards with $BACKEND: $(cat /run/clients); $kills kills" >&3
	[ "$code" = 0 ] || {
		daemon_log | tail -n 50 >&2
		return 1
	}
}

# A command that does its work itself, whether there is a daemon or not. It must be seen then.
change_between() {
	# shellcheck disable=SC2016 # for the shell inside
	local hide='[ ! -S "$1" ] || mount --bind /dev/null "$1"; shift; exec "$@"' port=$((1 + RANDOM))

	nsenter --net=/run/netns/gw unshare --mount sh -c "$hide" - "$RUN_DIR/portfwd.sock" "$PORTFWD" -c "$CONFIG" \
		--run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" -q add between 81 "$SERVER4:$port" --replace
	between=$port
	is_between
}

is_between() {
	equal "$between" "$(pfw_json '.forwards[0].target[0].port' list between)" "what the command line did alone"
}

# Ends the daemon in some way, and after some time, in which the command line is alone,
# starts another one.
disturb() {
	local signal

	# The first one is killed in any case.
	case $((kills ? RANDOM % 8 : 0)) in
	0 | 1 | 2) signal=KILL ;;
	3) signal=TERM ;;
	4) kill -HUP "$DAEMON_PID" && return ;;
	5) pfw -q reload && return ;;
	*) "${beside[@]}" && return ;;
	esac
	kills=$((kills + 1))
	daemon_stop "$signal" 2> /dev/null || [ "$signal" = KILL ]
	[ "$signal" = KILL ] || [ ! -e "$CONFIG.journal" ]
	[ $((RANDOM % 2)) = 0 ] || change_between
	daemon_start "${BACKEND_WORDS[@]}"
	[ -z "${between-}" ] || is_between
}

storm() {
	local end=$((SECONDS + STORM_SECONDS))

	while [ "$SECONDS" -lt "$end" ]; do
		sleep "$((RANDOM % 5)).$((RANDOM % 10))"
		kill -0 "$CLIENTS_PID" 2> /dev/null || return 0
		disturb
	done
}

# What a list says of forwards that the clients have, but for what is of the moment.
content() {
	jq -S '[.forwards[] | select(.name | startswith("s0")) | del(.connections, .file, .state)] | sort_by(.name)'
}

# beside: what is done while the daemon works.
rages() { # SETTINGS
	local kills=0 left

	begin "$1"
	clients_start
	storm
	clients_end
	"$PORTFWD" -c /run/expected --run-dir /run/none --json list | content > /run/should
	in_ns gw curl -sS --unix-socket "$RUN_DIR/portfwd.sock" http://localhost/v1/forwards > /run/memory
	content < /run/memory | diff /run/should -
	pfw diff
	daemon_stop
	[ ! -e "$CONFIG.journal" ]
	# Without the daemon, from the files.
	pfw --json list | jq . > /run/files
	jq . /run/memory | diff - /run/files
	pfw diff
	left=$(find "$ETC" -name '.*' -type f -printf '%f\n' | sort | xargs)
	[ "$left" = ".portfwd.json.applied .portfwd.lock" ] || [ "$left" = ".portfwd.lock" ]
	[ ! -e "$CONFIG.journal.rejected" ]
	# It was not idle.
	[ "$kills" -gt 0 ]
}

@test "nothing that was acknowledged is lost, and in the end all say the same" {
	local beside=(change_between)

	rages '{}'
}

# bats test_tags=nftables
@test "the same where the daemon owns the table" {
	# Which nobody else can change then.
	local beside=(true) STORM_SECONDS=$((STORM_SECONDS / 2))

	rages '{ "own_table": true }'
}

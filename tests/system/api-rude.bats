#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Clients of the control API that are broken, slow, greedy or hostile. If these fail, one of them keeps
# others from being served, or brings portfwdd down, which then repairs nothing any more.
#
# Backends: nftables
# As long as 30 tests
# shellcheck disable=SC2154 # code and body are set by api

load helpers
load daemon
load api

# What a daemon with few forwards may take at most, whatever comes; sanitizers take more.
: "${RUDE_KIB:=131072}"

setup() {
	sandbox_check
	command -v python3 > /dev/null || skip "python3 is not installed"
	portfwd_setup
	host_add gw
	daemon_setup
	config <<< '{ "forwards": [ { "name": "web", "listen": "8080", "target": "10.0.0.2:80" } ] }'
	daemon_start
}

# Whatever happened: the daemon is the same, serves, and its memory was bounded.
teardown() {
	local pid most

	for pid in "${PIDS[@]}"; do
		kill "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	PIDS=()
	[ -n "${DAEMON_PID-}" ] || return 0
	most=$(awk '/^VmHWM/ { print $2 }' "/proc/$DAEMON_PID/status")
	answers 200 GET /v1/forwards
	equal web "$(field '[.forwards[].name] | join(" ")')"
	if [ "$most" -gt "$RUDE_KIB" ]; then
		echo "the daemon took $most KiB" >&2
		return 1
	fi
	daemon_stop
	hosts_remove
}

rude() { # KIND
	python3 "$HELPERS/rude" "$RUN_DIR/portfwd.sock" "$1"
}

# Each kind and what it gets: "closed", or one of several statuses with | between.
gets() { # KIND:ANSWER …
	local pair answer wrong=0

	for pair in "$@"; do
		answer=$(rude "${pair%%:*}")
		if [[ "|${pair#*:}|" != *"|$answer|"* ]]; then
			echo "${pair%%:*}: expected ${pair#*:}, got $answer" >&2
			wrong=1
		fi
		answers 200 GET /v1/forwards/web
	done
	return "$wrong"
}

@test "heads that are too large or no HTTP" {
	gets headers:431 more-headers:431 long-header:431 long-path:414 "garbage:closed|400|414|431" no-host:400 version:505 \
		"length-negative:400" "length-endless:413|400" chunk:400 two-lengths:400 coding:400
}

@test "bodies of a gigabyte" {
	gets gigabyte:413 gigabyte-patch:413 "gigabyte-chunked:413|closed" \
		"gigabyte-file:413|503|closed" "gigabyte-get:413|closed" \
		"gigabyte-nowhere:413|404|closed"
}

@test "JSON that is deep, endless or no text" {
	gets "deep:400|413" "deep-list:400|413" values:413 text:422 zero:400 not-utf-8:400
}

@test "requests that end after every single byte" {
	rude cut
}

@test "who is slow is hung up on, and others are served meanwhile" {
	local slow name seconds worst=0 begun took

	rude slow > "$BATS_TEST_TMPDIR/slow" 3>&- &
	slow=$!
	PIDS+=("$slow")
	while kill -0 "$slow" 2> /dev/null; do
		begun=$(date +%s%3N)
		answers 200 GET /v1/forwards/web
		took=$(($(date +%s%3N) - begun))
		[ "$took" -le "$worst" ] || worst=$took
		sleep 0.2
	done
	PIDS=()
	echo "the slowest answer to others took $worst ms" >&2
	[ "$worst" -lt 3000 ]
	equal "body chunks head headers idle silent" "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/slow" | paste -sd ' ')"
	while read -r name seconds; do
		case $name in
		body | chunks) [ "$seconds" -ge 25 ] && [ "$seconds" -le 40 ] ;;
		*) [ "$seconds" -ge 8 ] && [ "$seconds" -le 20 ] ;;
		esac || { echo "$name was borne for $seconds s" >&2 && return 1; }
	done < "$BATS_TEST_TMPDIR/slow"
}

@test "one user's crowd of connections leaves room for others" {
	local held

	setpriv --reuid 65534 --regid 65534 --clear-groups true 2> /dev/null || skip "there is one user only"
	daemon_stop
	RUN_DIR=/run/portfwd-test
	rm -rf -- "$RUN_DIR"
	daemon_start --group daemon
	cp "$HELPERS/rude" /run/rude
	setpriv --reuid 65534 --regid 1 --clear-groups "$(command -v /usr/bin/python3 || command -v python3)" /run/rude \
		"$RUN_DIR/portfwd.sock" crowd 3>&- > "$BATS_TEST_TMPDIR/crowd" 2>&1 &
	PIDS+=("$!")
	eventually 20 test -s "$BATS_TEST_TMPDIR/crowd"
	held=$(cat "$BATS_TEST_TMPDIR/crowd")
	equal 64 "$held"
	has_logged "the user has too many: uid=65534"
	answers 200 GET /v1/forwards/web
	# Once they are gone, the user is served again at once.
	kill "${PIDS[0]}"
	wait "${PIDS[0]}" || true
	PIDS=()
	API_AS=(setpriv --reuid 65534 --regid 1 --clear-groups)
	answers 200 GET /v1/forwards/web
}

@test "who listens to events and does not read keeps nobody waiting" {
	local i

	rude deaf > "$BATS_TEST_TMPDIR/deaf" 3>&- &
	PIDS+=("$!")
	eventually 10 test -s "$BATS_TEST_TMPDIR/deaf"
	for i in {1..150}; do
		printf 'next\nunix-socket = "%s"\noutput = /dev/null\n' "$RUN_DIR/portfwd.sock"
		printf 'url = "http://l/v1/forwards/web"\nrequest = PATCH\n'
		printf 'header = "Content-Type: application/json"\ndata = "{\\"comment\\": \\"%0128d\\"}"\n' "$i"
	done | sed 1d > "$BATS_TEST_TMPDIR/many"
	curl -sS -K "$BATS_TEST_TMPDIR/many"
	answers 200 GET /v1/forwards/web
	equal 150 "$(field .comment | sed 's/^0*//')"
	answers 200 GET /metrics
	contains "$body" "portfwd_event_clients 60"
}

@test "who waits until less is held goes on when those who sent it are gone" {
	local client

	python3 "$HELPERS/rude" "$RUN_DIR/portfwd.sock" stuck > "$BATS_TEST_TMPDIR/stuck" 3>&- &
	PIDS+=("$!")
	eventually 10 test -s "$BATS_TEST_TMPDIR/stuck"
	curl -sS --max-time 20 --unix-socket "$RUN_DIR/portfwd.sock" http://localhost/v1/forwards \
		> "$BATS_TEST_TMPDIR/list" 3>&- &
	client=$!
	answers 200 GET /v1/forwards/web
	kill -0 "$client"
	kill "${PIDS[0]}"
	wait "$client"
	equal web "$(jq -r '.forwards[].name' "$BATS_TEST_TMPDIR/list")"
}

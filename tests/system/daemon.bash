# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # the variables of helpers.bash
#
# portfwdd in the gateway, for tests that load helpers.bash too.

# Who has given up rights cannot look for leaks.
[ -z "${ASAN_OPTIONS-}" ] || export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

# Until the command succeeds, SECONDS at most.
eventually() { # SECONDS COMMAND …
	local tries=$(($1 * 50))
	shift
	until "$@"; do
		if [ $((tries -= 1)) -le 0 ]; then
			echo "did not come true: $*" >&2
			daemon_log >&2
			return 1
		fi
		sleep 0.02
	done
}

daemon_setup() {
	PORTFWDD=${PORTFWDD:-$(dirname -- "$PORTFWD")/portfwdd}
	if [ ! -x "$PORTFWDD" ]; then
		skip "portfwdd was not built"
	fi
	DAEMON_LOG=$BATS_TEST_TMPDIR/daemon.log
	DAEMON_PID=
}

# The daemon's arguments, for a command of one's own in the gateway.
daemon_run() { # ARGUMENT …
	ip netns exec gw "$PORTFWDD" -c "$CONFIG" --run-dir "$RUN_DIR" "$@"
}

# Starts it, and returns when it serves; a socket may be there that one has left which was killed.
daemon_start() { # ARGUMENT …
	local left

	left=$(daemon_socket)
	: >> "$DAEMON_LOG"
	exec_daemon "$@" &
	DAEMON_PID=$!
	eventually 10 serves_since "$left"
}

daemon_socket() {
	stat -c '%i %z' "$RUN_DIR/portfwd.sock" 2> /dev/null || true
}

serves_since() { # SOCKET
	[ -S "$RUN_DIR/portfwd.sock" ] && [ "$(daemon_socket)" != "$1" ]
}

exec_daemon() {
	exec ip netns exec gw "$PORTFWDD" -c "$CONFIG" --run-dir "$RUN_DIR" --foreground "$@" \
		3>&- < /dev/null 2>> "$DAEMON_LOG"
}

# Ends it as systemd does; its exit code.
daemon_stop() { # [SIGNAL]
	local pid=$DAEMON_PID

	DAEMON_PID=
	kill -s "${1:-TERM}" "$pid"
	wait "$pid"
}

daemon_log() {
	cat "$DAEMON_LOG"
}

# How many lines of the log have this in them.
logged() { # PART
	grep -c -F -- "$1" "$DAEMON_LOG" || true
}

has_logged() { # PART [TIMES]
	[ "$(logged "$1")" -ge "${2:-1}" ]
}

# For teardown: what a failed test has left.
daemon_end() {
	if [ -n "${DAEMON_PID-}" ]; then
		kill -KILL "$DAEMON_PID" 2> /dev/null || true
		wait "$DAEMON_PID" 2> /dev/null || true
		DAEMON_PID=
	fi
}

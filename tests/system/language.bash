# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # names are set by helpers.bash and bats
#
# For the tests of the rule language: many servers and questions at once, see peer.c.
# Load it behind helpers.

setup_file() {
	"${CC:-cc}" -O1 -o "$BATS_FILE_TMPDIR/peer" "$BATS_TEST_DIRNAME/peer.c" \
		"$BATS_TEST_DIRNAME/sctp.c"
}

PEER=$BATS_FILE_TMPDIR/peer

# Starts servers in a host; returns when they all listen.
peer_serve() { # HOST NAME tcp|udp ADDRESS PORTS [NAME tcp|udp ADDRESS PORTS …]
	local host=$1 ready line
	shift
	mkfifo "$BATS_TEST_TMPDIR/ready.$host.${#PIDS[@]}"
	exec {ready}<> "$BATS_TEST_TMPDIR/ready.$host.${#PIDS[@]}"
	setsid nsenter --net="/run/netns/$host" "$PEER" serve "$@" 3>&- < /dev/null >&"$ready" &
	PIDS+=("$!")
	if ! IFS= read -r -t 10 line <&"$ready" || [ "$line" != ready ]; then
		echo "servers on $host: no word from them: $*" >&2
		return 1
	fi
	exec {ready}>&-
}

# Both protocols, in one name.
peer_serve_both() { # HOST NAME ADDRESS PORTS
	peer_serve "$1" "$2" tcp "$3" "$4" "$2" udp "$3" "$4"
}

# Sends the lines of standard input to one process in a host, and prints what it answers.
peer_ask() { # HOST
	in_ns "$1" "$PEER" ask
}

# Expects "NAME PEER PORT", of which what is behind may be left out, or none.
gets() { # ANSWER HOST tcp|udp ADDRESS PORT [SOURCE]
	local expected=$1 host=$2 verb=ask answer
	shift 2
	[ "$expected" != none ] || verb=try
	answer=$(peer_ask "$host" <<< "$verb $*")
	case "$answer " in
	"$expected "*) ;;
	*)
		echo "$* from $host: expected $expected, got: $answer" >&2
		show_gateway >&2
		return 1
		;;
	esac
}

# A client's further addresses.
more_clients() { # HOST IF ADDRESS/LENGTH …
	addr_add "$@"
}

in_sync() {
	if ! soon pfw diff >&2; then
		echo "not in sync" >&2
		show_gateway >&2
		return 1
	fi
}

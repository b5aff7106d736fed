#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a repair costs follows what was disturbed. If these fail, a daemon with many forwards
# reads all of them for each of its interfaces that comes or goes, and answers nobody meanwhile.
#
# Backends: nftables

load helpers
load daemon

FORWARDS=4000

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
	command -v strace > /dev/null || skip "strace is not there"
	serve_tcp one server "$SERVER4" 80
	{
		echo "{ \"forwards\": [ { \"name\": \"web\", \"listen\": \"$WAN4:8080\", \"target\": \"$SERVER4:80\" }"
		awk -v n="$FORWARDS" 'BEGIN { for (i = 0; i < n; i++)
			printf ", { \"name\": \"f%d\", \"listen\": \"10.9.%d.%d:80\", \"target\": \"10.9.0.1\" }",
				i, i / 250, i % 250 }'
		echo ' ] }'
	} | config
	daemon_start
	eventually 10 has_logged "loaded: why=start"
	# What it was told of its own beginning is behind it then.
	pfw -q add ready 8090 "$SERVER4:80"
}

teardown() {
	daemon_end
	everything_ends
}

is_traced() {
	[ "$(awk '/^TracerPid/ { print $2 }' "/proc/$DAEMON_PID/status")" != 0 ]
}

# How many bytes of netlink the daemon takes in until the command has come true.
bytes_until() { # CALLS COMMAND …
	local calls=$1
	shift
	strace -qq -f -p "$DAEMON_PID" -e trace=recvmsg -o "$calls" 2> "$calls.log" &
	local tracer=$!
	eventually 5 is_traced
	"$@"
	kill "$tracer"
	wait "$tracer" || true
	awk '/recvmsg/ && $NF > 0 { n += $NF } END { print n + 0 }' "$calls"
}

all_read() {
	pfw diff > /dev/null
}

same_again() {
	pfw -q add f1 10.9.0.1:80 10.9.0.1
}

disturbed() { # COMMAND …
	local times

	times=$(logged "put back what others had changed")
	in_ns gw "$@"
	eventually 10 has_logged "put back what others had changed" $((times + 1))
}

@test "only what was disturbed is read" {
	local all bytes words

	all=$(bytes_until "$BATS_TEST_TMPDIR/all" all_read)
	# Else nothing would be proved by what is less.
	[ "$all" -gt $((FORWARDS * 60)) ]
	bytes=$(bytes_until "$BATS_TEST_TMPDIR/same" same_again)
	echo "adding what stands: $bytes of $all bytes"
	[ "$bytes" -lt $((all / 3)) ]
	while read -r -a words; do
		bytes=$(bytes_until "$BATS_TEST_TMPDIR/some" disturbed "${words[@]}")
		echo "${words[*]}: $bytes of $all bytes"
		[ "$bytes" -lt $((all / 3)) ]
		reaches tcp client "$WAN4" 8080 one
		pfw diff
	done <<- EOF
		sysctl -q -w net.ipv4.ip_forward=0
		nft delete element inet portfwd dnat4_addr { $WAN4 . tcp . 8080 }
		nft add element inet portfwd dnat4_addr { 10.8.0.1 . tcp . 80 : 10.9.0.1 . 80 }
		nft insert rule inet portfwd prerouting drop
		nft flush chain inet portfwd output
		nft delete element inet portfwd targets4 { $SERVER4 }
		nft flush ruleset
	EOF
	daemon_log
	equal 7 "$(logged "put back what others had changed")"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With own_table, portfwdd owns its table. If these fail, others change what they must not, or nobody
# can change it any more, or a table of a daemon that was killed is lost.
#
# As long as 20 tests.
#
# Backends: nftables
# shellcheck disable=SC2154 # output and status are set by run

load helpers
load daemon
load language

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
	peer_serve server one tcp "$SERVER4" 80 one tcp "$SERVER6" 80
	own_table true
}

teardown() {
	daemon_end
	pids=("${PIDS[@]}")
	for pid in "${pids[@]}"; do
		kill -- "-$pid" 2> /dev/null || true
	done
	wait "${pids[@]}" 2> /dev/null || true
	PIDS=()
	hosts_remove
}


own_table() { # true|false
	config <<- EOF
		{ "settings": { "own_table": $1 }, "forwards": [
		{ "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] } ] }
	EOF
}

@test "try" {
	pfw reload
	daemon_start
	in_ns gw nft list tables
	in_ns gw nft list table inet portfwd | head -3
	run in_ns gw nft delete table inet portfwd
	echo "$status $output"
	in_ns gw nft flush ruleset
	in_ns gw nft list tables
	pfw add 8081 "$SERVER4:80"
	daemon_stop KILL || true
	in_ns gw nft list table inet portfwd | head -3
	pfw diff; echo diff $?
	pfw add 8082 "$SERVER4:80"
	pfw -q reload
	pfw status
	daemon_start
	in_ns gw nft list table inet portfwd | head -3
	pfw diff
	own_table false
	sleep 0.5
	in_ns gw nft list table inet portfwd | head -3
	own_table true
	sleep 0.5
	in_ns gw nft list table inet portfwd | head -3
	daemon_log
	pfw status
	daemon_stop
	false
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# portfwdd with the iptables backend. If these fail, forwards in iptables stay broken when others
# change something, or the daemon stands in the way of others who use iptables.
#
# Backends: iptables

load helpers
load daemon

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] } ] }
	EOF
	serve_tcp one server "$SERVER4" 80
	serve_tcp six server "$SERVER6" 80
}

teardown() {
	daemon_end
	everything_ends
}

iptables() { # ARGUMENT …
	in_ns gw iptables-legacy -w "$@"
}

ip6tables() { # ARGUMENT …
	in_ns gw ip6tables-legacy -w "$@"
}

works() { # [PORT]
	reaches tcp client "$WAN4" "${1:-8080}" one
	reaches tcp client "$WAN6" "${1:-8080}" six
}

# There is one line more about it, and the forward works again.
repaired() { # TIMES
	eventually 5 has_logged "put back what others had changed" "$1"
	works
	pfw diff
}

not_repaired() { # TIMES
	sleep 0.3
	equal "${1:-0}" "$(logged "put back")" "repairs"
	equal 0 "$(logged "cannot")" "failures"
}

@test "each command goes through it, and gives the answers of the command line alone" {
	daemon_start --backend iptables
	works
	equal "portfwdd: loaded: why=start forwards=1" "$(daemon_log | grep loaded | cut -d' ' -f1-4)"
	run pfw add more 8081 "$SERVER4:80"
	equal 'added "more": 8081/tcp -> 10.0.0.2:80' "$output"
	has_logged "verb=add forward=more"
	reaches tcp client "$WAN4" 8081 one
	equal "web 2 active, more 1 active" \
		"$(pfw_json '[.forwards[] | "\(.name) \(.connections) \(.state)"] | join(", ")' list)"
	equal "iptables true true true" \
		"$(pfw_json '"\(.backend) \(.in_sync) \(.guard) \(.daemon.running)"' status)"
	pfw disable more
	unreachable tcp client "$WAN4" 8081
	pfw enable more
	pfw remove more
	unreachable tcp client "$WAN4" 8081
	pfw_fails 3 remove more
	pfw diff
	equal 0 "$(pfw_json .objects reload)"
	pfw export --format iptables | grep -q -- '--comment "portfwd:web"'
	pfw flush
	nothing_is_left
	equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
	pfw reload
	works
	daemon_stop
	works
	pfw diff
}

@test "what others take out comes back at once, though the kernel tells nothing of it" {
	local n=0 chain

	daemon_start --backend iptables
	iptables -t nat -F
	repaired $((n += 1))
	contains "$(daemon_log | tail -n 1)" "cause=rules"
	contains "$(daemon_log | tail -n 1)" "what="
	ip6tables -t nat -F
	repaired $((n += 1))
	iptables -F
	repaired $((n += 1))
	chain=$(iptables -t nat -S | grep -m 1 'portfwd:web' | cut -d' ' -f2)
	iptables -t nat -F "$chain"
	repaired $((n += 1))
	iptables -t nat -I "$chain" -p tcp --dport 8080 -j ACCEPT
	repaired $((n += 1))
	# Somebody loads a firewall without us, who knows nothing of our chains.
	printf '%s\n' '*nat' '-A PREROUTING -p tcp --dport 7 -j ACCEPT' COMMIT '*filter' COMMIT |
		in_ns gw iptables-legacy-restore -w
	repaired $((n += 1))
	equal '-A PREROUTING -p tcp -m tcp --dport 7 -j ACCEPT' "$(iptables -t nat -S | grep 'dport 7 ')"
	daemon_stop
}

@test "what others do elsewhere, who only looks, and what we do ourselves, is no repair" {
	local before

	daemon_start --backend iptables
	iptables -A INPUT -p tcp --dport 7 -j ACCEPT
	iptables -t nat -S > /dev/null
	in_ns gw iptables-legacy-save > /dev/null
	iptables -t nat -N OTHER
	iptables -t nat -A OTHER -j RETURN
	before=$(iptables_save gw | grep -vi portfwd)
	kill -HUP "$DAEMON_PID"
	eventually 5 has_logged "why=signal"
	pfw -q add more 8081 "$SERVER4:80"
	not_repaired
	equal "$before" "$(iptables_save gw | grep -vi portfwd)"
	daemon_stop
}

@test "whoever takes no lock is found out by SIGHUP, by a command, and by the clock" {
	daemon_start --backend iptables
	XTABLES_LOCKFILE=$BATS_TEST_TMPDIR/other iptables -t nat -F
	XTABLES_LOCKFILE=$BATS_TEST_TMPDIR/other ip6tables -t nat -F
	not_repaired
	pfw_fails 7 diff
	equal false "$(pfw_json .in_sync status)"
	equal missing "$(pfw_json '.forwards[].state' list)"
	kill -HUP "$DAEMON_PID"
	eventually 5 has_logged "why=signal"
	works
	XTABLES_LOCKFILE=$BATS_TEST_TMPDIR/other iptables -t nat -F
	pfw -q add more 8081 "$SERVER4:80"
	works
	XTABLES_LOCKFILE=$BATS_TEST_TMPDIR/other iptables -t nat -F
	eventually 35 has_logged "cause=look"
	works
	daemon_stop
}

@test "a lock that somebody has taken away and made anew is followed" {
	daemon_start --backend iptables
	rm "$XTABLES_LOCKFILE"
	eventually 5 test -e "$XTABLES_LOCKFILE"
	iptables -t nat -F
	repaired 1
	daemon_stop
}

@test "in between it holds no lock, and whoever holds it for long is waited for" {
	local fd begun

	daemon_start --backend iptables
	for _ in {1..20}; do
		in_ns gw iptables-legacy -t filter -S > /dev/null
	done
	exec {fd}< "$XTABLES_LOCKFILE"
	flock "$fd"
	(
		exec 3>&-
		sleep 2
		flock -u "$fd"
	) &
	begun=$EPOCHSECONDS
	pfw -q add more 8081 "$SERVER4:80"
	[ $((EPOCHSECONDS - begun)) -ge 1 ]
	wait "$!"
	exec {fd}<&-
	reaches tcp client "$WAN4" 8081 one
	pfw diff
	equal 0 "$(logged "cannot")"
	daemon_stop
}

@test "a flush that has to wait for the lock changes nothing before it has it" {
	local fd flush told=$BATS_TEST_TMPDIR/netconf

	daemon_start --backend iptables
	setsid ip netns exec gw ip monitor netconf 3>&- < /dev/null > "$told" 2>&1 &
	PIDS+=("$!")
	exec {fd}< "$XTABLES_LOCKFILE"
	flock "$fd"
	pfw -q flush 3>&- &
	flush=$!
	# Several tries.
	sleep 0.5
	kill -0 "$flush"
	equal "" "$(< "$told")" "what was switched"
	flock -u "$fd"
	exec {fd}<&-
	wait "$flush"
	nothing_is_left
	equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
	eventually 5 test -s "$told"
	daemon_stop
}

settings() { # BACKEND
	config <<- EOF
		{ "settings": { "backend": "$1" }, "forwards": [
			{ "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] } ] }
	EOF
}

in_iptables() {
	equal "" "$(in_ns gw nft list ruleset)" "nftables"
	iptables_save gw | grep -q 'portfwd:web'
}

in_nftables() {
	in_ns gw nft list table inet portfwd > /dev/null
	equal "" "$(iptables_save gw | grep -i portfwd)" "iptables"
}

@test "it moves from one backend to the other when the settings say so, and watches the one that is at work" {
	built_in nftables || skip "built without nftables"
	BACKEND_WORDS=()
	settings nftables
	daemon_start
	works
	in_nftables
	settings iptables
	eventually 5 has_logged "why=file" 1
	works
	in_iptables
	iptables -t nat -F
	repaired 1
	settings nftables
	eventually 5 has_logged "why=file" 2
	works
	in_nftables
	in_ns gw nft flush ruleset
	repaired 2
	iptables -t nat -F
	not_repaired 2
	settings auto
	eventually 5 has_logged "why=file" 3
	works
	in_nftables
	equal "nftables" "$(pfw_json .backend status)"
	settings iptables
	pfw reload
	in_iptables
	pfw -q add more 8081 "$SERVER4:80"
	reaches tcp client "$WAN4" 8081 one
	equal 0 "$(logged "not loaded")"
	daemon_stop
	pfw diff
}

@test "on a kernel without nf_tables, auto is iptables, and is watched" {
	"${CC:-cc}" -O1 -o "$BATS_TEST_TMPDIR/without" "$BATS_TEST_DIRNAME/without.c"
	BACKEND_WORDS=()
	settings auto
	exec_without() {
		exec ip netns exec gw "$BATS_TEST_TMPDIR/without" nftables "$PORTFWDD" -c "$CONFIG" \
			--run-dir "$RUN_DIR" --foreground 3>&- < /dev/null 2>> "$DAEMON_LOG"
	}
	: > "$DAEMON_LOG"
	exec_without &
	DAEMON_PID=$!
	eventually 10 test -S "$RUN_DIR/portfwd.sock"
	works
	in_iptables
	equal "iptables true" "$(pfw_json '"\(.backend) \(.in_sync)"' status)"
	iptables -t nat -F
	repaired 1
	daemon_stop
}

@test "what is switched off on the host is switched on again at once" {
	daemon_start --backend iptables
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
	repaired 1
	contains "$(daemon_log | tail -n 1)" "cause=host"
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv6/conf/all/forwarding'
	repaired 2
	daemon_stop
}

@test "killed, nothing is lost; the next one finds the rules in order" {
	daemon_start --backend iptables
	pfw -q add more 8081 "$SERVER4:80"
	daemon_stop KILL || true
	works
	reaches tcp client "$WAN4" 8081 one
	pfw diff
	pfw -q add third 8082 "$SERVER4:80"
	wipe
	daemon_start --backend iptables
	eventually 5 has_logged "why=start forwards=3" 1
	works 8080
	reaches tcp client "$WAN4" 8081 one
	reaches tcp client "$WAN4" 8082 one
	pfw diff
	equal "web more third" "$(jq -r '[.forwards[].name] | join(" ")' "$CONFIG")"
	daemon_stop
}

@test "interfaces that come, go and change their names are followed" {
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" },
			{ "name": "here", "listen": "8090", "target": "127.0.0.1:90" } ] }
	EOF
	serve_tcp here gw 127.0.0.1 90
	daemon_start --backend iptables
	reaches tcp client "$WAN4" 8090 here
	ip -n gw link set wan0 down
	ip -n gw link set wan0 name up0
	ip -n gw link set up0 up
	eventually 5 pfw diff
	eventually 5 eval 'iptables_save gw | grep -q -- "-i up0 "'
	equal true "$(pfw_json .guard status)"
	reaches tcp client "$WAN4" 8080 one
	reaches tcp client "$WAN4" 8090 here
	unreachable tcp client "$SERVER4" 80
	ip -n gw link del up0
	link_add client wan gw wan0
	addr_add client wan "$CLIENT4/24"
	addr_add gw wan0 "$WAN4/24"
	ip -n client route add default via "$WAN4"
	eventually 5 pfw diff
	reaches tcp client "$WAN4" 8080 one
	reaches tcp client "$WAN4" 8090 here
	# A host behind the gateway that uses its public address: hairpin.
	reaches tcp second "$WAN4" 8080 one
	equal 0 "$(logged "cannot")"
	daemon_stop
}

@test "while nothing happens it sleeps until the clock has it look" {
	local before key='$1 == "voluntary_ctxt_switches:" { print $2 }'

	daemon_start --backend iptables
	sleep 1
	before=$(awk "$key" "/proc/$DAEMON_PID/status")
	sleep 2
	equal "$before" "$(awk "$key" "/proc/$DAEMON_PID/status")"
	daemon_stop
}

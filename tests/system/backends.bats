#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which backend programs the packets: by itself, by the settings, by an option; on kernels that
# have but one, or none; and from one to the other.
#
# Backends: nftables
# Needs both

bats_require_minimum_version 1.5.0
load helpers
load held

setup_file() {
	"${CC:-cc}" -O1 -o "$BATS_FILE_TMPDIR/without" "$BATS_TEST_DIRNAME/without.c"
	"${CC:-cc}" -shared -fPIC -o "$BATS_FILE_TMPDIR/refuse.so" "$BATS_TEST_DIRNAME/refuse.c" -ldl
}

# As on a kernel that lacks something.
without() { # nftables|iptables|both ARGUMENT …
	local what=$1
	shift
	in_ns gw "$BATS_FILE_TMPDIR/without" "$what" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "$@"
}

in_nftables() {
	in_ns gw nft list table inet portfwd > /dev/null 2>&1
}

in_iptables() {
	iptables_save gw | grep -q PORTFWD
}

@test "the filter refuses what it says, and nothing else" {
	run in_ns gw "$BATS_FILE_TMPDIR/without" nftables nft list ruleset
	[ "$status" -ne 0 ]
	run in_ns gw "$BATS_FILE_TMPDIR/without" nftables iptables-legacy -w -t nat -S
	equal 0 "$status" "$output"
	run in_ns gw "$BATS_FILE_TMPDIR/without" iptables iptables-legacy -w -t nat -S
	[ "$status" -ne 0 ]
	run in_ns gw "$BATS_FILE_TMPDIR/without" iptables nft list ruleset
	equal 0 "$status" "$output"
}

@test "auto is nftables where it can be, and leaves iptables unopened" {
	pfw add web 8080 "$SERVER4:80"
	equal nftables "$(pfw_json .backend status)"
	in_nftables
	equal "" "$(in_ns gw cat /proc/net/ip_tables_names /proc/net/ip6_tables_names)"
}

falls_back() { # COMMAND … that runs portfwd
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	run --separate-stderr "$@" add web 8080 "$SERVER4:80,[$SERVER6]:80"
	equal 0 "$status" "$stderr"
	contains "$output$stderr" iptables
	equal 1 "$(grep -c 'nf_tables\|nftables' <<< "$output"$'\n'"$stderr")" "said once"
	in_iptables
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	run --separate-stderr "$@" add more 8081 "$SERVER4:80"
	equal 0 "$status" "$stderr"
	equal 0 "$(grep -c 'nf_tables\|nftables' <<< "$output"$'\n'"$stderr")" "said again: $stderr"
	reaches tcp client "$WAN4" 8081 web4
	run --separate-stderr "$@" --json status
	equal iptables "$(jq -r .backend <<< "$output")"
	run "$@" status
	contains "$output" iptables
	contains "$output" nftables
	"$@" diff
	"$@" reload
	hold one client "TCP4:$WAN4:8081"
	carries one web4 before
}

@test "a kernel without netfilter's netlink: auto falls back, says so once, works, status tells why" {
	falls_back without nftables
	without nftables remove more
	unreachable tcp client "$WAN4" 8081
	without nftables flush
	nothing_is_left
	equal "0 0" "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
}

# Asks what is there besides, too, so connections are cut as ever.
astray() { # ARGUMENT …
	REFUSE_NFTABLES=1 LD_PRELOAD=$BATS_FILE_TMPDIR/refuse.so \
		ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0" pfw "$@"
}

@test "a kernel whose netlink has no nf_tables: the same, and connections of what goes are cut" {
	falls_back astray
	astray remove more
	carries_nothing one
	astray flush
	nothing_is_left
}

@test "what is over in a moment is no reason to move all rules to another backend" {
	pfw add web 8080 "$SERVER4:80"
	REFUSE_SOCKET=1 LD_PRELOAD=$BATS_FILE_TMPDIR/refuse.so \
		ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0" run --separate-stderr pfw reload
	equal 1 "$status" "$stderr"
	contains "$stderr" "Too many open files"
	pfw diff
	equal nftables "$(pfw --json status | jq -r .backend)"
	run grep -c PORTFWD <(in_ns gw iptables-legacy-save)
	equal 0 "$output"
}

@test "without either: one error that tells what is missing and what to do; nothing has changed" {
	run --separate-stderr without both add web 8080 "$SERVER4:80"
	equal 1 "$status" "$stderr"
	contains "$stderr" nftables
	contains "$stderr" iptables
	contains "$stderr" modprobe
	[ ! -e "$CONFIG" ]
	equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
	nothing_is_left
	run --separate-stderr without both --json add web 8080 "$SERVER4:80"
	equal "1 failed" "$(jq -r '.error | "\(.exit) \(.kind)"' <<< "$output")"
}

@test "the backend that is asked for is not there: an error that names it, and no other is taken" {
	run without nftables --backend nftables add web 8080 "$SERVER4:80"
	equal 1 "$status" "$output"
	contains "$output" "this kernel has no nf_tables"
	run without iptables --backend iptables add web 8080 "$SERVER4:80"
	equal 1 "$status" "$output"
	contains "$output" ip_tables
	[ ! -e "$CONFIG" ]
	nothing_is_left
}

@test "without the capabilities: exit code 5, and words that name them" {
	local caps backend
	for backend in nftables iptables; do
		for caps in net_admin net_admin,net_raw; do
			run in_ns gw setpriv --bounding-set "-${caps//,/,-}" "$PORTFWD" -c "$CONFIG" \
				--run-dir "$RUN_DIR" --backend "$backend" add web 8080 "$SERVER4:80"
			equal 5 "$status" "$backend without $caps: $output"
			contains "$output" CAP_NET_ADMIN
		done
	done
	run in_ns gw setpriv --bounding-set -net_raw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" \
		--backend iptables add web 8080 "$SERVER4:80"
	equal 5 "$status" "$output"
	contains "$output" CAP_NET_RAW
	[ ! -e "$CONFIG" ]
	nothing_is_left
}

move() { # FROM TO
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 53
	serve_tcp inner gw 127.0.0.1 9000
	config <<-JSON
		{ "forwards": [
		  { "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		  { "name": "dns", "listen": "$WAN4:5353/udp", "target": "$SERVER4:53" },
		  { "name": "few", "listen": "8081", "target": "$SERVER4:80", "source": "$CLIENT4", "snat": "masquerade" },
		  { "name": "inner", "listen": "8082", "target": "127.0.0.1:9000" }
		] }
	JSON
	pfw --backend "$1" reload
	"in_$1"
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP6:[$WAN6]:8080"
	hold three client "TCP4:$WAN4:8081"
	hold four client "TCP4:$WAN4:8082"
	hold five client "UDP4:$WAN4:5353"
	local guard all="web4 web6 web4 inner dns4"
	everybody() { # WHEN
		carries one web4 "$1"
		carries two web6 "$1"
		carries three web4 "$1"
		carries four inner "$1"
		carries five dns4 "$1"
	}
	everybody before
	guard=$(pfw_json .guard status)
	pfw --backend "$2" --dry-run reload
	"in_$1"
	run "in_$2"
	[ "$status" -ne 0 ]
	pfw --backend "$2" reload
	"in_$2"
	run "in_$1"
	[ "$status" -ne 0 ]
	everybody after
	equal "$2 true $guard" "$(pfw_json '"\(.backend) \(.in_sync) \(.guard)"' --backend "$2" status)"
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	reaches tcp client "$WAN4" 8081 web4 "$LAN4"
	reaches tcp client "$WAN4" 8082 inner "$CLIENT4"
	# A single change goes on with what stands.
	pfw add more 8083 "$SERVER4:80"
	run "in_$1"
	[ "$status" -ne 0 ]
	reaches tcp client "$WAN4" 8083 web4
	pfw remove web
	carries_nothing one
	carries_nothing two
	carries three web4 "of another"
	pfw flush
	nothing_is_left
}

@test "from nftables to iptables: the rules move, nothing is left behind, connections go on" {
	move nftables iptables
}

@test "from iptables to nftables: the same" {
	move iptables nftables
}

@test "the settings name the backend, and a change of them moves the rules" {
	serve_tcp web server "$SERVER4" 80
	settings() {
		echo "{ \"settings\": { \"backend\": \"$1\" }, \"forwards\": [
			{ \"name\": \"web\", \"listen\": \"8080\", \"target\": \"$SERVER4:80\" } ] }" | config
	}
	settings iptables
	pfw reload
	in_iptables
	run in_nftables
	[ "$status" -ne 0 ]
	reaches tcp client "$WAN4" 8080 web
	settings nftables
	pfw_fails 7 diff
	equal 'true []' "$(pfw_json '"\(.guard) \(.warnings)"' status)" "guarded by what stands"
	pfw reload
	in_nftables
	run in_iptables
	[ "$status" -ne 0 ]
	reaches tcp client "$WAN4" 8080 web
	pfw diff
	settings auto
	pfw reload
	in_nftables
	pfw diff
}

# What fails on the way, at each change that the backends ask the kernel for.
half_way() { # FROM TO
	local before call refused=0
	all_of_both() {
		in_ns gw nft -s list ruleset
		iptables_save gw | grep PORTFWD || true
		in_ns gw sh -c 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/route_localnet'
	}
	command -v strace > /dev/null || skip "strace is not there"
	config <<-JSON
		{ "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" },
			{ "name": "inner", "listen": "8082", "target": "127.0.0.1:9000" } ] }
	JSON
	pfw --backend "$1" reload
	before=$(all_of_both)
	for call in {setsockopt,sendmsg}:{1..12}; do
		run in_ns gw strace -qq -f -o /dev/null -e trace="${call%:*}" \
			-e inject="${call%:*}:error=EINVAL:when=${call#*:}" \
			"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" --backend "$2" reload
		if [ "$status" -ne 0 ]; then
			refused=$((refused + 1))
			equal "$before" "$(all_of_both)" "$call: $output"
		fi
		pfw --backend "$1" reload
		equal "$before" "$(all_of_both)" "after $call"
	done
	[ "$refused" -ge 5 ]
}

@test "a move from iptables to nftables that fails half way changes nothing" {
	half_way iptables nftables
}

@test "nor does one from nftables to iptables" {
	half_way nftables iptables
}

both_stand() {
	in_nftables && in_iptables
}

# Killed before each change that is asked of the kernel: what is left of both is told, and the
# next change ends it.
killed_half_way() { # FROM TO
	local call both=0
	for call in {setsockopt,sendmsg}:{1..9}; do
		config <<-JSON
			{ "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" },
				{ "name": "more", "listen": "8081", "target": "$SERVER4:80" } ] }
		JSON
		pfw -q --backend "$1" reload
		run in_ns gw strace -qq -f -o /dev/null -e trace="${call%:*}" \
			-e inject="${call%:*}:signal=KILL:when=${call#*:}" \
			"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" --backend "$2" reload
		if both_stand; then
			both=$((both + 1))
			pfw_fails 7 diff
			equal false "$(pfw_json .in_sync status)"
		fi
		pfw -q remove web
		pfw diff
		run both_stand
		[ "$status" -ne 0 ]
		unreachable tcp client "$WAN4" 8080
	done
	[ "$both" -ge 1 ]
	pfw flush
	nothing_is_left
}

@test "a move that is killed half way: what stands of both is told, the next change leaves one" {
	command -v strace > /dev/null || skip "strace is not there"
	serve_tcp web server "$SERVER4" 80
	killed_half_way iptables nftables
	killed_half_way nftables iptables
}

@test "flush clears both, whichever is meant" {
	pfw --backend iptables add web 8080 "$SERVER4:80"
	in_iptables
	pfw flush
	nothing_is_left
	pfw --backend nftables reload
	pfw --backend iptables flush
	nothing_is_left
}

@test "rules of the other backend that cannot be reached: nothing comes beside them, and flush says so" {
	local rules command
	pfw --backend iptables add web 8080 "$SERVER4:80"
	rules=$(iptables_save gw)
	for command in "--backend nftables reload" flush; do
		# shellcheck disable=SC2086 # words
		run in_ns gw setpriv --bounding-set -net_raw "$PORTFWD" -c "$CONFIG" \
			--run-dir "$RUN_DIR" $command
		equal 5 "$status" "$command: $output"
		contains "$output" CAP_NET_RAW
		equal "$rules" "$(iptables_save gw)"
		run in_nftables
		[ "$status" -ne 0 ]
	done
	equal "iptables true" "$(pfw_json '"\(.backend) \(.in_sync)"' --backend iptables status)"
	pfw flush
	nothing_is_left
}

@test "moves at the same time as adds: everything ends in one place, in sync" {
	local i pids=()
	pfw add web 8080 "$SERVER4:80"
	for i in {1..10}; do
		pfw -q add "web$i" "$((8100 + i))" "$SERVER4:80" > "$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
		pids+=("$!")
		if [ $((i % 4)) = 0 ]; then
			pfw -q --backend "$([ "$i" = 4 ] && echo iptables || echo nftables)" reload 3>&- &
			pids+=("$!")
		fi
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	pfw reload
	equal 11 "$(pfw_json '[.forwards[] | select(.state == "active")] | length' list)"
	pfw diff
	in_nftables
	run in_iptables
	[ "$status" -ne 0 ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A target in 127.0.0.0/8 works for clients outside, and nobody else gets in to what listens there.
#
# Backends: nftables iptables
# Through a daemon: nftables iptables

load helpers

localnet() { # INTERFACE …: the values
	local name
	for name in "$@"; do
		sysctl_get gw "net/ipv4/conf/$name/route_localnet"
	done | xargs
}

# On the link of wan0 sits somebody who sends to 127.0.0.0/8 of the gateway, to its hardware address, and
# counts[wire] and counts[spoofed] say how much of that came in to the gateway.
attacker() {
	ip -n client addr del 127.0.0.1/8 dev lo
	ip -n client route add 127.0.0.0/8 via "$WAN4" dev wan
	ip -n client addr add 127.9.9.9/32 dev wan
	ip -n client route del local 127.9.9.9 dev wan table local || true
	in_ns client sh -c 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
		echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind'
	in_ns gw nft -f - <<-RULES
		table inet seen {
			chain input {
				type filter hook input priority 0;
				iifname wan0 udp dport 7 ip daddr 127.0.0.0/8 counter
				iifname wan0 udp dport 7 ip saddr 127.0.0.0/8 counter
				iifname wan0 udp dport 8 counter
			}
		}
	RULES
}

attack() {
	local n
	for n in 1 2 3; do
		echo x | in_ns client socat -u - "UDP4:127.0.0.1:7,bind=$CLIENT4" || true
		echo x | in_ns client socat -u - "UDP4:127.0.0.$n:7,bind=$CLIENT4" || true
		echo x | in_ns client socat -u - "UDP4:$WAN4:7,bind=127.9.9.9" || true
	done
}

seen() { # to the loopback, from it; ends once all that was sent before has arrived
	local before counts
	before=$(seen_now | cut -d' ' -f3)
	for _ in {1..100}; do
		echo x | in_ns client socat -u - "UDP4:$WAN4:8,bind=$CLIENT4"
		counts=$(seen_now)
		[ "${counts##* }" = "$before" ] || break
		sleep 0.05
	done
	echo "${counts% *}"
}

seen_now() {
	in_ns gw nft -j list chain inet seen input |
		jq -r '[.nftables[] | .rule?.expr? // empty | .[] | .counter?.packets // empty] | join(" ")'
}

# Whether the rules stand that drop what comes from outside to 127.0.0.0/8.
is_shielded() {
	case $BACKEND in
	nftables) contains "$(rules)" 'ip daddr 127.0.0.0/8 drop' ;;
	iptables) contains "$(rules)" '-A PORTFWD-SHIELD -d 127.0.0.0/8 ! -i lo' ;;
	esac
}

is_bare() {
	equal "" "$(rules | grep -iE 'loopback|shield')"
}

shield_lost() {
	case $BACKEND in
	nftables)
		in_ns gw nft delete chain inet portfwd loopback 2> /dev/null ||
			in_ns gw nft "flush chain inet portfwd loopback; delete chain inet portfwd loopback"
		;;
	iptables)
		in_ns gw iptables-legacy -w -t raw -F
		in_ns gw iptables-legacy -w -t raw -X
		;;
	esac
}

everybody_is_served() {
	reaches tcp client "$WAN4" 8080 inner "$CLIENT4"
	reaches udp client "$WAN4" 5353 names "$CLIENT4"
	reaches tcp second "$LAN4" 8080 inner "$SECOND4"
	reaches tcp second "$WAN4" 8080 inner "$SECOND4"
	reaches tcp gw "$WAN4" 8080 inner "$WAN4"
	reaches udp gw "$LAN4" 5353 names
}

inner() {
	serve_tcp inner gw 127.0.0.1 9000
	serve_udp names gw 127.0.0.53 53
}

two_forwards() {
	pfw add inner 8080 127.0.0.1:9000
	pfw add names 5353/udp 127.0.0.53:53
}

@test "clients outside, behind and on the gateway reach a service on 127.0.0.1" {
	inner
	unreachable tcp client "$WAN4" 8080
	two_forwards
	everybody_is_served
	# To a loopback address only who names one is forwarded.
	unreachable tcp gw 127.0.0.1 8080
	# Nothing is routed for it.
	equal "0 0" "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
	equal "active active" "$(pfw_json '[.forwards[].state] | join(" ")' list)"
	equal "1" "$(pfw_json '.forwards[0].connections | if . > 3 then 1 else 0 end' list)"
}

@test "route_localnet is set on each interface, never on all or default; status, diff and flush know it" {
	inner
	equal "0 0 0 0" "$(localnet all default wan0 lan0)"
	run pfw --dry-run add inner 8080 127.0.0.1:9000
	equal 0 "$status" "$output"
	nft_only contains "$output" '+ chain loopback'
	iptables_only contains "$output" PORTFWD-SHIELD
	contains "$output" '+ net.ipv4.conf.wan0.route_localnet = 1'
	equal "0 0 0 0" "$(localnet all default wan0 lan0)"
	two_forwards
	equal "0 0 1 1" "$(localnet all default wan0 lan0)"
	pfw diff
	equal '["lan0","wan0"]' "$(pfw_json '.route_localnet | tostring' status)"
	run pfw status
	[[ $output =~ route_localnet:\ +lan0,\ wan0 ]]
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv4/conf/wan0/route_localnet'
	differs
	without_daemon equal '~ net.ipv4.conf.wan0.route_localnet = 1' "$output"
	without_daemon unreachable tcp client "$WAN4" 8080
	pfw reload
	pfw diff
	everybody_is_served
	pfw flush
	equal "0 0 0 0" "$(localnet all default wan0 lan0)"
	nothing_is_left
	equal "[]" "$(pfw_json '.route_localnet | tostring' status)"
}

@test "with interfaces only theirs is set, and put back once no forward needs it" {
	inner
	pfw add inner 8080 127.0.0.1:9000 --interface wan0
	pfw add later 8081 127.0.0.1:9000 --interface tun7
	pfw diff
	equal "1 0" "$(localnet wan0 lan0)"
	reaches tcp client "$WAN4" 8080 inner "$CLIENT4"
	unreachable tcp second "$LAN4" 8080
	pfw add inner 8080 127.0.0.1:9000 --interface lan0 --replace
	equal "0 1" "$(localnet wan0 lan0)"
	unreachable tcp client "$WAN4" 8080
	reaches tcp second "$LAN4" 8080 inner "$SECOND4"
	pfw remove inner
	equal "0 0" "$(localnet wan0 lan0)"
	is_shielded
	pfw disable later
	is_bare
	pfw diff
}

@test "what was on before stays on" {
	inner
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv4/conf/lan0/route_localnet'
	two_forwards
	equal "1 1" "$(localnet wan0 lan0)"
	pfw remove inner names
	equal "0 1" "$(localnet wan0 lan0)"
	two_forwards
	pfw flush
	equal "0 1" "$(localnet wan0 lan0)"
}

@test "an interface made later is told by diff, and taken in by the next command" {
	inner
	two_forwards
	host_add box
	link_add box eth0 gw late0
	addr_add box eth0 172.16.0.2/24
	addr_add gw late0 172.16.0.1/24
	differs
	without_daemon equal '+ net.ipv4.conf.late0.route_localnet = 1' "$output"
	pfw add more 8081 127.0.0.1:9000
	pfw diff
	reaches tcp box 172.16.0.1 8080 inner 172.16.0.2
	ip -n gw link set late0 down
	ip -n gw link set late0 name later0
	soon pfw diff
	pfw remove more inner names
	equal "0 0 0" "$(localnet wan0 lan0 later0)"
	two_forwards
	ip -n gw link del later0
	soon pfw diff
	pfw flush
}

@test "who sends to 127.0.0.0/8 on the link gets nowhere: before, meanwhile, and after" {
	attacker
	attack
	equal "0 0" "$(seen)" before
	two_forwards
	attack
	equal "0 0" "$(seen)" meanwhile
	pfw reload
	pfw remove inner
	attack
	equal "0 0" "$(seen)" "one left"
	pfw remove names
	attack
	equal "0 0" "$(seen)" after
	two_forwards
	pfw flush
	attack
	equal "0 0" "$(seen)" flushed
}

# Not through a daemon: it puts the shield back at once.
# bats test_tags=alone
@test "it is the shield that keeps them out, and status tells when it is gone" {
	local before
	attacker
	two_forwards
	equal 0 "$(pfw_json '.warnings | length' status)"
	shield_lost
	attack
	read -r -a before <<< "$(seen)"
	[ "${before[0]}" -gt 0 ]
	contains "$(pfw_json '.warnings[0]' status)" 'route_localnet is on'
	pfw_fails 7 diff
	nft_only equal '+ chain loopback' "$output"
	iptables_only contains "$output" PORTFWD-SHIELD
	pfw reload
	attack
	equal "${before[*]}" "$(seen)"
	equal 0 "$(pfw_json '.warnings | length' status)"
}

@test "no packet slips through while forwards come and go" {
	local n storm
	attacker
	# As fast as it can, for at most 20 seconds.
	setsid timeout 20 ip netns exec client sh -c \
		'while :; do echo x; done | exec socat -u -b 2 - "UDP4:127.0.0.1:7,bind=$1"' sh "$CLIENT4" \
		3>&- 2> /dev/null &
	storm=$!
	PIDS+=("$storm")
	for n in 1 2 3 4 5; do
		pfw add inner 8080 127.0.0.1:9000
		pfw remove inner
		pfw add inner 8080 127.0.0.1:9000 --interface wan0
		pfw flush
		pfw reload
		pfw remove inner
	done
	equal "0 0" "$(seen)"
	# It went on all the time, and would have come in.
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv4/conf/wan0/route_localnet'
	for _ in {1..100}; do
		[[ $(seen_now) == 0\ * ]] || break
		sleep 0.05
	done
	[[ $(seen_now) != 0\ * ]]
	# Refused as it was then, it may have ended by itself.
	kill -- "-$storm" || true
}

# Tables of nftables are numbered as they come; "auto" tries one more.
table_number() { # NAME
	in_ns gw nft add table ip "$1"
	in_ns gw nft -j -a list tables | jq ".nftables[].table? | select(.name == \"$1\") | .handle"
}

# Not through a daemon: the command has mounts of its own.
# bats test_tags=nftables,alone
@test "a change that fails leaves neither route_localnet nor table; the table came first" {
	local before after
	before=$(table_number one)
	run in_ns gw unshare --mount sh -ec 'cd /proc/sys/net/ipv4/conf/wan0
		mount --bind route_localnet route_localnet
		mount -o remount,bind,ro route_localnet
		exec "$@"' sh "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" --backend nftables \
		add inner 8080 127.0.0.1:9000
	equal 1 "$status" "$output"
	contains "$output" route_localnet
	equal "0 0" "$(localnet wan0 lan0)"
	after=$(table_number two)
	equal 2 $((after - before)) "tables made"
	in_ns gw nft "delete table ip one; delete table ip two"
	nothing_is_left
	[ ! -e "$CONFIG" ]
}

@test "what was set and cannot be put back stays shielded" {
	"${CC:-cc}" -shared -fPIC -o "$BATS_TEST_TMPDIR/refuse.so" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	run ip netns exec gw env LD_PRELOAD="$BATS_TEST_TMPDIR/refuse.so" REFUSE_SYSCTL=route_localnet \
		ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0" \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" add inner 8080 127.0.0.1:9000
	equal 1 "$status" "$output"
	contains "$output" 'the rules stay that keep others from 127.0.0.0/8'
	equal "0 1" "$(localnet wan0 lan0)"
	is_shielded
	pfw flush
	equal "0 0" "$(localnet wan0 lan0)"
	nothing_is_left
}

# Not through a daemon: the command has mounts of its own.
# bats test_tags=nftables,alone
@test "a removal that fails leaves the forward and the file, and has not touched the shield" {
	local before after
	inner
	pfw add inner 8080 127.0.0.1:9000
	before=$(table_number one)
	run in_ns gw unshare --mount sh -ec 'cd /proc/sys/net/ipv4/conf/wan0
		mount --bind route_localnet route_localnet
		mount -o remount,bind,ro route_localnet
		exec "$@"' sh "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" remove inner
	equal 1 "$status" "$output"
	equal "1 1" "$(localnet wan0 lan0)"
	after=$(table_number two)
	equal 1 $((after - before)) "tables made"
	pfw diff
	reaches tcp client "$WAN4" 8080 inner
	pfw flush
	equal "0 0" "$(localnet wan0 lan0)"
}

@test "the rules are saved and loaded as they are" {
	inner
	two_forwards
	saved_and_loaded
	pfw diff
	everybody_is_served
}

@test "sources, several targets, ranges and snat go with a loopback target" {
	local seen n
	serve_tcp one gw 127.0.0.1 9001
	serve_tcp two gw 127.0.0.1 9002
	serve_tcp far server "$SERVER4" 9003
	config <<-JSON
		{ "settings": { "snat": "masquerade" }, "forwards": [
		  { "name": "some", "listen": "8081", "target": "127.0.0.1:9001", "source": "$CLIENT4" },
		  { "name": "both", "listen": "8082", "target": ["127.0.0.1:9001", "127.0.0.1:9002"],
		    "balance": "round-robin" },
		  { "name": "range", "listen": "9101-9102", "target": "127.0.0.1:9001-9002" },
		  { "name": "near-and-far", "listen": "8083", "target": ["127.0.0.1:9001", "$SERVER4:9003"],
		    "balance": "round-robin", "snat": "auto" },
		  { "name": "both-families", "listen": "8084", "target": ["127.0.0.1:9002", "[$SERVER6]:9003"] }
		] }
	JSON
	pfw reload
	pfw diff
	reaches tcp client "$WAN4" 8081 one "$CLIENT4"
	unreachable tcp second "$WAN4" 8081
	reaches tcp client "$WAN4" 9101 one "$CLIENT4"
	reaches tcp client "$WAN4" 9102 two "$CLIENT4"
	reaches tcp client "$WAN4" 8084 two "$CLIENT4"
	seen=$(for n in 1 2 3 4; do ask tcp client "$WAN4" 8082; done | cut -d' ' -f1 | sort | uniq -c | xargs)
	equal "2 one 2 two" "$seen"
	seen=$(for n in 1 2 3 4; do ask tcp client "$WAN4" 8083; done | cut -d' ' -f1 | sort | uniq -c | xargs)
	equal "2 far 2 one" "$seen"
	equal 1 "$(sysctl_get gw net/ipv4/ip_forward)"
	pfw flush
	equal "0 0 0" "$(sysctl_get gw net/ipv4/ip_forward) $(localnet wan0 lan0)"
}

@test "from one loopback address to another nothing is let in" {
	inner
	pfw add own 127.0.0.1:8443 127.0.0.1:9000
	pfw diff
	reaches tcp gw 127.0.0.1 8443 inner 127.0.0.1
	equal "0 0" "$(localnet wan0 lan0)"
	is_bare
}

# An open connection; its lines come and go by the descriptors to and from.
hold() { # ADDRESS PORT
	mkfifo "$BATS_TEST_TMPDIR/to" "$BATS_TEST_TMPDIR/from"
	setsid ip netns exec client socat - "TCP4:$1:$2" 3>&- \
		< "$BATS_TEST_TMPDIR/to" > "$BATS_TEST_TMPDIR/from" 2> /dev/null &
	PIDS+=("$!")
	exec {to}> "$BATS_TEST_TMPDIR/to" {from}<> "$BATS_TEST_TMPDIR/from"
}

talk() { # LINE: the answer
	local answer
	(trap '' PIPE && printf '%s\n' "$1" >&"$to") 2> /dev/null || return 1
	IFS= read -r -t "${TALK_SECONDS:-$ASK_SECONDS}" answer <&"$from" || return 1
	printf '%s\n' "$answer"
}

@test "removing cuts open connections; with --drain they finish, and their way in stays until reload" {
	inner
	attacker
	pfw add inner 8080 127.0.0.1:9000
	hold "$WAN4" 8080
	contains "$(talk one)" "heard=one"
	pfw remove inner --drain
	equal "1 1" "$(localnet wan0 lan0)"
	contains "$(talk two)" "heard=two"
	unreachable tcp client "$WAN4" 8080
	attack
	equal "0 0" "$(seen)"
	pfw diff
	pfw reload
	equal "0 0" "$(localnet wan0 lan0)"
	equal "" "$(rules)"
	pfw add inner 8080 127.0.0.1:9000
	rm "$BATS_TEST_TMPDIR/to" "$BATS_TEST_TMPDIR/from"
	hold "$WAN4" 8080
	contains "$(talk three)" "heard=three"
	pfw remove inner
	if TALK_SECONDS=$DROP_SECONDS talk four; then
		false
	fi
}

# Not through a daemon: its socket goes with the run directory.
# bats test_tags=alone
@test "a record that is lost is made anew from the shield" {
	inner
	two_forwards
	rm -rf "$RUN_DIR"
	pfw diff
	pfw remove inner
	equal "1 1" "$(localnet wan0 lan0)"
	rm -rf "$RUN_DIR"
	pfw remove names
	equal "0 0" "$(localnet wan0 lan0)"
	two_forwards
	rm -rf "$RUN_DIR"
	pfw flush
	equal "0 0" "$(localnet wan0 lan0)"
}

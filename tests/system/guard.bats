#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where portfwd switched routing on, the machine does not become an open router,
# loses no route that it learned, and gets all of its own settings back.
#
# Backends: nftables iptables
# Through a daemon: nftables

load helpers

# A host on an interface that the gateway did not have before.
BOX4=172.16.0.2 BOX6=fd01::2
box_add() {
	host_add box
	link_add box eth0 gw late0
	addr_add box eth0 "$BOX4/24" "$BOX6/64"
	addr_add gw late0 172.16.0.1/24 fd01::1/64
	route_add box 172.16.0.1 fd01::1
}

# Everybody serves, so that whoever is not reached was stopped on the way.
servers() {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 53
	serve_udp dns6 server "$SERVER6" 53
	serve_tcp home4 client "$CLIENT4" 80
	serve_tcp home6 client "$CLIENT6" 80
}

both_families() {
	pfw add web 8080 "$SERVER4:80,[$SERVER6]:80"
	pfw add dns 5353/udp "$SERVER4:53,[$SERVER6]:53"
}

forwards_work() {
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	reaches udp client "$WAN4" 5353 dns4 "$CLIENT4"
	reaches udp client "$WAN6" 5353 dns6 "$CLIENT6"
}

closed() { # 4|6
	local server=SERVER$1 client=CLIENT$1
	none_reachable tcp client "${!server}" 80 udp client "${!server}" 53 tcp server "${!client}" 80
}

open() { # 4|6
	local server=SERVER$1 client=CLIENT$1
	reaches tcp client "${!server}" 80 "web$1"
	reaches udp client "${!server}" 53 "dns$1"
	reaches tcp server "${!client}" 80 "home$1"
}

guarded() { # 4|6
	case $BACKEND in
	nftables)
		in_ns gw nft -j list set inet portfwd "guarded$1" |
			jq -r '.nftables[] | .set? // empty | .elem // [] | sort | join(" ")'
		;;
	iptables)
		iptables_save gw | sed -nE "s/^$1 -A PORTFWD-GUARD -i ([^ ]+) .*-g PORTFWD-GUARDED$/\\1/p" |
			sort | xargs
		;;
	esac
}

settings() { # JSON: changes them, and reloads
	local text
	settled
	text=$(jq --argjson settings "$1" '.settings = $settings' "$CONFIG")
	printf '%s\n' "$text" > "$CONFIG"
	pfw reload
}

all_sysctls() {
	in_ns gw sh -c 'grep -rs "" /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf \
		/proc/sys/net/ipv4/ip_forward | sort' || true
}

@test "what the rules say is forwarded, and no other new connection between the networks" {
	servers
	both_families
	forwards_work
	closed 4
	closed 6
	equal true "$(pfw_json .guard status)"
	equal "lan0 wan0" "$(guarded 4)"
	equal "lan0 wan0" "$(guarded 6)"
}

@test "clients on the lan are forwarded too, and nothing else returns to the lan" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	both_families
	reaches tcp second "$WAN4" 8080 web4 "$LAN4"
	reaches tcp second "$WAN6" 8080 web6 "$LAN6"
	# A second network on the same wire.
	addr_add gw lan0 10.9.0.1/24
	addr_add server lan 10.9.0.2/24
	serve_tcp other server 10.9.0.2 80
	unreachable tcp second 10.9.0.2 80
	settings '{ "guard": false }'
	reaches tcp second 10.9.0.2 80 other
}

@test "an ICMP error about a forwarded connection comes back" {
	local answer

	both_families
	answer=$(ask udp client "$WAN4" 5353 || true)
	contains "$answer" refused
	answer=$(ask udp client "$WAN6" 5353 || true)
	contains "$answer" refused
}

@test "a packet that belongs to no connection does not pass: a lone RST, a lone ACK" {
	local flags
	counted() {
		in_ns server nft -j list chain ip t input |
			jq -r '.nftables[] | .rule?.expr? // empty | .[] | .counter?.packets // empty'
	}
	# Ports 12345 -> 80, sequence and acknowledgement 1, the flags, a window, no checksum.
	packets() {
		for flags in '\x04' '\x10'; do
			printf '%b' '\x30\x39\x00\x50\x00\x00\x00\x01\x00\x00\x00\x01' \
				'\x50' "$flags" '\x20\x00\x00\x00\x00\x00' |
				in_ns client socat -u - "IP4-SENDTO:$SERVER4:6"
		done
	}
	in_ns server nft -f - <<-RULES
		table ip t {
			chain input {
				type filter hook input priority 0;
				tcp dport 80 tcp sport 12345 counter
			}
		}
	RULES
	serve_tcp web4 server "$SERVER4" 80
	both_families
	packets
	# What comes behind them by the same way arrived, so they are not on their way still.
	reaches tcp client "$WAN4" 8080 web4
	equal 0 "$(counted)" "with the guard"
	settings '{ "guard": false }'
	packets
	reaches tcp client "$WAN4" 8080 web4
	equal 2 "$(counted)" "without the guard"
}

@test "interfaces made later route freely, whatever is changed after" {
	servers
	both_families
	box_add
	serve_tcp box4 box "$BOX4" 80
	serve_tcp box6 box "$BOX6" 80
	free() {
		reaches tcp box "$SERVER4" 80 web4 "$BOX4"
		reaches tcp box "$SERVER6" 80 web6 "$BOX6"
		reaches tcp client "$BOX4" 80 box4 "$CLIENT4"
		reaches tcp client "$BOX6" 80 box6 "$CLIENT6"
		closed 4
		closed 6
	}
	free
	# Each interface stands in the rules of iptables that tell a hairpin.
	nft_only pfw diff
	pfw add more 8081 "$SERVER4:80"
	pfw reload
	pfw diff
	free
	wipe
	pfw reload
	free
	equal "lan0 wan0" "$(guarded 4)"
}

@test "each family remembers the interfaces of its own time" {
	servers
	pfw add 8080 "$SERVER4:80"
	box_add
	serve_tcp box4 box "$BOX4" 80
	serve_tcp box6 box "$BOX6" 80
	pfw add 8081 "[$SERVER6]:80"
	equal "lan0 wan0" "$(guarded 4)"
	equal "lan0 late0 wan0" "$(guarded 6)"
	reaches tcp client "$BOX4" 80 box4
	unreachable tcp client "$BOX6" 80
	closed 4
	closed 6
	pfw reload
	pfw diff
	equal "lan0 wan0" "$(guarded 4)"
	equal "lan0 late0 wan0" "$(guarded 6)"
}

# Whether a datagram arrives, be it that no answer comes back; one that should may take its time.
one_way() { # yes|no HOST ADDRESS
	local to=server address=$3 family=ip expected=$1 seen
	shift
	[[ $address != *:* ]] || family=ip6
	[ "$1" = client ] || to=client
	in_ns "$to" nft -f - <<-RULES
		table inet seen
		delete table inet seen
		table inet seen {
			chain input {
				type filter hook input priority 0;
				$family daddr $address udp dport 9 counter
				udp dport 10 counter
			}
		}
	RULES
	[[ $address != *:* ]] || address="[$address]"
	echo x | in_ns "$1" socat -u - "UDP:$address:9"
	# What comes behind it by a way that is open tells that it had its time.
	case $to in
	server) echo x | in_ns second socat -u - "UDP:$SERVER4:10" ;;
	client) echo x | in_ns gw socat -u - "UDP:$CLIENT4:10" ;;
	esac
	for _ in {1..100}; do
		seen=$(in_ns "$to" nft -j list chain inet seen input | jq -r '
			[.nftables[] | .rule?.expr? // empty | .[] | .counter?.packets // empty] |
			if .[1] == 0 then "lost" elif .[0] > 0 then "yes" else "no" end')
		[ "$seen" != "$expected" ] || break
		sleep 0.05
	done
	echo "$seen"
}

rename() { # HOST OLD NEW
	ip -n "$1" link set "$2" down
	ip -n "$1" link set "$2" name "$3"
	ip -n "$1" link set "$3" up
}

@test "an interface that is renamed is guarded again by the next command; status and diff tell" {
	servers
	both_families
	rename gw wan0 up0
	route_add gw "$CLIENT4" "$CLIENT6" || true
	addr_add gw up0 "$WAN6/64" || true
	without_daemon equal "false 1" "$(pfw_json '"\(.guard) \(.warnings | length)"' status)"
	differs
	without_daemon nft_only contains "$output" '- element guarded4 { "wan0" }'
	without_daemon nft_only contains "$output" '+ element guarded4 { "up0" }'
	without_daemon nft_only contains "$output" '+ element guarded6 { "up0" }'
	without_daemon iptables_only contains "$output" '~ ip6tables -t filter -N PORTFWD-GUARD { '
	without_daemon iptables_only contains "$output" '-i up0 '
	# A small change, which otherwise sends no more than itself.
	pfw add more 8081 "$SERVER4:80"
	pfw diff
	equal "true 0" "$(pfw_json '"\(.guard) \(.warnings | length)"' status)"
	equal "lan0 up0" "$(guarded 4)"
	equal "lan0 up0" "$(guarded 6)"
	closed 4
	closed 6
	forwards_work
	# Two that change names with each other, and a new one with the first one's old name.
	rename gw lan0 tmp0
	rename gw up0 lan0
	rename gw tmp0 up0
	ip -n gw link add wan0 type bridge
	pfw reload
	pfw diff
	equal "lan0 up0" "$(guarded 4)"
}

@test "an interface that went and comes back is guarded; what portfwd set follows a renamed one" {
	servers
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/wan0/accept_ra
		echo 1 > /proc/sys/net/ipv4/conf/lan0/forwarding'
	both_families
	rename gw wan0 up0
	ip -n gw link del lan0
	pfw reload
	pfw diff
	equal "lan0 up0" "$(guarded 6)"
	lan_join gw lan0 "$LAN4/24" "$LAN6/64"
	nft_only pfw diff
	iptables_only pfw reload
	equal "lan0 up0" "$(guarded 6)"
	pfw flush
	equal 1 "$(sysctl_get gw net/ipv6/conf/up0/accept_ra)"
}

@test "a record that knows names only, as older versions made it, still guards these" {
	servers
	both_families
	local state
	state=$(echo "$RUN_DIR"/net-*/state.json)
	jq '.guarded |= map_values(map(.name)) | .sysctl |= map(del(.index))' "$state" > "$state.old"
	mv "$state.old" "$state"
	pfw diff
	rename gw wan0 up0
	nft_only pfw diff
	iptables_only pfw reload
	equal "lan0 wan0" "$(guarded 4)"
	pfw flush
	equal "0 0" "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
}

@test "routing that was on before is not guarded" {
	routing_on gw
	servers
	both_families
	forwards_work
	open 4
	open 6
	equal false "$(pfw_json .guard status)"
	equal "[]" "$(pfw_json '.warnings | tostring' status)"
	equal "" "$(rules | grep -i guard)"
}

@test "the family that the administrator routes is open, the other one guarded" {
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
	servers
	both_families
	forwards_work
	closed 4
	open 6
	pfw flush
	equal "0 1" "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
}

@test "guard false opens, and true closes again for the same interfaces" {
	servers
	both_families
	settings '{ "guard": false }'
	forwards_work
	open 4
	open 6
	equal false "$(pfw_json .guard status)"
	equal "[]" "$(pfw_json '.warnings | tostring' status)"
	box_add
	settings '{ "guard": true }'
	closed 4
	closed 6
	reaches tcp box "$SERVER4" 80 web4
	equal "lan0 wan0" "$(guarded 4)"
}

@test "a connection that another program's rules rewrite passes" {
	serve_tcp web4 server "$SERVER4" 80
	in_ns gw nft -f - <<-RULES
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority dstnat - 1;
				tcp dport 2222 dnat to $SERVER4:80
			}
		}
	RULES
	pfw add 8080 "$SERVER4:80"
	reaches tcp client "$WAN4" 2222 web4
}

# It does what every transit packet does, but a forward asked for it.
@test "a forward to the very address and port that was called passes" {
	servers
	config <<-JSON
		{ "forwards": [
		  { "name": "same", "listen": "$SERVER4:80", "target": "$SERVER4:80" },
		  { "name": "kept", "listen": "$SERVER4:53/udp", "target": "$SERVER4" },
		  { "name": "same6", "listen": "[$SERVER6]:80", "target": "[$SERVER6]:80" },
		  { "name": "way", "listen": { "address": ["$CLIENT4", "$CLIENT6"], "interface": "lan0", "port": 80 },
		    "target": ["$CLIENT4", "$CLIENT6"] },
		  { "name": "wrong-way", "listen": { "address": "$SECOND4", "interface": "lan0", "port": 80 },
		    "target": "$SECOND4" }
		] }
	JSON
	serve_tcp second4 second "$SECOND4" 80
	pfw reload
	passes() {
		reaches tcp client "$SERVER4" 80 web4 "$CLIENT4"
		reaches udp client "$SERVER4" 53 dns4 "$CLIENT4"
		reaches tcp client "$SERVER6" 80 web6 "$CLIENT6"
		unreachable udp client "$SERVER6" 53
		reaches tcp server "$CLIENT4" 80 home4 "$SERVER4"
		reaches tcp server "$CLIENT6" 80 home6 "$SERVER6"
		unreachable tcp client "$SECOND4" 80
	}
	passes
	saved_and_loaded
	pfw diff
	passes
	equal true "$(pfw_json .guard status)"
	pfw disable same
	pfw diff
	unreachable tcp client "$SERVER4" 80
	reaches udp client "$SERVER4" 53 dns4
	pfw enable same
	pfw diff
	passes
	settings '{ "guard": false }'
	pfw diff
	pfw disable same
	pfw diff
	reaches tcp client "$SERVER4" 80 web4
}

# The rest of what such a forward says holds too.
@test "so it does with sources, limits, several targets and ranges, and only for whom it admits" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_tcp second4 second "$SECOND4" 80
	serve_tcp high4 server "$SERVER4" 81
	serve_tcp far4 server "$SERVER4" 99
	same() { # OPTION: of a forward that changes nothing
		config <<-JSON
			{ "forwards": [
			  { "name": "same", "listen": { "address": ["$SERVER4", "$SERVER6"], "port": 80 },
			    "target": ["$SERVER4:80", "[$SERVER6]:80"], $1 }
			] }
		JSON
		pfw reload
		pfw diff
	}
	each() { # OPTION: the same of one for each family
		config <<-JSON
			{ "forwards": [
			  { "name": "same4", "listen": "$SERVER4:80", "target": "$SERVER4:80", $1 },
			  { "name": "same6", "listen": "[$SERVER6]:80", "target": "[$SERVER6]:80", $1 }
			] }
		JSON
		pfw reload
		pfw diff
	}
	passes() {
		reaches tcp client "$SERVER4" 80 web4 "$CLIENT4"
		reaches tcp client "$SERVER6" 80 web6 "$CLIENT6"
		unreachable tcp client "$SERVER4" 99
	}
	stays_out() {
		none_reachable tcp client "$SERVER4" 80 tcp client "$SERVER6" 80
	}
	same "\"source\": [\"$CLIENT4\", \"$CLIENT6\"]"
	passes
	saved_and_loaded
	pfw diff
	passes
	same '"source": ["192.0.2.0/24", "2001:db8:9::/48"]'
	stays_out
	same "\"source\": [\"!$CLIENT4\", \"!$CLIENT6\"]"
	stays_out
	same '"limit": { "connections": 5 }'
	passes
	each '"limit": { "connections": 5, "rate": "100/second" }'
	passes
	same '"log": true'
	passes
	same "\"expires\": \"$LATE-01-01T00:00:00Z\""
	passes
	each '"limit": { "rate": "1/hour", "burst": 1 }'
	passes
	stays_out
	config <<-JSON
		{ "forwards": [
		  { "name": "several", "listen": "$SERVER4:80", "balance": "round-robin",
		    "target": ["$SERVER4:80", "$SECOND4:80"] },
		  { "name": "shared", "listen": "[$SERVER6]:80", "target": "[$SERVER6]:80" },
		  { "name": "narrow", "listen": "[$SERVER6]:80", "target": "[$SECOND6]:80",
		    "source": "2001:db8:9::/48" }
		] }
	JSON
	pfw reload
	pfw diff
	reaches tcp client "$SERVER4" 80 web4
	reaches tcp client "$SERVER4" 80 second4
	reaches tcp client "$SERVER6" 80 web6 "$CLIENT6"
	unreachable tcp client "$SERVER4" 99
	config <<-JSON
		{ "forwards": [
		  { "name": "by-nothing", "listen": "$SERVER4:80-90", "target": "$SERVER4:80-90" },
		  { "name": "many", "listen": "[$SERVER6]:79-81", "target": "[$SERVER6]:80" }
		] }
	JSON
	pfw reload
	pfw diff
	passes
	reaches tcp client "$SERVER4" 81 high4 "$CLIENT4"
	reaches tcp client "$SERVER6" 79 web6 "$CLIENT6"
	pfw remove many
	pfw diff
	unreachable tcp client "$SERVER6" 80
}

@test "the guard stays as long as the routing that portfwd switched on" {
	servers
	pfw add web 8080 "$SERVER4:80"
	pfw add own 8081 self:80
	pfw remove web
	equal 1 "$(sysctl_get gw net/ipv4/ip_forward)"
	closed 4
	pfw diff
	pfw remove own
	closed 4
	pfw diff
	equal true "$(pfw_json .guard status)"
	saved_and_loaded
	pfw diff
	pfw add web 8080 "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web4
	closed 4
	pfw diff
	pfw flush
	equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
	nothing_is_left
}

# Not through a daemon: it puts the guard back at once.
# bats test_tags=alone
@test "status tells that the guard is gone while routing is on, and reload brings it back" {
	serve_tcp web4 server "$SERVER4" 80
	pfw add web 8080 "$SERVER4:80"
	run pfw status
	[[ $output =~ guard:\ +on ]]
	[[ $output != *warning* ]]
	wipe
	reaches tcp client "$SERVER4" 80 web4
	equal "false 1" "$(pfw_json '"\(.guard) \(.warnings | length)"' status)"
	run pfw status
	[[ $output =~ guard:\ +off ]]
	[[ $output =~ warning:\ +portfwd\ switched\ routing\ on,\ and\ the\ guard\ is\ gone ]]
	pfw reload
	equal "true 0" "$(pfw_json '"\(.guard) \(.warnings | length)"' status)"
	unreachable tcp client "$SERVER4" 80
	nft_only in_ns gw nft delete element inet portfwd guarded4 '{ "lan0" }'
	iptables_only iptables_lose "-A PORTFWD-GUARD -i lan0 "
	equal "false active" "$(pfw_json .guard status) $(pfw_json '.forwards[0].state' list)"
	pfw_fails 7 diff
	nft_only equal '+ element guarded4 { "lan0" }' "$output"
	iptables_only contains "$output" '~ iptables -t filter -N PORTFWD-GUARD { '
	iptables_only contains "$output" '-i lan0 '
	iptables_only equal 1 "${#lines[@]}"
	pfw reload
	equal true "$(pfw_json .guard status)"
}

@test "an administrator who switches routing off, and a forward that needs it: then it is guarded" {
	servers
	routing_on gw
	both_families
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
	without_daemon equal false "$(pfw_json .guard status)"
	without_daemon equal "[]" "$(pfw_json '.warnings | tostring' status)"
	# The stamp is that of an unguarded table, so this must not be a small change.
	pfw add more 8081 "$SERVER4:80"
	pfw diff
	closed 4
	open 6
	reaches tcp client "$WAN4" 8081 web4
	equal "lan0 wan0" "$(guarded 4)"
}

# Not through a daemon: it puts back what others delete.
# bats test_tags=nftables,alone
@test "a guarded table is known by its stamp: a change sends the difference and reads nothing back" {
	pfw add web 8080 "$SERVER4:80"
	pfw add dns 5353/udp "$SERVER4:53"
	box_add
	# Who reads the table back would notice and mend this.
	in_ns gw nft delete element inet portfwd dnat4_any '{ udp . 5353 }'
	pfw add more 8081 "$SERVER4:80"
	pfw disable web
	pfw_fails 7 diff
	contains "$output" '+ dns: '
	equal 1 "${#lines[@]}" "$output"
}

@test "a record that is lost is made anew from the guard: it stays, and flush switches routing off" {
	servers
	pfw add web 8080 "$SERVER4:80"
	closed 4
	rm -rf "$RUN_DIR"
	equal true "$(pfw_json .guard status)"
	pfw add more 8081 "$SERVER4:80"
	pfw diff
	closed 4
	rm -rf "$RUN_DIR"
	pfw reload
	closed 4
	equal true "$(pfw_json .guard status)"
	rm -rf "$RUN_DIR"
	pfw flush
	equal 0 "$(in_ns gw cat /proc/sys/net/ipv4/ip_forward)"
}

@test "flush puts every setting of every interface back" {
	local before
	in_ns gw sh -c 'cd /proc/sys/net
		echo 1 > ipv4/conf/lan0/forwarding
		echo 0 > ipv4/conf/wan0/accept_redirects
		echo 1 > ipv4/conf/all/accept_redirects
		echo 1 > ipv6/conf/wan0/forwarding
		echo 1 > ipv6/conf/wan0/accept_ra
		echo 1 > ipv6/conf/lan0/accept_ra
		echo 1 > ipv6/conf/default/accept_ra'
	before=$(all_sysctls)
	contains "$before" /proc/sys/net/ipv6/conf/lan0/accept_ra:1
	both_families
	[ "$before" != "$(all_sysctls)" ]
	pfw reload
	pfw diff
	pfw flush
	diff <(echo "$before") <(all_sysctls)
}

@test "a change that fails puts every setting back" {
	local before
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/lan0/accept_ra'
	before=$(all_sysctls)
	# The last of all that is switched cannot be written.
	run in_ns gw unshare --mount sh -ec 'cd /proc/sys/net/ipv6/conf/all
		mount --bind forwarding forwarding
		mount -o remount,bind,ro forwarding
		exec "$@"' sh "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" \
		add web 8080 "$SERVER4:80,[$SERVER6]:80"
	equal 1 "$status" "$output"
	contains "$output" net/ipv6/conf/all/forwarding
	diff <(echo "$before") <(all_sysctls)
	nothing_is_left
}

# bats test_tags=nftables
@test "an interface whose name nft cannot read back is left out with a warning, and blocks nothing" {
	local odd star
	star='odd*'
	ip -n gw link add "$star" type bridge
	ip -n gw link add 'quo"te' type bridge
	servers
	run pfw add web 8080 "$SERVER4:80,[$SERVER6]:80"
	equal 0 "$status" "$output"
	contains "$output" "warning: the guard cannot hold 'odd*', 'quo\"te'"
	equal "true 1" "$(pfw_json '"\(.guard) \(.warnings | length)"' status)"
	contains "$(pfw_json '.warnings[0]' status)" "'odd*', 'quo\"te'"
	pfw diff
	closed 4
	closed 6
	equal "lan0 wan0" "$(guarded 4)"
	saved_and_loaded
	pfw diff
	# Renamed, it is known again, and guarded.
	for odd in "$star" 'quo"te'; do
		ip -n gw link set "$odd" name "${odd:0:3}0"
	done
	pfw reload
	equal "0 lan0 odd0 quo0 wan0" "$(pfw_json '.warnings | length' status) $(guarded 4)"
	pfw flush
	pfw diff || true
	equal "0 0" "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
}

# bats test_tags=nftables
@test "names of any other bytes are guarded, listed, loaded, recorded and put back" {
	local name names=('a..b' $'\xff\xfe' $'\e[1m' 'back\slash' 'x\*y' '*x' 'x*y' '$v' '#' "it's" 'a,b')
	for name in "${names[@]}"; do
		ip -n gw link add name "$name" type bridge
		in_ns gw sh -c 'echo 1 > "/proc/sys/net/ipv6/conf/$1/accept_ra"' sh "$name"
	done
	servers
	run pfw --json --dry-run add web 8080 "$SERVER4:80,[$SERVER6]:80"
	equal 0 "$status" "$output"
	contains "$output" 'net.ipv6.conf.a..b.accept_ra = 2'
	contains "$output" 'net.ipv6.conf.??.accept_ra = 2'
	both_families
	pfw diff
	equal "true 0" "$(pfw_json '"\(.guard) \(.warnings | length)"' status)"
	closed 4
	closed 6
	saved_and_loaded
	pfw diff
	pfw flush
	for name in "${names[@]}"; do
		equal 1 "$(in_ns gw sh -c 'cat "/proc/sys/net/ipv6/conf/$1/accept_ra"' sh "$name")" "$name"
	done
}

@test "an interface that forwarded by itself before goes on to, and nothing joins it" {
	servers
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv4/conf/wan0/forwarding
		echo 1 > /proc/sys/net/ipv6/conf/wan0/forwarding'
	if [ -e /proc/sys/net/ipv6/conf/all/force_forwarding ]; then
		in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/wan0/force_forwarding'
	fi
	was_so() { # yes or no for each; answers would need the other interface to forward too
		equal "$1" "$(one_way "$1" client "$SERVER4")" "IPv4 from the wan"
		equal "$2" "$(one_way "$2" server "$CLIENT4")" "IPv4 from the lan"
		equal "$3" "$(one_way "$3" client "$SERVER6")" "IPv6 from the wan"
		equal "$4" "$(one_way "$4" server "$CLIENT6")" "IPv6 from the lan"
	}
	local six=no
	[ ! -e /proc/sys/net/ipv6/conf/all/force_forwarding ] || six=yes
	was_so yes no "$six" no
	both_families
	was_so yes no "$six" no
	forwards_work
	equal lan0 "$(guarded 4)"
	pfw diff
	rm -rf "$RUN_DIR"
	pfw reload
	was_so yes no "$six" no
	pfw flush
	was_so yes no "$six" no
}

@test "a dry run tells of the guard and of each setting" {
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/lan0/accept_ra'
	run pfw --dry-run add 8080 "[$SERVER6]:80"
	equal 0 "$status" "$output"
	nft_only contains "$output" '+ element guarded6 { "wan0" }'
	iptables_only contains "$output" '-i wan0 -m comment --comment portfwd -g PORTFWD-GUARDED'
	contains "$output" '+ net.ipv6.conf.lan0.accept_ra = 2'
	contains "$output" '+ net.ipv6.conf.all.forwarding = 1'
	equal 1 "$(sysctl_get gw net/ipv6/conf/lan0/accept_ra)"
}

# ---- Router advertisements

# RFC 4861, 4.2: 134, a hop limit of 64, the lifetime of the router in seconds.
advertise() { # SECONDS
	local lifetime
	lifetime=$(printf '\\x%02x\\x%02x' $(($1 / 256)) $(($1 % 256)))
	# The kernel fills in the checksum; nobody believes it unless its own hop limit is 255.
	printf '%b' '\x86\x00\x00\x00\x40\x00' "$lifetime" '\x00\x00\x00\x00\x00\x00\x00\x00' |
		in_ns client socat -u - "IP6-SENDTO:[ff02::1%wan]:58,setsockopt-int=41:18:255"
}

learned() { # the default route that a router told of
	ip -n gw -6 route show default proto ra
}

# Waits until the gateway has learned a route, or has none.
await_route() { # learned|none
	for _ in {1..100}; do
		if [ "$1" = learned ] && [ -n "$(learned)" ]; then
			return 0
		elif [ "$1" = none ] && [ -z "$(learned)" ]; then
			return 0
		fi
		sleep 0.05
	done
	echo "expected $1 in 5 seconds, the default routes are: $(ip -n gw -6 route show default)" >&2
	return 1
}

by_advertisement() {
	ip -n gw -6 route del default
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/wan0/accept_ra'
	advertise 1800
	await_route learned
}

@test "a default route that was learned goes where somebody merely switches forwarding on" {
	by_advertisement
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
	await_route none
}

@test "a default route that was learned stays, and is learned again, as long as portfwd routes" {
	serve_tcp web6 server "$SERVER6" 80
	by_advertisement
	pfw add 8080 "[$SERVER6]:80"
	contains "$(learned)" "dev wan0"
	equal 2 "$(sysctl_get gw net/ipv6/conf/wan0/accept_ra)"
	reaches tcp client "$WAN6" 8080 web6
	advertise 0
	await_route none
	advertise 1800
	await_route learned
	pfw diff
	pfw flush
	contains "$(learned)" "dev wan0"
	equal "1 0" "$(sysctl_get gw net/ipv6/conf/wan0/accept_ra) $(sysctl_get gw net/ipv6/conf/wan0/forwarding)"
}

@test "accept_ra changes only where it is 1 and the interface does not route" {
	in_ns gw sh -c 'cd /proc/sys/net/ipv6/conf
		echo 0 > lan0/accept_ra
		echo 1 > wan0/accept_ra
		echo 1 > wan0/forwarding
		echo 1 > default/accept_ra'
	ip -n gw link add br7 type bridge
	pfw add 8080 "[$SERVER6]:80"
	equal "0 1 2 2" "$(for name in lan0 wan0 br7 default; do
		sysctl_get gw "net/ipv6/conf/$name/accept_ra"
	done | xargs)"
	# What comes later is as it would have been: it takes advertisements.
	ip -n gw link add br8 type bridge
	equal 2 "$(sysctl_get gw net/ipv6/conf/br8/accept_ra)"
	ip -n gw link del br7
	nft_only pfw diff
	iptables_only pfw reload
	pfw flush
	equal "0 1 1" "$(for name in lan0 wan0 default; do
		sysctl_get gw "net/ipv6/conf/$name/accept_ra"
	done | xargs)"
}

@test "an accept_ra that went back to 1 is told by diff and mended; a 0 is somebody's own" {
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/wan0/accept_ra
		echo 1 > /proc/sys/net/ipv6/conf/lan0/accept_ra'
	pfw add 8080 "[$SERVER6]:80"
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/wan0/accept_ra
		echo 0 > /proc/sys/net/ipv6/conf/lan0/accept_ra'
	differs
	without_daemon equal '~ net.ipv6.conf.wan0.accept_ra = 2' "$output"
	pfw reload
	pfw diff
	equal "2 0" "$(sysctl_get gw net/ipv6/conf/wan0/accept_ra) $(sysctl_get gw net/ipv6/conf/lan0/accept_ra)"
	pfw flush
	equal "1 0" "$(sysctl_get gw net/ipv6/conf/wan0/accept_ra) $(sysctl_get gw net/ipv6/conf/lan0/accept_ra)"
}

@test "IPv4 forwards leave accept_ra alone" {
	in_ns gw sh -c 'echo 1 > /proc/sys/net/ipv6/conf/wan0/accept_ra'
	pfw add 8080 "$SERVER4:80"
	equal 1 "$(sysctl_get gw net/ipv6/conf/wan0/accept_ra)"
}

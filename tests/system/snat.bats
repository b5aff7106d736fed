#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whom the server sees: the client, unless the reply could not come back then.
#
# Backends: nftables iptables

load helpers

setup() {
	sandbox_check
	portfwd_setup
	case $BATS_TEST_DESCRIPTION in
	*one-armed*) topology_one_armed ;;
	*) topology ;;
	esac
}

@test "auto keeps the client's address, for tcp and udp, IPv4 and IPv6" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 80
	serve_udp dns6 server "$SERVER6" 80
	pfw add 8080/tcp+udp "$SERVER4:80,[$SERVER6]:80"
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	reaches udp client "$WAN4" 8080 dns4 "$CLIENT4"
	reaches udp client "$WAN6" 8080 dns6 "$CLIENT6"
}

@test "hairpin: a client behind the gateway reaches the public address, masqueraded" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 80
	pfw add "$WAN4:8080/tcp+udp" "$SERVER4:80"
	pfw add "[$WAN6]:8080" "[$SERVER6]:80"
	reaches tcp second "$WAN4" 8080 web4 "$LAN4"
	reaches tcp second "$WAN6" 8080 web6 "$LAN6"
	reaches udp second "$WAN4" 8080 dns4 "$LAN4"
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
}

@test "hairpin: the server reaches itself by the public address" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80"
	reaches tcp server "$WAN4" 8080 web "$LAN4"
}

@test "no hairpin: a client behind the gateway gets no answer, others do" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80" --no-hairpin
	unreachable tcp second "$WAN4" 8080
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
}

@test "what hairpin learned is no difference" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80"
	reaches tcp second "$WAN4" 8080 web "$LAN4"
	reaches tcp gw "$WAN4" 8080 web
	pfw diff
	pfw reload
	reaches tcp second "$WAN4" 8080 web "$LAN4"
	saved_and_loaded
	pfw diff
	reaches tcp second "$WAN4" 8080 web "$LAN4"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
}

# nftables learns hairpins by itself, from whatever interface.
# bats test_tags=iptables
@test "an interface made later: diff tells its hairpin, which the next command makes; forwards are active" {
	local late4=172.16.0.2
	serve_tcp web server "$SERVER4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw add late "$WAN4:8081" "$late4:80"
	host_add box
	link_add box eth0 gw late0
	addr_add box eth0 "$late4/24"
	addr_add gw late0 172.16.0.1/24
	in_ns box ip route add "$WAN4" via 172.16.0.1
	serve_tcp box box "$late4" 80
	differs
	without_daemon contains "$output" "-i late0 -o late0"
	equal "active active" "$(pfw_json '[.forwards[].state] | join(" ")' list)"
	without_daemon equal "false 2" "$(pfw_json '"\(.in_sync) \(.forwards.active)"' status)"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	unreachable tcp box "$WAN4" 8081
	pfw remove web
	pfw diff
	reaches tcp box "$WAN4" 8081 box 172.16.0.1
}

# The others are where interfaces stand in rules.
# bats test_tags=nftables
@test "a hairpin that could not be told is not remembered as none" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80"
	seq -f '"x%.0f" . "y",' 65535 | sed '1i add element inet portfwd hairpin {
		$a }' | in_ns gw nft -f -
	unreachable tcp second "$WAN4" 8080
	in_ns gw nft flush set inet portfwd hairpin
	reaches tcp second "$WAN4" 8080 web "$LAN4"
}

@test "no packet passes a chain of portfwd beside those of NAT, unless there is a guard" {
	routing_on gw
	pfw add 8080 "$SERVER4:80"
	nft_only equal "nat nat nat" "$(rules | sed -n 's/.*type \([a-z]*\) hook.*/\1/p' | xargs)"
	iptables_only equal "4 *nat" "$(iptables_save gw | grep -F '*')"
}

@test "a one-armed gateway, in and out by one interface, works" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 80
	serve_udp dns6 server "$SERVER6" 80
	pfw add 8080/tcp+udp "$SERVER4:80,[$SERVER6]:80"
	reaches tcp client "$ARM4" 8080 web4 "$ARM4"
	reaches tcp client "$ARM6" 8080 web6 "$ARM6"
	reaches udp client "$ARM4" 8080 dns4 "$ARM4"
	reaches udp client "$ARM6" 8080 dns6 "$ARM6"
	# So it is the masquerade that makes it work.
	pfw add bare 8081 "$SERVER4:80,[$SERVER6]:80" --no-hairpin
	unreachable tcp client "$ARM4" 8081
	unreachable tcp client "$ARM6" 8081
}

@test "from the gateway itself, to its own address, it works" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 80
	pfw add 8080/tcp+udp "$SERVER4:80,[$SERVER6]:80"
	reaches tcp gw "$WAN4" 8080 web4
	reaches tcp gw "$LAN4" 8080 web4
	reaches tcp gw "$WAN6" 8080 web6
	reaches udp gw "$WAN4" 8080 dns4
}

@test "no local: the gateway's own connections are not forwarded" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80" --no-local
	unreachable tcp gw "$WAN4" 8080
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
}

@test "masquerade: the server sees the gateway" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 80
	pfw add 8080/tcp+udp "$SERVER4:80,[$SERVER6]:80" --snat masquerade
	reaches tcp client "$WAN4" 8080 web4 "$LAN4"
	reaches tcp client "$WAN6" 8080 web6 "$LAN6"
	reaches udp client "$WAN4" 8080 dns4 "$LAN4"
	reaches tcp second "$WAN4" 8080 web4 "$LAN4"
}

@test "masquerade helps a server that knows no way back" {
	serve_tcp web server "$SERVER4" 80
	ip -n server route del default
	pfw add web "$WAN4:8080" "$SERVER4:80"
	unreachable tcp client "$WAN4" 8080
	pfw add --replace web "$WAN4:8080" "$SERVER4:80" --snat masquerade
	reaches tcp client "$WAN4" 8080 web "$LAN4"
}

@test "none: never rewritten, not even where the reply goes astray" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80" --snat none
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	unreachable tcp second "$WAN4" 8080
}

@test "two forwards to one target with different snat differ" {
	serve_tcp web server "$SERVER4" 80
	pfw add keeps "$WAN4:8080" "$SERVER4:80"
	pfw add hides "$WAN4:8081" "$SERVER4:80" --snat masquerade
	pfw add never "$WAN4:8082" "$SERVER4:80" --snat none
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	reaches tcp client "$WAN4" 8081 web "$LAN4"
	reaches tcp client "$WAN4" 8082 web "$CLIENT4"
	reaches tcp second "$WAN4" 8080 web "$LAN4"
	unreachable tcp second "$WAN4" 8082
}

@test "a less specific forward's masquerade does not reach a more specific one's connections" {
	serve_tcp web server "$SERVER4" 80
	pfw add any 8080 "$SERVER4:80" --snat masquerade
	pfw add one "$WAN4:8080" "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	reaches tcp client "$LAN4" 8080 web "$LAN4"
}

@test "an any-address masquerade does not reach plain transit to the same port" {
	serve_tcp web server "$SERVER4" 80
	routing_on gw
	pfw add 80 "$SERVER4:80" --snat masquerade
	reaches tcp client "$SERVER4" 80 web "$CLIENT4"
	reaches tcp client "$WAN4" 80 web "$LAN4"
}

# Rules like Docker's: what comes for an address and port goes to another host.
foreign_dnat() { # PRIORITY PORT
	in_ns gw nft -f - <<-RULES
		table inet docker {
			chain prerouting {
				type nat hook prerouting priority $1; policy accept;
				ip daddr { $LAN4, 192.0.2.7 } meta l4proto { tcp, udp } th dport $2 dnat ip to $SECOND4:80
				ip6 daddr { $LAN6, 2001:db8:7::7 } meta l4proto { tcp, udp } th dport $2 dnat ip6 to [$SECOND6]:80
			}
		}
	RULES
}

serve_both() { # NAME HOST PORT ADDRESS4 ADDRESS6
	serve_tcp "${1}4" "$2" "$4" "$3"
	serve_tcp "${1}6" "$2" "$5" "$3"
}

@test "an any-address masquerade does not reach what another program rewrites, same port or not" {
	serve_both web server 80 "$SERVER4" "$SERVER6"
	serve_both container second 80 "$SECOND4" "$SECOND6"
	pfw add 8080 "$SERVER4:80,[$SERVER6]:80" --snat masquerade
	foreign_dnat -101 8080
	reaches tcp client "$LAN4" 8080 container4 "$CLIENT4"
	reaches tcp client "$LAN6" 8080 container6 "$CLIENT6"
	reaches tcp client "$WAN4" 8080 web4 "$LAN4"
	reaches tcp client "$WAN6" 8080 web6 "$LAN6"
	in_ns gw nft delete table inet docker
	foreign_dnat -99 8080
	reaches tcp client 192.0.2.7 8080 container4 "$CLIENT4"
	reaches tcp client 2001:db8:7::7 8080 container6 "$CLIENT6"
	reaches tcp client "$LAN4" 8080 web4 "$LAN4"
}

@test "nor does that of an address, of an interface, or of a range" {
	serve_both web server 80 "$SERVER4" "$SERVER6"
	serve_both container second 80 "$SECOND4" "$SECOND6"
	config <<-JSON
		{ "settings": { "snat": "masquerade" },
		  "forwards": [
		    { "name": "address", "listen": { "address": ["$LAN4", "$LAN6"], "port": 8080 },
		      "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		    { "name": "both", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		      "listen": { "address": ["$LAN4", "$LAN6"], "interface": "wan0", "port": 8081 } },
		    { "name": "interface", "listen": { "interface": "wan0", "port": 8082 },
		      "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		    { "name": "range", "listen": { "port": "8090-8099" },
		      "target": ["$SERVER4:80", "[$SERVER6]:80"] }
		  ] }
	JSON
	pfw reload
	local port
	for port in 8080 8081 8082 8095; do
		reaches tcp client "$LAN4" "$port" web4 "$LAN4"
		reaches tcp client "$LAN6" "$port" web6 "$LAN6"
		foreign_dnat -101 "$port"
		reaches tcp client "$LAN4" "$port" container4 "$CLIENT4"
		reaches tcp client "$LAN6" "$port" container6 "$CLIENT6"
		in_ns gw nft delete table inet docker
	done
}

@test "what another program sends back where it came from keeps its source" {
	serve_both web server 80 "$SERVER4" "$SERVER6"
	serve_both other second 80 "$SECOND4" "$SECOND6"
	pfw add 8080 "$SECOND4:80,[$SECOND6]:80"
	in_ns gw nft -f - <<-RULES
		table inet vpn {
			chain prerouting {
				type nat hook prerouting priority -99; policy accept;
				ip daddr $LAN4 tcp dport 9090 dnat ip to $SERVER4:80
				ip6 daddr $LAN6 tcp dport 9090 dnat ip6 to [$SERVER6]:80
			}
		}
	RULES
	# The server's answers come back through the gateway, whatever that says of a shorter way.
	in_ns server sh -c 'echo 0 | tee /proc/sys/net/ipv[46]/conf/*/accept_redirects > /dev/null'
	in_ns second sh -c 'echo 0 | tee /proc/sys/net/ipv[46]/conf/*/accept_redirects > /dev/null'
	ip -n server route add "$SECOND4/32" via "$LAN4"
	ip -n server route add "$SECOND6/128" via "$LAN6"
	reaches tcp second "$LAN4" 9090 web4 "$SECOND4"
	reaches tcp second "$LAN6" 9090 web6 "$SECOND6"
	reaches tcp server "$LAN4" 8080 other4 "$LAN4"
	reaches tcp server "$LAN6" 8080 other6 "$LAN6"
	# A target that one forward of two gives up stays one of ours.
	pfw add more 8081 "$SECOND4:80"
	pfw remove tcp-8080
	reaches tcp server "$LAN4" 8081 other4 "$LAN4"
	pfw diff
	pfw remove more
	if rules | grep -F "$SECOND4"; then
		return 1
	fi
	pfw diff
}

@test "an any-address masquerade does not reach a range of an address that the machine has not" {
	serve_both web server 80 "$SERVER4" "$SERVER6"
	serve_both other second 8080 "$SECOND4" "$SECOND6"
	pfw add 8080 "$SERVER4:80,[$SERVER6]:80" --snat masquerade
	pfw add 192.0.2.7:8000-8100 "$SECOND4"
	pfw add "[2001:db8:7::7]:8000-8100" "[$SECOND6]"
	reaches tcp client 192.0.2.7 8080 other4 "$CLIENT4"
	reaches tcp client 2001:db8:7::7 8080 other6 "$CLIENT6"
	reaches tcp client "$WAN4" 8080 web4 "$LAN4"
	reaches tcp client "$WAN6" 8080 web6 "$LAN6"
}

@test "masquerade with several targets, and with ranges kept, shifted and many to one" {
	serve_both one server 80 "$SERVER4" "$SERVER6"
	serve_both two second 80 "$SECOND4" "$SECOND6"
	config <<-JSON
		{ "settings": { "snat": "masquerade" },
		  "forwards": [
		    { "name": "several", "listen": "8080", "balance": "round-robin",
		      "target": ["$SERVER4:80", "$SECOND4:80", "[$SERVER6]:80", "[$SECOND6]:80"] },
		    { "name": "kept", "listen": "$WAN4:79-81", "target": "$SERVER4" },
		    { "name": "kept6", "listen": { "address": "$WAN6", "interface": "wan0", "port": "79-81" },
		      "target": "[$SERVER6]" },
		    { "name": "shifted", "listen": "179-181", "target": ["$SERVER4:79-81", "[$SERVER6]:79-81"] },
		    { "name": "many", "listen": "279-281", "target": ["$SERVER4:80", "[$SERVER6]:80"] }
		  ] }
	JSON
	pfw reload
	reaches tcp client "$WAN4" 8080 one4 "$LAN4"
	reaches tcp client "$WAN4" 8080 two4 "$LAN4"
	reaches tcp client "$WAN6" 8080 one6 "$LAN6"
	reaches tcp client "$WAN6" 8080 two6 "$LAN6"
	local port
	for port in 80 180 280; do
		reaches tcp client "$WAN4" "$port" one4 "$LAN4"
		reaches tcp client "$WAN6" "$port" one6 "$LAN6"
	done
	pfw diff
}

@test "two forwards of one key with overlapping ranges of targets hold together" {
	serve_tcp one server "$SERVER4" 85
	config <<-JSON
		{ "settings": { "snat": "masquerade" },
		  "forwards": [
		    { "name": "kept", "listen": "80-90", "target": "$SERVER4" },
		    { "name": "narrow", "listen": "80-90", "target": "$SERVER4:85", "source": "$CLIENT4" }
		  ] }
	JSON
	pfw reload
	reaches tcp client "$WAN4" 81 one "$LAN4"
	reaches tcp second "$WAN4" 85 one "$LAN4"
	pfw diff
}

@test "the settings give the default, a forward its own word" {
	serve_tcp web server "$SERVER4" 80
	config <<-JSON
		{ "settings": { "snat": "masquerade" },
		  "forwards": [
		    { "name": "default", "listen": "$WAN4:8080", "target": "$SERVER4:80" },
		    { "name": "own", "listen": "$WAN4:8081", "target": "$SERVER4:80", "snat": "auto" }
		  ] }
	JSON
	pfw reload
	reaches tcp client "$WAN4" 8080 web "$LAN4"
	reaches tcp client "$WAN4" 8081 web "$CLIENT4"
}

@test "what a forward of the machine's addresses says does not reach a range at another address" {
	serve_tcp web server "$SERVER4" 81
	config <<-JSON
		{ "forwards": [
		  { "name": "range", "listen": "192.0.2.5:80-90", "target": "$SERVER4" },
		  { "name": "few", "listen": "81", "target": "$SERVER4:81", "source": "203.0.113.0/24" },
		  { "name": "all", "listen": "81", "target": "$SECOND4:81", "snat": "masquerade" }
		] }
	JSON
	pfw reload
	reaches tcp client 192.0.2.5 81 web "$CLIENT4"
}

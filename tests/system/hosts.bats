#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The test hosts themselves, with hand-written nftables rules in portfwd's place.
# If these fail, no other system test says anything.
#
# Backends: nftables iptables

load helpers

@test "a routed connection crosses the gateway and keeps its addresses" {
	routing_on gw
	serve_tcp web server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns server "$SERVER4" 53
	serve_udp dns6 server "$SERVER6" 53
	reaches tcp client "$SERVER4" 80 web "$CLIENT4"
	reaches tcp client "$SERVER6" 80 web6 "$CLIENT6"
	reaches udp client "$SERVER4" 53 dns "$CLIENT4"
	reaches udp client "$SERVER6" 53 dns6 "$CLIENT6"
}

@test "without routing nothing crosses the gateway" {
	serve_tcp web server "$SERVER4" 80
	serve_udp dns server "$SERVER6" 53
	unreachable tcp client "$SERVER4" 80
	unreachable udp client "$SERVER6" 53
}

@test "a wrong server or a wrong peer is noticed" {
	routing_on gw
	serve_tcp web server "$SERVER4" 80
	run reaches tcp client "$SERVER4" 80 other
	[ "$status" -ne 0 ]
	run reaches tcp client "$SERVER4" 80 web "$WAN4"
	[ "$status" -ne 0 ]
	run unreachable tcp client "$SERVER4" 80
	[ "$status" -ne 0 ]
}

@test "a conversation over udp goes both ways" {
	routing_on gw
	serve_udp dns server "$SERVER4" 53
	run connect_udp client "$SERVER4" 53 one two three
	equal 0 "$status"
	equal 3 "${#lines[@]}"
	contains "${lines[2]}" heard=three
}

@test "a DNAT rule by hand: the client's address is kept, hairpin needs masquerade" {
	routing_on gw
	serve_tcp web server "$SERVER4" 80
	in_ns gw nft -f - <<-RULES
		table ip byhand {
			chain pre {
				type nat hook prerouting priority -100
				ip daddr $WAN4 tcp dport 8080 dnat to $SERVER4:80
			}
			chain post {
				type nat hook postrouting priority 100
			}
		}
	RULES
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	unreachable tcp second "$WAN4" 8080
	in_ns gw nft add rule ip byhand post iifname lan0 oifname lan0 masquerade
	reaches tcp second "$WAN4" 8080 web "$LAN4"
}

@test "a one-armed gateway by hand: without masquerade the reply goes astray" {
	hosts_remove
	topology_one_armed
	routing_on gw
	serve_tcp web server "$SERVER6" 80
	in_ns gw nft -f - <<-RULES
		table ip6 byhand {
			chain pre {
				type nat hook prerouting priority -100
				ip6 daddr $ARM6 tcp dport 8080 dnat to [$SERVER6]:80
			}
			chain post {
				type nat hook postrouting priority 100
			}
		}
	RULES
	unreachable tcp client "$ARM6" 8080
	in_ns gw nft add rule ip6 byhand post iifname lan0 oifname lan0 masquerade
	reaches tcp client "$ARM6" 8080 web "$ARM6"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is not portfwd's business stays as it is.
#
# Backends: nftables iptables
# Through a daemon: nftables

load helpers

@test "an any-address forward leaves alone what passes through to other hosts' same port" {
	serve_tcp inside server "$SERVER4" 8080
	serve_tcp inside6 server "$SERVER6" 8080
	serve_udp inside server "$SERVER4" 8080
	serve_tcp outside client "$CLIENT4" 8080
	serve_tcp target second "$SECOND4" 80
	serve_tcp target6 second "$SECOND6" 80
	serve_udp target second "$SECOND4" 80
	routing_on gw
	pfw add 8080/tcp+udp "$SECOND4:80,[$SECOND6]:80"
	reaches tcp client "$WAN4" 8080 target "$CLIENT4"
	reaches tcp client "$WAN6" 8080 target6 "$CLIENT6"
	reaches tcp client "$SERVER4" 8080 inside "$CLIENT4"
	reaches tcp client "$SERVER6" 8080 inside6 "$CLIENT6"
	reaches udp client "$SERVER4" 8080 inside "$CLIENT4"
	reaches tcp second "$CLIENT4" 8080 outside "$SECOND4"
}

@test "an any-address forward leaves alone what the machine asks of other hosts" {
	serve_tcp inside server "$SERVER4" 8080
	serve_tcp target second "$SECOND4" 80
	pfw add 8080 "$SECOND4:80"
	reaches tcp gw "$SERVER4" 8080 inside
	reaches tcp gw "$WAN4" 8080 target
}

@test "an any-address forward leaves alone the machine's service on a loopback address" {
	serve_tcp own gw 127.0.0.1 8080
	serve_tcp own6 gw ::1 8080
	serve_udp own gw 127.0.0.53 8080
	serve_tcp target server "$SERVER4" 80
	serve_tcp target6 server "$SERVER6" 80
	pfw add 8080/tcp+udp "$SERVER4:80,[$SERVER6]:80"
	reaches tcp gw 127.0.0.1 8080 own 127.0.0.1
	reaches tcp gw ::1 8080 own6 ::1
	reaches udp gw 127.0.0.53 8080 own
	reaches tcp client "$WAN4" 8080 target
}

@test "the machine's services on other ports and protocols stay" {
	serve_tcp ssh gw "$WAN4" 22
	serve_udp other gw "$WAN4" 8080
	serve_tcp web server "$SERVER4" 80
	pfw add 8080/tcp "$SERVER4:80"
	reaches tcp client "$WAN4" 22 ssh "$CLIENT4"
	reaches udp client "$WAN4" 8080 other "$CLIENT4"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
}

# Those of iptables are in iptables-foreign.bats.
# bats test_tags=nftables
@test "foreign tables stay byte for byte, whatever portfwd does" {
	in_ns gw nft -f - <<-RULES
		table inet filter {
			set blocked {
				type ipv4_addr
				elements = { 203.0.113.1 }
			}
			chain forward {
				type filter hook forward priority filter; policy accept;
				ip saddr @blocked drop
			}
		}
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				tcp dport 2222 dnat to $SERVER4:22
			}
		}
		table inet portfwd2 {
		}
	RULES
	local before
	before=$(in_ns gw nft list ruleset)
	pfw add web 8080 "$SERVER4:80"
	pfw add dns 53/udp "$SERVER4"
	pfw disable web
	pfw enable web
	pfw remove dns
	pfw reload
	in_ns gw nft list table inet portfwd > /dev/null
	equal "$before" "$(in_ns gw nft list table inet filter
		in_ns gw nft list table ip nat
		in_ns gw nft list table inet portfwd2)"
	pfw flush
	equal "$before" "$(in_ns gw nft list ruleset)"
}

@test "flush leaves nothing behind" {
	pfw add web 8080 "$SERVER4:80"
	[ -n "$(rules)" ]
	pfw flush
	nothing_is_left
}

@test "another table's drop holds for forwarded connections too" {
	serve_tcp web server "$SERVER4" 80
	in_ns gw nft -f - <<-RULES
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy accept;
				ip saddr $CLIENT4 tcp dport 80 drop
			}
		}
	RULES
	pfw add 8080 "$SERVER4:80"
	unreachable tcp client "$WAN4" 8080
	reaches tcp second "$WAN4" 8080 web
}

@test "what others wiped is told by diff, status and list, and put back by reload" {
	serve_tcp web server "$SERVER4" 80
	pfw add web 8080 "$SERVER4:80"
	equal true "$(pfw_json .in_sync status)"
	wipe
	differs
	without_daemon equal false "$(pfw_json .in_sync status)"
	without_daemon equal missing "$(pfw_json '.forwards[0].state' list)"
	pfw reload
	pfw diff
	equal active "$(pfw_json '.forwards[0].state' list)"
	reaches tcp client "$WAN4" 8080 web
}

@test "an add after others wiped the table brings all forwards back" {
	serve_tcp web server "$SERVER4" 80
	pfw add web 8080 "$SERVER4:80"
	wipe
	pfw add more 8081 "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web
	reaches tcp client "$WAN4" 8081 web
	pfw diff
}

# bats test_tags=nftables
@test "a table that another program owns is named, with what to do" {
	local owner words
	mkfifo "$BATS_TEST_TMPDIR/words"
	setsid ip netns exec gw nft -i 3>&- < "$BATS_TEST_TMPDIR/words" > /dev/null 2>&1 &
	owner=$!
	PIDS+=("$owner")
	exec {words}> "$BATS_TEST_TMPDIR/words"
	echo 'add table inet portfwd { flags owner; }' >&"$words"
	for _ in {1..100}; do
		[[ $(in_ns gw nft list tables) != *portfwd* ]] || break
		sleep 0.05
	done
	pfw_fails 1 add 8080 "$SERVER4:80"
	contains "$output" 'table inet portfwd is owned by another program (netlink port '
	equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
	pfw_fails 1 flush
	contains "$output" 'table inet portfwd is owned by another program'
	# With the program goes its table.
	exec {words}>&-
	for _ in {1..100}; do
		[[ $(in_ns gw nft list tables) == *portfwd* ]] || break
		sleep 0.05
	done
	pfw add 8080 "$SERVER4:80"
}

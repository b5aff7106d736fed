#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who may use a forward, and who of several on one key takes a client.
#
# Backends: nftables iptables

load helpers
load language

OTHER4=198.51.100.70 OTHER6=2001:db8:1::70

setup() {
	sandbox_check
	portfwd_setup
	topology
	more_clients client wan "$OTHER4/24" "$OTHER6/64" 198.51.100.71/24 198.51.100.72/24
	peer_serve server a tcp "$SERVER4" 80 b tcp "$SERVER4" 81 c tcp "$SERVER4" 82 \
		a6 tcp "$SERVER6" 80 b6 tcp "$SERVER6" 81 a udp "$SERVER4" 80 b udp "$SERVER4" 81
	peer_serve gw own tcp "$WAN4" 8080 own tcp "$WAN6" 8080 own udp "$WAN4" 8080
}

@test "admitted by address and prefix; others get the machine's own service" {
	pfw add one 8080/tcp+udp "$SERVER4:80,[$SERVER6]:80" \
		--source "$CLIENT4,198.51.100.72/31,$CLIENT6"
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "a $CLIENT4" client udp "$WAN4" 8080
	gets "a6 $CLIENT6" client tcp "$WAN6" 8080 "$CLIENT6"
	gets "a 198.51.100.72" client tcp "$WAN4" 8080 198.51.100.72
	gets "own $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "own $OTHER4" client udp "$WAN4" 8080 "$OTHER4"
	gets "own 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "own $OTHER6" client tcp "$WAN6" 8080 "$OTHER6"
	gets "own $WAN4" gw tcp "$WAN4" 8080
	in_sync
}

@test "excluded, alone and from what is admitted" {
	pfw add not 8080 "$SERVER4:80,[$SERVER6]:80" --source "!$OTHER4,!$OTHER6/128"
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "own $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "a6 $CLIENT6" client tcp "$WAN6" 8080 "$CLIENT6"
	gets "own $OTHER6" client tcp "$WAN6" 8080 "$OTHER6"
	pfw add --replace not 8080 "$SERVER4:80" --source "198.51.100.0/25,!198.51.100.70/31"
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "own $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "own 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "a 198.51.100.72" client tcp "$WAN4" 8080 198.51.100.72
	in_sync
}

@test "sources of one family admit nobody of the other" {
	pfw add v4 8080 "$SERVER4:80,[$SERVER6]:80" --source 0.0.0.0/0
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "own $CLIENT6" client tcp "$WAN6" 8080 "$CLIENT6"
	pfw add v6 8080 "$SERVER4:81,[$SERVER6]:81" --source ::/0
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "b6 $CLIENT6" client tcp "$WAN6" 8080 "$CLIENT6"
	in_sync
}

@test "nested: the narrower is asked first, whatever the order of adding and the names" {
	pfw add z-one 8080 "$SERVER4:80" --source "$OTHER4"
	pfw add a-all 8080 "$SERVER4:82"
	pfw add m-some 8080 "$SERVER4:81" --source 198.51.100.64/26
	gets "a $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "b 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "c $CLIENT4" client tcp "$WAN4" 8080
	in_sync
	pfw remove m-some
	gets "c 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "a $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	pfw disable a-all
	gets "own 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "a $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	pfw enable a-all
	gets "c 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	in_sync
}

@test "nested: whom the narrower excludes, the wider takes" {
	pfw add narrow 8080 "$SERVER4:80" --source "198.51.100.64/26,!$OTHER4"
	pfw add wide 8080 "$SERVER4:81" --source 198.51.100.0/24
	gets "b $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "a 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "b $CLIENT4" client tcp "$WAN4" 8080
	gets "own $LAN4" gw tcp "$WAN4" 8080 "$LAN4"
	in_sync
}

@test "disjoint: each his own; who is in neither falls through to the less specific" {
	pfw add first "$WAN4:8080" "$SERVER4:80" --source "$CLIENT4"
	pfw add second "$WAN4:8080" "$SERVER4:81" --source "$OTHER4"
	gets "own 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	pfw add any 8080 "$SERVER4:82" --source 198.51.100.71
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "b $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "c 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "own 198.51.100.72" client tcp "$WAN4" 8080 198.51.100.72
	in_sync
}

@test "sources that overlap otherwise, or are the same, are a conflict" {
	pfw add first 8080 "$SERVER4:80" --source 198.51.100.64/26,10.0.0.0/24
	pfw_fails 4 add second 8080 "$SERVER4:81" --source 198.51.100.0/24
	contains "$output" first
	pfw_fails 4 add second 8080 "$SERVER4:81" --source 10.0.0.0/24,198.51.100.64/26
	pfw_fails 4 add second 8080 "$SERVER4:81" --source '198.51.100.64/26,10.0.0.0/24,!10.0.0.1'
	pfw add second 8080 "$SERVER4:81" --source 198.51.0.0/16,10.0.0.0/16
	in_sync
}

@test "claims of one key with different snat: each client gets that of its forward" {
	pfw add auto 8080 "$SERVER4:80" --source "$CLIENT4"
	pfw add masq 8080 "$SERVER4:81" --source "$OTHER4" --snat masquerade
	pfw add own 8080 "$SERVER4:82" --source 198.51.100.71 --snat "$WAN4"
	pfw add rest 8080 "$SERVER4:82" --snat none
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "b $LAN4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "c $WAN4" client tcp "$WAN4" 8080 198.51.100.71
	gets "c 198.51.100.72" client tcp "$WAN4" 8080 198.51.100.72
	in_sync
	pfw remove masq
	gets "c $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "c $WAN4" client tcp "$WAN4" 8080 198.51.100.71
	in_sync
}

@test "a narrower one without snat is not masqueraded by the wider, nor by a less specific one" {
	pfw add narrow "$WAN4:8080" "$SERVER4:80" --source 198.51.100.0/28
	pfw add wide "$WAN4:8080" "$SERVER4:81" --snat masquerade
	pfw add any 8080 "$SERVER4:82" --snat masquerade
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "b $LAN4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "c $LAN4" client tcp "$LAN4" 8080
	pfw remove wide
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "c $LAN4" client tcp "$WAN4" 8080 "$OTHER4"
	pfw add --replace narrow "$WAN4:8080" "$SERVER4:80" --source 10.0.0.0/24
	gets "a $LAN4" second tcp "$WAN4" 8080
	in_sync
}

@test "many sources: neighbours, the lowest, the highest" {
	local list=0.0.0.0/8,255.0.0.0/8,198.51.100.0/30,198.51.100.4/30,198.51.100.8/31 i
	for i in {64..72..2}; do
		list+=,198.51.100.$i
	done
	pfw add many 8080 "$SERVER4:80,[$SERVER6]:80" --source "$list,::/16,ffff::/16,$CLIENT6"
	gets "a $CLIENT4" client tcp "$WAN4" 8080
	gets "a $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
	gets "own 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
	gets "a 198.51.100.72" client tcp "$WAN4" 8080 198.51.100.72
	gets "a6 $CLIENT6" client tcp "$WAN6" 8080 "$CLIENT6"
	gets "own $OTHER6" client tcp "$WAN6" 8080 "$OTHER6"
	in_sync
	saved_and_loaded
	in_sync
}

# nft puts a single range, which is no prefix, into no set.
@test "neighbours that make one range, admitted and excluded, also after they were saved and loaded" {
	local not in=a in6=a6 out=own out6=own
	for not in "" "!"; do
		pfw add --replace one 8080 "$SERVER4:80,[$SERVER6]:80" \
			--source "$not$OTHER4,${not}198.51.100.71,${not}2001:db8:1::6f,$not$OTHER6"
		gets "$in $OTHER4" client tcp "$WAN4" 8080 "$OTHER4"
		gets "$in 198.51.100.71" client tcp "$WAN4" 8080 198.51.100.71
		gets "$out 198.51.100.72" client tcp "$WAN4" 8080 198.51.100.72
		gets "$out $CLIENT4" client tcp "$WAN4" 8080
		gets "$in6 $OTHER6" client tcp "$WAN6" 8080 "$OTHER6"
		gets "$out6 $CLIENT6" client tcp "$WAN6" 8080 "$CLIENT6"
		in_sync
		saved_and_loaded
		in_sync
		in=own in6=own out=a out6=a6
	done
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Ranges of ports: kept, many to one, shifted one to one; to other hosts and to
# the machine itself; on every tier of precedence.
#
# Backends: nftables iptables

load helpers
load language

@test "ports are kept, at both edges and between, and not outside" {
	peer_serve server web tcp "$SERVER4" 8000-8010 dns udp "$SERVER4" 8000-8010 \
		web6 tcp "$SERVER6" 8000-8010 dns6 udp "$SERVER6" 8000-8010
	pfw add 8001-8009/tcp+udp "$SERVER4,$SERVER6"
	local port
	for port in 8001 8005 8009; do
		gets "web $CLIENT4 $port" client tcp "$WAN4" "$port"
		gets "dns $CLIENT4 $port" client udp "$WAN4" "$port"
		gets "web6 $CLIENT6 $port" client tcp "$WAN6" "$port"
		gets "dns6 $CLIENT6 $port" client udp "$WAN6" "$port"
	done
	for port in 8000 8010; do
		gets none client tcp "$WAN4" "$port"
		gets none client tcp "$WAN6" "$port"
		gets none client udp "$WAN4" "$port"
	done
	gets "web $CLIENT4 8002" client tcp "$LAN4" 8002
	gets "web6 $LAN6 8002" second tcp "$WAN6" 8002
	gets "web $WAN4 8002" gw tcp "$WAN4" 8002
	in_sync
}

@test "many to one: all ports come together" {
	peer_serve server web tcp "$SERVER4" 80 web6 tcp "$SERVER6" 80 dns udp "$SERVER4" 80
	pfw add many "8000-8010/tcp+udp" "$SERVER4:80,[$SERVER6]:80"
	local port
	for port in 8000 8004 8010; do
		gets "web $CLIENT4 80" client tcp "$WAN4" "$port"
		gets "web6 $CLIENT6 80" client tcp "$WAN6" "$port"
		gets "dns $CLIENT4 80" client udp "$WAN4" "$port"
	done
	gets none client tcp "$WAN4" 7999
	gets none client tcp "$WAN4" 8011
	equal 9 "$(pfw_json '.forwards[0].connections' list)"
	in_sync
}

@test "shifted one to one: 8007 of 8000-8100 to 80-180 goes to 87" {
	peer_serve server web tcp "$SERVER4" 80-180 web6 tcp "$SERVER6" 80-180 dns udp "$SERVER4" 80-180
	pfw add shift "8000-8100/tcp+udp" "$SERVER4:80-180,[$SERVER6]:80-180"
	gets "web $CLIENT4 87" client tcp "$WAN4" 8007
	gets "web6 $CLIENT6 87" client tcp "$WAN6" 8007
	gets "dns $CLIENT4 87" client udp "$WAN4" 8007
	gets "web $CLIENT4 80" client tcp "$WAN4" 8000
	gets "web $CLIENT4 180" client tcp "$WAN4" 8100
	gets "web6 $CLIENT6 180" client tcp "$WAN6" 8100
	gets none client tcp "$WAN4" 7999
	gets none client tcp "$WAN4" 8101
	gets "web $LAN4 87" second tcp "$WAN4" 8007
	gets "web $WAN4 87" gw tcp "$WAN4" 8007
	in_sync
}

@test "the same with sources, which is decided elsewhere: kept, many, shifted" {
	peer_serve server web tcp "$SERVER4" 80-180 web tcp "$SERVER4" 8000-8010 \
		web6 tcp "$SERVER6" 80-180 dns udp "$SERVER4" 80-180
	pfw add shift "8100-8200/tcp+udp" "$SERVER4:80-180,[$SERVER6]:80-180" --log
	pfw add keep 8000-8010 "$SERVER4" --source "$CLIENT4"
	pfw add many 8300-8310 "$SERVER4:80,[$SERVER6]:80" --limit connections=100
	gets "web $CLIENT4 87" client tcp "$WAN4" 8107
	gets "web $CLIENT4 180" client tcp "$WAN4" 8200
	gets "dns $CLIENT4 80" client udp "$WAN4" 8100
	gets "web6 $CLIENT6 87" client tcp "$WAN6" 8107
	gets "web $CLIENT4 8000" client tcp "$WAN4" 8000
	gets "web $CLIENT4 8010" client tcp "$WAN4" 8010
	gets none second tcp "$WAN4" 8000
	gets none client tcp "$WAN4" 8011
	gets "web $CLIENT4 80" client tcp "$WAN4" 8300
	gets "web6 $CLIENT6 80" client tcp "$WAN6" 8310
	gets none client tcp "$WAN4" 8311
	in_sync
}

@test "ranges of the machine's own: kept, one port, shifted" {
	peer_serve_both gw own "$WAN4" 80-100
	peer_serve_both gw own "$WAN4" 8000-8002
	peer_serve_both gw own6 "$WAN6" 80-100
	pfw add kept 8000-8001/tcp+udp self
	pfw add one 8100-8110/tcp+udp self:80
	pfw add shifted 8200-8210/tcp+udp self:90-100
	pfw add ranged "203.0.113.7:8200-8210" self:90-100
	pfw add held "203.0.113.7:8000-8002" self
	pfw add single "203.0.113.7:81" self
	ip -n client route add 203.0.113.7 via "$WAN4"
	local proto
	for proto in tcp udp; do
		gets "own $CLIENT4 8001" client "$proto" "$WAN4" 8001
		gets "own $CLIENT4 80" client "$proto" "$WAN4" 8100
		gets "own $CLIENT4 80" client "$proto" "$WAN4" 8110
		gets "own $CLIENT4 97" client "$proto" "$WAN4" 8207
		gets "own6 $CLIENT6 100" client "$proto" "$WAN6" 8210
		gets "own6 $CLIENT6 80" client "$proto" "$WAN6" 8105
		gets none client "$proto" "$WAN4" 8211
		gets "own $WAN4 97" gw "$proto" "$WAN4" 8207
	done
	gets "own $CLIENT4 97" client tcp 203.0.113.7 8207
	gets "own $CLIENT4 81" client tcp 203.0.113.7 81
	gets "own $CLIENT4 8000" client tcp 203.0.113.7 8000
	in_sync
}

@test "ranges on address and interface, address, interface, any; a port within wins" {
	peer_serve server both tcp "$SERVER4" 1000-1010 address tcp "$SERVER4" 2000-2010 \
		interface tcp "$SERVER4" 3000-3010 any tcp "$SERVER4" 4000-4010 single tcp "$SERVER4" 80
	pfw add any 8000-8010 "$SERVER4:4000-4010"
	gets "any $CLIENT4 4003" client tcp "$WAN4" 8003
	pfw add interface 8001-8009 "$SERVER4:3001-3009" --interface wan0
	gets "interface $CLIENT4 3003" client tcp "$WAN4" 8003
	pfw add address "$WAN4:8002-8008" "$SERVER4:2002-2008"
	gets "address $CLIENT4 2003" client tcp "$WAN4" 8003
	pfw add both "$WAN4:8003-8007" "$SERVER4:1003-1007" --interface wan0
	gets "both $CLIENT4 1003" client tcp "$WAN4" 8003
	gets "both $CLIENT4 1007" client tcp "$WAN4" 8007
	gets "address $CLIENT4 2008" client tcp "$WAN4" 8008
	gets "interface $CLIENT4 3009" client tcp "$WAN4" 8009
	gets "any $CLIENT4 4010" client tcp "$WAN4" 8010
	gets "interface $CLIENT4 3005" client tcp "$LAN4" 8005
	gets "any $LAN4 4005" second tcp "$LAN4" 8005
	gets "address $LAN4 2005" second tcp "$WAN4" 8005
	pfw add single 8005 "$SERVER4:80"
	gets "single $CLIENT4 80" client tcp "$WAN4" 8005
	gets "both $CLIENT4 1004" client tcp "$WAN4" 8004
	gets "both $CLIENT4 1006" client tcp "$WAN4" 8006
	pfw remove single both
	gets "address $CLIENT4 2005" client tcp "$WAN4" 8005
	in_sync
}

@test "ranges of one address, interface and protocol that overlap are a conflict" {
	pfw add first 8000-8010 "$SERVER4"
	pfw_fails 4 add second 8010-8020 "$SERVER4"
	contains "$output" first
	pfw_fails 4 add second 8005-8006 "$SERVER4"
	pfw add udp 8005-8015/udp "$SERVER4"
	pfw add address "$WAN4:8010-8020" "$SERVER4"
	pfw add behind 8011-8020 "$SERVER4"
	in_sync
}

@test "each range has its own word on the source address" {
	peer_serve server web tcp "$SERVER4" 8000-8100
	pfw add any 8000-8100 "$SERVER4" --snat masquerade
	pfw add address "$WAN4:8010-8020" "$SERVER4"
	pfw add port "$WAN4:8015" "$SERVER4" --snat "$LAN4"
	pfw add plain 8016 "$SERVER4"
	gets "web $LAN4 8001" client tcp "$WAN4" 8001
	gets "web $CLIENT4 8011" client tcp "$WAN4" 8011
	gets "web $LAN4 8015" client tcp "$WAN4" 8015
	gets "web $CLIENT4 8016" client tcp "$WAN4" 8016
	gets "web $LAN4 8011" client tcp "$LAN4" 8011
	pfw remove any
	gets "web $CLIENT4 8011" client tcp "$WAN4" 8011
	gets "web $LAN4 8015" client tcp "$WAN4" 8015
	in_sync
}

@test "all ports of both protocols" {
	peer_serve server web tcp "$SERVER4" 1 web tcp "$SERVER4" 65535 dns udp "$SERVER4" 32768
	pfw add all 203.0.113.7:1-65535/tcp+udp "$SERVER4"
	ip -n client route add 203.0.113.7 via "$WAN4"
	gets "web $CLIENT4 1" client tcp 203.0.113.7 1
	gets "web $CLIENT4 65535" client tcp 203.0.113.7 65535
	gets "dns $CLIENT4 32768" client udp 203.0.113.7 32768
	in_sync
}

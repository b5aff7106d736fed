#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whom the server sees: the client, unless the reply could not come back then.

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
	pfw diff
	pfw reload
	reaches tcp second "$WAN4" 8080 web "$LAN4"
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

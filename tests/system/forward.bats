#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a forward is for: a connection to the gateway arrives at the target.
#
# Backends: nftables iptables

load helpers

@test "tcp over IPv4, typed" {
	serve_tcp web server "$SERVER4" 80
	unreachable tcp client "$WAN4" 8080
	pfw add "$WAN4:8080" "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
}

@test "tcp over IPv6, typed" {
	serve_tcp web server "$SERVER6" 80
	pfw add "[$WAN6]:8080" "[$SERVER6]:80"
	reaches tcp client "$WAN6" 8080 web "$CLIENT6"
}

@test "from JSON: both families by one forward, on every address of the machine" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	config <<-JSON
		{ "forwards": [
		  { "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] }
		] }
	JSON
	pfw reload
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	reaches tcp client "$LAN4" 8080 web4 "$CLIENT4"
	unreachable tcp client "$WAN4" 8081
}

@test "udp goes both ways, over IPv4 and IPv6" {
	serve_udp dns4 server "$SERVER4" 5353
	serve_udp dns6 server "$SERVER6" 5353
	pfw add 53/udp "$SERVER4:5353,[$SERVER6]:5353"
	run connect_udp client "$WAN4" 53 one two three
	equal 0 "$status" "IPv4: $output"
	contains "${lines[0]}" "dns4 peer=$CLIENT4"
	contains "${lines[2]}" heard=three
	run connect_udp client "$WAN6" 53 one two three
	equal 0 "$status" "IPv6: $output"
	contains "${lines[0]}" "dns6 peer=$(long "$CLIENT6")"
	contains "${lines[2]}" heard=three
}

@test "sctp entries are taken by the kernel and read back" {
	pfw add tunnel 9899/sctp "$SERVER4:9900"
	equal active "$(pfw_json '.forwards[0].state' list)"
	contains "$(rules)" sctp
	pfw diff
}

@test "a list of ports, each kept" {
	serve_tcp http server "$SERVER4" 80
	serve_tcp https server "$SERVER4" 443
	serve_tcp alt server "$SERVER4" 8443
	pfw add "$WAN4:80,443" "$SERVER4"
	reaches tcp client "$WAN4" 80 http "$CLIENT4"
	reaches tcp client "$WAN4" 443 https "$CLIENT4"
	unreachable tcp client "$WAN4" 8443
}

@test "two protocols in one forward" {
	serve_tcp dns server "$SERVER4" 5353
	serve_udp dns server "$SERVER4" 5353
	pfw add dns 53/tcp+udp "$SERVER4:5353"
	reaches tcp client "$WAN4" 53 dns "$CLIENT4"
	reaches udp client "$WAN4" 53 dns "$CLIENT4"
}

@test "several listen addresses in one forward, and no others" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	config <<-JSON
		{ "forwards": [
		  { "name": "web",
		    "listen": { "address": ["$WAN4", "$WAN6"], "port": 8080 },
		    "target": [ { "address": "$SERVER4", "port": 80 }, { "address": "$SERVER6", "port": 80 } ] }
		] }
	JSON
	pfw reload
	reaches tcp client "$WAN4" 8080 web4
	reaches tcp client "$WAN6" 8080 web6
	unreachable tcp client "$LAN4" 8080
	unreachable tcp client "$LAN6" 8080
}

@test "a listen address that the machine does not hold" {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	ip -n client route add 203.0.113.7/32 via "$WAN4"
	ip -n client -6 route add 2001:db8:77::7/128 via "$WAN6"
	pfw add 203.0.113.7:8080 "$SERVER4:80"
	pfw add "[2001:db8:77::7]:8080" "[$SERVER6]:80"
	reaches tcp client 203.0.113.7 8080 web4 "$CLIENT4"
	reaches tcp client 2001:db8:77::7 8080 web6 "$CLIENT6"
	unreachable tcp client "$WAN4" 8080
}

@test "an interface restricts: what comes in elsewhere, or from the machine itself, is not forwarded" {
	serve_tcp web server "$SERVER4" 80
	pfw add 8080 "$SERVER4:80" --interface wan0
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	reaches tcp client "$LAN4" 8080 web "$CLIENT4"
	unreachable tcp second "$LAN4" 8080
	unreachable tcp second "$WAN4" 8080
	unreachable tcp gw "$WAN4" 8080
}

@test "an address and an interface together" {
	serve_tcp web server "$SERVER6" 80
	pfw add "[$WAN6]:8080" "[$SERVER6]:80" --interface wan0
	reaches tcp client "$WAN6" 8080 web "$CLIENT6"
	unreachable tcp client "$LAN6" 8080
	unreachable tcp second "$WAN6" 8080
}

@test "self: another port of the machine, which sees the address that the client used" {
	serve_tcp web4 gw "$WAN4" 80
	serve_tcp web6 gw "$WAN6" 80
	serve_udp dns gw "$WAN4" 5353
	pfw add 8080 self:80
	pfw add 53/udp self:5353
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	reaches udp client "$WAN4" 53 dns "$CLIENT4"
	run connect_tcp client "$WAN4" 8080
	contains "$output" "local=$WAN4:80"
}

@test "self where the machine does not hold the address: its own service answers all the same" {
	serve_tcp web gw "$WAN4" 80
	ip -n client route add 203.0.113.7/32 via "$WAN4"
	pfw add 203.0.113.7:8080 self:80
	reaches tcp client 203.0.113.7 8080 web "$CLIENT4"
}

@test "the docker spelling" {
	serve_tcp web server "$SERVER4" 80
	serve_udp dns server "$SERVER4" 53
	serve_tcp web6 server "$SERVER6" 80
	pfw add -p "8080:$SERVER4:80"
	pfw add -p "$WAN4:5353:$SERVER4:53/udp"
	pfw add -p "[$WAN6]:8081:[$SERVER6]:80"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	reaches udp client "$WAN4" 5353 dns "$CLIENT4"
	reaches tcp client "$WAN6" 8081 web6 "$CLIENT6"
}

@test "the most specific forward wins: address and interface, address, interface, any" {
	serve_tcp first server "$SERVER4" 81
	serve_tcp second server "$SERVER4" 82
	serve_tcp third server "$SERVER4" 83
	serve_tcp fourth server "$SERVER4" 84
	pfw add any 8080 "$SERVER4:84"
	reaches tcp client "$WAN4" 8080 fourth
	pfw add interface 8080 "$SERVER4:83" --interface wan0
	reaches tcp client "$WAN4" 8080 third
	pfw add address "$WAN4:8080" "$SERVER4:82"
	reaches tcp client "$WAN4" 8080 second
	pfw add both "$WAN4:8080" "$SERVER4:81" --interface wan0
	reaches tcp client "$WAN4" 8080 first
	reaches tcp client "$LAN4" 8080 third
	reaches tcp second "$WAN4" 8080 second
	reaches tcp second "$LAN4" 8080 fourth
	pfw remove both interface
	reaches tcp client "$WAN4" 8080 second
	reaches tcp client "$LAN4" 8080 fourth
}

@test "a removed, a disabled and a flushed forward forward no more; enable and reload bring them back" {
	serve_tcp web server "$SERVER4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web
	pfw disable web
	unreachable tcp client "$WAN4" 8080
	equal disabled "$(pfw_json '.forwards[0].state' list)"
	pfw enable web
	reaches tcp client "$WAN4" 8080 web
	pfw flush
	unreachable tcp client "$WAN4" 8080
	pfw reload
	reaches tcp client "$WAN4" 8080 web
	pfw remove web
	unreachable tcp client "$WAN4" 8080
	equal '[]' "$(pfw_json '.forwards | tostring' list)"
}

@test "remove takes a listen part too" {
	serve_tcp web server "$SERVER4" 80
	pfw add "$WAN4:8080" "$SERVER4:80"
	pfw remove "$WAN4:8080"
	unreachable tcp client "$WAN4" 8080
	pfw_fails 3 remove "$WAN4:8080"
}

@test "add --replace moves a forward to another target; without it that is a conflict" {
	serve_tcp old server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw_fails 4 add web "$WAN4:8080" "$SECOND4:80"
	reaches tcp client "$WAN4" 8080 old
	pfw add --replace web "$WAN4:8080" "$SECOND4:80"
	reaches tcp client "$WAN4" 8080 new
}

@test "drop-in files count, in the order of their names" {
	serve_tcp web server "$SERVER4" 80
	mkdir -p "${CONFIG%/*}/portfwd.d"
	echo '{}' | config
	cat > "${CONFIG%/*}/portfwd.d/10-web.json" <<-JSON
		{ "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" } ] }
	JSON
	pfw reload
	reaches tcp client "$WAN4" 8080 web
}

@test "connections are counted for each forward" {
	serve_tcp web server "$SERVER4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw add idle "$WAN4:8081" "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web
	reaches tcp client "$WAN4" 8080 web
	reaches tcp client "$WAN4" 8080 web
	equal 3 "$(pfw_json '.forwards[] | select(.name == "web") | .connections' list)"
	equal 0 "$(pfw_json '.forwards[] | select(.name == "idle") | .connections' list)"
}

@test "the kernel names the forward beside its rule" {
	pfw add "a-name.to_find" "$WAN4:8080" "$SERVER4:80"
	contains "$(rules)" a-name.to_find
}

@test "--netns works from outside of the namespace" {
	serve_tcp web server "$SERVER4" 80
	"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" --netns gw add "$WAN4:8080" "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web "$CLIENT4"
	equal "" "$(nft list ruleset; iptables-legacy-save)" "the namespace around"
}

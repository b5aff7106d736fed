#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Routing is switched on where a forward needs it, and only there; flush puts it back.

load helpers

routing() { # what IPv4 and IPv6 say in the gateway
	echo "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
}

@test "an IPv4 forward switches on routing for IPv4 only; flush puts it back" {
	equal "0 0" "$(routing)"
	pfw add 8080 "$SERVER4:80"
	equal "1 0" "$(routing)"
	equal "true false" "$(pfw_json '"\(.ip_forward.ipv4) \(.ip_forward.ipv6)"' status)"
	pfw flush
	equal "0 0" "$(routing)"
}

@test "an IPv6 forward switches on routing for IPv6 only; flush puts it back" {
	pfw add 8080 "[$SERVER6]:80"
	equal "0 1" "$(routing)"
	pfw flush
	equal "0 0" "$(routing)"
	equal 0 "$(sysctl_get gw net/ipv6/conf/wan0/forwarding)" wan0
}

@test "a forward to the machine itself needs no routing" {
	pfw add 8080 self:80
	equal "0 0" "$(routing)"
}

@test "a disabled forward needs no routing" {
	pfw add 8080 "$SERVER4:80" --disabled
	equal "0 0" "$(routing)"
	pfw enable tcp-8080
	equal "1 0" "$(routing)"
}

@test "routing that was on before stays on after flush" {
	routing_on gw
	pfw add 8080 "$SERVER4:80,[$SERVER6]:80"
	pfw flush
	equal "1 1" "$(routing)"
}

@test "ip_forward false in the settings: routing is the administrator's" {
	config <<-JSON
		{ "settings": { "ip_forward": false },
		  "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" } ] }
	JSON
	pfw reload
	equal "0 0" "$(routing)"
}

@test "a dry run changes neither routing nor table nor file" {
	run pfw --dry-run add 8080 "$SERVER4:80"
	equal 0 "$status" "$output"
	equal "0 0" "$(routing)"
	equal "" "$(in_ns gw nft list ruleset)"
	[ ! -e "$CONFIG" ]
}

@test "a refused add switches nothing on" {
	pfw add web 8080 self:80
	pfw_fails 4 add other 8080 "$SERVER4:80"
	equal "0 0" "$(routing)"
}

@test "what flush is to put back survives further changes" {
	pfw add one 8080 "$SERVER4:80"
	pfw add two 8081 "[$SERVER6]:80"
	pfw remove one
	pfw reload
	pfw flush
	equal "0 0" "$(routing)"
}

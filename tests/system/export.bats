#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The rules as text: exported for nft, and saved and loaded by nft as
# administrators do it with their whole firewall.
#
# Backends: nftables
# Through a daemon: nftables

load helpers

# Forwards of every kind that there is.
all_kinds() {
	config <<-JSON
		{ "forwards": [
		  { "name": "any", "listen": "8080/tcp+udp", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		  { "name": "address", "listen": "$WAN4:8081", "target": "$SERVER4:80", "snat": "masquerade" },
		  { "name": "address6", "listen": "[$WAN6]:8081", "target": "[$SERVER6]:80", "snat": "none" },
		  { "name": "interface", "listen": { "interface": "wan0", "port": [8082, 8083] },
		    "target": "$SERVER4:80" },
		  { "name": "both", "listen": { "address": "$WAN4", "interface": "wan0", "port": 8084 },
		    "target": "$SERVER4:80" },
		  { "name": "self", "listen": "8085", "target": "self:22" },
		  { "name": "nohairpin", "listen": "$WAN4:8086", "target": "$SERVER4:80", "hairpin": false },
		  { "name": "nolocal", "listen": "8087", "target": "$SERVER4:80", "local": false },
		  { "name": "sctp", "listen": "9899/sctp", "target": "$SERVER4" },
		  { "name": "off", "listen": "8088", "target": "$SERVER4:80", "enabled": false }
		] }
	JSON
}

all_servers() {
	serve_tcp web4 server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	serve_udp dns4 server "$SERVER4" 80
	serve_tcp ssh gw "$WAN4" 22
}

# The same as all_kinds says, by real connections.
all_forward() {
	reaches tcp client "$WAN4" 8080 web4 "$CLIENT4"
	reaches tcp client "$WAN6" 8080 web6 "$CLIENT6"
	reaches udp client "$WAN4" 8080 dns4 "$CLIENT4"
	reaches tcp second "$WAN4" 8080 web4 "$LAN4"
	reaches tcp gw "$WAN4" 8080 web4
	reaches tcp client "$WAN4" 8081 web4 "$LAN4"
	reaches tcp client "$WAN6" 8081 web6 "$CLIENT6"
	reaches tcp client "$WAN4" 8082 web4 "$CLIENT4"
	reaches tcp client "$WAN4" 8083 web4 "$CLIENT4"
	unreachable tcp second "$WAN4" 8083
	reaches tcp client "$WAN4" 8084 web4 "$CLIENT4"
	reaches tcp client "$WAN4" 8085 ssh "$CLIENT4"
	reaches tcp client "$WAN4" 8086 web4 "$CLIENT4"
	unreachable tcp second "$WAN4" 8086
	reaches tcp client "$WAN4" 8087 web4 "$CLIENT4"
	unreachable tcp gw "$WAN4" 8087
	unreachable tcp client "$WAN4" 8088
}

@test "export --format nft, loaded with nft in another namespace, forwards the same" {
	all_kinds
	all_servers
	host_add draft
	pfw_in draft reload
	pfw_in draft export --format nft > "$BATS_TEST_TMPDIR/rules.nft"
	routing_on gw
	in_ns gw nft -f "$BATS_TEST_TMPDIR/rules.nft"
	all_forward
}

# Not through a daemon: it applies what it would export.
# bats test_tags=alone
@test "export needs nothing in the kernel" {
	all_kinds
	host_add draft
	pfw_in draft export --format nft > "$BATS_TEST_TMPDIR/before.nft"
	equal "" "$(in_ns draft nft list ruleset)"
	pfw_in draft reload
	pfw_in draft export --format nft > "$BATS_TEST_TMPDIR/after.nft"
	diff -u "$BATS_TEST_TMPDIR/before.nft" "$BATS_TEST_TMPDIR/after.nft"
}

@test "what nft lists it can load again, and it still forwards" {
	all_kinds
	all_servers
	pfw reload
	all_forward
	saved_and_loaded
	all_forward
	pfw reload
	pfw diff
	all_forward
}

@test "nft list ruleset | nft -f - on the live machine, as it stands" {
	all_kinds
	all_servers
	pfw reload
	all_forward
	in_ns gw sh -c 'nft list ruleset | nft -f -'
	all_forward
}

@test "what was loaded by nft from its own listing is no difference" {
	all_kinds
	pfw reload
	saved_and_loaded
	pfw diff
}

@test "export --format json is a configuration that says the same" {
	all_kinds
	pfw export --format json > "$BATS_TEST_TMPDIR/other.json"
	pfw reload
	pfw check "$BATS_TEST_TMPDIR/other.json"
	cp "$BATS_TEST_TMPDIR/other.json" "$CONFIG"
	pfw diff
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The rules as the tools of iptables see them: listed, saved, exported and restored.
#
# Backends: iptables

load helpers

# Everything that rules can say: each match and target, in both families.
everything() {
	config <<-JSON
		{ "settings": { "backend": "iptables" }, "forwards": [
		  { "name": "any", "listen": "8080/tcp+udp", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		  { "name": "sctp", "listen": "9899/sctp", "target": ["$SERVER4", "$SERVER6"] },
		  { "name": "address", "listen": { "address": ["$WAN4", "$WAN6"], "port": 8081 },
		    "target": ["$SERVER4:80", "[$SERVER6]:80"], "snat": "masquerade" },
		  { "name": "both", "listen": { "address": ["$WAN4", "$WAN6"], "interface": "wan0", "port": [8082, 8083] },
		    "target": ["$SERVER4:80", "[$SERVER6]:80"], "snat": "none" },
		  { "name": "own4", "listen": "8084", "target": "$SERVER4:80", "snat": "$LAN4", "local": false },
		  { "name": "own6", "listen": "8084", "target": "[$SERVER6]:80", "snat": "$LAN6", "hairpin": false },
		  { "name": "kept", "listen": "8100-8109/tcp+udp", "target": ["$SERVER4", "$SERVER6"] },
		  { "name": "many", "listen": "8110-8119", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		  { "name": "shifted", "listen": "8120-8129", "target": ["$SERVER4:80-89", "[$SERVER6]:80-89"],
		    "snat": "masquerade" },
		  { "name": "self", "listen": "8130", "target": "self:22" },
		  { "name": "self-kept", "listen": { "address": ["203.0.113.7", "2001:db8:77::7"], "port": 8131 }, "target": "self" },
		  { "name": "self-range", "listen": "8132-8139", "target": "self:22-29" },
		  { "name": "self-far", "listen": { "address": ["203.0.113.7", "2001:db8:77::7"], "port": "8140-8143" },
		    "target": "self:22-25" },
		  { "name": "inner", "listen": "8150", "target": "127.0.0.1:9000" },
		  { "name": "random", "listen": "8160", "target": [ { "address": "$SERVER4", "port": 80, "weight": 3 },
		    "$SECOND4:80", "[$SERVER6]:80", { "address": "$SECOND6", "port": 80, "weight": 7 } ] },
		  { "name": "turns", "listen": "8161", "balance": "round-robin", "snat": "masquerade",
		    "target": ["$SERVER4:80", "$SECOND4:80", "[$SERVER6]:80", "[$SECOND6]:80"] },
		  { "name": "client", "listen": "8162", "balance": "source",
		    "target": ["$SERVER4:80", "$SECOND4:80", "[$SERVER6]:80", "[$SECOND6]:80"] },
		  { "name": "few", "listen": "8170", "target": ["$SERVER4:80", "[$SERVER6]:80"], "snat": "masquerade",
		    "source": ["198.51.100.0/25", "!198.51.100.17", "10.0.0.0/12", "2001:db8:1::/49", "!2001:db8:1::/64"] },
		  { "name": "rest", "listen": "8170", "target": ["$SECOND4:80", "[$SECOND6]:80"] },
		  { "name": "limited", "listen": "8180/tcp+udp", "target": "$SERVER4:80", "log": true,
		    "limit": { "rate": "600/minute", "burst": 60, "connections": 9 } },
		  { "name": "limited6", "listen": "8180/tcp+udp", "target": "[$SERVER6]:80", "log": true,
		    "limit": { "rate": "600/minute", "burst": 60, "connections": 9 } },
		  { "name": "slow", "listen": "8181", "target": "$SERVER4:80", "limit": { "rate": "7/hour" } },
		  { "name": "a-name.of_19-bytes-", "listen": "8182", "target": "$SERVER4:80", "log": true },
		  { "name": "a-name-that-is-longer-than-any-chain.of-iptables_can-have-it", "listen": "8183",
		    "target": ["$SERVER4:80", "$SECOND4:80"] },
		  { "name": "later", "listen": "8190", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		    "expires": "2037-12-31T23:59:59Z", "snat": "masquerade" },
		  { "name": "same", "listen": { "address": ["$SERVER4", "$SERVER6"], "port": 80 },
		    "target": ["$SERVER4:80", "[$SERVER6]:80"], "source": ["$CLIENT4", "$CLIENT6"] }
		] }
	JSON
}

@test "every rule is listed, none as of an unsupported revision, each with its comment" {
	local tool listing
	everything
	pfw reload
	pfw diff
	for tool in iptables ip6tables; do
		listing=$(in_ns gw "$tool-legacy-save")
		[ "$(grep -c '^-A' <<< "$listing")" -gt 60 ]
		equal "" "$(grep -iF -e unsupported -e UNKNOWN <<< "$listing")"
		equal "" "$(grep '^-A' <<< "$listing" | grep -v -e '--comment "\?portfwd')" "rules without a comment"
		listing=$(in_ns gw "$tool-legacy" -w -t nat -vnL)
		equal "" "$(grep -iF -e unsupported -e UNKNOWN <<< "$listing")"
	done
}

# The entries themselves, as the kernel gives them, are compared by the unit tests.
@test "saved and restored: the same rules, no difference for diff, none after another save" {
	local rules
	everything
	pfw reload
	rules=$(rules)
	saved_and_loaded
	equal "$rules" "$(rules)"
	pfw diff
	equal "nothing changed" "$(pfw reload | grep -o 'nothing changed')"
}

@test "the export restored gives what reload makes, in both families" {
	local rules
	# What is exported has no guard; that is for the machine that it guards.
	routing_on gw
	everything
	pfw reload
	rules=$(rules)
	wipe
	equal "" "$(rules)"
	export_loaded
	equal "$(sort <<< "$rules")" "$(rules | sort)"
	pfw diff
	equal "nothing changed" "$(pfw reload | grep -o 'nothing changed')"
}

@test "the export goes beside the rules of others" {
	in_ns gw iptables-legacy -w -t nat -A POSTROUTING -s 10.8.0.0/24 -j MASQUERADE
	in_ns gw ip6tables-legacy -w -A FORWARD -i wan0 -p udp --dport 9 -j DROP
	everything
	routing_on gw
	pfw export --format iptables > "$BATS_TEST_TMPDIR/4"
	pfw export --format ip6tables > "$BATS_TEST_TMPDIR/6"
	in_ns gw iptables-legacy-restore -w --noflush "$BATS_TEST_TMPDIR/4"
	in_ns gw ip6tables-legacy-restore -w --noflush "$BATS_TEST_TMPDIR/6"
	pfw_fails 7 diff
	equal "" "$(grep -v 'route_localnet = 1$' <<< "$output")"
	equal 1 "$(in_ns gw iptables-legacy-save | grep -c 10.8.0.0/24)"
	equal 1 "$(in_ns gw ip6tables-legacy-save | grep -c 'dport 9 ')"
}

@test "counts stay with their rules through changes of others, and through a move to another chain" {
	serve_tcp web server "$SERVER4" 80
	pfw add web 8080 "$SERVER4:80"
	reaches tcp client "$WAN4" 8080 web
	reaches tcp client "$WAN4" 8080 web
	count() {
		pfw_json '.forwards[] | select(.name == "web").connections' list
	}
	equal 2 "$(count)"
	pfw add more 8081 "$SERVER4:80"
	pfw reload
	equal 2 "$(count)"
	# Into the chains that sort by port, and back.
	jq '.forwards += [range(9000; 9100) | { name: "f\(.)", listen: "\(.)", target: "10.0.0.2" }]' "$CONFIG" \
		> "$BATS_TEST_TMPDIR/many.json"
	cp "$CONFIG" "$BATS_TEST_TMPDIR/few.json"
	cp "$BATS_TEST_TMPDIR/many.json" "$CONFIG"
	pfw reload
	contains "$(rules)" ':PORTFWD-tcp-'
	equal 2 "$(count)"
	reaches tcp client "$WAN4" 8080 web
	equal 3 "$(count)"
	cp "$BATS_TEST_TMPDIR/few.json" "$CONFIG"
	pfw reload
	equal "" "$(rules | grep ':PORTFWD-tcp-')"
	equal 3 "$(count)"
	pfw diff
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The whole rule language in one configuration: applied, saved and loaded by the kernel's tool,
# and exported to another machine.
#
# Backends: nftables iptables
# Through a daemon: nftables

load helpers
load language

everything() {
	config <<-JSON
		{ "forwards": [
		  { "name": "port", "listen": "8000/tcp+udp", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		  { "name": "masq", "listen": "8001", "target": "$SERVER4:80", "snat": "masquerade" },
		  { "name": "none", "listen": "$WAN4:8002", "target": "$SERVER4:80", "snat": "none" },
		  { "name": "snat4", "listen": "8003", "target": "$SERVER4:80", "snat": "$WAN4" },
		  { "name": "snat6", "listen": "8003", "target": "[$SERVER6]:80", "snat": "$WAN6" },
		  { "name": "keep", "listen": "8100-8109/tcp+udp", "target": ["$SERVER4", "$SERVER6"] },
		  { "name": "many", "listen": "$WAN4:8110-8119", "target": "$SERVER4:80", "snat": "masquerade" },
		  { "name": "shift", "listen": "8120-8129", "target": ["$SERVER4:80-89", "[$SERVER6]:80-89"] },
		  { "name": "within", "listen": "8125", "target": "$SERVER4:80" },
		  { "name": "keep-if", "listen": { "port": "8105-8115", "interface": "wan0" }, "target": "$SERVER4" },
		  { "name": "both", "listen": { "address": "$WAN4", "port": "8107", "interface": "wan0" },
		    "target": "$SERVER4:81" },
		  { "name": "self-one", "listen": "8200-8209", "target": "self:22" },
		  { "name": "self-shift", "listen": "8210-8219/tcp+udp", "target": "self:20-29" },
		  { "name": "self-keep", "listen": "8220-8229", "target": "self" },
		  { "name": "weights", "listen": "8300", "target": [ { "address": "$SERVER4", "port": 80, "weight": 3 },
		    { "address": "$SERVER4", "port": 81, "weight": 2 }, { "address": "$SERVER6", "port": 80, "weight": 7 },
		    { "address": "$SERVER6", "port": 81 } ] },
		  { "name": "turns", "listen": "8301", "balance": "round-robin",
		    "target": ["$SERVER4:80", "$SERVER4:81"], "snat": "$LAN4" },
		  { "name": "client", "listen": "8302-8303/tcp+udp", "balance": "source",
		    "target": ["$SERVER4:80", "$SERVER4:81", "[$SERVER6]:80", "[$SERVER6]:81"] },
		  { "name": "few", "listen": "8400", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		    "source": ["198.51.100.8/31", "198.51.100.16/28", "10.0.0.0/12", "!198.51.100.17", "2001:db8:1::/49"] },
		  { "name": "rest", "listen": "8400", "target": ["$SERVER4:81", "[$SERVER6]:81"], "snat": "masquerade" },
		  { "name": "apart", "listen": "$WAN4:8401-8409", "target": "$SERVER4:80", "source": "$CLIENT4",
		    "snat": "$LAN4" },
		  { "name": "other", "listen": "$WAN4:8401-8409", "target": "$SERVER4:81",
		    "source": "!$CLIENT4/32", "local": false, "enabled": false },
		  { "name": "nobody", "listen": "8410", "target": "$SERVER4:80", "source": ["0.0.0.0/0", "!0.0.0.0/1", "!128.0.0.0/1"] },
		  { "name": "limited", "listen": "8500/tcp+udp", "target": "$SERVER4:80",
		    "limit": { "rate": "600/minute", "burst": 60, "connections": 9 }, "log": true },
		  { "name": "limited6", "listen": "8500/tcp+udp", "target": "[$SERVER6]:80",
		    "limit": { "rate": "60/minute", "burst": 6, "connections": 9 }, "log": true },
		  { "name": "slow", "listen": "8501-8502", "target": "$SERVER4:80", "limit": { "rate": "3/hour" } },
		  { "name": "logged", "listen": "8503", "target": "self:22", "log": true, "local": false },
		  { "name": "later", "listen": "8600", "target": "$SERVER4:80", "expires": "$LATE-01-31T12:00:00Z" },
		  { "name": "late-range", "listen": "8601-8602", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		    "expires": "$LATE-06-30T12:00:00+02:00", "snat": "masquerade" },
		  { "name": "late-few", "listen": "8603", "target": "$SERVER4:81", "source": "$CLIENT4",
		    "expires": "$LATE-07-01T00:00:00Z" },
		  { "name": "late-rest", "listen": "8603", "target": "$SERVER4:80" },
		  { "name": "tunnel", "listen": "9899/sctp", "target": "$SERVER4" },
		  { "name": "past", "listen": "8000", "target": "$SERVER4:82", "expires": "2001-01-01T00:00:00Z" },
		  { "name": "off", "listen": "8000", "target": "$SERVER4:82", "enabled": false }
		] }
	JSON
}

servers() {
	peer_serve server a tcp "$SERVER4" 80 b tcp "$SERVER4" 81 r tcp "$SERVER4" 82-89 a6 tcp "$SERVER6" 80 \
		b6 tcp "$SERVER6" 81 r6 tcp "$SERVER6" 82-89 k tcp "$SERVER4" 8100-8115 \
		k6 tcp "$SERVER6" 8100-8109 a udp "$SERVER4" 80 k udp "$SERVER4" 8100-8109
	peer_serve gw own tcp "$WAN4" 20-29 own tcp "$WAN6" 20-29 own udp "$WAN4" 20-29 \
		own tcp "$WAN4" 8220-8229 own tcp "$WAN4" 8410
}

# One connection through each, by its answer; in one process.
all_answers() {
	peer_ask client <<-ASK | sed "s/$CLIENT4/client/; s/$CLIENT6/client/; s/$LAN4/lan/; s/$LAN6/lan/; s/$WAN4/wan/; s/$WAN6/wan/" | xargs | sed 's/ \([abkrno]\)/\n\1/g'
		ask tcp $WAN4 8000
		ask tcp $WAN6 8000
		ask udp $WAN4 8000
		ask tcp $WAN4 8001
		ask tcp $WAN4 8002
		ask tcp $WAN4 8003
		ask tcp $WAN6 8003
		ask tcp $WAN4 8100
		ask udp $WAN4 8109
		ask tcp $WAN6 8109
		ask tcp $WAN4 8107
		ask tcp $WAN4 8112
		ask tcp $LAN4 8112
		ask tcp $WAN4 8127
		ask tcp $WAN6 8129
		ask tcp $WAN4 8125
		ask tcp $WAN4 8205
		ask tcp $WAN6 8219
		ask udp $WAN4 8210
		ask tcp $WAN4 8223
		times 2 ask tcp $WAN4 8301
		ask tcp $WAN4 8400
		ask tcp $WAN6 8400
		ask tcp $WAN4 8404
		ask tcp $WAN4 8410
		ask tcp $WAN4 8500
		ask tcp $WAN4 8502
		ask tcp $WAN4 8503
		ask tcp $WAN4 8600
		ask tcp $WAN6 8602
		ask tcp $WAN4 8603
	ASK
}

expected_answers() {
	cat <<-ANSWERS
		a client 80
		a6 client 80
		a client 80
		a lan 80
		a client 80
		a wan 80
		a6 wan 80
		k client 8100
		k client 8109
		k6 client 8109
		b client 81
		a lan 80
		k client 8112
		r client 87
		r6 client 89
		a client 80
		own client 22
		own client 29
		own client 20
		own client 8223
		a lan 80
		b lan 81
		a client 80
		a6 client 80
		a lan 80
		own client 8410
		a client 80
		a client 80
		own client 22
		a client 80
		a6 lan 80
		b client 81
	ANSWERS
}

works() { # WHAT
	all_answers > "$BATS_TEST_TMPDIR/answers"
	expected_answers | diff -u - "$BATS_TEST_TMPDIR/answers" || {
		echo "$1" >&2
		show_gateway >&2
		return 1
	}
}

@test "everything at once: in sync, and each connection where it must go" {
	everything
	servers
	pfw reload
	in_sync
	works "after reload"
	in_sync
	pfw reload
	in_sync
	local states
	states=$(pfw_json '.forwards[].state' list | sort | uniq -c | xargs)
	equal "30 active 2 disabled 1 expired" "$states"
}

@test "everything saved and loaded: still in sync, and it forwards the same" {
	everything
	servers
	pfw reload
	works "before"
	saved_and_loaded
	in_sync
	works "after"
	saved_and_loaded
	in_sync
}

@test "everything exported as text, loaded elsewhere: in sync there, and it forwards the same" {
	everything
	servers
	export_loaded
	routing_on gw
	works "the exported rules"
	in_sync
}

@test "everything one by one, and back, is in sync all the way" {
	local name names
	everything
	pfw export --format json > "$BATS_TEST_TMPDIR/all.json"
	mapfile -t names < <(jq -r '.forwards[].name' "$BATS_TEST_TMPDIR/all.json")
	jq '.forwards[].enabled = false' "$BATS_TEST_TMPDIR/all.json" > "$CONFIG"
	pfw reload
	for name in "${names[@]}"; do
		case $name in off | past) continue ;; esac
		pfw -q enable "$name"
		in_sync
	done
	for name in "${names[@]}"; do
		case $name in past) continue ;; esac
		pfw -q disable "$name"
		in_sync
	done
	# The guard stays as long as the routing; no element and no chain of a forward does.
	equal "" "$(rules | grep -E "$of_a_forward" || true)"
}

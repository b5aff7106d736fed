#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What iptables cannot express is refused at check time, and is what the manual says.
#
# Backends: iptables

load helpers

setup() {
	sandbox_check
	portfwd_setup
	host_add gw
}

# The keys of the table of LIMITS in portfwd-iptables(7).
told() {
	awk '/^\.Sh / { inside = $2 == "LIMITS" }
		inside && /^\.It Cm / { print $3 }
		inside && /^\.El/ { exit }' "$BATS_TEST_DIRNAME/../../man/portfwd-iptables.7"
}

# "KEY FORWARD" a line: one of each that nftables takes and iptables cannot.
beyond() {
	jq -nr '
		def forward: { name: "odd", listen: "8080", target: "10.0.0.2:80" };
		def pool($n): { target: [range($n) | "10.0.0.2:\(1000 + .)"] };
		["balance", forward + { balance: "source" } + pool(33)],
		["balance", forward + { balance: "round-robin", target: [ { address: "10.0.0.2", weight: 1000 }, { address: "10.0.0.3", weight: 27 } ] }],
		["expires", forward + { expires: "2038-01-19T03:14:08Z" }],
		["limit.rate", forward + { limit: { rate: "10001/second" } }],
		["limit.rate", forward + { limit: { rate: "1/day", burst: 2 } }],
		["limit.rate", forward + { limit: { rate: "7/day", burst: 8 } }],
		["limit.rate", forward + { target: ["10.0.0.2:80", "[fd00::2]:80"], limit: { rate: "1/second" } }],
		["limit.rate", forward + { target: "self:80", limit: { rate: "1/second" } }],
		["log", forward + { name: "a-name-of-20-letters", log: true }],
		["source", forward + { snat: "masquerade", source: ["0.0.0.0/0", (range(60) | "!10.\(. * 4).0.1")] }],
		["target", forward + { listen: "192.0.2.1:2000-3024", target: "self:4000-5024" }] |
		"\(.[0]) \(.[1])"'
}

# What is at the border, and must be taken.
within() {
	jq -nr '
		def forward: { listen: "8080", target: "10.0.0.2:80" };
		def pool($n): { target: [range($n) | "10.0.0.2:\(1000 + .)"] };
		forward + { balance: "source" } + pool(32),
		forward + { balance: "round-robin" } + pool(1024),
		forward + { balance: "random" } + pool(1024),
		forward + { expires: "2038-01-19T03:14:07Z" },
		forward + { limit: { rate: "10000/second" } },
		forward + { limit: { rate: "1/day", burst: 1 } },
		forward + { limit: { rate: "7/day", burst: 7 } },
		forward + { listen: "0.0.0.0:8080", target: "self:80", limit: { rate: "1/second" } },
		forward + { listen: "[::]:8080", target: "self:80", limit: { rate: "1/second" } },
		forward + { target: ["10.0.0.2:80", "[fd00::2]:80"], source: "192.0.2.0/24", limit: { rate: "1/second" } },
		forward + { log: true },
		forward + { snat: "masquerade", source: [range(1024) | "10.\(. / 100 | floor).\(. % 100 * 2).1"] },
		forward + { listen: "192.0.2.1:2000-3023", target: "self:4000-5023" } | tojson' |
		awk '{ sub(/8080/, 8080 + NR); sub(/^\{/, sprintf("{\"name\":\"a-name-of-19-lett%02d\",", NR)); print }'
}

@test "what the manual tells that iptables cannot is refused, by the forward, the key and the backend, and nothing else is changed" {
	local key forward row=0
	while read -r key forward; do
		row=$((row + 1))
		printf '{ "forwards": [ %s ] }\n' "$forward" > "$CONFIG"
		if built_in nftables; then
			pfw --backend nftables reload
			pfw --backend nftables flush
		fi
		pfw_fails 1 reload
		contains "$output" "$CONFIG: forwards[0].$key: \"$(jq -r .name <<< "$forward")\": the iptables backend cannot"
		equal 1 "${#lines[@]}" "$output"
		pfw_fails 1 --dry-run reload
		pfw_fails 1 export --format iptables
		nothing_is_left
		equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
	done < <(beyond)
	equal 11 "$row"
}

@test "the manual's table has just these keys" {
	equal "$(beyond | cut -d' ' -f1 | sort -u)" "$(told | sort -u)"
}

@test "what is just within these limits works" {
	within | jq -s '{ forwards: . }' > "$CONFIG"
	equal 13 "$(jq '.forwards | length' "$CONFIG")"
	pfw reload
	pfw diff
	saved_and_loaded
	pfw diff
}

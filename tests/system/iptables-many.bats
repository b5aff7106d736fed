#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thousands of forwards: a packet walks few rules to the right one, and a change of one
# changes few.
#
# Backends: iptables

load helpers
load language

# Each target port is a server's, whose answer ends with that port.
servers() {
	peer_serve server web tcp "$SERVER4" 10000-10999 web6 tcp "$SERVER6" 10000-10999
	# In memory: no disk is waited for.
	CONFIG=/run/portfwd.json RUN_DIR=/run/portfwd
	rm -rf "$CONFIG" "$RUN_DIR"
	ip -n client route add 10.1.0.0/16 via "$WAN4"
	ip -n client -6 route add 2001:db8:77::/64 via "$WAN6"
}

# The forwards that a jq program makes of the numbers from 0 to N.
forwards() { # N PROGRAM
	jq -nc "[range($1) | $2] | { forwards: . }" > "$CONFIG"
	pfw -q reload
}

# The most rules that a chain of the table nat has.
longest() {
	iptables_save gw | awk '/PORTFWD/ && $2 == "-A" { n[$1 " " $3]++ }
		END { for (i in n) if (n[i] > max) max = n[i]; print max + 0 }'
}

# The most rules that a packet walks: through the deepest of all chains that lead on.
walked() { # 4|6 CHAIN
	iptables_save gw | awk -v family="$1" -v chain="$2" '
		$1 == family && $2 == "-A" { rules[$3] = rules[$3] "\n" $0 }
		function walk(chain,   list, n, i, most, cost, words) {
			if (chain in known)
				return known[chain]
			known[chain] = 100000 # whoever comes back here goes round in circles
			n = split(substr(rules[chain], 2), list, "\n")
			most = n
			for (i = 1; i <= n; i++)
				if (match(list[i], /-[gj] PORTFWD-[^ ]+/)) {
					split(substr(list[i], RSTART, RLENGTH), words, " ")
					cost = walk(words[2]) + (words[1] == "-j" ? n : i)
					if (cost > most)
						most = cost
				}
			return known[chain] = most
		}
		END { print walk(chain) }'
}

is_short() {
	local chain family
	[ "$(longest)" -le 64 ] || {
		echo "a chain has $(longest) rules" >&2
		return 1
	}
	for family in 4 6; do
		for chain in PORTFWD-DNAT PORTFWD-SNAT; do
			[ "$(walked "$family" "$chain")" -le 400 ] || {
				echo "$(walked "$family" "$chain") rules are walked from $chain in IPv$family" >&2
				return 1
			}
		done
	done
}

# A command's dry run tells of N rules and chains at most, whatever stands.
changes_few() { # N ARGUMENT …
	local n=$1
	shift
	run pfw --dry-run "$@"
	equal 0 "$status" "$output"
	[ "$(grep -c '^[-+~] ' <<< "$output")" -gt 0 ]
	[ "$(grep -c '^[-+~] ' <<< "$output")" -le "$n" ] || {
		echo "portfwd $* changes more than $n: $output" | head -n 40 >&2
		return 1
	}
}

@test "10,000 ports: each connection finds its own, few rules are walked, one more changes few" {
	local port
	servers
	forwards 10001 'if . == 10000 then { name: "range", listen: "50000-50010", target: ["10.0.0.2:10000", "[fd00::2]:10000"] }
		else { name: "f\(.)", listen: "\(20000 + 2 * .)",
			target: ["10.0.0.2:\(10000 + . % 1000)", "[fd00::2]:\(10000 + . % 1000)"] } end'
	is_short
	for port in 0 1 31 32 500 2047 2048 4999 7777 9999; do
		echo "ask tcp $WAN4 $((20000 + 2 * port))"
		echo "ask tcp $WAN6 $((20000 + 2 * port))"
	done | peer_ask client > "$BATS_TEST_TMPDIR/answers"
	for port in 0 1 31 32 500 2047 2048 4999 7777 9999; do
		echo "web $CLIENT4 $((10000 + port % 1000))"
		echo "web6 $CLIENT6 $((10000 + port % 1000))"
	done | diff - "$BATS_TEST_TMPDIR/answers"
	gets none client tcp "$WAN4" 20001
	gets none client tcp "$WAN6" 39999
	changes_few 8 add one 30001 "$SERVER4:10000"
	changes_few 8 add more 30001-30005 "$SERVER4:10000"
	changes_few 8 remove f77
	pfw add one 30001 "$SERVER4:10007"
	gets "web $CLIENT4 10007" client tcp "$WAN4" 30001
	pfw remove f77
	gets none client tcp "$WAN4" 20154
	gets "web $CLIENT4 10078" client tcp "$WAN4" 20156
	pfw diff
	is_short
	pfw flush
	nothing_is_left
}

@test "10,000 addresses on one port: the same, and who has none of these addresses is the any-address forward's" {
	local n
	servers
	forwards 10000 'if . == 0 then { name: "any", listen: "443", target: ["10.0.0.2:10999", "[fd00::2]:10999"] }
		elif . == 1 then { name: "range", listen: "400-500", target: ["10.0.0.2:10998", "[fd00::2]:10998"] }
		elif . % 2 == 0 then { name: "f\(.)", listen: "10.1.\(. / 256 | floor).\(. % 256):443",
			target: "10.0.0.2:\(10000 + . % 997)" }
		else { name: "f\(.)", listen: "[2001:db8:77::\(.)]:443", target: "[fd00::2]:\(10000 + . % 997)" } end'
	is_short
	for n in 2 254 256 4096 9998; do
		echo "ask tcp 10.1.$((n / 256)).$((n % 256)) 443"
		echo "ask tcp 2001:db8:77::$((n + 1)) 443"
	done | peer_ask client > "$BATS_TEST_TMPDIR/answers"
	for n in 2 254 256 4096 9998; do
		echo "web $CLIENT4 $((10000 + n % 997))"
		echo "web6 $CLIENT6 $((10000 + (n + 1) % 997))"
	done | diff - "$BATS_TEST_TMPDIR/answers"
	gets "web $CLIENT4 10999" client tcp "$WAN4" 443
	gets "web6 $CLIENT6 10999" client tcp "$WAN6" 443
	gets "web $CLIENT4 10998" client tcp "$WAN4" 444
	# Of transit to an address between them nothing is taken.
	gets none client tcp 10.1.0.3 443
	changes_few 8 add one 10.1.200.200:443 "$SERVER4:10000"
	changes_few 8 remove f4096
	pfw add one 10.1.200.200:443 "$SERVER4:10005"
	gets "web $CLIENT4 10005" client tcp 10.1.200.200 443
	pfw diff
}

@test "thousands of ranges, sources and masquerades: the right one, and the right source address" {
	local n
	servers
	forwards 3000 '{ name: "f\(.)", listen: "\(10000 + 10 * .)-\(10008 + 10 * .)", target: "10.0.0.2:\(10000 + . % 1000)",
		snat: (if . % 2 == 0 then "masquerade" else "auto" end) }
		+ if . % 3 == 0 then { source: ["198.51.100.0/24", "10.0.0.0/8"] } else {} end'
	is_short
	for n in 0 1 2 999 1500 2001 2999; do
		echo "ask tcp $WAN4 $((10000 + 10 * n))"
		echo "ask tcp $WAN4 $((10008 + 10 * n))"
	done | peer_ask client > "$BATS_TEST_TMPDIR/answers"
	for n in 0 1 2 999 1500 2001 2999; do
		[ $((n % 2)) = 1 ] && who=$CLIENT4 || who=$LAN4
		echo "web $who $((10000 + n % 1000))"
		echo "web $who $((10000 + n % 1000))"
	done | diff - "$BATS_TEST_TMPDIR/answers"
	gets none client tcp "$WAN4" 10009
	changes_few 12 add one 39999 "$SERVER4:10000" --snat masquerade
	pfw diff
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What others did to the table is told item by item, and reload puts back just
# that: forwards that they left alone go on counting where they were.
#
# As long as 10 tests.
#
# Backends: nftables

load helpers
load language

setup() {
	sandbox_check
	portfwd_setup
	topology
	peer_serve server web tcp "$SERVER4" 80 web tcp "$SERVER6" 80 web udp "$SERVER4" 53 \
		web udp "$SERVER6" 53 web tcp "$SERVER4" 8100-8103 web tcp "$SERVER6" 8100-8103
	peer_serve second second tcp "$SECOND4" 80 second tcp "$SECOND6" 80
	config <<-JSON
		{ "forwards": [
		{ "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		{ "name": "addr", "listen": { "address": ["$WAN4", "$WAN6"], "port": 8081 },
		  "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		{ "name": "pool", "listen": "8082", "balance": "round-robin",
		  "target": ["$SERVER4:80", "$SECOND4:80", "[$SERVER6]:80", "[$SECOND6]:80"] },
		{ "name": "range", "listen": "8100-8103", "target": ["$SERVER4", "$SERVER6"] },
		{ "name": "few", "listen": "8083", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		  "source": ["$CLIENT4", "$CLIENT6"] },
		{ "name": "masked", "listen": "8084", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		  "snat": "masquerade" },
		{ "name": "dns", "listen": "53/udp", "target": ["$SERVER4", "$SERVER6"] } ] }
	JSON
	pfw -q reload
	declare -gA count=()
	visit
	visit
}

# Where each forward is met.
declare -gA door=([web]="tcp 8080" [addr]="tcp 8081" [pool]="tcp 8082" [range]="tcp 8102"
	[few]="tcp 8083" [masked]="tcp 8084" [dns]="udp 53")

# One connection in each family through each forward, which the right host answers under
# the right address; the forwards must have counted them.
visit() {
	local name answer expected answers=() asked=() i=0

	for name in "${!door[@]}"; do
		asked+=("$name $CLIENT4" "$name $CLIENT6")
		count[${name}4]=$((${count[${name}4]-0} + 1))
		count[${name}6]=$((${count[${name}6]-0} + 1))
	done
	# Of a UDP client that happens to take an earlier one's port nothing new would be counted.
	in_ns gw sh -c 'conntrack -D -p udp; conntrack -D -f ipv6 -p udp' > "$BATS_TEST_TMPDIR/gone" 2>&1 || true
	mapfile -t answers < <(for name in "${!door[@]}"; do
		echo "ask ${door[$name]/ / $WAN4 }"
		echo "ask ${door[$name]/ / $WAN6 }"
	done | peer_ask client)
	for answer in "${asked[@]}"; do
		read -r name expected <<< "$answer"
		case $name:$expected in
		masked:*:*) expected=$LAN6 ;;
		masked:*) expected=$LAN4 ;;
		esac
		case $name:${answers[i]} in
		"$name:web $expected "* | "pool:second $expected "*) ;;
		*)
			echo "$name: expected web to see $expected, got: ${answers[i]}" >&2
			return 1
			;;
		esac
		i=$((i + 1))
	done
	counted
}

# Each forward has counted what it should.
counted() {
	local name expected=""

	for name in web addr pool range few masked dns; do
		expected+="$name=$((${count[${name}4]} + ${count[${name}6]})) "
	done
	equal "${expected% }" \
		"$(pfw_json '[.forwards[:7][] | "\(.name)=\(.connections)"] | join(" ")' list)" "$*"
}

# Reads nft commands, a line "--", and what diff must say then. What is LOST (a forward and a
# family, or "all") counts anew, and nothing else does.
disturbed() { # WHAT [LOST …]
	local what=$1 line commands="" expected="" name status=0 output

	shift
	while IFS= read -r line && [ "$line" != -- ]; do
		commands+=$line$'\n'
	done
	expected=$(cat)
	in_ns gw nft -f - <<< "$commands"
	# How long an element has left changes while we look.
	output=$(set -o pipefail && pfw diff 2>&1 | sed 's/ timeout [^ ]*//') || status=$?
	equal "$expected" "$output" "$what: diff"
	equal 7 "$status" "$what: exit code of diff"
	pfw -q reload
	output=$(pfw diff 2>&1) || {
		printf '%s: not mended: %s\n' "$what" "$output" >&2
		return 1
	}
	[ "$*" != all ] || set -- "${!count[@]}"
	for name in "$@"; do
		count[$name]=0
	done
	counted "$what: counts"
	visit || {
		echo "$what: after the reload" >&2
		return 1
	}
}

table="inet portfwd"

@test "elements" {
	local stamp
	stamp=$(in_ns gw nft list set inet portfwd revision | sed -n 's/.*elements = { \(.*\) }/\1/p')
	disturbed "deleted" web4 <<-END
		delete element $table dnat4_any { tcp . 8080 }
		--
		+ web: element dnat4_any { tcp . 8080 comment "web" : $SERVER4 . 80 }
	END
	disturbed "deleted, IPv6" addr6 <<-END
		delete element $table dnat6_addr { $WAN6 . tcp . 8081 }
		--
		+ addr: element dnat6_addr { $WAN6 . tcp . 8081 comment "addr" : $SERVER6 . 80 }
	END
	disturbed "another target" web4 <<-END
		delete element $table dnat4_any { tcp . 8080 }
		add element $table dnat4_any { tcp . 8080 comment "web" : $SECOND4 . 80 }
		--
		~ web: element dnat4_any { tcp . 8080 comment "web" : $SERVER4 . 80 }
	END
	disturbed "another name" web6 <<-END
		delete element $table dnat6_any { tcp . 8080 }
		add element $table dnat6_any { tcp . 8080 comment "other" : $SERVER6 . 80 }
		--
		~ web: element dnat6_any { tcp . 8080 comment "web" : $SERVER6 . 80 }
	END
	disturbed "a range cut short" range4 <<-END
		delete element $table keep4_any { tcp . 8100-8103 }
		add element $table keep4_any { tcp . 8100-8101 comment "range" : $SERVER4 }
		--
		- range: element keep4_any { tcp . 8100-8101 comment "range" : $SERVER4 }
		+ range: element keep4_any { tcp . 8100-8103 comment "range" : $SERVER4 }
	END
	disturbed "a range of IPv6 deleted" range6 <<-END
		delete element $table keep6_any { tcp . 8100-8103 }
		--
		+ range: element keep6_any { tcp . 8100-8103 comment "range" : $SERVER6 }
	END
	disturbed "to another chain" <<-END
		delete element $table chain4_any { tcp . 8082 }
		add element $table chain4_any { tcp . 8082 comment "pool" : jump to-few }
		--
		~ pool: element chain4_any { tcp . 8082 comment "pool" : jump to-pool }
	END
	disturbed "about to expire" <<-END
		delete element $table snat6_any { tcp . 8084 . $SERVER6 . 80 }
		add element $table snat6_any { tcp . 8084 . $SERVER6 . 80 timeout 1d comment "masked" : goto masquerades }
		--
		~ masked: element snat6_any { tcp . 8084 . $SERVER6 . 80 comment "masked" : goto masquerades }
	END
	disturbed "about the source, deleted" <<-END
		delete element $table snat4_any { tcp . 8084 . $SERVER4 . 80 }
		--
		+ masked: element snat4_any { tcp . 8084 . $SERVER4 . 80 comment "masked" : goto masquerades }
	END
	disturbed "foreign ones" <<-END
		add element $table dnat4_any { tcp . 9999 : $SECOND4 . 80 }
		add element $table dnat6_addr { 2001:db8::9 . udp . 9999 comment "theirs" : $SECOND6 . 80 }
		add element $table keep4_any { tcp . 9000-9100 comment "web" : $SECOND4 }
		add element $table chain4_any { tcp . 9999 timeout 1d comment "theirs" : drop }
		--
		- element dnat4_any { tcp . 9999 : $SECOND4 . 80 }
		- theirs: element dnat6_addr { 2001:db8::9 . udp . 9999 comment "theirs" : $SECOND6 . 80 }
		- theirs: element chain4_any { tcp . 9999 comment "theirs" : drop }
		- web: element keep4_any { tcp . 9000-9100 comment "web" : $SECOND4 }
	END
	disturbed "of the guard" <<-END
		delete element $table guarded4 { "wan0" }
		add element $table guarded6 { "other0" }
		--
		- element guarded6 { "other0" }
		+ element guarded4 { "wan0" }
	END
	disturbed "the stamp altered" <<-END
		flush set $table revision
		add element $table revision { 0x00000001 . 0x00000002 }
		--
		- element revision { 0x00000001 . 0x00000002 }
		+ element revision { $stamp }
	END
	disturbed "a map flushed" web4 masked4 dns4 <<-END
		flush map $table dnat4_any
		--
		+ web: element dnat4_any { tcp . 8080 comment "web" : $SERVER4 . 80 }
		+ masked: element dnat4_any { tcp . 8084 comment "masked" : $SERVER4 . 80 }
		+ dns: element dnat4_any { udp . 53 comment "dns" : $SERVER4 . 53 }
	END
	disturbed "two maps flushed" web6 masked6 dns6 <<-END
		flush map $table dnat6_any
		flush map $table chain6_any
		--
		+ web: element dnat6_any { tcp . 8080 comment "web" : $SERVER6 . 80 }
		+ pool: element chain6_any { tcp . 8082 comment "pool" : jump to-pool }
		+ few: element chain6_any { tcp . 8083 comment "few" : jump to-few }
		+ masked: element dnat6_any { tcp . 8084 comment "masked" : $SERVER6 . 80 }
		+ dns: element dnat6_any { udp . 53 comment "dns" : $SERVER6 . 53 }
	END
}

@test "an element that does not end when it says" {
	local comment expected end
	pfw -q add brief 8090 "$SERVER4:80" --expires 2h
	comment=$(in_ns gw nft list map inet portfwd chain4_any | grep -o 'comment "brief until [^"]*"')
	expected="~ brief: element chain4_any { tcp . 8090 $comment : jump to-brief }"
	for end in "" "timeout 1h" "timeout 3h" "timeout 1d expires 2h1m"; do
		disturbed "with $end" <<-END
			delete element $table chain4_any { tcp . 8090 }
			add element $table chain4_any { tcp . 8090 $end $comment : jump to-brief }
			--
			$expected
		END
	done
	# As after a reboot.
	in_ns gw nft list ruleset | sed 's/expires 1h59m/expires 1h49m/' > "$BATS_TEST_TMPDIR/later.nft"
	disturbed "saved some time ago" <<-END
		flush ruleset
		$(cat "$BATS_TEST_TMPDIR/later.nft")
		--
		$expected
	END
	gets "web $CLIENT4 80" client tcp "$WAN4" 8090
}

@test "rules" {
	disturbed "added behind the others" <<-END
		add rule $table prerouting tcp dport 9999 accept
		--
		~ chain prerouting
	END
	disturbed "added before the others" <<-END
		insert rule $table prerouting ip6 saddr ::/0 accept
		insert rule $table forward drop
		--
		~ chain prerouting
		~ chain forward
	END
	disturbed "a base chain flushed" <<-END
		flush chain $table prerouting
		--
		~ chain prerouting
	END
	disturbed "the guard flushed" <<-END
		flush chain $table guard
		--
		~ chain guard
	END
	disturbed "all chains flushed" pool4 pool6 few4 few6 <<-END
		flush table $table
		--
		~ chain prerouting
		~ chain output
		~ chain forward
		~ chain guard
		~ chain postrouting
		~ chain hairpins
		~ chain masquerades
		~ pool: chain to-pool
		~ few: chain to-few
	END
	disturbed "the chain of a forward flushed" pool4 pool6 <<-END
		flush chain $table to-pool
		--
		~ pool: chain to-pool
	END
	disturbed "the chain of a forward sends elsewhere" few4 few6 <<-END
		flush chain $table to-few
		add rule $table to-few meta nfproto ipv4 meta l4proto tcp counter dnat ip to $SECOND4:80
		--
		~ few: chain to-few
	END
	disturbed "masquerades no more" <<-END
		flush chain $table masquerades
		--
		~ chain masquerades
	END
	local handle
	handle=$(in_ns gw nft -a list chain inet portfwd to-few | sed -n 's/.*ip6 saddr.*handle //p')
	disturbed "one of a forward deleted" few4 few6 <<-END
		delete rule $table to-few handle $handle
		--
		~ few: chain to-few
	END
	handle=$(in_ns gw nft -a list chain inet portfwd output | sed -n 's/.*@dnat6_any.*handle //p')
	disturbed "one of a base chain deleted" <<-END
		delete rule $table output handle $handle
		--
		~ chain output
	END
}

@test "declarations" {
	disturbed "a policy of drop" <<-END
		add chain $table forward { policy drop; }
		--
		~ chain forward
	END
	disturbed "asleep" <<-END
		add table $table { flags dormant; }
		--
		~ table inet portfwd
	END
	disturbed "a map of another kind" web4 masked4 dns4 <<-END
		flush chain $table prerouting
		flush chain $table output
		delete map $table dnat4_any
		add map $table dnat4_any { type inet_proto . inet_service : ipv4_addr . inet_service; flags interval; counter; }
		add element $table dnat4_any { tcp . 8080 comment "web" : $SERVER4 . 80 }
		--
		~ set dnat4_any
		~ chain prerouting
		~ chain output
		+ web: element dnat4_any { tcp . 8080 comment "web" : $SERVER4 . 80 }
		+ masked: element dnat4_any { tcp . 8084 comment "masked" : $SERVER4 . 80 }
		+ dns: element dnat4_any { udp . 53 comment "dns" : $SERVER4 . 53 }
	END
	disturbed "a map of IPv6 deleted" web6 masked6 dns6 <<-END
		flush chain $table prerouting
		flush chain $table output
		delete map $table dnat6_any
		--
		+ set dnat6_any
		~ chain prerouting
		~ chain output
		+ web: element dnat6_any { tcp . 8080 comment "web" : $SERVER6 . 80 }
		+ masked: element dnat6_any { tcp . 8084 comment "masked" : $SERVER6 . 80 }
		+ dns: element dnat6_any { udp . 53 comment "dns" : $SERVER6 . 53 }
	END
	disturbed "a set as a map" <<-END
		flush chain $table forward
		delete set $table guarded6
		add map $table guarded6 { type ifname : verdict; }
		add element $table guarded6 { "lan0" : drop }
		--
		~ set guarded6
		~ chain forward
		+ element guarded6 { "lan0" }
		+ element guarded6 { "wan0" }
	END
	disturbed "a chain on another hook" <<-END
		delete chain $table output
		add chain $table output { type nat hook input priority 0; }
		--
		~ chain output
	END
	disturbed "a base chain deleted" <<-END
		flush chain $table postrouting
		delete chain $table postrouting
		--
		+ chain postrouting
	END
	disturbed "the chain of a forward deleted" pool4 pool6 <<-END
		delete element $table chain4_any { tcp . 8082 }
		delete element $table chain6_any { tcp . 8082 }
		flush chain $table to-pool
		delete chain $table to-pool
		--
		+ pool: chain to-pool
		+ pool: element chain4_any { tcp . 8082 comment "pool" : jump to-pool }
		+ pool: element chain6_any { tcp . 8082 comment "pool" : jump to-pool }
	END
}

@test "maps that somebody made too small for one more" {
	in_ns gw nft list ruleset | sed '/map dnat[46]_any {/a size 3' > "$BATS_TEST_TMPDIR/small.nft"
	in_ns gw nft flush ruleset
	in_ns gw nft -f "$BATS_TEST_TMPDIR/small.nft"
	in_sync
	pfw -q add more 9000 "$SERVER4:80,[$SERVER6]:80"
	in_sync
	counted "all go on counting"
	visit
	gets "web $CLIENT4 80" client tcp "$WAN4" 9000
	gets "web $CLIENT6 80" client tcp "$WAN6" 9000
}

@test "foreign things in our table" {
	disturbed "a set and a map" <<-END
		add set $table theirs { type ipv4_addr; flags interval; }
		add element $table theirs { 203.0.113.0/24 }
		add map $table to-web { type inet_service : ipv4_addr; }
		add element $table to-web { 80 : $SECOND4 }
		--
		- set theirs
		- web: set to-web
	END
	disturbed "a map with a name of ours" <<-END
		add map $table dnat4_if { type inet_service : ipv4_addr; }
		add element $table dnat4_if { 80 : $SECOND4 }
		--
		- set dnat4_if
	END
	disturbed "a base chain that drops" <<-END
		add chain $table theirs { type filter hook prerouting priority -300; policy drop; }
		--
		- chain theirs
	END
	disturbed "a chain, and where ours go there" <<-END
		add chain $table theirs
		add rule $table theirs counter drop
		insert rule $table prerouting jump theirs
		--
		- chain theirs
		~ chain prerouting
	END
	disturbed "a chain as of a forward" <<-END
		add chain $table to-web
		add rule $table to-web dnat ip to $SECOND4
		add element $table chain6_any { tcp . 9999 comment "web" : jump to-web }
		--
		- web: element chain6_any { tcp . 9999 comment "web" : jump to-web }
		- web: chain to-web
	END
}

@test "all of it" {
	local all
	# What a reload from nothing would make, but for the sysctls, which stay.
	in_ns gw nft delete table inet portfwd
	all=$(pfw --dry-run reload | grep '^[+~-]')
	[ "$(wc -l <<< "$all")" -gt 40 ]
	pfw -q reload
	count=()
	visit
	disturbed "the table deleted" all <<-END
		delete table $table
		--
		$all
	END
	disturbed "everything flushed" all <<-END
		flush ruleset
		--
		$all
	END
	disturbed "an empty table of that name" all <<-END
		delete table $table
		add table $table
		--
		$(sed 1d <<< "$all")
	END
	disturbed "an old version loaded" pool4 pool6 few4 few6 <<-END
		$(in_ns gw nft list ruleset)
		--
		~ chain prerouting
		~ chain output
		~ chain forward
		~ chain guard
		~ chain postrouting
		~ chain hairpins
		~ chain masquerades
		~ pool: chain to-pool
		~ few: chain to-few
	END
}

@test "a table that somebody put to sleep is woken by the next add" {
	in_ns gw nft add table inet portfwd '{ flags dormant; }'
	pfw -q add more 8099 "$SERVER4:80"
	pfw diff
	visit
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Several targets of one family share the connections, as their weights and
# "balance" say.
#
# Backends: nftables iptables

load helpers
load language

three_servers() {
	peer_serve server a tcp "$SERVER4" 80 b tcp "$SERVER4" 81 c tcp "$SERVER4" 82 \
		a tcp "$SERVER6" 80 b tcp "$SERVER6" 81 c tcp "$SERVER6" 82
}

three_targets() { # BALANCE WEIGHT WEIGHT WEIGHT
	config <<-JSON
		{ "forwards": [ { "name": "pool", "listen": "8080", "balance": "$1", "target": [
		  { "address": "$SERVER4", "port": 80, "weight": $2 },
		  { "address": "$SERVER4", "port": 81, "weight": $3 },
		  { "address": "$SERVER4", "port": 82, "weight": $4 },
		  { "address": "$SERVER6", "port": 80, "weight": $2 },
		  { "address": "$SERVER6", "port": 81, "weight": $3 },
		  { "address": "$SERVER6", "port": 82, "weight": $4 } ] } ] }
	JSON
	pfw reload
}

# How many of N connections each target took: "A B C" in $counts.
tally() { # N ADDRESS
	local answers
	answers=$(peer_ask client <<< "times $1 ask tcp $2 8080")
	counts="$(grep -c '^a ' <<< "$answers") $(grep -c '^b ' <<< "$answers") $(grep -c '^c ' <<< "$answers")" || true
}

# Within 5 points of the whole.
near() { # N COUNT PERCENT
	local points=$(($2 * 1000 / $1 - $3 * 10))
	[ "${points#-}" -le 50 ] || {
		echo "$2 of $1 are not within 5 points of $3 percent" >&2
		return 1
	}
}

@test "random: 3,000 connections over the weights 5, 3, 2 in each family" {
	local counts a b c address
	three_servers
	three_targets random 5 3 2
	for address in "$WAN4" "$WAN6"; do
		tally 3000 "$address"
		read -r a b c <<< "$counts"
		equal 3000 $((a + b + c)) "answers"
		near 3000 "$a" 50
		near 3000 "$b" 30
		near 3000 "$c" 20
	done
	equal 6000 "$(pfw_json '.forwards[0].connections' list)"
	in_sync
}

@test "round-robin: each in turn, by weight" {
	local counts
	three_servers
	three_targets round-robin 1 1 1
	tally 30 "$WAN4"
	equal "10 10 10" "$counts"
	tally 30 "$WAN6"
	equal "10 10 10" "$counts"
	three_targets round-robin 3 2 1
	tally 60 "$WAN4"
	equal "30 20 10" "$counts"
	in_sync
}

@test "source: one client keeps its target, also over a reload; many clients spread" {
	local i first more4=() more6=() answers address
	three_servers
	three_targets source 1 1 1
	for i in {20..59}; do
		more4+=("198.51.100.$i/24")
		more6+=("2001:db8:1::$i/64")
	done
	more_clients client wan "${more4[@]}" "${more6[@]}"
	for address in "$WAN4" "$WAN6"; do
		first=$(peer_ask client <<< "ask tcp $address 8080")
		answers=$(peer_ask client <<< "times 50 ask tcp $address 8080")
		equal "50 $first" "$(sort <<< "$answers" | uniq -c | sed 's/^ *//')"
		pfw add other "9${#address}" self --replace
		pfw reload
		equal "$first" "$(peer_ask client <<< "ask tcp $address 8080")"
	done
	for i in {20..59}; do
		echo "ask tcp $WAN4 8080 198.51.100.$i"
	done > "$BATS_TEST_TMPDIR/questions"
	answers=$(peer_ask client < "$BATS_TEST_TMPDIR/questions" | cut -d' ' -f1)
	equal "a b c" "$(sort -u <<< "$answers" | xargs)"
	sed -i "s/$WAN4/$WAN6/; s/198.51.100./2001:db8:1::/" "$BATS_TEST_TMPDIR/questions"
	answers=$(peer_ask client < "$BATS_TEST_TMPDIR/questions" | cut -d' ' -f1)
	equal "a b c" "$(sort -u <<< "$answers" | xargs)"
	in_sync
}

@test "ports kept, on a range too, and udp" {
	peer_serve_both server a "$SERVER4" 8000-8005
	peer_serve_both second b "$SECOND4" 8000-8005
	pfw add pool 8000-8005/tcp+udp "$SERVER4,$SECOND4" --balance round-robin
	local proto answers
	for proto in tcp udp; do
		answers=$(peer_ask client <<< "times 4 ask $proto $WAN4 8003" | sort | uniq -c | xargs)
		equal "2 a $CLIENT4 8003 2 b $CLIENT4 8003" "$answers"
	done
	in_sync
}

@test "several targets behind one: hairpin and the machine's own connections" {
	peer_serve server a tcp "$SERVER4" 80 b tcp "$SERVER4" 81
	pfw add pool "$WAN4:8080" "$SERVER4:80,$SERVER4:81" --balance round-robin
	equal "a $LAN4 80 b $LAN4 81" "$(peer_ask second <<< "times 2 ask tcp $WAN4 8080" | sort | xargs)"
	equal "a 80 b 81" "$(peer_ask gw <<< "times 2 ask tcp $WAN4 8080" | cut -d' ' -f1,3 | sort | xargs)"
}

@test "1,000 targets" {
	local i targets=()
	for i in {1..1000}; do
		targets+=("$SERVER4:$((i + 1000))")
	done
	peer_serve server web tcp "$SERVER4" 1001-2000
	(IFS=, && pfw add pool 8080 "${targets[*]}" --balance round-robin)
	in_sync
	equal 1000 "$(peer_ask client <<< "times 1000 ask tcp $WAN4 8080" | sort -u | wc -l)"
	saved_and_loaded
	in_sync
}

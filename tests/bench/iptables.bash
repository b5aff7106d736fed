# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2086,SC2154 # numbers, and what run sets
#
# The iptables backend, beside chains as one would make them by hand.

# Rules of iptables: each side has a namespace of its own, or a table would hold both.
timed_in() { # COMMAND …
	nsenter --net="/run/netns/$side" "$BENCH/measure" "$side" "$@" || fail "failed: $*"
}
has_rules() { # N
	local n
	n=$(nsenter --net="/run/netns/$side" iptables-legacy-save -t nat | grep -c -- '-j DNAT')
	[ "$n" = "$1" ] || fail "$n rules in the kernel instead of $1"
}
side_anew() {
	ip netns del "$side" 2> /dev/null || true
	ip netns add "$side"
	rm -rf "/run/bench/$side"
}

apply_tree() {
	side_anew
	timed_in "$PORTFWD" --backend iptables -c all.json --run-dir /run/bench/ours reload
	has_rules "$n"
}
apply_flat() {
	side_anew
	timed_in iptables-legacy-restore all.rules
	has_rules "$n"
}

add_tree() { # ROUND
	timed_in "$PORTFWD" --backend iptables -c all.json --run-dir /run/bench/ours \
		add "more$1" "$(address $((MORE + $1))):8080" 192.168.1.2:80
	has_rules $((n + $1))
}
add_flat() { # ROUND
	timed_in iptables-legacy -t nat -A PREROUTING -d "$(address $((MORE + $1)))" -p tcp --dport 8080 \
		-j DNAT --to-destination 192.168.1.2:80
	has_rules $((n + $1))
}

bench_iptables() { # N
	local n=$1 rounds

	rounds=$(rounds_of "$n")
	write_json "$n" true $MANY 192.168.1.2 > all.json
	write_iptables "$n" $MANY 192.168.1.2 > all.rules
	take_turns "$rounds" apply_tree apply_flat
	result process "$n" "iptables: apply from JSON, cold" "iptables-restore"
	take_turns "$rounds" add_tree add_flat
	result process "$n" "iptables: add one" "iptables -A"
	ip netns del ours
	ip netns del theirs
}

gateway_fill_iptables() { # HOST FORWARDS FIRST
	write_json "$2" true "$3" "$(target_of "$1")" > "$1.json"
	in_ns "$1" "$PORTFWD" --backend iptables -c "$1.json" --run-dir "/run/bench/$1" -q reload
	[ "$(in_ns "$1" iptables-legacy-save -t nat | grep -c -- '-j DNAT')" = "$2" ] ||
		fail "gateway $1 does not have its $2 forwards"
}

# Beside a chain of as many rules: what each adds to the first packet through one forward.
bench_iptables_packets() { # N
	local n=$1 host

	gateway_add tree 4 "$(address $TREE)/12"
	gateway_add flat 5 "$(address $FLAT)/12"
	gateway_add single 6 "$(address $SINGLE)/16"
	gateway_fill_iptables tree "$n" $TREE
	gateway_fill_iptables single 1 $SINGLE
	write_iptables "$n" $FLAT "$(target_of flat)" | in_ns flat iptables-legacy-restore
	rm -f added.ours added.theirs
	for _ in {1..8}; do
		connect first 5 500 $TREE "$n" $SINGLE
		paste -d ' ' ours theirs | awk '{ print $1 - $2 }' >> added.ours
		connect first 5 500 $FLAT "$n" $SINGLE
		paste -d ' ' ours theirs | awk '{ print $1 - $2 }' >> added.theirs
	done
	mv added.ours ours
	mv added.theirs theirs
	result packet "$n" "iptables: added to first packet, p50" "flat chain" "$(to_reach '10000:<= 0.1')"
	for host in tree flat single; do
		ip netns del "$host"
		rm -rf "/run/bench/$host"
	done
}

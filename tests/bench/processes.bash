# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2086,SC2154 # numbers, and what run sets
#
# What whole processes take: load all, add one, load anew.

apply_ours() {
	clear_all
	timed "$PORTFWD" -c all.json --run-dir /run/bench/run reload
	holds "$n"
}
apply_theirs() {
	clear_all
	timed nft -f all.nft
	holds "$n"
}

add_ours() { # ROUND
	timed "$PORTFWD" -c all.json --run-dir /run/bench/run add "more$1" "$(address $((MORE + $1))):8080" 192.168.1.2:80
	holds $((n + $1))
}
add_theirs() { # ROUND
	timed nft add element inet byhand forwards "{ $(address $((MORE + $1))) . tcp . 8080 : 192.168.1.2 . 80 }"
	holds $((n + $1))
}

reload_changed() {
	local changed
	cp changed.json now.json
	timed "$PORTFWD" -c now.json --run-dir /run/bench/run reload
	holds "$n"
	changed=$(nft get element inet portfwd dnat4_addr "{ $(address $((MANY + 7))) . tcp . 8080 }")
	[[ $changed == *"192.168.1.2 . 81"* ]] ||
		fail "the changed forward is not in the kernel"
}
diff_ours() {
	timed "$PORTFWD" -c now.json --run-dir /run/bench/run diff
}
apply_now() {
	clear_all
	cp all.json now.json
	timed "$PORTFWD" -c now.json --run-dir /run/bench/run reload
	side=ours holds "$n"
}

bench_processes() { # N
	local n=$1 rounds counters words

	rounds=$(rounds_of "$n")
	for counters in false true; do
		write_json "$n" $counters $MANY 192.168.1.2 > all.json
		write_nft "$n" $counters $MANY 192.168.1.2 > all.nft
		take_turns "$rounds" apply_ours apply_theirs
		if [ $counters = true ]; then
			words="apply from JSON, cold, counters"
			result process "$n" "$words" "nft -f, equal map" "$(to_reach '100000:<= 0.6')"
		else
			words="apply from JSON, cold, no counters"
			result process "$n" "$words" "nft -f, equal map" \
				"$(to_reach '100000:<= 0.35' '1000000:<= 0.4')"
		fi
	done

	# From here on with counters.
	clear_all
	portfwd all.json -q reload
	nft -f all.nft
	take_turns "$rounds" add_ours add_theirs
	result process "$n" "add one, no daemon" "nft add element"

	write_json "$n" true $MANY 192.168.1.2 > all.json
	sed '/"name": "f7"/s/:80" }/:81" }/' all.json > changed.json
	side=before apply_now
	take_turns "$rounds" reload_changed apply_now
	result process "$n" "reload, one changed" "apply of all" "$(to_reach '100000:<= 0.6')"

	cp changed.json now.json
	"$BENCH/elements" sent "$PORTFWD" -c now.json --run-dir /run/bench/run -q reload > ours
	echo "$n" > theirs
	result elements "$n" "elements sent, one changed" "apply of all" "<= $(awk -v n="$n" 'BEGIN { print 1 / n }')"

	cp all.json now.json
	portfwd now.json -q reload
	take_turns "$rounds" diff_ours apply_now
	result process "$n" "diff, in sync" "apply of all"
	clear_all
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2086,SC2154 # numbers, and what run sets
#
# What portfwdd costs: changes through it, its memory, its wake-ups, its answers while it rewrites
# the file, and how soon it mends what others break.

DAEMON_LOG=$work/daemon.log
SOCKET=/run/bench/run/portfwd.sock

daemon_start() { # FILE [ENVIRONMENT …]
	rm -f "$SOCKET"
	: > "$DAEMON_LOG"
	env "${@:2}" "${PORTFWD}d" -c "$1" --run-dir /run/bench/run --foreground \
		< /dev/null 2>> "$DAEMON_LOG" &
	daemon=$!
	eventually [ -S "$SOCKET" ]
}

daemon_stop() {
	kill "$daemon"
	wait "$daemon" || fail "the daemon ended with $?: $(tail -n 1 "$DAEMON_LOG")"
}

eventually() { # COMMAND …
	local tries=3000

	until "$@"; do
		[ $((tries -= 1)) -gt 0 ] || fail "did not come true: $*"
		sleep 0.02
	done
}

logged() { # TEXT
	grep -c -F -- "$1" "$DAEMON_LOG" || true
}

# A file of one figure against a fixed one.
against() { # FIGURE BASELINE
	echo "$1" > ours
	echo "$2" > theirs
}

# ---- Changes

add_daemon() { # ROUND
	timed "$PORTFWD" -c all.json --run-dir /run/bench/run add "more$1" "$(address $((MORE + $1))):8080" 192.168.1.2:80
	holds $((n + $1))
}

# ---- What it is when nothing happens

memory_now() { # WHEN
	against "$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")" $((96 * 1024))
	result memory "$n" "daemon, memory, $1" "96 MiB" "$(to_reach '100000:<= 1')"
}

# Of all of its threads.
wakeups() {
	cat /proc/"$daemon"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'
}

# Beside a process that wakes up once a second.
idle_for_10s() { # WHAT TO-REACH
	local before

	sleep 2
	before=$(wakeups)
	sleep 10
	against $(($(wakeups) - before)) 10
	result wakeups "$n" "$1" "once a second" "$2"
}

file_is_settled() {
	[ ! -s all.json.journal ]
}

# ---- Answers while the file is rewritten

bench_answers() {
	local what figure

	"$BENCH/answers" settle "$SOCKET" "$work/all.json" "$(rounds_of "$n")" > answers || fail "no answers"
	for what in get add; do
		for figure in p50 p99; do
			awk -v what="$what-$figure" '$1 == what { print $2 }' answers > ours
			awk -v what="$what-$figure" '$1 == what { print $3 }' answers > theirs
			result answer "$n" "$what while the file is rewritten, $figure" "otherwise"
		done
	done
}

bench_daemon() { # N
	local n=$1 rounds=${given_rounds:-101}

	write_json "$n" true $MANY 192.168.1.2 > all.json
	write_nft "$n" true $MANY 192.168.1.2 > all.nft
	clear_all
	nft -f all.nft
	daemon_start all.json
	memory_now "loaded"
	take_turns "$rounds" add_daemon add_theirs
	result process "$n" "add one, through the daemon" "nft add element" "$(to_reach '100000:<= 1')"
	[ "$(logged "verb=add")" = "$rounds" ] || fail "changes did not go through the daemon"
	nft delete table inet byhand

	"$BENCH/answers" add "$SOCKET" 1000 > answers || fail "no answers"
	memory_now "1,000 added"
	eventually file_is_settled
	memory_now "file rewritten"
	portfwd all.json -q reload
	memory_now "reloaded"
	idle_for_10s "daemon, wake-ups in 10 s" "<= 0"
	bench_answers
	daemon_stop

	# Which it answers twice in this time.
	daemon_start all.json WATCHDOG_USEC=10000000 NOTIFY_SOCKET="$work/nobody"
	idle_for_10s "the same, with a watchdog of 10 s" ""
	daemon_stop
	clear_all
}

# ---- Repairs

# What the daemon's loop has taken of a processor, in nanoseconds.
processor_time() {
	cut -d ' ' -f 1 "/proc/$daemon/schedstat"
}

# COUNT disturbances a round, with p50 and p99 of each, and the daemon's processor time for one, which
# other work on the machine disturbs less.
bench_mend() { # COUNT WHAT TO-REACH COMMAND …
	local count=$1 what=$2 reach=$3 round rounds=${given_rounds:-3} figure before
	shift 3

	rm -f p50 p99 cpu
	for ((round = 1; round <= rounds; round++)); do
		before=$(processor_time)
		"$BENCH/mend" "$DAEMON_LOG" "$count" "$((round * 7919 + n))" "$@" > mended || fail "not mended"
		echo $((($(processor_time) - before) / count)) >> cpu
		sort -n mended | awk '{ all[NR] = $1 } END {
			print all[int((NR + 1) / 2)] >> "p50"
			print all[int((NR * 99 + 99) / 100)] >> "p99"
		}'
		portfwd all.json diff > /dev/null || fail "what was mended is not as it should be"
	done
	for figure in p50 p99 cpu; do
		mv $figure ours
		sed 's/.*/100000000/' ours > theirs
		result answer "$n" "repair: $what, $figure" "100 ms" "$([ $figure != p99 ] || echo "$reach")"
	done
}

bench_repairs() { # N
	local n=$1 flushes=100

	[ "$n" -lt 100000 ] || flushes=20
	write_json "$n" true $MANY 192.168.1.2 > all.json
	clear_all
	daemon_start all.json
	bench_mend 100 "one thing" "<= 1" \
		"exec nft delete element inet portfwd dnat4_addr '{ $(address $MANY) . tcp . 8080 }'" \
		"exec nft insert rule inet portfwd prerouting counter drop" \
		"exec nft flush chain inet portfwd prerouting" \
		"echo 0 > /proc/sys/net/ipv4/ip_forward"
	bench_mend $flushes "everything" "$([ "$n" -ge 100000 ] || echo "<= 1")" \
		"exec nft flush ruleset" "exec nft delete table inet portfwd"
	daemon_stop
	bench_owned
	clear_all
}

# Where the daemon owns the table, others cannot touch it.
bench_owned() {
	sed -i 's/"counters": true/"counters": true, "own_table": true/' all.json
	daemon_start all.json
	if nft -t list ruleset | grep -q 'flags owner'; then
		nft flush ruleset
		against $((n - $("$BENCH/elements" in portfwd dnat4_addr))) "$n"
		result elements "$n" "own_table: lost when all is flushed" "without" "<= 0"
	fi
	daemon_stop
}

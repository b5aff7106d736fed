#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With own_table, portfwdd owns its table. If these fail, others change what they must not, or
# nobody can change it any more, or a table of a daemon that was killed is lost.
#
# As long as 20 tests.
#
# Backends: nftables
# shellcheck disable=SC2154 # output and status are set by run

load helpers
load daemon
load language

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
	peer_serve server one tcp "$SERVER4" 80 one tcp "$SERVER6" 80
	own_table true
}

teardown() {
	umount "$RUN_DIR/portfwd.sock" 2> /dev/null || true
	daemon_end
	everything_ends
}


setup_file() {
	"${CC:-cc}" -O1 -o "$BATS_FILE_TMPDIR/peer" "$BATS_TEST_DIRNAME/peer.c" "$BATS_TEST_DIRNAME/sctp.c"
	"${CC:-cc}" -O1 -o "$BATS_FILE_TMPDIR/flags" "$BATS_TEST_DIRNAME/flags.c"
	"${CC:-cc}" -shared -fPIC -o "$BATS_FILE_TMPDIR/refuse.so" "$BATS_TEST_DIRNAME/refuse.c" -ldl
}

own_table() { # true|false
	config <<- EOF
		{ "settings": { "own_table": $1 }, "forwards": [
		{ "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] } ] }
	EOF
}

# What the kernel says of the table: "owner persist", "persist", or nothing.
flags() {
	in_ns gw "$BATS_FILE_TMPDIR/flags"
}

# Another number: it was made anew.
handle() {
	in_ns gw nft -a list tables | sed -n 's/table inet portfwd # handle //p'
}

# So many connections in each family, all answered.
visit() { # TIMES
	local answers
	answers=$(printf "times $1 ask tcp %s 8080\n" "$WAN4" "$WAN6" | peer_ask client)
	equal $((2 * $1)) "$(grep -c '^one ' <<< "$answers")" "$answers"
}

connections() { # COUNT
	equal "$1" "$(pfw_json '.forwards[] | select(.name == "web").connections' list)" connections
}

# The socket that is left would pass for that of the next one.
killed() {
	daemon_stop KILL || true
	rm "$RUN_DIR/portfwd.sock"
}

refused_to_others() { # NFT-COMMAND …
	run in_ns gw nft "$@"
	equal 1 "$status" "$*"
	contains "$output" "Operation not permitted"
}

@test "others can neither change nor flush it, and connections come through meanwhile" {
	local n answers=$BATS_TEST_TMPDIR/answers asker
	daemon_start
	equal "owner persist" "$(flags)"
	equal true "$(pfw_json .owned status)"
	refused_to_others delete table inet portfwd
	refused_to_others flush table inet portfwd
	refused_to_others flush map inet portfwd dnat4_any
	refused_to_others delete element inet portfwd dnat4_any '{ tcp . 8080 }'
	refused_to_others add rule inet portfwd prerouting drop
	printf 'times 100000 ask tcp %s 8080\n' "$WAN4" > "$BATS_TEST_TMPDIR/questions"
	in_ns client "$PEER" ask < "$BATS_TEST_TMPDIR/questions" > "$answers" 3>&- &
	asker=$!
	for _ in {1..20}; do
		in_ns gw nft flush ruleset
		n=$(wc -l < "$answers")
		eventually 5 has_lines "$answers" $((n + 5))
	done
	kill "$asker"
	wait "$asker" || true
	equal "" "$(grep -v '^one ' "$answers" || true)" "without an answer"
	equal "owner persist" "$(flags)"
	pfw diff
	equal 0 "$(logged "put back")"
	daemon_stop
}

has_lines() { # FILE COUNT
	[ "$(wc -l < "$1")" -ge "$2" ]
}

@test "commands go on as ever through the daemon, and flush leaves nothing" {
	daemon_start
	pfw add more 8081 "$SERVER4:80"
	pfw disable more
	pfw remove more
	visit 1
	pfw --backend nftables diff
	pfw flush
	nothing_is_left
	pfw add more 8081 "$SERVER4:80"
	equal "owner persist" "$(flags)"
	gets one client tcp "$WAN4" 8081
	daemon_stop
}

@test "at the end it is nobody's, and works; --flush-on-exit takes it away" {
	daemon_start
	daemon_stop
	equal persist "$(flags)"
	visit 1
	pfw diff
	daemon_start --flush-on-exit
	equal "owner persist" "$(flags)"
	daemon_stop
	nothing_is_left
}

@test "killed: the command line alone works, and a new daemon takes the table over as it stands" {
	local was
	daemon_start
	was=$(handle)
	visit 2
	killed
	equal persist "$(flags)"
	visit 1
	pfw diff
	equal "reloaded 1 forward, nothing changed" "$(pfw reload)"
	pfw add more 8081 "$SERVER4:80"
	gets one client tcp "$WAN4" 8081
	pfw diff
	pfw remove more
	equal persist "$(flags)"
	equal false "$(pfw_json .owned status)"
	daemon_start
	equal "owner persist" "$(flags)"
	equal "$was" "$(handle)" "handle of the table"
	connections 6
	refused_to_others delete table inet portfwd
	pfw diff
	daemon_stop
}

@test "killed: what others do to the table meanwhile is mended" {
	daemon_start
	killed
	in_ns gw nft delete element inet portfwd dnat4_any '{ tcp . 8080 }'
	daemon_start
	equal "owner persist" "$(flags)"
	visit 1
	killed
	in_ns gw nft flush ruleset
	daemon_start
	equal "owner persist" "$(flags)"
	visit 1
	pfw diff
	daemon_stop
}

@test "switched on and off by a saved file, counts go on" {
	own_table false
	daemon_start
	equal "" "$(flags)"
	visit 1
	own_table true
	eventually 5 has_logged "loaded: why=file" 1
	equal "owner persist" "$(flags)"
	connections 2
	visit 1
	own_table false
	pfw reload
	equal "" "$(flags)"
	connections 4
	visit 1
	in_ns gw nft list ruleset > "$BATS_TEST_TMPDIR/saved"
	in_ns gw nft -c -f "$BATS_TEST_TMPDIR/saved"
	own_table true
	pfw reload
	connections 6
	equal "owner persist" "$(flags)"
	pfw diff
	daemon_stop
}

@test "switched off when the daemon is gone: a reload makes the table anyone's again" {
	daemon_start
	visit 1
	daemon_stop
	own_table false
	pfw_fails 7 diff
	equal "- table inet portfwd { flags persist; }" "$output"
	equal "active on" "$(pfw_json .forwards[].state list) $(pfw status | sed -n 's/^guard: *//p')"
	pfw reload
	equal "" "$(flags)"
	connections 2
	pfw diff
}

@test "many forwards: what was remembered of the table does not pass for owning it" {
	local was
	jq -n --arg to "$SERVER4:80" '{settings: {own_table: true}, forwards:
		([{name: "web", listen: "8080", target: [$to, "[fd00::2]:80"]}] +
		[range(1200) | {listen: "\(20000 + .)", target: $to}])}' > "$CONFIG"
	daemon_start
	visit 1
	was=$(handle)
	killed
	daemon_start
	equal "owner persist" "$(flags)"
	equal "$was" "$(handle)" "handle of the table"
	visit 1
	sed -i 's/"own_table": true/"own_table": false/' "$CONFIG"
	pfw reload
	equal "" "$(flags)"
	connections 4
	visit 1
	pfw diff
	sed -i 's/"own_table": false/"own_table": true/' "$CONFIG"
	pfw reload
	equal "owner persist" "$(flags)"
	connections 6
	pfw diff
	equal "true true 0" "$(pfw_json '"\(.owned) \(.in_sync) \(.warnings | length)"' status)"
	daemon_stop
	sed -i 's/"own_table": true/"own_table": false/' "$CONFIG"
	pfw reload
	equal "" "$(flags)"
	connections 6
}

@test "what others did to other tables, between two reloads, is no hindrance" {
	daemon_start
	in_ns gw nft add table inet other
	kill -HUP "$DAEMON_PID"
	eventually 5 has_logged "why=signal"
	equal 0 "$(logged warning)"
	equal "owner persist" "$(flags)"
	equal nftables "$(pfw_json .backend status)"
	daemon_stop
}

@test "a bad file, and one that cannot be loaded, lose nothing" {
	daemon_start
	config <<< '{ "settings": { "own_table": true }, "forwards": [ { "name": "x" } ] }'
	eventually 5 has_logged "what stands in the kernel stays"
	equal "owner persist" "$(flags)"
	in_ns gw nft flush ruleset
	equal "owner persist" "$(flags)"
	visit 1
	own_table true
	eventually 5 has_logged "loaded: why=file"
	equal "owner persist" "$(flags)"
	daemon_stop
}

@test "a daemon that is not asked holds the table: the command line says so and changes nothing" {
	local before
	daemon_start
	# It would make its socket anew.
	mount --bind /dev/null "$RUN_DIR/portfwd.sock"
	before=$(< "$CONFIG")
	pfw_fails 1 add more 8081 "$SERVER4:80"
	contains "$output" 'table inet portfwd is owned by another program (netlink port '
	contains "$output" "portfwdd"
	pfw_fails 1 flush
	contains "$output" "is owned by another program"
	equal "$before" "$(< "$CONFIG")"
	pfw diff
	contains "$(pfw status)" "another program (netlink port "
	visit 1
	umount "$RUN_DIR/portfwd.sock"
	daemon_stop
	pfw add more 8081 "$SERVER4:80"
}

@test "a second daemon with another run directory gets nothing" {
	daemon_start
	ip netns exec gw "$PORTFWDD" -c "$CONFIG" --run-dir "$BATS_TEST_TMPDIR/other" --foreground \
		3>&- < /dev/null > "$BATS_TEST_TMPDIR/other.log" 2>&1 &
	PIDS+=("$!")
	eventually 5 grep -q "is owned by another program" "$BATS_TEST_TMPDIR/other.log"
	kill "$!"
	equal "owner persist" "$(flags)"
	visit 1
	pfw diff
	daemon_stop
}

@test "a reload that is not confirmed is taken back, in the table that it owns and as its own" {
	local more

	daemon_start
	more=$(jq -c '.forwards += [.forwards[0] | .name = "more" | .listen = "8081"]' "$CONFIG")
	config <<< "$more"
	pfw reload --confirm 1
	gets one client tcp "$WAN4" 8081
	eventually 5 has_logged "what was before has returned"
	unreachable tcp client "$WAN4" 8081
	eventually 5 owns
	visit 1
	pfw diff
	own_table false
	pfw reload --confirm 1
	eventually 5 has_logged "what was before has returned" 2
	eventually 5 owns
	visit 1
	pfw diff
	config <<< "$more"
	pfw reload --confirm 30
	killed
	daemon_start
	unreachable tcp client "$WAN4" 8081
	owns
	visit 1
	pfw diff
	daemon_stop
}

owns() {
	[ "$(flags)" = "owner persist" ]
}

@test "when iptables takes over, the table goes, and comes back as its own" {
	built_in iptables || skip "built without iptables"
	daemon_start
	sed -i 's/"own_table": true/"own_table": true, "backend": "iptables"/' "$CONFIG"
	eventually 5 has_logged "own_table is only for the nftables backend"
	equal "" "$(in_ns gw nft list tables)"
	visit 1
	contains "$(pfw status)" "own_table is only for the nftables backend"
	own_table true
	pfw reload
	equal "owner persist" "$(flags)"
	visit 1
	nft_only pfw diff
	daemon_stop
}

# A kernel of before 6.9, by the answer that it gives.
without_owners() {
	export REFUSE_OWNER=1 LD_PRELOAD=$BATS_FILE_TMPDIR/refuse.so
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0
	"$@"
	unset REFUSE_OWNER LD_PRELOAD
}

@test "a kernel that cannot: said once in the log and by status, and all is put back as ever" {
	without_owners daemon_start
	equal "" "$(flags)"
	equal 1 "$(logged "own_table is not possible with this kernel")"
	contains "$(pfw status)" "own_table is not possible with this kernel"
	in_ns gw nft flush ruleset
	eventually 5 has_logged "put back what others had changed"
	visit 1
	pfw add more 8081 "$SERVER4:80"
	pfw reload
	pfw diff
	equal 1 "$(logged "own_table is not possible with this kernel")"
	daemon_stop
}

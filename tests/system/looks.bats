#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Looks over many forwards, and locks that others hold. If these fail, clients of portfwdd wait for one
# another, or are told of differences that there are not.
#
# Backends: nftables iptables
# shellcheck disable=SC2154 # code, type, body and headers are set by api

load helpers
load daemon
load api

# So many that a look at them is a child's, and so many more that it can be met at work.
MANY=1500
MORE=20000

setup() {
	sandbox_check
	portfwd_setup
	host_add gw
	daemon_setup
	API="http://localhost/v1/forwards"
	CURL=(curl -sS --max-time 100 --unix-socket "$RUN_DIR/portfwd.sock" -H 'Content-Type: application/json')
	BACKGROUND=()
}

teardown() {
	local pid

	for pid in "${BACKGROUND[@]}"; do
		kill "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	daemon_end
	hosts_remove
}

begin() {
	daemon_start --backend "$PORTFWD_BACKEND"
}

# Forwards f0, f1 …, and what else is to stand before them.
many() { # NUMBER [FORWARDS [SETTINGS]]
	jq -n --argjson n "$1" --argjson more "${2-[]}" --argjson settings "${3-{\}}" --arg to "$SERVER4:80" '
		{ settings: ({ ip_forward: false } + $settings), forwards: ($more + [range($n) | {
			name: "f\(.)", target: $to,
			listen: "10.\(. / 65536 | floor).\(. / 256 | floor % 256).\(. % 256):8080" }]) }' |
		config
}

# In the background; a function of ours would be there once more.
behind() { # PROGRAM …
	"$@" 3>&- &
	BACKGROUND+=("$!")
}

ended() { # PID
	! kill -0 "$1" 2> /dev/null
}

put_forever() { # FILE THAT GETS THE CODES
	local i

	for ((i = 0;; i = (i + 1) % 100)); do
		"${CURL[@]}" -o /dev/null -w '%{http_code}\n' -X PUT \
			-d "{\"listen\": \"11.0.0.1:$((1000 + i))\", \"target\": \"$SERVER4:$((1000 + RANDOM))\"}" \
			"$API/x$i"
		[ $((i % 3)) != 0 ] || "${CURL[@]}" -o /dev/null -w '%{http_code}\n' -X DELETE "$API/x$((i / 2))"
	done >> "$1"
}

lines() { # FILE
	wc -l < "$1"
}

# Takes a lock as another portfwd does, and lets go of it.
lock() { # FILE
	exec {LOCK}< "$1"
	flock "$LOCK"
}

unlock() {
	flock -u "$LOCK"
}

children() {
	pgrep -P "$DAEMON_PID" > "$BATS_TEST_TMPDIR/children"
}

no_children() {
	! children
}

@test "many forwards are looked at while others change, and nothing is told to be missing" {
	local codes=$BATS_TEST_TMPDIR/codes before i

	many "$MANY"
	begin
	: > "$codes"
	behind put_forever "$codes"
	eventually 10 test -s "$codes"
	before=$(lines "$codes")
	for i in 1 2 3 4 5 6; do
		answers 200 GET /v1/forwards
		equal active "$(field '[.forwards[].state] | unique | join(" ")')" "states"
		[ "$(field '.forwards | length')" -ge "$MANY" ]
		answers 200 POST /v1/commands/diff '{}'
		equal true "$(field .in_sync)" "in sync"
		answers 200 GET /v1/status
		equal "true $DAEMON_PID" "$(field '"\(.in_sync) \(.daemon.pid)"')" "status"
		answers 200 GET /metrics
		contains "$body" $'\nportfwd_in_sync 1\n'
		contains "$body" 'portfwd_forwards{state="missing"} 0'
	done
	[ "$(lines "$codes")" -gt "$before" ]
	equal "" "$(grep -v -E '^20[014]|404$' "$codes" || true)" "answers"
}

@test "what changes between the beginning of a child and its look is not told to be missing" {
	local look

	many "$MANY"
	begin
	# The child closes what is not its own before anything else.
	behind strace -f -qq -o /dev/null -p "$DAEMON_PID" -e trace=close_range \
		-e inject=close_range:delay_exit=500000
	eventually 10 grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$DAEMON_PID/status"
	behind "${CURL[@]}" -o "$BATS_TEST_TMPDIR/list" "$API"
	look=$!
	eventually 10 children
	answers 204 DELETE /v1/forwards/f7
	answers 201 POST /v1/forwards '{"name": "new", "listen": "9090", "target": "10.0.0.9"}'
	wait "$look"
	equal active "$(jq -r '[.forwards[].state] | unique | join(" ")' "$BATS_TEST_TMPDIR/list")"
}

@test "one forward is told of as all are" {
	local name one
	# Of each kind some, with connections through some of them.
	many "$MANY" "$(jq '.forwards' "$BATS_TEST_DIRNAME/../golden/gateway.json")" '{ "ip_forward": true }'
	begin
	host_add server
	link_add gw far server far
	in_ns gw ip route add 10.0.0.0/8 dev far
	for name in 1 2; do
		in_ns gw timeout 0.2 bash -c '> /dev/tcp/10.0.0.7/8080' 2> /dev/null || true
	done
	answers 200 GET /v1/forwards/f7
	equal 2 "$(field .connections)" "connections"
	answers 200 GET /v1/forwards
	one=$body
	for name in f7 "f$((MANY - 1))" $(jq -r '.forwards[].name' "$BATS_TEST_DIRNAME/../golden/gateway.json"); do
		answers 200 GET "/v1/forwards/$name"
		equal "$(jq -cS --arg name "$name" '.forwards[] | select(.name == $name)' <<< "$one")" \
			"$(jq -cS . <<< "$body")" "$name"
	done
	answers 200 POST /v1/commands/list '{"names": ["f3", "f1"]}'
	equal "f3 f1" "$(field '[.forwards[].name] | join(" ")')"
	answers 200 HEAD /v1/forwards
	equal "application/json" "$type"
	refuses 404 'there is no forward "nobody"' "" GET /v1/forwards/nobody
	refuses 404 'there is no forward "nobody"' "" POST /v1/commands/list '{"names": ["f1", "nobody"]}'
}

# bats test_tags=nftables
@test "what others took away is told to be missing, until it can be put back" {
	many "$MANY"
	begin
	# Whoever changes something needs this lock, and a look does not.
	lock "${CONFIG%/*}/.portfwd.lock"
	in_ns gw nft delete element inet portfwd dnat4_addr '{ 10.0.0.7 . tcp . 8080 }'
	answers 200 GET /v1/forwards
	equal f7 "$(field '[.forwards[] | select(.state == "missing") | .name] | join(" ")')" "missing"
	answers 200 GET /v1/forwards/f7
	equal missing "$(field .state)"
	answers 200 GET /v1/forwards/f8
	equal active "$(field .state)"
	answers 200 GET /metrics
	contains "$body" 'portfwd_forwards{state="missing"} 1'
	unlock
	eventually 10 has_logged "put back what others had changed"
	answers 200 GET /v1/forwards/f7
	equal active "$(field .state)"
}

# bats test_tags=nftables
@test "a child knows the table that the daemon owns" {
	many "$MANY" '[]' '{ "own_table": true }'
	begin
	answers 200 POST /v1/commands/diff '{}'
	equal true "$(field .in_sync)"
	answers 200 GET /v1/forwards
	equal active "$(field '[.forwards[].state] | unique | join(" ")')" "states"
}

# A change waits for the lock, and nobody else does.
others_are_served() { # LOCK
	local pid

	lock "$1"
	behind "${CURL[@]}" -X PUT -d '{"listen": "9090", "target": "10.0.0.9"}' \
		-o "$BATS_TEST_TMPDIR/new" "$API/new"
	pid=$!
	behind "${CURL[@]}" -N -o "$BATS_TEST_TMPDIR/events" http://localhost/v1/events
	eventually 10 grep -qs hello "$BATS_TEST_TMPDIR/events"
	answers 200 GET /v1/forwards
	answers 200 GET /v1/forwards/f1
	answers 200 GET /v1/status
	answers 200 GET /metrics
	if ended "$pid"; then
		echo "the change did not wait for the lock" >&2
		return 1
	fi
	unlock
	wait "$pid"
	answers 200 GET /v1/forwards/new
	eventually 10 grep -q '"forwards":\["new"\]' "$BATS_TEST_TMPDIR/events"
	equal 0 "$(logged "cannot lock")" "told"
	answers 204 DELETE /v1/forwards/new
}

@test "a lock that another process holds keeps few forwards' clients from changes only" {
	many 2
	begin
	others_are_served "$(echo "$RUN_DIR"/net-*/lock)"
	others_are_served "${CONFIG%/*}/.portfwd.lock"
}

@test "a lock that another process holds keeps many forwards' clients from changes only" {
	many "$MANY"
	begin
	others_are_served "$(echo "$RUN_DIR"/net-*/lock)"
	others_are_served "${CONFIG%/*}/.portfwd.lock"
}

# bats test_tags=iptables
@test "the lock of iptables keeps clients from changes only" {
	many 2
	begin
	others_are_served "$XTABLES_LOCKFILE"
}

@test "a reload waits for a lock, and nobody waits for it" {
	many 2
	begin
	lock "$(echo "$RUN_DIR"/net-*/lock)"
	kill -HUP "$DAEMON_PID"
	answers 200 GET /v1/status
	equal 1 "$(logged loaded:)" "reloads"
	unlock
	eventually 10 has_logged loaded: 2
	equal 0 "$(logged "not loaded")" "failures"
}

@test "a reload that is waited for is done once another has succeeded" {
	local i before

	many 2
	begin
	for i in {1..3}; do
		before=$(logged loaded:)
		lock "$(echo "$RUN_DIR"/net-*/lock)"
		kill -HUP "$DAEMON_PID"
		answers 200 GET /v1/status
		unlock
		kill -HUP "$DAEMON_PID"
		eventually 10 has_logged loaded: "$((before + 1))"
		# As long as the next try is away.
		sleep 0.2
		answers 200 GET /v1/status
	done
	equal 0 "$(logged "not loaded")" "failures"
}

# Asks for all of them; when the child is at work, it stops there.
look_and_stop() {
	behind "${CURL[@]}" -o "$BATS_TEST_TMPDIR/list" "$API"
	CLIENT=$!
	eventually 10 children
	CHILD=$(< "$BATS_TEST_TMPDIR/children")
	kill -STOP "$CHILD"
}

@test "a child that is killed is answered with 503, and all goes on" {
	many "$MORE"
	begin
	look_and_stop
	kill -KILL "$CHILD"
	wait "$CLIENT"
	equal 503 "$(jq .status "$BATS_TEST_TMPDIR/list")"
	has_logged "a look has failed"
	answers 200 GET /v1/forwards
	equal "$MORE" "$(field '.forwards | length')"
}

@test "the child of a client who is gone is gone" {
	many "$MORE"
	begin
	look_and_stop
	kill "$CLIENT"
	eventually 10 no_children
	answers 200 GET /v1/status
	equal 0 "$(logged "a look has failed")"
}

@test "who waits for a look when the daemon ends is hung up on" {
	many "$MORE"
	begin
	look_and_stop
	daemon_stop
	if wait "$CLIENT"; then
		echo "the client got an answer" >&2
		return 1
	fi
	ended "$CHILD"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# reload --confirm: what it brings stays if it is confirmed in time; else what was before
# returns, in the kernel and in the files, whatever became of the command.
#
# Backends: nftables

bats_require_minimum_version 1.5.0
load helpers

setup() {
	sandbox_check
	portfwd_setup
	topology
	serve_tcp web server "$SERVER4" 80
	pfw -q add web 8080 "$SERVER4:80"
	pfw -q add dns 53/udp "$SERVER4"
	ETC=${CONFIG%/*}
}

# The administrator's own hand.
edited() { # EXPRESSION
	sed -i "$1" "$CONFIG"
}

mark() {
	echo "$ETC/.portfwd.json.trial"
}

wait_until() { # COMMAND …
	local i
	for i in {1..200}; do
		"$@" && return 0
		sleep 0.05
	done
	echo "in vain: $*" >&2
	return 1
}

# A reload on trial in the background; returns once it stands. Its exit code is in $CODE at the end.
begin() { # SECONDS [ARGUMENT …]
	local seconds=$1
	shift
	CODE=$BATS_TEST_TMPDIR/code OUT=$BATS_TEST_TMPDIR/out
	rm -f "$CODE"
	: > "$OUT"
	(
		exec 3>&-
		code=0
		pfw "$@" reload --confirm "$seconds" > "$OUT" 2>&1 || code=$?
		echo "$code" > "$CODE"
	) &
	wait_until grep -q 'confirm' "$OUT"
}

# The command itself, not the shell that waits for it.
waiting() {
	pgrep -f -- "--run-dir $RUN_DIR reload --confirm"
}

ended() { # CODE WORDS
	wait_until test -s "$CODE"
	equal "$1" "$(cat "$CODE")" "$(cat "$OUT")"
	contains "$(cat "$OUT")" "$2"
	[ ! -e "$(mark)" ]
	[ ! -e "$ETC/.portfwd.json.tried" ]
}

as_before() {
	reaches tcp client "$WAN4" 8080 web
	unreachable tcp client "$WAN4" 9090
	equal "8080 53/udp" "$(jq -r '[.forwards[].listen] | join(" ")' "$CONFIG")"
	pfw diff
}

@test "without a confirmation the forwards, the file and its comments of before return" {
	pfw -q add note 7 "$SERVER4" --comment "as it was"
	local before
	before=$(cat "$CONFIG")
	edited 's/8080/9090/; s/as it was/as it is/'
	run pfw reload --confirm 1
	equal 1 "$status" "$output"
	contains "$output" "reloaded 3 forwards"
	contains "$output" 'what was before returns in 1 second, unless "portfwd confirm" comes first'
	contains "$output" "portfwd: the reload was not confirmed in time: what was before has returned"
	equal "$before" "$(cat "$CONFIG")"
	grep -q 'as it is' "$CONFIG.unconfirmed"
	pfw remove -q note
	as_before
}

@test "confirmed in time it stays, and is what the next trial returns to" {
	edited 's/8080/9090/'
	begin 60
	reaches tcp client "$WAN4" 9090 web
	equal true "$(pfw_json '.confirm.seconds > 50' status)"
	contains "$(pfw status)" "awaited for"
	run pfw confirm
	equal 0 "$status" "$output"
	equal confirmed "$output"
	ended 0 confirmed
	reaches tcp client "$WAN4" 9090 web
	unreachable tcp client "$WAN4" 8080
	equal null "$(pfw_json .confirm status)"
	pfw diff

	edited 's/9090/9191/'
	run pfw reload --confirm 1
	equal 1 "$status" "$output"
	reaches tcp client "$WAN4" 9090 web
	unreachable tcp client "$WAN4" 9191
}

@test "too late, and without a trial, there is nothing to confirm" {
	pfw_fails 1 confirm
	equal "portfwd: no reload waits to be confirmed" "$output"
	edited 's/8080/9090/'
	run pfw reload --confirm 1
	pfw_fails 1 confirm
	equal "portfwd: no reload waits to be confirmed" "$output"
	# Nobody has let it return.
	edited 's/8080/9090/'
	begin 1
	kill -9 "$(waiting)"
	sleep 1.1
	pfw_fails 1 confirm
	contains "$output" "this comes too late: what was before the reload has returned"
	as_before
}

@test "interrupted, what was before returns at once; a terminal that closes changes nothing" {
	local signal
	for signal in INT TERM; do
		edited 's/8080/9090/'
		begin 60
		kill -HUP "$(waiting)"
		reaches tcp client "$WAN4" 9090 web
		kill "-$signal" "$(waiting)"
		ended 1 "the reload was interrupted before it was confirmed"
		as_before
	done
}

@test "killed, the next change lets return what was before, and says so" {
	edited 's/8080/9090/'
	begin 60
	kill -9 "$(waiting)"
	wait_until test -s "$CODE"
	reaches tcp client "$WAN4" 9090 web
	contains "$(pfw status)" "a reload was not confirmed, and whoever waited for it is gone"
	run --separate-stderr pfw add new 7070 "$SERVER4:80"
	equal 0 "$status"
	contains "$stderr" "warning: the last reload was not confirmed, so what was before it has returned"
	reaches tcp client "$WAN4" 7070 web
	pfw -q remove new
	as_before
	[ ! -e "$(mark)" ]
}

@test "killed, it can still be confirmed in time" {
	edited 's/8080/9090/'
	begin 60
	kill -9 "$(waiting)"
	pfw confirm
	reaches tcp client "$WAN4" 9090 web
	pfw -q add new 7070 "$SERVER4:80"
	reaches tcp client "$WAN4" 9090 web
	pfw diff
}

@test "what fails of itself lets return what was before all the same, and says so" {
	edited 's/8080/9090/'
	begin 60
	kill -9 "$(waiting)"
	wait_until test -s "$CODE"
	pfw_fails 4 add web 1234 "$SERVER4:99"
	contains "$output" "the last reload was not confirmed, so what was before it has returned"
	as_before
}

# The run directory is gone then too, and the kernel forwards nothing.
@test "after a boot the files of before are loaded" {
	edited 's/8080/9090/'
	begin 60
	kill -9 "$(waiting)"
	sed -i 's/"boot": "[^"]*"/"boot": "another"/' "$(mark)"
	in_ns gw nft flush ruleset
	rm -r "$RUN_DIR"
	run pfw reload
	equal 0 "$status" "$output"
	contains "$output" "the last reload was not confirmed"
	as_before
}

@test "while it goes on nothing else is changed, and reloads belong to it" {
	edited 's/8080/9090/'
	begin 60
	local words
	for words in "add new 1 $SERVER4" "remove web" "disable web" "add --runtime new 1 $SERVER4"; do
		# shellcheck disable=SC2086 # words
		pfw_fails 1 $words
		contains "$output" 'a reload waits for "portfwd confirm" for'
	done
	EDITOR='sed -i s/9090/9191/' pfw_fails 1 edit
	contains "$output" 'a reload waits for "portfwd confirm" for'
	pfw add --dry-run new 1 "$SERVER4"
	pfw check
	edited 's/9090/9292/'
	run --separate-stderr pfw reload
	equal 0 "$status"
	contains "$stderr" 'warning: an earlier reload still waits for "portfwd confirm"'
	reaches tcp client "$WAN4" 9292 web
	kill -INT "$(waiting)"
	ended 1 interrupted
	as_before
}

@test "a second trial takes the place of the first, and returns to before both" {
	edited 's/8080/9090/'
	begin 60
	edited 's/9090/9191/'
	run pfw reload --confirm 1
	equal 1 "$status" "$output"
	wait_until test -s "$CODE"
	as_before
}

@test "drop-ins return too, added or changed or removed" {
	mkdir "$ETC/portfwd.d"
	pfw reload -q
	printf '{"forwards": [{"name": "one", "listen": "1111", "target": "%s:80"}]}' "$SERVER4" > "$ETC/portfwd.d/1.json"
	printf '{"forwards": [{"name": "two", "listen": "2222", "target": "%s:80"}]}' "$SERVER4" > "$ETC/portfwd.d/2.json"
	pfw reload -q
	rm "$ETC/portfwd.d/1.json"
	sed -i s/2222/2323/ "$ETC/portfwd.d/2.json"
	printf '{"forwards": [{"name": "three", "listen": "3333", "target": "%s:80"}]}' "$SERVER4" > "$ETC/portfwd.d/3.json"
	run pfw reload --confirm 1
	equal 1 "$status" "$output"
	reaches tcp client "$WAN4" 1111 web
	reaches tcp client "$WAN4" 2222 web
	unreachable tcp client "$WAN4" 2323
	unreachable tcp client "$WAN4" 3333
	equal "1.json 2.json 2.json.unconfirmed 3.json.unconfirmed" "$(ls "$ETC/portfwd.d" | paste -sd' ')"
	pfw diff
}

@test "where nothing was applied, the kernel is cleared and the file stays" {
	pfw -q flush
	edited 's/8080/9090/'
	run pfw reload --confirm 1
	equal 1 "$status" "$output"
	equal "" "$(in_ns gw nft list ruleset)"
	equal 9090 "$(jq -r '.forwards[0].listen' "$CONFIG")"
	[ ! -e "$RUN_DIR"/net-*/state.json ]
	pfw reload -q
	reaches tcp client "$WAN4" 9090 web
}

@test "another configuration that was applied before returns" {
	local first=$CONFIG
	CONFIG=$BATS_TEST_TMPDIR/other/portfwd.json
	mkdir "$BATS_TEST_TMPDIR/other"
	sed 's/8080/9090/' "$first" > "$CONFIG"
	run pfw reload --confirm 1
	equal 1 "$status" "$output"
	[ ! -e "$BATS_TEST_TMPDIR/other/.portfwd.json.trial" ]
	CONFIG=$first
	as_before
}

@test "a broken file, a refused one and a dry run begin no trial" {
	edited 's/8080/nonsense/'
	pfw_fails 1 reload --confirm 60
	[ ! -e "$(mark)" ]
	edited 's/nonsense/8080/'
	pfw add --dry-run x 7 "$SERVER4"
	edited 's/8080/9090/'
	run pfw reload --dry-run --confirm 60
	equal 0 "$status" "$output"
	[ ! -e "$(mark)" ]
	rm "$ETC/.portfwd.json.applied"
	pfw_fails 1 reload --confirm 60
	contains "$output" "there is no copy of what $CONFIG said when it was applied"
	[ ! -e "$(mark)" ]
	unreachable tcp client "$WAN4" 9090
	edited 's/9090/8080/'
	as_before
}

@test "flushed on trial, the kernel stays clear and the files return" {
	edited 's/8080/9090/'
	begin 60
	pfw -q flush
	kill -INT "$(waiting)"
	ended 1 interrupted
	equal "" "$(in_ns gw nft list ruleset)"
	equal 8080 "$(jq -r '.forwards[0].listen' "$CONFIG")"
	pfw -q reload
	as_before
}

@test "seconds are seconds" {
	pfw_fails 2 reload --confirm 0
	pfw_fails 2 reload --confirm soon
	pfw_fails 2 add --confirm 5 1 "$SERVER4"
	equal "portfwd: \"add\" takes no option \"--confirm\"" "$output"
}

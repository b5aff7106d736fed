#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2016 # what the editors are told is for their shell
#
# portfwd edit: what the editor leaves is in the file and in the kernel, or in neither.
#
# Backends: nftables
# Through a daemon: nftables

bats_require_minimum_version 1.5.0
load helpers

setup() {
	sandbox_check
	portfwd_setup
	topology
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	unset VISUAL EDITOR
}

everything() {
	settled
	cat "$CONFIG" 2> /dev/null || true
	stat -c '%a %u %g' "$CONFIG" 2> /dev/null || true
	find "$BATS_TEST_TMPDIR/etc" | sort
	in_ns gw nft -s list ruleset
}

web() {
	pfw -q add web 8080 "$SERVER4:80"
	chmod 640 "$CONFIG"
}

# What is refused changes nothing, says this, and keeps the text that has PART in it, or none.
refused() { # CODE SAYS PART [ARGUMENT …]
	local before code=$1 says=$2 part=$3
	before=$(everything)
	shift 3
	pfw_fails "$code" "$@" edit
	contains "$output" "$says"
	equal "$before" "$(everything)"
	if [ -n "$part" ]; then
		contains "$output" "your text is kept in $TMPDIR/portfwd-edit."
		grep -q -- "$part" "$TMPDIR"/portfwd-edit.*/portfwd.json
		equal "700 600" "$(stat -c %a "$TMPDIR"/portfwd-edit.* "$TMPDIR"/portfwd-edit.*/portfwd.json | paste -sd' ')"
		rm -r "$TMPDIR"/portfwd-edit.*
	fi
	equal "" "$(ls -A "$TMPDIR")" "left over"
}

@test "an edit stands in file and kernel, with the file's mode" {
	web
	serve_tcp web server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	EDITOR='sed -i s/8080/8081/' run pfw edit
	equal 0 "$status" "$output"
	equal "saved $CONFIG and reloaded 1 forward" "$output"
	equal 640 "$(stat -c %a "$CONFIG")"
	reaches tcp client "$WAN4" 8081 web
	unreachable tcp client "$WAN4" 8080
	EDITOR=false VISUAL="sed -i s/$SERVER4/[$SERVER6]/" pfw edit
	reaches tcp client "$WAN6" 8081 web6
	pfw diff
	equal "" "$(ls -A "$TMPDIR")"
}

@test "the copy is not made where another user could put a text of his own in its place" {
	web
	cat > "$BATS_TEST_TMPDIR/where" <<-'SCRIPT'
		#!/bin/sh
		dirname -- "$1" > "$NOTED"
	SCRIPT
	chmod +x "$BATS_TEST_TMPDIR/where"
	export NOTED=$BATS_TEST_TMPDIR/noted
	VISUAL=$BATS_TEST_TMPDIR/where pfw edit
	contains "$(cat "$NOTED")" "$TMPDIR/portfwd-edit."
	chmod 777 "$TMPDIR"
	VISUAL=$BATS_TEST_TMPDIR/where pfw edit
	contains "$(cat "$NOTED")" "/tmp/portfwd-edit."
	[[ $(cat "$NOTED") != "$TMPDIR"/* ]]
	chmod 1777 "$TMPDIR"
	VISUAL=$BATS_TEST_TMPDIR/where pfw edit
	contains "$(cat "$NOTED")" "$TMPDIR/portfwd-edit."
}

@test "the first file is begun from a skeleton" {
	rm -r "${CONFIG%/*}"
	# shellcheck disable=SC2030
	export ADD='{ "name": "web", "listen": "8080", "target": "'$SERVER4':80" }'
	VISUAL='sed -i "s/.*\[/&$ADD/"' pfw edit
	equal web "$(pfw_json '.forwards[].name' list)"
	equal 644 "$(stat -c %a "$CONFIG")"
	pfw diff
}

# Not through a daemon: it puts the table back at once.
# bats test_tags=alone
@test "an unchanged copy changes nothing, not even a kernel that differs" {
	web
	in_ns gw nft delete table inet portfwd
	local before
	before=$(everything; stat -c %i "$CONFIG")
	EDITOR=touch run pfw edit
	equal "$CONFIG is unchanged" "$output"
	equal "$before" "$(everything; stat -c %i "$CONFIG")"
	equal "" "$(ls -A "$TMPDIR")"
}

@test "a broken text never lands: the errors name the file, and the text is kept" {
	web
	EDITOR='sed -i s/8080/80800/' refused 1 "$CONFIG: forwards[0].listen: 80800 is not a port (1-65535)" 80800
	EDITOR='sed -i 2d' refused 1 "$CONFIG: line 2, column " web
	EDITOR='f() { printf "some\377\000" > "$1"; }; f' refused 1 "$CONFIG: line 1, column " some
	EDITOR='f() { echo > "$1"; }; f' refused 1 "$CONFIG: line 2, column 1: no text at all" '^$'
	EDITOR='f() { rm "$1"; }; f' refused 1 'which the editor left' ''
	EDITOR='f() { rm "$1"; mkfifo "$1"; }; f' refused 1 'which the editor left' ''
	pfw diff
}

@test "an editor that fails or dies lands nothing" {
	web
	EDITOR='f() { sed -i s/8080/8081/ "$1"; exit 3; }; f' refused 1 "failed with exit code 3" 8081
	EDITOR='f() { sed -i s/8080/8081/ "$1"; kill $$; }; f' refused 1 "killed by signal 15" 8081
	EDITOR=false refused 1 "exit code 1" ''
	EDITOR=/no/such/editor refused 1 "cannot be run; set VISUAL or EDITOR" ''
}

@test "somebody else's change is never lost, and nobody waits for the editor" {
	web
	mkfifo "$BATS_TEST_TMPDIR/open" "$BATS_TEST_TMPDIR/go"
	local line before
	export OPEN=$BATS_TEST_TMPDIR/open GO=$BATS_TEST_TMPDIR/go
	EDITOR='f() { echo open > "$OPEN"; read line < "$GO"; sed -i s/8080/8081/ "$1"; }; f' \
		pfw edit > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	local pid=$!
	read -r line < "$OPEN"
	pfw add other 9090 "$SERVER4:80"
	before=$(everything)
	echo go > "$GO"
	! wait "$pid" || false
	contains "$(< "$BATS_TEST_TMPDIR/out")" "cannot save $CONFIG: somebody else changed it meanwhile; edit it anew"
	contains "$(< "$BATS_TEST_TMPDIR/out")" "your text is kept in"
	equal "$before" "$(everything)"
	grep -q 8081 "$TMPDIR"/portfwd-edit.*/portfwd.json
}

@test "a broken file can be mended" {
	web
	printf '{ "forwards": [ { "name": "Gr\374\337e" ] }' > "$CONFIG"
	pfw_fails 1 check
	EDITOR='f() { echo "{ \"forwards\": [] }" > "$1"; }; f' pfw edit
	equal '{ "forwards": [] }' "$(< "$CONFIG")"
	pfw diff
}

# Not through a daemon: the refusals are made in the command itself.
# bats test_tags=alone
@test "the kernel refuses: the file is as it was" {
	web
	"${CC:-cc}" -shared -fPIC -o "$BATS_TEST_TMPDIR/refuse.so" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	export EDITOR='unset LD_PRELOAD; sed -i s/8080/8081/' ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0
	local before
	before=$(everything)
	run ip netns exec gw env LD_PRELOAD="$BATS_TEST_TMPDIR/refuse.so" REFUSE_ELEMENT=web \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" edit
	equal 1 "$status" "$output"
	contains "$output" 'the kernel refused forward "web"'
	equal "$before" "$(everything)"
	run ip netns exec gw env LD_PRELOAD="$BATS_TEST_TMPDIR/refuse.so" REFUSE_RENAME=/portfwd.json \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" edit
	equal 1 "$status" "$output"
	contains "$output" "cannot save $CONFIG"
	equal "$before" "$(everything)"
	pfw diff
}

@test "--netns: the kernel of that namespace, the editor of this one" {
	web
	export EDITOR='f() { readlink /proc/self/ns/net > "$TMPDIR/../ns"; sed -i s/8080/8081/ "$1"; }; f'
	"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" --netns gw edit
	equal "$(readlink /proc/self/ns/net)" "$(< "$BATS_TEST_TMPDIR/ns")"
	equal 8081 "$(pfw_json '.forwards[].listen.port' list)"
	pfw diff
}

@test "--dry-run, --json, and another configuration" {
	web
	local before
	before=$(everything)
	EDITOR='sed -i s/8080/8081/' run pfw --dry-run edit
	equal 0 "$status" "$output"
	contains "$output" "would save $CONFIG and reload 1 forward"
	contains "$output" "+ web: element dnat4_any { tcp . 8081"
	equal "$before" "$(everything)"
	pfw check "$TMPDIR"/portfwd-edit.*/portfwd.json
	rm -r "$TMPDIR"/portfwd-edit.*
	equal "true 1 $CONFIG null" "$(EDITOR='sed -i s/8080/8081/' pfw_json '"\(.changed) \(.forwards) \(.file) \(.kept)"' edit)"
	before=$(everything)
	EDITOR='touch ../opened;' run pfw -c "$BATS_TEST_TMPDIR/other.json" edit
	equal 1 "$status"
	contains "$output" "$CONFIG is applied in this network namespace, not $BATS_TEST_TMPDIR/other.json"
	[ ! -e "$BATS_TEST_TMPDIR/other.json" ]
	equal "$before" "$(everything)"
}

@test "who may not save is told before the editor opens" {
	web
	export EDITOR='touch "$TMPDIR/opened";'
	run ip netns exec gw setpriv --bounding-set=-all --inh-caps=-all \
		sh -c 'chmod 500 "$1"; shift; "$@"' sh "${CONFIG%/*}" \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" edit
	equal 5 "$status" "$output"
	contains "$output" "cannot save $CONFIG: Permission denied"
	chmod 700 "${CONFIG%/*}"
	equal "" "$(ls -A "$TMPDIR")"
}

# ---- At a terminal

# Runs portfwd edit with a terminal; says the words when it asks, and puts what it shows in $output.
at_terminal() { # WORD …
	local line word
	cat > "$BATS_TEST_TMPDIR/at" <<-'SH'
		exec "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" edit
	SH
	mkfifo "$BATS_TEST_TMPDIR/said" "$BATS_TEST_TMPDIR/shown"
	export PORTFWD CONFIG RUN_DIR
	in_ns gw script -qefc "sh $BATS_TEST_TMPDIR/at" /dev/null \
		< "$BATS_TEST_TMPDIR/said" > "$BATS_TEST_TMPDIR/shown" 2>&1 3>&- &
	local pid=$! said shown
	exec {said}> "$BATS_TEST_TMPDIR/said" {shown}< "$BATS_TEST_TMPDIR/shown"
	output=
	for word in "$@"; do
		IFS= read -r -t 20 -d : line <&"$shown"
		until [[ $line == *"discard the changes" ]]; do
			output+=$line:
			IFS= read -r -t 20 -d : line <&"$shown"
		done
		output+=$line:
		echo "$word" >&"$said"
	done
	output+=$(cat <&"$shown")
	status=0
	wait "$pid" || status=$?
	exec {said}>&- {shown}<&-
	rm "$BATS_TEST_TMPDIR"/{said,shown}
}

@test "at a terminal it asks: edit again" {
	web
	export EDITOR='sed -i -e s/80800/8081/ -e t -e s/8080/80800/'
	at_terminal e
	equal 0 "$status" "$output"
	contains "$output" "$CONFIG: forwards[0].listen: 80800 is not a port (1-65535)"
	contains "$output" "What now? (e)dit again, e(x)it and discard the changes:"
	contains "$output" "saved $CONFIG and reloaded 1 forward"
	equal 8081 "$(pfw_json '.forwards[].listen.port' list)"
}

@test "at a terminal it asks: discard" {
	web
	local before
	before=$(everything)
	export EDITOR='sed -i s/8080/80800/'
	at_terminal q x
	equal 1 "$status" "$output"
	contains "$output" "$CONFIG is as it was"
	equal "$before" "$(everything)"
	equal "" "$(ls -A "$TMPDIR")"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is wrong is refused: in words that say what and where, with the right exit
# code, and with files, folders, kernel, host and run directory as they were.
#
# Most cases are rows of the tables in bad-input/; a new case is a new row. Those
# that need something broken around them stand below.

load helpers

# No bad input may take longer than this; sanitizers slow it down.
: "${REFUSED_SECONDS:=20}"

setup() {
	sandbox_check
	portfwd_setup
	DROP_IN=$BATS_TEST_TMPDIR/etc/portfwd.d/10-more.json
	AS=()
	ROWS=0
	WRONG=0
	host_add gw
	link_add gw wan0 gw lan0
	addr_add gw wan0 "$WAN4/24" "$WAN6/64"
	addr_add gw lan0 "$LAN4/24" "$LAN6/64"
	good > "$CONFIG"
	pfw -q reload
	NET=$(echo "$RUN_DIR"/net-*)
	cp "$CONFIG" "$BATS_TEST_TMPDIR/good.json"
}

teardown() {
	local place
	while IFS= read -r place; do
		umount -l "$place"
	done < <(findmnt -rno TARGET | grep -F -e "$BATS_TEST_TMPDIR/" -e /proc/sys | sort -r)
	hosts_remove
}

# What stands while the bad inputs come.
good() {
	cat <<-JSON
		{ "forwards": [
		  { "name": "web", "listen": "198.51.100.1:8080", "target": "10.0.0.2:80", "comment": "Grüße" },
		  { "name": "dns", "listen": "53/tcp+udp", "target": ["10.0.0.53", "fd00::53"], "enabled": false }
		] }
	JSON
}

# ---- Before and after

# All that a refused command must leave alone.
everything() {
	(cd "$BATS_TEST_TMPDIR" &&
		find etc run -printf '%p %y %m %s %l\n' | sort &&
		find etc run -type f -print0 | sort -z | xargs -0r sha256sum)
	in_ns gw sh -c 'nft list ruleset
		cd /proc/sys/net && grep -H . ipv4/ip_forward ipv[46]/conf/*/forwarding'
}

wrong() { # ID WHAT [EXPECTED ACTUAL]
	WRONG=$((WRONG + 1))
	echo "$1: $2"
	if [ $# -gt 2 ]; then
		diff <(printf '%s\n' "$3") <(printf '%s\n' "$4") |
			sed -n 's/^</  expected:/p; s/^>/  actual:  /p' | cut -c-1000 | head -n 30
	fi
} >&2

unchanged() { # ID BEFORE
	local after
	after=$(everything)
	[ "$2" = "$after" ] || wrong "$1" "something changed" "$2" "$after"
}

# ---- Commands that must be refused

# The lines of a row, with the places of this test in them.
lines_of() { # TEXT
	local text=$1
	text=${text//@FILE@/$CONFIG}
	text=${text//@DROP_IN@/$DROP_IN}
	text=${text//@RUN_DIR@/$RUN_DIR}
	text=${text//@NET@/$NET}
	text=${text//@TMP@/$BATS_TEST_TMPDIR}
	printf 'portfwd: %s' "${text//$'\n'/$'\nportfwd: '}"
}

# The same lines, and exit code and kind, from the JSON object on standard output.
lines_of_json='.error as $e | ($e.errors[] |
	"portfwd: \([.file, .path, .message | values] | join(": "))"),
	if $e.count > 10 then "portfwd: and \($e.count - 10) more" else empty end,
	"exit \($e.exit) \($e.kind)"'
kinds=('' failed usage not-found conflict not-permitted)

says() { # ID CODE TEXT ARGUMENT …
	local id=$1 code=$2 text what="portfwd ${*:4:5}" status=0 json
	local out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	text=$(lines_of "$3")
	shift 3
	ip netns exec gw timeout -k 1 "$REFUSED_SECONDS" "${AS[@]}" "$PORTFWD" -c "$CONFIG" \
		--run-dir "$RUN_DIR" "$@" > "$out" 2> "$err" || status=$?
	[ "$status" = "$code" ] || wrong "$id" "$what: exit code $status, not $code"
	[ "$text" = "$(< "$err")" ] || wrong "$id" "$what: other words" "$text" "$(< "$err")"
	if [[ " $* " == *" --json "* ]]; then
		json=$(jq -r "$lines_of_json" < "$out" 2>&1) || true
		text+=$'\n'"exit $code ${kinds[code]}"
		[ "$text" = "$json" ] || wrong "$id" "$what: other words in JSON" "$text" "$json"
	elif [ -s "$out" ]; then
		wrong "$id" "$what: it printed" "" "$(head -c 1000 "$out")"
	fi
}

# ---- Rows

# Whatever reads the files refuses them, in the same words.
refused_files() { # ID CODE TEXT
	local before
	ROWS=$((ROWS + 1))
	before=$(everything)
	says "$@" reload
	says "$@" --json check
	says "$@" add extra 9999 10.0.0.9:80
	unchanged "$1" "$before"
}

# The file holds this text.
file() { # ID CODE TEXT CONTENT
	printf '%s' "$4" > "$CONFIG"
	refused_files "${@:1:3}"
}

# The file holds what this command prints.
made() { # ID CODE TEXT COMMAND …
	"${@:4}" > "$CONFIG"
	refused_files "${@:1:3}"
}

# The file holds a good forward, and these behind it.
forward() { # ID CODE TEXT FORWARD[, FORWARD …]
	file "${@:1:3}" "{ \"forwards\": [
  { \"name\": \"web\", \"listen\": \"198.51.100.1:8080\", \"target\": \"10.0.0.2:80\" },
  $4
] }"
}

# The good file, and a drop-in with this text.
drop_in() { # ID CODE TEXT CONTENT
	mkdir -p "${DROP_IN%/*}"
	cp "$BATS_TEST_TMPDIR/good.json" "$CONFIG"
	printf '%s' "$4" > "$DROP_IN"
	refused_files "${@:1:3}"
	rm "$DROP_IN"
}

# What stands around it, and this command line.
typed() { # ID CODE TEXT ARGUMENT …
	local before
	ROWS=$((ROWS + 1))
	before=$(everything)
	says "$@"
	unchanged "$1" "$before"
}

settle() {
	echo "# $ROWS bad inputs" >&3
	if [ "$WRONG" != 0 ] || [ "$ROWS" = 0 ]; then
		echo "$WRONG wrong with $ROWS bad inputs" >&2
		return 1
	fi
}

rows() { # TABLE
	# shellcheck source=/dev/null
	source "$BATS_TEST_DIRNAME/bad-input/$1.rows"
	settle
	# What all of it left behind still works.
	cp "$BATS_TEST_TMPDIR/good.json" "$CONFIG"
	pfw diff
}

@test "files: text that is no configuration" {
	rows text
}

@test "files: keys, names and switches" {
	rows keys
}

@test "files: listen parts" {
	rows listen
}

@test "files: targets" {
	rows targets
}

@test "files: forwards that do not go together" {
	rows conflicts
}

@test "command lines" {
	rows commands
}

@test "command lines: what add is given" {
	rows adds
}

# ---- Broken places

@test "something else in place of the file" {
	rm "$CONFIG"
	for_reading missing 1 'cannot read @FILE@: there is no such file; "portfwd add" makes it'
	mkdir "$CONFIG"
	for_all folder 1 'cannot read @FILE@: it is a directory, not a file'
	rmdir "$CONFIG"
	mkfifo "$CONFIG"
	for_all pipe 1 'cannot read @FILE@: it is a pipe, not a file'
	rm "$CONFIG"
	socat "UNIX-LISTEN:$CONFIG,unlink-close=0" EXEC:true 3>&- &
	PIDS+=("$!")
	until [ -S "$CONFIG" ]; do :; done
	for_all socket 1 'cannot read @FILE@: it is a socket, not a file'
	kill "${PIDS[0]}"
	rm -f "$CONFIG"
	: > "$CONFIG"
	mount --bind /dev/null "$CONFIG"
	for_all device 1 'cannot read @FILE@: it is a device, not a file'
	umount "$CONFIG"
	rm "$CONFIG"
	ln -s nowhere.json "$CONFIG"
	for_reading dangling 1 '?'
	ln -sf portfwd.json "$CONFIG"
	for_all loop 1 '?'
	ln -sf other.json "$CONFIG"
	ln -s portfwd.json "${CONFIG%/*}/other.json"
	for_all loop-of-two 1 '?'
	rm "$CONFIG" "${CONFIG%/*}/other.json"
	settle
}

for_reading() { # ID CODE TEXT
	typed "$@" reload
	typed "$@" --json check
}

for_all() { # ID CODE TEXT
	for_reading "$@"
	typed "$@" add extra 9999 10.0.0.9:80
	typed "$@" remove web
}

@test "something else in place of the drop-ins" {
	: > "${DROP_IN%/*}"
	for_all drop-ins-file 1 '?'
	rm "${DROP_IN%/*}"
	mkdir -p "$DROP_IN"
	for_all drop-in-folder 1 '?'
	rmdir "$DROP_IN"
	mkfifo "$DROP_IN"
	for_all drop-in-pipe 1 '?'
	rm "$DROP_IN"
	ln -s nowhere "$DROP_IN"
	for_all drop-in-dangling 1 '?'
	ln -sf 10-more.json "$DROP_IN"
	for_all drop-in-loop 1 '?'
	rm "$DROP_IN"
	settle
}

for_saving() { # ID CODE TEXT
	typed "$@" add extra 9999 10.0.0.9:80
	typed "$@" --json add extra 9999 self:80
	typed "$@" add web 198.51.100.1:8080 10.0.0.3:80 --replace
	typed "$@" remove web
	typed "$@" disable web
	typed "$@" enable dns
}

@test "a file that cannot be written" {
	mount --bind "$BATS_TEST_TMPDIR/etc" "$BATS_TEST_TMPDIR/etc"
	mount -o remount,bind,ro "$BATS_TEST_TMPDIR/etc"
	for_saving read-only 1 '?'
	umount "$BATS_TEST_TMPDIR/etc"
	mount -t tmpfs -o size=16k tmpfs "$BATS_TEST_TMPDIR/etc"
	good > "$CONFIG"
	head -c 100k /dev/zero > "$BATS_TEST_TMPDIR/etc/filler" 2> /dev/null || true
	for_saving disk-full 1 '?'
	umount "$BATS_TEST_TMPDIR/etc"
	mount -t tmpfs -o nr_inodes=3 tmpfs "$BATS_TEST_TMPDIR/etc"
	good > "$CONFIG"
	: > "$BATS_TEST_TMPDIR/etc/filler"
	for_saving no-inodes 1 '?'
	umount "$BATS_TEST_TMPDIR/etc"
	CONFIG=$BATS_TEST_TMPDIR/good.json/portfwd.json
	typed below-a-file 1 '?' reload
	typed below-a-file-check 1 '?' --json check
	settle
}

@test "a run directory that cannot be used" {
	pfw -q flush
	RUN_DIR=$CONFIG/run
	typed run-dir-below-a-file 1 '?' add extra 9999 10.0.0.9:80
	typed run-dir-below-a-file 1 '?' reload
	RUN_DIR=$BATS_TEST_TMPDIR/run
	mount --bind "$RUN_DIR" "$RUN_DIR"
	mount -o remount,bind,ro "$RUN_DIR"
	typed run-dir-read-only 1 '?' add extra 9999 10.0.0.9:80
	typed run-dir-read-only 1 '?' reload
	umount "$RUN_DIR"
	mount -t tmpfs -o size=4k tmpfs "$RUN_DIR"
	pfw -q flush
	head -c 10k /dev/zero > "$RUN_DIR/filler" 2> /dev/null || true
	for_applying run-dir-full 1 '?'
	umount "$RUN_DIR"
	pfw -q reload
	echo '{ "boot"' > "$NET/state.json"
	for_applying state-damaged 1 '?'
	settle
}

# From nothing: the table, the switch for routing and what is recorded of it.
for_applying() { # ID CODE TEXT
	typed "$@" reload
	typed "$@" add extra 9999 10.0.0.9:80
	typed "$@" add extra 9999 '[fd00::9]:80'
	typed "$@" enable dns
}

@test "a host that cannot be changed" {
	pfw -q flush
	mount --bind /proc/sys /proc/sys
	mount -o remount,bind,ro /proc/sys
	for_applying sysctl-read-only 1 '?'
	umount /proc/sys
	settle
}

@test "without the right to change the network" {
	AS=(setpriv --bounding-set=-net_admin --inh-caps=-net_admin)
	for_saving no-net-admin 5 '?'
	typed no-net-admin-reload 5 '?' reload
	typed no-net-admin-diff 5 '?' diff
	typed no-net-admin-list 5 '?' --json list
	typed no-net-admin-status 5 '?' status
	typed no-net-admin-flush 5 '?' flush
	typed no-net-admin-netns 5 '?' --netns gw list
	settle
}

@test "without any right" {
	AS=(setpriv --bounding-set=-all --inh-caps=-all)
	chmod 000 "$CONFIG"
	typed file-unreadable 5 '?' --json check
	typed file-unreadable 5 '?' reload
	chmod 644 "$CONFIG"
	chmod 500 "$NET"
	chmod 500 "$BATS_TEST_TMPDIR/etc"
	rm "$NET/lock"
	typed lock-unwritable 5 '?' add extra 9999 10.0.0.9:80
	settle
}

# ---- Refusals in the middle

refusing() { # NAME=VALUE
	local library=$BATS_TEST_TMPDIR/refuse.so
	[ -e "$library" ] || "${CC:-cc}" -shared -fPIC -o "$library" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	AS=(env "LD_PRELOAD=$library" "ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0" "$1")
}

@test "the kernel refuses one of many: it is named, and nothing changes" {
	local i
	refusing REFUSE_ELEMENT=bad
	typed refused-add 1 '?' add bad 9999 10.0.0.9:80
	typed refused-add-second 1 '?' --json add bad 198.51.100.1:9990,9991 10.0.0.9:80
	typed refused-new-set 1 '?' add bad '[2001:db8::1]:9999' '[fd00::9]:80'
	typed refused-dry-run 1 '?' --dry-run add bad 9999 10.0.0.9:80
	refusing REFUSE_ELEMENT=dns
	typed refused-enable 1 '?' enable dns
	refusing REFUSE_ELEMENT=web
	typed refused-replace 1 '?' add --replace web 198.51.100.1:8081 10.0.0.2:80
	refusing REFUSE_ELEMENT=n700
	{
		echo '{ "forwards": ['
		for i in {1..1000}; do
			printf '{ "name": "n%d", "listen": "198.51.100.1:%d", "target": "10.0.0.2" },\n' "$i" "$i"
		done
		echo '{ "name": "last", "listen": "7", "target": "fd00::2" } ] }'
	} > "$CONFIG"
	typed refused-reload 1 '?' reload
	AS=()
	pfw -q flush
	refusing REFUSE_ELEMENT=n700
	typed refused-first-reload 1 '?' reload
	typed refused-first-add 1 '?' add extra 9999 10.0.0.9:80
	settle
}

@test "the file cannot take its place after the kernel was changed: both go back" {
	refusing REFUSE_RENAME=/portfwd.json
	for_saving rename 1 '?'
	refusing REFUSE_SYNC=1
	for_saving sync 1 '?'
	AS=()
	pfw -q flush
	refusing REFUSE_RENAME=/portfwd.json
	typed rename-from-nothing 1 '?' add extra 9999 10.0.0.9:80
	typed rename-from-nothing 1 '?' remove web
	refusing REFUSE_RENAME=/state.json
	for_applying state-rename 1 '?'
	settle
}

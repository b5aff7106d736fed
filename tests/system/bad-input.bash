# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2016,SC2034
#
# What is wrong is refused: in words that say what and where, with the right exit
# code, and with files, folders, kernel, host and run directory as they were.
#
# Most cases are rows of the tables in bad-input/, which bad-input.bats goes through;
# a new case is a new row. Those that need something broken around them stand in
# bad-places.bats.

# No bad input may take longer than this; sanitizers slow it down.
: "${REFUSED_SECONDS:=20}"

setup() {
	sandbox_check
	portfwd_setup
	DROP_IN=$BATS_TEST_TMPDIR/etc/portfwd.d/10-more.json
	AS=()
	ROWS=0
	WRONG=0
	TABLE=
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
	files
	kernel
}

files() {
	(cd "$BATS_TEST_TMPDIR" &&
		find etc run -printf '%p %y %m %s %l\n' | sort &&
		find etc run -type f -exec sha256sum {} + | sort)
}

# No file was as much as written again, which one look tells.
files_untouched() {
	(cd "$BATS_TEST_TMPDIR" &&
		find etc run -type f -printf '%p %m %s %i %C@\n' -o -printf '%p %y %m %s %l\n' | sort)
}

kernel() {
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

# A row's, which is one of a table or stands alone. The kernel is looked at behind a whole table.
row_begin() {
	ROWS=$((ROWS + 1))
	if [ -n "$TABLE" ]; then
		FILES=$(files_untouched)
	else
		FILES=$(files)
		KERNEL=$(kernel)
	fi
}

row_end() { # ID
	local after
	if [ -n "$TABLE" ]; then
		after=$(files_untouched)
	else
		after=$(files)
		kernel_is_as_before "$1"
	fi
	[ "$FILES" = "$after" ] || wrong "$1" "files changed" "$FILES" "$after"
}

kernel_is_as_before() { # ID
	local after
	after=$(kernel)
	[ "$KERNEL" = "$after" ] || wrong "$1" "the kernel changed" "$KERNEL" "$after"
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

# The same lines, and exit code and kind, from the JSON object on standard output; all are looked
# at in the end, each behind the name of its row.
lines_of_json='if type == "string" then "--- \(.)" else .error as $e | ($e.errors[] |
	"portfwd: \([.file, .path, .message | values] | join(": "))"),
	if $e.count > 10 then "portfwd: and \($e.count - 10) more" else empty end,
	"exit \($e.exit) \($e.kind)" end'
kinds=('' failed usage not-found conflict not-permitted)

says() { # ID CODE TEXT ARGUMENT …
	local id=$1 code=$2 text what="portfwd ${*:4:5}" status=0
	local out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	text=$(lines_of "$3")
	shift 3
	in_ns gw timeout -k 1 "$REFUSED_SECONDS" "${AS[@]}" "$PORTFWD" -c "$CONFIG" \
		--run-dir "$RUN_DIR" "$@" > "$out" 2> "$err" || status=$?
	[ "$status" = "$code" ] || wrong "$id" "$what: exit code $status, not $code"
	[ "$text" = "$(< "$err")" ] || wrong "$id" "$what: other words" "$text" "$(< "$err")"
	if [[ " $* " == *" --json "* ]]; then
		{ printf '"%s: %s"\n' "$id" "$what" && cat "$out"; } >> "$BATS_TEST_TMPDIR/json"
		printf -- '--- %s\n%s\nexit %s\n' "$id: $what" "$text" "$code ${kinds[code]}" \
			>> "$BATS_TEST_TMPDIR/json.expected"
	elif [ -s "$out" ]; then
		wrong "$id" "$what: it printed" "" "$(head -c 1000 "$out")"
	fi
}

# ---- Rows

# Whatever reads the files refuses them, in the same words.
refused_files() { # ID CODE TEXT
	row_begin
	says "$@" reload
	says "$@" --json check
	says "$@" add extra 9999 10.0.0.9:80
	row_end "$1"
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
	row_begin
	says "$@"
	row_end "$1"
}

settle() {
	local json
	if [ -e "$BATS_TEST_TMPDIR/json" ]; then
		json=$(jq -r "$lines_of_json" < "$BATS_TEST_TMPDIR/json" 2>&1) || true
		[ "$(< "$BATS_TEST_TMPDIR/json.expected")" = "$json" ] ||
			wrong JSON "other words" "$(< "$BATS_TEST_TMPDIR/json.expected")" "$json"
	fi
	echo "# $ROWS bad inputs" >&3
	if [ "$WRONG" != 0 ] || [ "$ROWS" = 0 ]; then
		echo "$WRONG wrong with $ROWS bad inputs" >&2
		return 1
	fi
}

rows() { # TABLE
	TABLE=$1
	KERNEL=$(kernel)
	# shellcheck source=/dev/null
	source "$BATS_TEST_DIRNAME/bad-input/$1.rows"
	kernel_is_as_before "one of the $1"
	settle
	# What all of it left behind still works.
	cp "$BATS_TEST_TMPDIR/good.json" "$CONFIG"
	pfw diff
}

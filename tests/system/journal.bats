#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A journal that a process left which was killed: whoever comes next sees what it says, and
# whoever changes something writes it to the file first.
#
# Backends: nftables

load helpers

setup() {
	sandbox_check
	portfwd_setup
	topology
	# As it is left: one forward added, one removed, and a line that was not finished.
	printf '{"forwards": [\n  {"name": "old", "listen": "8001", "target": "%s:80"},\n  {"listen": "8002", "target": "%s:80"}\n]}\n' \
		"$SERVER4" "$SERVER4" > "$CONFIG"
	pfw reload
	printf '{"base": "0123456789abcdef", "put": {"name": "new", "listen": "8003", "target": "%s:80"}, "was": null}\n{"base"' \
		"$SERVER4" > "$CONFIG.journal"
	chmod 600 "$CONFIG.journal"
}

names() {
	pfw list --json | jq -r '[.forwards[].name] | join(" ")'
}

@test "list, status and check see it, and leave it alone" {
	[ "$(names)" = "old tcp-8002 new" ]
	[ "$(pfw status --json | jq .journal)" = 1 ]
	run pfw check
	[ "$status" -eq 0 ]
	[[ $output == *3* ]]
	[ -s "$CONFIG.journal" ]
	! grep -q new "$CONFIG"
}

@test "a change writes it to the file first" {
	pfw add more 8004 "$SERVER4:80"
	[ ! -e "$CONFIG.journal" ]
	[ "$(names)" = "old tcp-8002 new more" ]
	[ "$(pfw status --json | jq .journal)" = 0 ]
	pfw diff
	# What it did not touch is as it was.
	grep -qx "  {\"listen\": \"8002\", \"target\": \"$SERVER4:80\"}," "$CONFIG"
}

@test "a dry run does not" {
	pfw --dry-run add more 8004 "$SERVER4:80"
	[ -s "$CONFIG.journal" ]
	! grep -q new "$CONFIG"
}

@test "reload brings it into the kernel" {
	serve tcp web server "$SERVER4" 80
	[ "$(pfw status --json | jq .in_sync)" = false ]
	pfw reload
	[ ! -e "$CONFIG.journal" ]
	reaches tcp client "$WAN4" 8003 web
}

@test "what was changed by hand stands, and the line is kept aside" {
	printf '{"forwards": [{"name": "new", "listen": "9000", "target": "%s:80"}]}\n' "$SERVER4" > "$CONFIG"
	run pfw reload
	[ "$status" -eq 0 ]
	[[ $output == *'"new" was changed in '* ]]
	[ "$(names)" = new ]
	[ ! -e "$CONFIG.journal" ]
	grep -q 8003 "$CONFIG.journal.rejected"
}

# ---- Places of others

refused() { # WHAT
	local said

	if said=$(pfw add more 8004 "$SERVER4:80" 2>&1); then
		echo "it is not refused that the journal $1" >&2
		return 1
	fi
	contains "$said" "$1"
	equal secret "$(cat "$BATS_TEST_TMPDIR/victim")"
	rm "$CONFIG.journal"
}

@test "what others put in place of the journal is neither read nor written" {
	local victim=$BATS_TEST_TMPDIR/victim

	echo secret > "$victim"
	chmod 600 "$victim"
	rm "$CONFIG.journal"
	ln -s "$victim" "$CONFIG.journal"
	refused "it is a symbolic link, not a file"
	ln "$victim" "$CONFIG.journal"
	refused "has other names too"
	mkfifo "$CONFIG.journal"
	refused "it is a pipe, not a file"
	echo '{}' > "$CONFIG.journal"
	chmod 666 "$CONFIG.journal"
	refused "others may write it"
	echo '{}' > "$CONFIG.journal"
	# In a user namespace there may be nobody else.
	if chown 65534 "$CONFIG.journal" 2> /dev/null; then
		refused "belongs to somebody else"
	fi
	[ ! -e "$CONFIG.journal.rejected" ]
}

@test "a pipe for what is kept aside does not hold us" {
	echo 'no line of ours' > "$CONFIG.journal"
	mkfifo "$CONFIG.journal.rejected"
	run in_ns gw timeout 10 "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" add more 8004 "$SERVER4:80"
	equal 1 "$status"
	contains "$output" "cannot save $CONFIG.journal.rejected"
}

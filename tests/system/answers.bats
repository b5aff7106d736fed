#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command line through the daemon: the same answers, errors and exit codes as without.
#
# Backends: nftables iptables

load helpers
load daemon

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
}

teardown() {
	daemon_end
	hosts_remove
}

# Everything that can be seen of these commands, without what differs from time to time.
seen_of() { # FILE
	local words code
	while read -r -a words; do
		code=0
		pfw "${words[@]}" > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" || code=$?
		printf '=> portfwd %s: %s\n' "${words[*]}" "$code"
		sed -E '/^(daemon|journal): /d; s/"(running|pid)": .*/"\1"/; /revision|element (guarded|earlier)/d; s/"journal": .*/"journal"/' "$BATS_TEST_TMPDIR/out" \
			"$BATS_TEST_TMPDIR/err"
	done < "$1"
}

@test "answers, errors and exit codes are those of the command line alone" {
	cat > "$BATS_TEST_TMPDIR/words" <<- EOF
		add web 8080 $SERVER4:80
		add web 8080 $SERVER4:80
		add web 8081 $SERVER4:80
		add other 8080 $SECOND4:80
		add --json dns 53/udp $SERVER4
		add bad 0 $SERVER4:99999 --limit rate=0
		add --json bad 0 $SERVER4:99999 --limit rate=0
		add --dry-run more 7000-7100 $SERVER4
		add --runtime brief 99 $SERVER4
		add --runtime web 99 $SERVER4
		list
		list --json
		list nope
		show web
		show nope
		list -o name,state,target
		add --replace --dry-run web 8085 $SERVER4:80
		add --replace --drain web 8085 $SERVER4:80
		add --replace web 8080 $SERVER4:80
		add --source 10.0.0.0/33 far 8086 $SERVER4:80
		add far 8086 10.0.0.2,10.0.0.2
		status
		status --json
		-v disable web dns
		disable web
		enable web dns
		enable nope
		diff
		diff --json
		check
		check /nonexistent
		export
		export --format nope
		export --format nft
		export --format iptables
		reload
		reload --json
		reload --drain
		--dry-run reload
		remove 53/udp
		remove nope web
		-j remove nope
		remove --dry-run web
		remove web
		reload --confirm 5
		confirm
		flush --dry-run
		flush
		flush
	EOF
	echo '{"forwards": []}' | config
	seen_of "$BATS_TEST_TMPDIR/words" > "$BATS_TEST_TMPDIR/without"
	# The daemon applies it before it is asked for anything.
	echo '{"forwards": []}' | config
	daemon_start "${BACKEND_WORDS[@]}"
	seen_of "$BATS_TEST_TMPDIR/words" > "$BATS_TEST_TMPDIR/with"
	diff -u "$BATS_TEST_TMPDIR/without" "$BATS_TEST_TMPDIR/with"
	has_logged "verb=add forward=web"
}

# What stands meanwhile is told in the kernel's words or not at all, whoever is asked.
@test "files that are broken, or in which others have a say, are told in the same words" {
	local etc=${CONFIG%/*} way

	cat > "$BATS_TEST_TMPDIR/words" <<- EOF
		list
		--json list
		status
		check
		--json check
		diff
		export
		reload
		--json reload
		add more 9090 $SERVER4:80
		remove web
		enable web
		flush --dry-run
	EOF
	mkdir "$etc/portfwd.d"
	for way in without with; do
		rm -f "$CONFIG" "$etc/portfwd.d"/*
		pfw flush
		[ "$way" = without ] || daemon_start "${BACKEND_WORDS[@]}"
		echo '{ "forwards": [ { "name": "web", "listen": "8080", "target": "self:80" } ] }' | config
		pfw -q reload
		{
			echo '{ "forwards": [ { "name": "web", "listen": "80800", "target": "x" } ] }' | config
			seen_of "$BATS_TEST_TMPDIR/words"
			echo '{ "forwards": [ { "name": "web", "listen": "8081", "target": "self:80" } ' | config
			seen_of "$BATS_TEST_TMPDIR/words"
			rm "$CONFIG"
			seen_of "$BATS_TEST_TMPDIR/words"
			echo '{ "forwards": [ { "name": "web", "listen": "8080", "target": "self:80" } ] }' | config
			cp "$CONFIG" "$etc/portfwd.d/twice.json"
			seen_of "$BATS_TEST_TMPDIR/words"
			sed -i s/web/drop/ "$etc/portfwd.d/twice.json"
			seen_of "$BATS_TEST_TMPDIR/words"
			sed -i s/8080/8081/ "$etc/portfwd.d/twice.json"
			pfw -q reload
			seen_of "$BATS_TEST_TMPDIR/words"
			pfw remove drop || echo "exit code $?"
		} > "$BATS_TEST_TMPDIR/$way" 2>&1
	done
	equal 78 "$(grep -c '^=> ' "$BATS_TEST_TMPDIR/without")" "commands"
	has_logged "not loaded: 80800 is not a port"
	diff -u "$BATS_TEST_TMPDIR/without" "$BATS_TEST_TMPDIR/with"
}

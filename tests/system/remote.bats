#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command line and a daemon that ends, refuses, answers nonsense or is of another place. That its
# answers are those of the command line alone is in answers.bats.
#
# Backends: nftables

bats_require_minimum_version 1.5.0
load helpers
load daemon

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
	ETC=${CONFIG%/*}
}

teardown() {
	daemon_end
	[ -z "${FAKE_PID-}" ] || kill "$FAKE_PID" 2> /dev/null || true
	hosts_remove
}

edited() { # EXPRESSION
	sed -i "$1" "$CONFIG"
}

listens() { # PORTS …
	equal "$*" "$(pfw_json '[.forwards[].listen.port] | join(" ")' list)"
}

@test "an edit goes through the daemon, and a text that is no text does not hurt" {
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	EDITOR='sed -i s/8080/8081/' pfw edit
	listens 8081
	has_logged "verb=write"
	EDITOR='sed -i s/8081/nonsense/' pfw_fails 1 edit
	contains "$output" "forwards[0].listen: "
	# Bytes of no alphabet: told by the same words as without a daemon.
	EDITOR='printf "\377" >' pfw_fails 1 edit
	contains "$output" "portfwd: $CONFIG: "
	listens 8081
	printf '\377' > "$CONFIG"
	EDITOR='printf "{\"forwards\": []}" >' pfw edit
	listens
}

# A forward in a file of so many MiB.
large_file() { # MIB PORT
	{
		echo '{ "forwards": ['
		head -c "$1M" /dev/zero | tr '\0' '\n'
		echo "{ \"name\": \"web\", \"listen\": \"$2\", \"target\": \"$SERVER4:80\" } ] }"
	} > "$CONFIG"
}

@test "an edit of a large file goes through the daemon, and one that is too large for that is done here" {
	large_file 9 8080
	daemon_start
	EDITOR='sed -i s/8080/8081/' pfw edit
	listens 8081
	has_logged "verb=write"
	equal 1 "$(logged "loaded: ")"
	large_file 17 8082
	eventually 5 listens 8082
	EDITOR='sed -i s/8082/8083/' pfw edit
	listens 8083
	equal 1 "$(logged "verb=write")"
	pfw diff
	EDITOR='sed -i s/8083/nonsense/' pfw_fails 1 edit
	contains "$output" "forwards[0].listen: "
	listens 8083
}

@test "who may not ask the daemon is told so; files can be checked all the same" {
	groupadd -f portfwd
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR" "$ETC" "$RUN_DIR"
	local nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	local command
	for command in list status diff "add x 9 10.0.0.9" flush confirm; do
		# shellcheck disable=SC2086 # words
		run in_ns gw "${nobody[@]}" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" $command
		equal 5 "$status" "$output"
		contains "$output" 'only root and the group "portfwd" may ask it'
	done
	# As root of a user namespace of one's own, in a network of one's own or not.
	for command in -Ur -Urn; do
		run in_ns gw "${nobody[@]}" unshare "$command" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" list
		equal 5 "$status" "$output"
		contains "$output" "$RUN_DIR belongs to somebody else, or others may write there; use another --run-dir"
	done
	in_ns gw "${nobody[@]}" unshare -Urn "$PORTFWD" -c "$CONFIG" --run-dir /tmp/own list > /dev/null
	run in_ns gw "${nobody[@]}" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" check
	equal 0 "$status" "$output"
	run in_ns gw "${nobody[@]}" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" export
	equal 0 "$status" "$output"
	nobody=(setpriv --reuid 65534 --regid 65534 --groups "$(getent group portfwd | cut -d: -f3)")
	run in_ns gw "${nobody[@]}" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" add new 9090 "$SERVER4:80"
	equal 0 "$status" "$output"
	EDITOR='sed -i s/9090/9191/' run in_ns gw "${nobody[@]}" env EDITOR='sed -i s/9090/9191/' TMPDIR=/tmp \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" edit
	equal 0 "$status" "$output"
	listens 8080 9191
	equal "0" "$(stat -c %u "$CONFIG")"
}

@test "started, stopped and killed in between: each change is there" {
	pfw -q add one 1 "$SERVER4"
	daemon_start
	pfw -q add two 2 "$SERVER4"
	daemon_stop
	pfw -q add three 3 "$SERVER4"
	listens 1 2 3
	daemon_start
	pfw -q add four 4 "$SERVER4"
	kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" || true
	# Its socket is there still.
	[ -S "$RUN_DIR/portfwd.sock" ]
	listens 1 2 3 4
	pfw -q add five 5 "$SERVER4"
	daemon_start
	pfw -q remove one
	listens 2 3 4 5
	pfw diff
}

@test "another namespace, configuration or backend is not the daemon's" {
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	local other=$BATS_TEST_TMPDIR/other.json own=$CONFIG
	echo '{"forwards": [{"name": "x", "listen": "1", "target": "self"}]}' > "$other"

	ip netns exec second "$PORTFWD" -c "$other" --run-dir "$RUN_DIR" reload
	"$PORTFWD" --netns second -c "$other" --run-dir "$RUN_DIR" list | grep -q x
	"$PORTFWD" --netns gw -c "$own" --run-dir "$RUN_DIR" add named 7 "$SERVER4"
	has_logged "forward=named"
	# By another way to the same file.
	ln -s "$own" "$BATS_TEST_TMPDIR/link.json"
	CONFIG=$BATS_TEST_TMPDIR/link.json pfw add linked 8 "$SERVER4"
	has_logged "forward=linked"

	CONFIG=$other
	pfw_fails 1 add y 2 "$SERVER4"
	contains "$output" "$own is applied in this network namespace, not $other"
	pfw_fails 1 list
	pfw check
	pfw_fails 1 reload
	contains "$output" "this portfwdd has another configuration: $own"
	CONFIG=$own
	pfw_fails 1 --backend iptables add y 2 "$SERVER4"
	contains "$output" "this portfwdd has another backend"
	listens 8080 7 8
	CONFIG=$other pfw flush
	equal "" "$(in_ns gw nft list ruleset)"
	has_logged "verb=flush"
}

# Something else in the place of the daemon: it answers each client with the file.
fake() { # ANSWER
	daemon_end
	[ -z "${FAKE_PID-}" ] || kill "$FAKE_PID"
	rm -f "$RUN_DIR/portfwd.sock"
	mkdir -p "$RUN_DIR"
	printf '%b' "$1" > "$BATS_TEST_TMPDIR/answer"
	socat "UNIX-LISTEN:$RUN_DIR/portfwd.sock,fork" \
		SYSTEM:"head -c 10 > $BATS_TEST_TMPDIR/asked; cat $BATS_TEST_TMPDIR/answer" \
		3>&- < /dev/null > /dev/null 2>&1 &
	FAKE_PID=$!
	eventually 10 test -S "$RUN_DIR/portfwd.sock"
}

@test "who ends before the answer is out leaves it to be done here, or says that nobody knows" {
	DAEMON_LOG=/dev/null
	pfw -q add web 8080 "$SERVER4:80"
	local cut
	for cut in '' 'HTTP/1.1 200' 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":' \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":'; do
		fake "$cut"
		pfw -q add new 9090 "$SERVER4:80"
		listens 8080 9090
		pfw_fails 1 remove new
		contains "$output" "portfwdd ended before it answered; whether it has done what was asked is not known"
		kill "$FAKE_PID"
		FAKE_PID=
		rm -f "$RUN_DIR/portfwd.sock"
		pfw -q remove new
	done
}

@test "an answer without sense is told as that, whatever it says" {
	DAEMON_LOG=/dev/null
	pfw -q add web 8080 "$SERVER4:80"
	local answer
	for answer in 'SSH-2.0-x\r\n\r\n' 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n' \
		'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n' \
		'HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n' \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n' \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n' \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n' \
		'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]' \
		'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{' \
		'HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}' \
		'HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n'; do
		fake "$answer"
		pfw_fails 1 list
		contains "$output" "make no sense here"
	done
	fake 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\n{"a\r\n4\r\n":1}\r\n0\r\nX: y\r\n\r\n'
	equal 1 "$(pfw_json .a list)"
}

@test "confirm goes to the daemon, which waits for it itself" {
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	edited s/8080/9090/
	run pfw reload --confirm 60
	equal 0 "$status" "$output"
	contains "$output" 'what was before returns in 60 seconds, unless "portfwd confirm" comes first'
	listens 9090
	pfw_fails 1 add new 1 "$SERVER4"
	contains "$output" 'a reload waits for "portfwd confirm"'
	pfw confirm
	pfw_fails 1 confirm
	pfw -q add new 1 "$SERVER4"
	listens 9090 1
}

@test "not confirmed in time the daemon lets return what was before, also where it had loaded the saved file itself" {
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	edited s/8080/9090/
	eventually 5 listens 9090
	pfw reload --confirm 1
	listens 9090
	eventually 5 listens 8080
	equal 8080 "$(jq -r '.forwards[0].listen' "$CONFIG")"
	grep -q 9090 "$CONFIG.unconfirmed"
	has_logged "a reload was not confirmed"
	pfw diff
	pfw -q add new 1 "$SERVER4"
	listens 8080 1
}

@test "a dry run or a repair meanwhile neither confirms nor puts off" {
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	pfw -q reload
	edited s/8080/9090/
	pfw -q reload --confirm 2
	pfw --dry-run reload
	sleep 1
	in_ns gw nft delete table inet portfwd
	eventually 1 has_logged "put back what others had changed"
	listens 9090
	sleep 1.4
	listens 8080
	has_logged "a reload was not confirmed"
	equal 0 "$(logged 'warning=')"
}

@test "a daemon that ends lets return what was before; one that is killed leaves it to the next" {
	daemon_start
	pfw -q add web 8080 "$SERVER4:80"
	edited s/8080/9090/
	pfw reload --confirm 60
	daemon_stop
	listens 8080
	pfw diff

	daemon_start
	edited s/8080/9090/
	pfw reload --confirm 60
	kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" || true
	listens 9090
	daemon_start
	eventually 10 listens 8080
	pfw diff
	has_logged "the last reload was not confirmed"
}

@test "a run directory whose name is too long for a socket is one without a daemon" {
	RUN_DIR=$BATS_TEST_TMPDIR/$(printf 'x%.0s' {1..120})
	pfw add web 8080 "$SERVER4:80"
	listens 8080
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# portfwdd is killed before a system call of one request, or of what it does by itself then.
# If this fails, a change is lost that was answered, or one is there in part, or file and
# kernel do not agree once the next one has come, be it a daemon or a command.
# MOMENTS says how many of each are tried, or all, and SEED which.
#
# As long as 40 tests.
#
# Backends: nftables iptables
# shellcheck disable=SC2154 # output and status are set by run

load helpers
load daemon

setup() {
	sandbox_check
	portfwd_setup
	command -v strace > /dev/null || skip "strace is not installed"
	ETC=/run/etc-killed RUN_DIR=/run/portfwd
	CONFIG=$ETC/portfwd.json
	rm -rf "$ETC" "$RUN_DIR"
	host_add gw
	daemon_setup
	# One thread that writes the file, so that there is one to be killed.
	export UV_THREADPOOL_SIZE=1
	: "${MOMENTS:=2}" "${SEED:=$RANDOM}"
	RANDOM=$SEED
	killed=0 survived=0
}

teardown() {
	daemon_end
	hosts_remove
}

pfw() {
	nsenter --net=/run/netns/gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" "$@"
}

forward() { # NAME PORT
	printf '{ "name": "%s", "listen": "%s", "target": "10.0.0.2:80" }' "$1" "$2"
}

BEFORE="beside=8100 more=8002 old=8001 web=8080"

# What BEFORE says, whatever was there.
files_anew() {
	rm -rf "$ETC"
	mkdir -p "$ETC/portfwd.d"
	echo "{ \"forwards\": [ $(forward old 8001), $(forward web 8080), $(forward more 8002) ] }" > "$CONFIG"
	echo "{ \"forwards\": [ $(forward beside 8100) ] }" > "$ETC/portfwd.d/some.json"
	rm -f "$RUN_DIR"/net-*/runtime.json
}

# All forwards in few words, as whoever reads the files or asks the daemon sees them.
state() {
	pfw_json '[.forwards[] | "\(.name)=\(.listen.port)\(if .enabled then "" else "-" end)"] | sort | join(" ")' list
}

# The code of the answer, or 000.
ask() { # METHOD PATH [BODY]
	curl -s -o /dev/null -w '%{http_code}' --max-time 20 --unix-socket "$RUN_DIR/portfwd.sock" -X "$1" \
		${3:+-H Content-Type:\ application/json -d "$3"} "http://localhost/v1/$2" || true
}

is_settled() {
	[ ! -s "$CONFIG.journal" ]
}

# Whoever waits for it or not.
is_gone() {
	[[ $(cat "/proc/$DAEMON_PID/stat" 2> /dev/null) != *") "[!Z]* ]]
}

# All that follows by itself is done; it does one thing after the other.
is_done() {
	is_gone || { is_settled && [ "$(ask GET status)" = 200 ]; }
}

# ---- What is asked for: each makes one change, and sets $code and $new

add() {
	new="beside=8100 fresh=8003 more=8002 old=8001 web=8080"
	code=$(ask POST forwards "$(forward fresh 8003)")
}
change() {
	new="beside=8100 more=8002 old=8001 web=8081"
	code=$(ask PUT forwards/web "$(forward web 8081)")
}
remove() {
	new="beside=8100 more=8002 web=8080"
	code=$(ask DELETE forwards/old)
}
remove_two() {
	new="beside=8100 web=8080"
	code=$(ask POST commands/remove '{ "names": ["old", "more"] }')
}
disable_two() {
	new="beside=8100 more=8002- old=8001- web=8080"
	code=$(ask POST commands/disable '{ "names": ["old", "more"] }')
}
add_runtime() {
	new="beside=8100 fresh=8003 more=8002 old=8001 web=8080"
	code=$(ask POST 'forwards?runtime' "$(forward fresh 8003)")
}
change_drop_in() {
	new="beside=8101 more=8002 old=8001 web=8080"
	code=$(ask PUT forwards/beside "$(forward beside 8101)")
}
# What the journal has removed comes to another file.
move_away() {
	remove
	[ "$code" = 204 ] || return 0
	old=$new
	new="beside=8100 more=8002 old=8009 web=8080"
	code=$(ask POST 'forwards?runtime' "$(forward old 8009)")
}
end() {
	remove
	kill -TERM "$DAEMON_PID" 2> /dev/null || true
	eventually 10 is_gone
}
reload() {
	remove
	ask POST reload > /dev/null
}

# ---- Moments

CALLS=write,fsync,fdatasync,fchmod,rename,unlink,link,ftruncate,sendmsg,setsockopt

# Traces one thread: the loop, or the one that writes the file.
trace() { # loop|writer STRACE-OPTION …
	local thread=$DAEMON_PID
	[ "$1" = loop ] || thread=$(find "/proc/$DAEMON_PID/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vx "$DAEMON_PID")
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -qq -o /run/calls -p "$thread" "$@" 3>&- &
	tracer=$!
	eventually 10 is_traced "$DAEMON_PID/task/$thread"
}

is_traced() { # THREAD
	[ "$(awk '/^TracerPid/ { print $2 }' "/proc/$1/status" 2> /dev/null)" != 0 ]
}

# A daemon that has just these forwards, and has written its file once, so that all threads are there.
begin() {
	files_anew
	old=$BEFORE
	daemon_start "${BACKEND_WORDS[@]}"
	ask POST forwards "$(forward first 8999)" > /dev/null
	ask DELETE forwards/first > /dev/null
	eventually 10 is_settled
}

finish() {
	kill -KILL "$DAEMON_PID" 2> /dev/null || true
	wait "$DAEMON_PID" "$tracer" 2> /dev/null || true
	DAEMON_PID=
}

# The moments of something that was traced, a line each: a system call, and the how manieth of its kind it is.
moments() {
	sed 's/(.*//' /run/calls | awk '/^[a-z]/ { print $1, ++n[$1] }'
}

moments_of() { # WHAT loop|writer
	begin
	trace "$2" -e "trace=$CALLS"
	"$1"
	[ "$code" = 200 ] || [ "$code" = 201 ] || [ "$code" = 204 ]
	eventually 10 is_done
	finish
	moments
}

# Whoever comes next.
next() {
	case $((RANDOM % 3)) in
	0) pfw -q reload ;;
	1) pfw -q add next 7000 10.0.0.3 && pfw -q remove next ;;
	2) ;;
	esac
}

killed_at() { # WHAT loop|writer CALL NUMBER
	moment="seed $SEED: $1, $2 killed before $3 $4"

	begin
	trace "$2" -e "trace=$3" -e "inject=$3:signal=KILL:when=$4"
	"$1"
	eventually 10 is_done
	if is_gone; then
		killed=$((killed + 1))
	else
		survived=$((survived + 1))
	fi
	finish
	next
	is_as_answered
}

# What was answered is there, and what was not may be; whoever comes sees the same.
is_as_answered() {
	local now left

	now=$(state)
	[ "$now" = "$new" ] || { [ "$now" = "$old" ] && [[ $code != 2* ]]; } || {
		printf '%s (answer: %s)\n   now: %s\nbefore: %s\n after: %s\n' "$moment" "$code" "$now" "$old" "$new" >&2
		return 1
	}
	daemon_start "${BACKEND_WORDS[@]}"
	equal "$now" "$(state)" "$moment: for the next daemon"
	daemon_stop
	equal "$now" "$(state)" "$moment: in the files"
	pfw -q diff || {
		echo "$moment: the kernel has something else" >&2
		return 1
	}
	# What was beside a drop-in goes when that is written again.
	left=$(find "$ETC" -type f ! -name '.some.json.*' -printf '%f\n' | sort | xargs)
	equal ".portfwd.json.applied .portfwd.lock portfwd.json some.json" "$left" "$moment: files"
}

killed_often() { # WHAT loop|writer
	local list call number
	list=$(moments_of "$@")
	[ -n "$list" ]
	while read -r call number <&9; do
		killed_at "$@" "$call" "$number"
	done 9< <(choose <<< "$list")
	echo "# seed $SEED, $* with $BACKEND: $(wc -l <<< "$list") moments, killed at $killed, too late for $survived" >&3
	[ "$killed" -gt 0 ]
}

# Starts one that finds a journal, traced from its beginning.
start_traced() { # STRACE-OPTION …
	begin
	remove_two
	finish
	rm "$RUN_DIR/portfwd.sock"
	# Without what its libraries do before it is there.
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 nsenter --net=/run/netns/gw strace -qq -o /run/calls "$@" \
		"$PORTFWDD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" --foreground \
		3>&- < /dev/null 2>> "$DAEMON_LOG" &
	DAEMON_PID=$!
	eventually 10 serves_or_gone
}

serves_or_gone() {
	[ -S "$RUN_DIR/portfwd.sock" ] || is_gone
}

@test "while it adds" { killed_often add loop; }
@test "while it changes" { killed_often change loop; }
@test "while it removes" { killed_often remove loop; }
@test "while it removes two at once" { killed_often remove_two loop; }
@test "while it disables two at once" { killed_often disable_two loop; }
@test "while it adds until the next boot" { killed_often add_runtime loop; }
@test "while it changes a drop-in" { killed_often change_drop_in loop; }
@test "while something moves from the file to the run directory" { killed_often move_away loop; }
@test "while it writes the file, which takes its time" { killed_often remove_two writer; }
@test "while it starts, with what another has left in the journal" {
	local list call number

	start_traced -e "trace=$CALLS"
	kill -TERM "$(cat "$RUN_DIR/portfwdd.lock")"
	wait "$DAEMON_PID"
	list=$(moments)
	while read -r call number <&9; do
		moment="seed $SEED: start, killed before $call $number"
		start_traced -e "trace=$call" -e "inject=$call:signal=KILL:when=$number"
		is_gone || kill -KILL "$(cat "$RUN_DIR/portfwdd.lock")"
		wait "$DAEMON_PID" 2> /dev/null || true
		next
		is_as_answered
	done 9< <(choose <<< "$list")
	echo "# seed $SEED, start with $BACKEND: $(wc -l <<< "$list") moments" >&3
}

@test "while it ends" { killed_often end loop; }
@test "while it reloads" { killed_often reload loop; }

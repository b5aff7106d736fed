#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# portfwdd keeps forwards in force. If these fail, they break when somebody else changes something,
# or when the daemon starts, reloads or ends.
#
# Backends: nftables
# shellcheck disable=SC2016,SC2030,SC2031,SC2154,SC2178 # bats sets output and status, and has subshells

load helpers
load daemon

setup() {
	sandbox_check
	portfwd_setup
	topology
	daemon_setup
	web
	serve_tcp one server "$SERVER4" 80
}

teardown() {
	daemon_end
	everything_ends
}

web() {
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" } ] }
	EOF
}

# ---- Start and end

@test "it loads, serves, and leaves the forwards standing when it ends" {
	daemon_start
	reaches tcp client "$WAN4" 8080 one
	equal "portfwdd: loaded: why=start forwards=1" "$(daemon_log | grep loaded | cut -d' ' -f1-4)"
	daemon_stop
	has_logged "stopping: signal=Terminated"
	[ ! -e "$RUN_DIR/portfwd.sock" ]
	reaches tcp client "$WAN4" 8080 one
	pfw diff
}

@test "with --flush-on-exit nothing is left" {
	daemon_start --flush-on-exit
	reaches tcp client "$WAN4" 8080 one
	daemon_stop INT
	equal "" "$(in_ns gw nft list tables)"
	equal 0 "$(sysctl_get gw net/ipv4/ip_forward)"
}

@test "in the background, the command ends when it serves" {
	daemon_run --log stderr 2>> "$DAEMON_LOG"
	[ -S "$RUN_DIR/portfwd.sock" ]
	reaches tcp client "$WAN4" 8080 one
	kill "$(cat "$RUN_DIR/portfwdd.lock")"
	eventually 5 test ! -e "$RUN_DIR/portfwd.sock"
}

@test "in the background, the command ends with what became of it" {
	run daemon_run --group nosuch
	equal 2 "$status" "$output"
	run ip netns exec gw setpriv --bounding-set -net_admin --inh-caps -net_admin "$PORTFWDD" \
		-c "$CONFIG" --run-dir "$RUN_DIR"
	equal 5 "$status" "$output"
}

@test "a second one with the same run directory says so and ends" {
	daemon_start
	run daemon_run
	equal 1 "$status"
	equal "portfwdd: cannot start: another portfwdd, process $(cat "$RUN_DIR/portfwdd.lock"), runs already with the run directory $RUN_DIR" "$output"
	reaches tcp client "$WAN4" 8080 one
	daemon_stop KILL || true
	[ -S "$RUN_DIR/portfwd.sock" ]
	daemon_start
	eventually 5 has_logged "why=start" 2
	daemon_stop
}

@test "killed, it can be started again at once" {
	local i

	daemon_start
	for i in {1..5}; do
		kill -KILL "$DAEMON_PID"
		daemon_start
	done
	equal "" "$(daemon_log | grep 'runs already')"
	daemon_stop
}

# ---- The run directory

reachable() {
	[ "$(pfw_json .daemon.pid status)" = "$(cat "$RUN_DIR/portfwdd.lock")" ]
}

@test "a run directory that somebody clears is made again, and all goes on" {
	daemon_start
	rm -r "$RUN_DIR"
	eventually 5 reachable
	in_ns gw nft delete table inet portfwd
	eventually 5 reaches tcp client "$WAN4" 8080 one
	rm "$RUN_DIR/portfwd.sock"
	eventually 5 reachable
	mv "$RUN_DIR" "$RUN_DIR.away"
	eventually 5 reachable
	run daemon_run
	contains "$output" "runs already"
	daemon_stop
	[ ! -e "$RUN_DIR/portfwd.sock" ]
}

@test "where another one took its place meanwhile, it ends and leaves that one alone" {
	local other

	daemon_start --flush-on-exit
	kill -STOP "$DAEMON_PID"
	rm -r "$RUN_DIR"
	daemon_run --log stderr 2> "$DAEMON_LOG.other"
	other=$(cat "$RUN_DIR/portfwdd.lock")
	kill -CONT "$DAEMON_PID"
	wait "$DAEMON_PID"
	DAEMON_PID=
	has_logged "ending: another portfwdd, process $other, runs already"
	reachable
	reaches tcp client "$WAN4" 8080 one
	kill "$other"
	eventually 5 test ! -e "$RUN_DIR/portfwd.sock"
}

# ---- Bad words and files

@test "words that it does not know end it with 2" {
	run daemon_run --nosuch
	equal 2 "$status"
	equal 'portfwdd: unknown option "--nosuch"; "portfwdd --help" lists them' "$output"
	run daemon_run --log nowhere
	equal 2 "$status"
	run daemon_run --run-dir ""
	equal 2 "$status"
	run daemon_run --group nosuch --foreground
	equal 2 "$status"
	contains "$output" 'there is no group "nosuch"'
}

@test "a bad file is told with all errors, what stood stays, and a better one is loaded" {
	pfw reload
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "80800", "target": "$SERVER4:80" }, { "name": "x" } ] }
	EOF
	daemon_start
	has_logged "not loaded: 80800 is not a port (1-65535): file=$CONFIG path=forwards[0].listen"
	has_logged "path=forwards[1]" 2
	reaches tcp client "$WAN4" 8080 one
	# Nothing can be repaired that was not read, and nothing is tried again and again.
	in_ns gw nft flush ruleset
	sleep 0.3
	equal 1 "$(logged "what stands in the kernel stays")"
	web
	eventually 5 has_logged "loaded: why=file"
	reaches tcp client "$WAN4" 8080 one
	daemon_stop
}

@test "a missing file is waited for, with its folder" {
	rm -r "$(dirname "$CONFIG")"
	daemon_start
	has_logged "not loaded"
	sleep 0.5
	equal 1 "$(logged "what stands in the kernel stays")"
	mkdir "$(dirname "$CONFIG")"
	web
	eventually 5 has_logged "loaded: why=file"
	reaches tcp client "$WAN4" 8080 one
	daemon_stop
}

# ---- Files

@test "SIGHUP and a saved file load, however it is saved" {
	local lines=1 folder

	folder=$(dirname "$CONFIG")
	daemon_start
	kill -HUP "$DAEMON_PID"
	eventually 5 has_logged "loaded: why=signal"
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8081", "target": "$SERVER4:80" } ] }
	EOF
	eventually 5 has_logged "loaded: why=file" 1
	reaches tcp client "$WAN4" 8081 one
	sed s/8081/8082/ "$CONFIG" > "$folder/new"
	mv "$folder/new" "$CONFIG"
	eventually 5 has_logged "loaded: why=file" 2
	reaches tcp client "$WAN4" 8082 one
	unreachable tcp client "$WAN4" 8081
	mkdir "$folder/portfwd.d"
	echo "{ \"forwards\": [ { \"listen\": \"8083\", \"target\": \"$SERVER4:80\" } ] }" > "$folder/portfwd.d/a.json"
	eventually 5 has_logged "forwards=2"
	reaches tcp client "$WAN4" 8083 one
	rm -r "$folder/portfwd.d"
	eventually 5 eval '! ask tcp client "$WAN4" 8083 > /dev/null'
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	mv "$CONFIG" "$BATS_TEST_TMPDIR/elsewhere/real.json"
	ln -s "$BATS_TEST_TMPDIR/elsewhere/real.json" "$CONFIG"
	sleep 0.3
	lines=$(logged "loaded: why=file")
	sed -i s/8082/8084/ "$BATS_TEST_TMPDIR/elsewhere/real.json"
	eventually 5 has_logged "loaded: why=file" $((lines + 1))
	reaches tcp client "$WAN4" 8084 one
	# Another file that was there before; then one that comes later.
	sed s/8084/8085/ "$BATS_TEST_TMPDIR/elsewhere/real.json" > "$BATS_TEST_TMPDIR/elsewhere/other.json"
	ln -sfn "$BATS_TEST_TMPDIR/elsewhere/other.json" "$CONFIG"
	eventually 5 ask tcp client "$WAN4" 8085 > /dev/null
	pfw -q add more 8086 "$SERVER4:80"
	equal true "$(pfw_json .daemon.running status)"
	pfw -q reload
	ln -sfn "$BATS_TEST_TMPDIR/elsewhere/late.json" "$CONFIG"
	eventually 5 has_logged "not loaded"
	sed s/8085/8087/ "$BATS_TEST_TMPDIR/elsewhere/other.json" > "$BATS_TEST_TMPDIR/elsewhere/late.json"
	eventually 5 ask tcp client "$WAN4" 8087 > /dev/null
	daemon_stop
}

@test "a saved file that somebody looks at, before it is loaded, is loaded all the same" {
	daemon_start
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8081", "target": "$SERVER4:80" } ] }
	EOF
	equal 8081 "$(pfw_json '.forwards[].listen.port' list)"
	eventually 5 has_logged "loaded: why=file"
	reaches tcp client "$WAN4" 8081 one
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8082", "target": "$SERVER4:80" } ] }
	EOF
	pfw_fails 4 add web 8083 "$SERVER4:80"
	eventually 5 has_logged "loaded: why=file" 2
	reaches tcp client "$WAN4" 8082 one
	equal 0 "$(logged "put back")"
	daemon_stop
}

@test "other files in the folder are nothing to it" {
	daemon_start
	touch "$(dirname "$CONFIG")/other.json" "$(dirname "$CONFIG")/.portfwd.json.swp"
	sleep 0.3
	equal 0 "$(logged "why=file")"
	daemon_stop
}

# ---- Repair

# The forward works again, and there is one line more about it. What somebody has changed is looked
# for in the kernel before.
repaired() { # TIMES [PORT]
	eventually 5 has_logged "put back what others had changed" "$1"
	reaches tcp client "$WAN4" "${2:-8080}" one
	pfw diff
}

@test "what others take out of the table comes back" {
	daemon_start
	in_ns gw nft flush ruleset
	repaired 1
	contains "$(daemon_log | tail -n 1)" "cause=rules"
	contains "$(daemon_log | tail -n 1)" "by=nft"
	in_ns gw nft delete table inet portfwd
	repaired 2
	in_ns gw nft flush table inet portfwd
	repaired 3
	in_ns gw nft add chain inet portfwd foreign
	eventually 5 has_logged "put back" 4
	run in_ns gw nft list chain inet portfwd foreign
	[ "$status" -ne 0 ]
	daemon_stop
}

@test "what others do elsewhere, and what we do ourselves, is no repair" {
	daemon_start
	in_ns gw nft add table inet other
	in_ns gw nft add chain inet other input '{ type filter hook input priority 0; }'
	in_ns gw nft delete table inet other
	kill -HUP "$DAEMON_PID"
	eventually 5 has_logged "why=signal"
	sleep 0.2
	equal 0 "$(logged "put back")"
	equal 0 "$(logged "cannot")"
	daemon_stop
}

@test "after more events than it can take, it still sees the next one" {
	daemon_start
	kill -STOP "$DAEMON_PID"
	{
		echo "add table inet other; add set inet other s { type ipv4_addr; }"
		awk 'BEGIN { for (i = 0; i < 100000; i++)
			printf "add element inet other s { 10.%d.%d.%d }\n", i / 65536, i / 256 % 256, i % 256 }'
	} | in_ns gw nft -f -
	in_ns gw nft flush ruleset
	kill -CONT "$DAEMON_PID"
	repaired 1
	in_ns gw nft flush ruleset
	repaired 2
	daemon_stop
}

@test "a change that is made without the daemon is taken over, and never taken back" {
	local i

	daemon_start
	# Where the socket is hidden, it does not go through the daemon.
	for i in 1 2 3 4 5; do
		in_ns gw unshare --mount sh -c "mount --bind /dev/null '$RUN_DIR/portfwd.sock' &&
			'$PORTFWD' -q -c '$CONFIG' --run-dir '$RUN_DIR' add 900$i $SERVER4:80"
		eventually 5 has_logged "loaded: why=file" "$i"
		reaches tcp client "$WAN4" "900$i" one
	done
	equal 0 "$(logged "put back")"
	pfw diff
	daemon_stop
}

@test "a flush is not taken back, whatever was forgotten with it" {
	daemon_start
	pfw add --runtime later 81 "$SERVER4:80"
	pfw add third 82 "$SERVER4:80"
	pfw flush
	eventually 5 eval '[ ! -s "$CONFIG.journal" ]'
	sleep 0.5
	equal "" "$(in_ns gw nft list tables)"
	equal 1 "$(logged loaded:)"
}

@test "what is switched off on the host is switched on again" {
	config <<- EOF
		{ "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" },
			{ "name": "here", "listen": "8090", "target": "127.0.0.1:90" } ] }
	EOF
	serve_tcp here gw 127.0.0.1 90
	daemon_start
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
	repaired 1
	contains "$(daemon_log | tail -n 1)" "cause=host"
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv4/conf/wan0/route_localnet'
	repaired 2
	reaches tcp client "$WAN4" 8090 here
	daemon_stop
}

@test "an interface that goes and comes again is taken in" {
	config <<- EOF
		{ "forwards": [ { "name": "here", "listen": "8090", "target": "127.0.0.1:90" } ] }
	EOF
	serve_tcp here gw 127.0.0.1 90
	daemon_start
	ip -n gw link del wan0
	link_add client wan gw wan0
	addr_add client wan "$CLIENT4/24"
	addr_add gw wan0 "$WAN4/24"
	eventually 5 has_logged "cause=host"
	reaches tcp client "$WAN4" 8090 here
	daemon_stop
}

@test "whoever fights is answered less and less often, and that is told once" {
	daemon_start
	fight() {
		while ! has_logged "again and again"; do
			in_ns gw nft flush ruleset
		done
	}
	export -f fight has_logged logged in_ns
	DAEMON_LOG=$DAEMON_LOG timeout 60 bash -c fight
	eventually 5 pfw diff
	equal 1 "$(logged "again and again")"
	contains "$(daemon_log)" "by=nft"
	in_ns gw nft flush ruleset
	eventually 5 eval 'in_ns gw nft list table inet portfwd > /dev/null 2>&1'
	reaches tcp client "$WAN4" 8080 one
	daemon_stop
}

# ---- The process

status_of() { # KEY
	awk -v key="$1:" '$1 == key { print $2 }' "/proc/$DAEMON_PID/status"
}

@test "it keeps two capabilities, can never get more, and filters system calls" {
	daemon_start
	equal "$(status_of CapPrm)" "$(status_of CapEff)"
	equal 0000000000003000 "$(status_of CapEff)"
	equal 0000000000003000 "$(status_of CapBnd)"
	equal 0000000000000000 "$(status_of CapAmb)"
	equal 1 "$(status_of NoNewPrivs)"
	if grep -q 'define HAVE_SECCOMP 1' "$(dirname "$PORTFWDD")/config.h"; then
		equal 2 "$(status_of Seccomp)"
	fi
	daemon_stop
}

@test "it starts with the rights that its unit gives it" {
	exec_bounded() {
		exec ip netns exec gw setpriv --bounding-set -all,+net_admin,+net_raw "$PORTFWDD" \
			-c "$CONFIG" --run-dir "$RUN_DIR" --foreground 3>&- < /dev/null 2>> "$DAEMON_LOG"
	}
	: > "$DAEMON_LOG"
	exec_bounded &
	DAEMON_PID=$!
	eventually 5 test -S "$RUN_DIR/portfwd.sock"
	in_ns gw nft flush ruleset
	repaired 1
	daemon_stop
}

# Of all its threads.
switches() {
	cat /proc/"$DAEMON_PID"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'
}

@test "what belongs to somebody else is not changed, and that is said before anything is" {
	local folder=${CONFIG%/*} owners

	[ "$(awk '{ n += $3 } END { printf "%d", n }' /proc/self/uid_map)" -gt 65536 ] ||
		skip "there are no other users here"
	for owners in "1000 0" "1000 1000" "0 1000"; do
		rm -f "$folder"/.portfwd* "$CONFIG.journal"
		web
		chown "${owners% *}" "$CONFIG"
		chown "${owners#* }" "$folder"
		daemon_start
		run pfw add more 81 "$SERVER4:80"
		equal 5 "$status" "$owners"
		contains "$output" "does not belong to the user of portfwdd"
		run pfw disable web
		equal 5 "$status" "$owners"
		equal null "$(pfw list --json | jq '.forwards[1]')"
		equal 0 "$(pfw status --json | jq .journal)"
		[ ! -e "$CONFIG.journal" ]
		pfw diff
		pfw add --runtime later 82 "$SERVER4:80"
		daemon_stop
		# Without it, root may.
		pfw add more 81 "$SERVER4:80"
		equal "${owners% *}" "$(stat -c %u "$CONFIG")"
		pfw flush
	done
}

@test "while nothing happens it does not wake up" {
	local before

	daemon_start
	# With all that it ever starts.
	pfw -q add more 8081 "$SERVER4:80"
	in_ns gw nft flush ruleset
	repaired 1
	eventually 5 eval '[ ! -s "$CONFIG.journal" ]'
	sleep 1
	before=$(switches)
	sleep 2
	equal "$before" "$(switches)"
	daemon_stop
}

# There is a hidden copy of the file as long as it is written: into $copy.
is_being_rewritten() {
	copy=$(compgen -G "${CONFIG%/*}/.portfwd.json.????????????????")
}

@test "while the file is rewritten, answers and changes go on" {
	local copy library=$BATS_TEST_TMPDIR/refuse.so

	"${CC:-cc}" -shared -fPIC -o "$library" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	LD_PRELOAD=$library SLOW_SYNC=.portfwd.json. ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 \
		daemon_start
	pfw -q add first 8081 "$SERVER4:80"
	eventually 5 is_being_rewritten
	pfw -q show first > "$BATS_TEST_TMPDIR/shown"
	pfw -q add second 8082 "$SERVER4:80"
	pfw -q remove first
	in_ns gw nft flush ruleset
	repaired 1 8082
	unreachable tcp client "$WAN4" 8081
	# All of this in the meantime.
	[ -e "$copy" ]
	eventually 30 grep -q second "$CONFIG"
	eventually 30 eval '! grep -q first "$CONFIG"'
	eventually 10 eval '[ ! -s "$CONFIG.journal" ]'
	daemon_stop
	pfw diff
	reaches tcp client "$WAN4" 8082 one
}

@test "memory that the file was rewritten with is given back" {
	local i loaded

	[ -z "${ASAN_OPTIONS-}" ] || skip "a sanitizer keeps what was freed"
	{
		echo '{ "forwards": ['
		awk -v to="$SERVER4" 'BEGIN { for (i = 0; i < 20000; i++)
			printf "{ \"listen\": \"10.9.%d.%d:8080\", \"target\": \"%s:80\" },\n", i / 256, i % 256, to }'
		echo "{ \"listen\": \"8080\", \"target\": \"$SERVER4:80\" } ] }"
	} | config
	daemon_start
	pfw -q add more 8081 "$SERVER4:80"
	loaded=$(status_of VmRSS)
	for i in {1..6}; do
		pfw -q add "more$i" "909$i" "$SERVER4:80"
		eventually 10 eval '[ ! -s "$CONFIG.journal" ]'
	done
	[ "$(status_of VmRSS)" -lt $((loaded * 5 / 4)) ] || {
		echo "$loaded KiB have become $(status_of VmRSS)"
		return 1
	}
	daemon_stop
}

@test "systemd is told when it is ready, reloads, lives and stops, and may make its socket" {
	local told=$BATS_TEST_TMPDIR/told

	command -v python3 > /dev/null || skip "python3 is not installed"
	: > "$DAEMON_LOG"
	"$BATS_TEST_DIRNAME/manager" "$BATS_TEST_TMPDIR" ip netns exec gw "$PORTFWDD" -c "$CONFIG" \
		--run-dir "$RUN_DIR" --foreground 3>&- < /dev/null 2>> "$DAEMON_LOG" &
	DAEMON_PID=$!
	eventually 5 grep -q '^READY=1|MAINPID=' "$told"
	# Not before it serves.
	equal 1 "$(grep -c -e READY=1 -e RELOADING=1 "$told")" "times that it was told"
	[ ! -e "$RUN_DIR/portfwd.sock" ]
	curl -sS --fail --unix-socket "$BATS_TEST_TMPDIR/activated" http://localhost/v1/status > /dev/null
	kill -HUP "$(cat "$BATS_TEST_TMPDIR/pid")"
	eventually 5 grep -q '^RELOADING=1|MONOTONIC_USEC=[0-9]*$' "$told"
	eventually 5 eval '[ "$(grep -c ^WATCHDOG=1 "$told")" -ge 3 ]'
	kill "$(cat "$BATS_TEST_TMPDIR/pid")"
	eventually 5 grep -q '^STOPPING=1' "$told"
	wait "$DAEMON_PID"
	DAEMON_PID=
	[ -S "$BATS_TEST_TMPDIR/activated" ]
}

# If this fails, what was read long ago passes for what stands: a daemon cannot fill a map that has
# grown since.
@test "a map that outgrows its size by single changes is made anew" {
	config <<- EOF
		{ "forwards": [ { "name": "a", "listen": "10000-14999", "target": "$SERVER4:20000-24999" } ] }
	EOF
	daemon_start
	pfw add b 20000-26999 "$SERVER4:30000-36999"
	pfw add c 30000-39999 "$SERVER4:40000-49999"
	pfw diff
	daemon_stop
}

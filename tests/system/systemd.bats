#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The units, with systemd itself. If these fail, the daemon may do without a right that it needs, does
# not start at boot or after a crash, or guards less than what is there.
#
# Backends: nftables
# shellcheck disable=SC2154,SC2016 # output and status are set by run; words for the shell inside

load helpers
load daemon

setup() {
	sandbox_check
	daemon_setup
	: > "$DAEMON_LOG"
	BUILD=$(dirname -- "$PORTFWD")
	[ -e "$BUILD/data/systemd/portfwdd.service" ] || skip "the units were not made"
	MACHINE=$BATS_TEST_TMPDIR/machine
	ROOT=$MACHINE/root
	SYSTEM=$ROOT/etc/systemd/system
	PID1=
	stage
}

# What "make install" puts where the units look for it, and their files.
stage() {
	local data=$BATS_TEST_DIRNAME/../../data program

	mkdir -p "$ROOT"/{etc/portfwd,usr/lib/{systemd/system,sysusers.d,tmpfiles.d}} "$SYSTEM"
	cp "$BUILD"/data/systemd/*.service "$data/systemd/portfwdd.socket" "$ROOT/usr/lib/systemd/system"
	cp "$data/sysusers.d/portfwd.conf" "$ROOT/usr/lib/sysusers.d"
	cp "$data/tmpfiles.d/portfwd.conf" "$ROOT/usr/lib/tmpfiles.d"
	program=$(started_by portfwdd.service)
	install -D "$PORTFWDD" "$ROOT/$program"
	program=$(started_by portfwd.service)
	install -D "$PORTFWD" "$ROOT/$program"
	[ "$program" = /usr/bin/portfwd ] || ln -s "$program" "$ROOT/usr/bin/portfwd" 2> /dev/null ||
		install -D "$PORTFWD" "$ROOT/usr/bin/portfwd"
	echo '{ "forwards": [ { "name": "web", "listen": "8080", "target": "10.0.0.2:80" } ] }' \
		> "$ROOT/etc/portfwd/portfwd.json"
}

started_by() { # UNIT
	sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$BUILD/data/systemd/$1"
}

teardown() {
	[ -n "$PID1" ] || return 0
	journal >&2
	kill -KILL "$PID1"
	wait "$MACHINE_PID"
}

# A unit that is wanted at boot.
enable() { # UNIT TARGET
	mkdir -p "$SYSTEM/$2.wants"
	ln -s "/usr/lib/systemd/system/$1" "$SYSTEM/$2.wants/"
}

# A unit of the machine's own, from standard input.
unit() { # NAME
	cat > "$SYSTEM/$1"
}

# Boots with these of our units.
boot() { # UNIT …
	local name status=0

	for name; do
		enable "$name" multi-user.target
	done
	"$BATS_TEST_DIRNAME/machine" "$MACHINE" 3>&- > "$MACHINE.log" 2>&1 &
	MACHINE_PID=$!
	eventually 5 made
	if [ ! -e "$MACHINE/pid" ]; then
		wait "$MACHINE_PID" || status=$?
		[ "$status" != 77 ] || skip "$(cat "$MACHINE.log")"
		cat "$MACHINE.log" >&2
		return 1
	fi
	PID1=$(cat "$MACHINE/pid")
	eventually 20 active multi-user.target
}

# The machine, or it could not be.
made() {
	[ -e "$MACHINE/pid" ] || ! kill -0 "$MACHINE_PID" 2> /dev/null
}

inside() { # COMMAND …
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		nsenter -t "$PID1" -m -n -p -u -i -C -r -w "$@" 3>&-
}

journal() {
	inside journalctl -o cat --no-pager -u portfwdd.service -u portfwdd.socket -u portfwd.service
}

tells() { # PART
	[[ $(journal) == *"$1"* ]]
}

show() { # PROPERTY UNIT
	inside systemctl show -P "$@"
}

state() { # UNIT
	inside systemctl is-active "$1" || true
}

active() { # UNIT
	[ "$(state "$1")" = active ]
}

in_kernel() { # PART
	[[ $(inside nft list ruleset) == *"$1"* ]]
}

answered() { # COMMAND …
	inside "$@" > /dev/null
}

# Nothing was refused that is needed.
nothing_denied() {
	run journal
	[[ $output != *"not permitted"* && $output != *"ermission denied"* && $output != *"ead-only"* ]]
}

exposed() { # UNIT TENTHS
	systemd-analyze security --no-pager --offline=true --threshold="$2" "$BUILD/data/systemd/$1" \
		> "$MACHINE.log" || {
		grep -e ✗ -e → "$MACHINE.log" >&2
		return 1
	}
}

@test "little is left to say about the units" {
	command -v systemd-analyze > /dev/null || skip "systemd-analyze is not installed"
	run systemd-analyze --help
	contains "$output" --offline
	exposed portfwdd.service 22
	exposed portfwd.service 26
}

@test "the daemon serves, reloads, and leaves its forwards when it is stopped" {
	boot
	inside systemctl start portfwdd.socket portfwdd.service
	equal notify "$(show Type portfwdd.service)"
	equal Loaded "$(show StatusText portfwdd.service)"
	inside systemctl reload portfwdd.service
	eventually 5 tells "loaded: why=signal"
	equal portfwd "$(inside stat -c %G /run/portfwd/portfwd.sock)"
	equal "$(show MainPID portfwdd.service)" "$(inside portfwd status --json | jq .daemon.pid)"
	inside systemctl stop portfwdd.service portfwdd.socket
	in_kernel web
	# Where the socket's unit is not started, it makes the socket itself.
	inside systemctl start portfwdd.service
	equal "660 portfwd" "$(inside stat -c '%a %G' /run/portfwd/portfwd.sock)"
	answered portfwd flush
	equal "" "$(inside nft list tables)"
	equal Flushed "$(show StatusText portfwdd.service)"
	nothing_denied
}

@test "with the rights of its unit it does all it has to" {
	boot portfwdd.socket portfwdd.service
	inside ip link add wan0 type veth peer name lan0
	inside ip addr add 198.51.100.1/24 dev wan0
	inside ip link set wan0 up
	answered portfwd add near 9090 127.0.0.1:90
	answered portfwd add --runtime later 9091 10.0.0.3:90
	equal 1 "$(inside sysctl -n net.ipv4.conf.wan0.route_localnet)"
	eventually 5 eval '[[ $(inside cat /etc/portfwd/portfwd.json) == *near* ]]'
	inside sh -c 'mkdir -p /etc/portfwd/portfwd.d && echo "{ \"forwards\": [ { \"name\": \"dropped\",
		\"listen\": \"7001\", \"target\": \"10.0.0.4:1\" } ] }" > /etc/portfwd/portfwd.d/one.json'
	eventually 5 in_kernel dropped
	answered portfwd disable dropped
	inside grep -q '"enabled": false' /etc/portfwd/portfwd.d/one.json
	# Others' changes, of the rules and of the host.
	inside nft flush ruleset
	inside sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.wan0.route_localnet=0
	eventually 5 in_kernel near
	eventually 5 eval '[ "$(inside sysctl -n net.ipv4.ip_forward net.ipv4.conf.wan0.route_localnet |
		tr -d "\n")" = 11 ]'
	# The connections of what is removed.
	inside conntrack -I -p tcp -s 203.0.113.5 -d 198.51.100.1 --sport 1000 --dport 8080 \
		--state ESTABLISHED --timeout 100 --dst-nat 10.0.0.2:80
	inside systemctl restart portfwdd.service
	answered portfwd remove web
	equal "" "$(inside conntrack -L 2> /dev/null)"
	# A trial keeps copies of the configuration, and returns to them.
	inside sh -c 'echo "{ \"forwards\": [] }" > /etc/portfwd/portfwd.new &&
		mv /etc/portfwd/portfwd.new /etc/portfwd/portfwd.json'
	run inside portfwd reload --confirm 30
	answered portfwd confirm
	# What was recorded of the host has outlived the restart.
	answered portfwd flush
	equal 0 "$(inside sysctl -n net.ipv4.ip_forward)"
	equal 0 "$(inside sysctl -n net.ipv4.conf.wan0.route_localnet)"
	nothing_denied
}

@test "with its rights it holds the rules of iptables as well" {
	built_in iptables || skip "the program was built without iptables"
	command -v iptables-legacy > /dev/null || skip "iptables is not installed"
	sed -i 's/^{/{ "settings": { "backend": "iptables" },/' "$ROOT/etc/portfwd/portfwd.json"
	boot portfwdd.socket portfwdd.service
	answered portfwd add more 9090 10.0.0.3:90
	inside iptables-legacy -t nat -F
	for name in web more; do
		eventually 5 eval 'inside iptables-legacy -t nat -S | grep -q "portfwd:$name"'
	done
	inside test -O /run/xtables.lock
	nothing_denied
}

@test "who asks the socket starts it, and only the group may" {
	boot portfwdd.socket
	equal inactive "$(state portfwdd.service)"
	answered portfwd add more 9090 10.0.0.3:90
	active portfwdd.service
	in_kernel web
	in_kernel more
	group=$(inside getent group portfwd | cut -d: -f3)
	inside setpriv --reuid 65534 --regid 65534 --groups "$group" portfwd list > /dev/null
	run inside setpriv --reuid 65534 --regid 65534 --clear-groups portfwd list
	equal 5 "$status"
	contains "$output" "only root and the group"
	nothing_denied
}

@test "it comes back when it was killed, or hangs" {
	mkdir -p "$SYSTEM/portfwdd.service.d"
	printf '[Service]\nWatchdogSec=1\n' > "$SYSTEM/portfwdd.service.d/short.conf"
	boot portfwdd.socket portfwdd.service
	pid=$(show MainPID portfwdd.service)
	sleep 2.5
	equal "$pid" "$(show MainPID portfwdd.service)" "it is asked for its life"
	inside kill -KILL "$pid"
	inside nft flush ruleset
	# Who asks meanwhile waits.
	inside portfwd diff
	eventually 10 in_kernel web
	pid=$(show MainPID portfwdd.service)
	inside kill -STOP "$pid"
	eventually 10 eval '[ "$(show MainPID portfwdd.service)" != '"$pid"' ] && active portfwdd.service'
	tells "Watchdog timeout"
	inside portfwd diff
}

# ---- At boot

# Interfaces that come up slowly, and a hook that asks portfwd meanwhile.
network() {
	unit net.service <<- 'END'
		[Unit]
		Before=network-online.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=sh -c "ip link add wan0 type veth peer name lan0; portfwd list; sleep 0.5; ip link add br0 type bridge"
	END
	mkdir -p "$SYSTEM/network-online.target.wants"
	ln -s ../net.service "$SYSTEM/network-online.target.wants/"
}

# What loads a firewall, and wipes what others have.
firewall() {
	[ -e /usr/lib/systemd/system/nftables.service ] || skip "the unit of nftables is not installed"
	printf 'flush ruleset\ntable inet own {\n}\n' > "$ROOT/etc/nftables.conf"
	enable nftables.service sysinit.target
}

guards() { # INTERFACE …
	local name set

	set=$(inside nft list set inet portfwd guarded4)
	for name; do
		contains "$set" "\"$name\""
	done
}

@test "at boot the guard knows the interfaces of the network" {
	network
	firewall
	boot portfwdd.socket portfwdd.service
	guards wan0 lan0 br0
	in_kernel "inet own"
	active portfwdd.service
	active portfwdd.socket
}

@test "without the daemon, the forwards are loaded at boot and whenever the firewall is" {
	network
	firewall
	boot portfwd.service
	guards wan0 lan0 br0
	for what in reload restart; do
		inside systemctl "$what" nftables.service
		eventually 5 in_kernel web
		in_kernel "inet own"
		active portfwd.service
	done
	nothing_denied
}

@test "the daemon takes over from what was loaded once, and the other way round" {
	boot portfwd.service portfwdd.socket
	active portfwd.service
	equal inactive "$(state portfwdd.service)"
	in_kernel web
	answered portfwd list
	active portfwdd.service
	equal inactive "$(state portfwd.service)"
	in_kernel web
	inside systemctl stop portfwdd.socket
	inside systemctl start portfwd.service
	equal inactive "$(state portfwdd.service)"
	in_kernel web
}

@test "where both are wanted, the forwards are loaded" {
	boot portfwd.service portfwdd.service portfwdd.socket
	in_kernel web
	active portfwdd.service || active portfwd.service
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # status and output are set by run
#
# Hosts, servers and connections for the system tests. tests/system/run makes
# the namespaces that all of this happens in.
#
#             wan 198.51.100.0/24                    lan 10.0.0.0/24
#             2001:db8:1::/64                        fd00::/64
#   client .9 ────────────────── .1 wan0 gw lan0 .1 ──┬── .2 server
#                                                     └── .3 second
#
# One-armed:
#   client .9 ────────────────── .1 router .1 ────────┬── .2 server
#                                                     ├── .3 second
#                                                     └── .5 gw lan0

HELPERS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

CLIENT4=198.51.100.9 CLIENT6=2001:db8:1::9
WAN4=198.51.100.1 WAN6=2001:db8:1::1
LAN4=10.0.0.1 LAN6=fd00::1
SERVER4=10.0.0.2 SERVER6=fd00::2
SECOND4=10.0.0.3 SECOND6=fd00::3
ARM4=10.0.0.5 ARM6=fd00::5
export CLIENT4 CLIENT6 WAN4 WAN6 LAN4 LAN6 SERVER4 SERVER6 SECOND4 SECOND6 ARM4 ARM6

# With which of the two the file runs; nftables is what it takes by itself.
BACKEND=${PORTFWD_BACKEND:-nftables}
BACKEND_WORDS=()
[ "$BACKEND" = nftables ] || BACKEND_WORDS=(--backend "$BACKEND")

# A year that is far away; iptables knows none behind 2037.
LATE=2099
[ "$BACKEND" != iptables ] || LATE=2037
export LATE

built_in() { # BACKEND: whether the program has it
	[[ " $PORTFWD_BUILT " == *" $1 "* ]]
}

# How long a connection may take that should succeed, and how long we believe
# that one is dropped. Valgrind and sanitizers slow down portfwd, not packets.
: "${ASK_SECONDS:=5}" "${DROP_SECONDS:=0.4}"

# At each single command bats looks where it is, for the case that the test fails there, which is
# half of the time that a test takes. Looking when it has failed is enough.
bats_debug_trap() { :; }
bats_error_trap() {
	bats_check_status_from_trap
	bats_capture_stack_trace
	# shellcheck disable=SC2034 # bats reads it
	BATS_DEBUG_LAST_STACK_TRACE_IS_VALID=1
}

sandbox_check() {
	if [ -z "${PORTFWD_SANDBOX-}" ]; then
		echo "run the system tests with tests/system/run: they change the network around them" >&2
		return 1
	fi
}

# ---- Hosts

# With the mounts of the test: ip netns exec, which makes others, takes five times as long.
in_ns() { # HOST COMMAND …
	nsenter --net="/run/netns/$1" "${@:2}"
}

# One command of ip in a host, "" for the test's own; between net_begin and net_end it waits.
ip_in() { # HOST WORD …
	if [ -n "${NET_LINES-}" ]; then
		printf '%s\n' "${*:2}" >> "$NET_LINES/host.$1"
	elif [ -n "$1" ]; then
		ip -n "$@"
	else
		ip "${@:2}"
	fi
}

# What hosts are made of goes to one process for each host, and what connects them comes first.
net_begin() {
	NET_LINES=$BATS_TEST_TMPDIR/net
	mkdir "$NET_LINES"
}

net_end() {
	local lines=$NET_LINES host
	NET_LINES=
	ip -batch "$lines/host."
	for host in "$lines"/host.?*; do
		in_ns "${host##*/host.}" sh -c "$NOBODY_ASKS; exec ip -batch -" < "$host"
	done
	rm -r "$lines"
}

# Nobody waits to hear whether an address is free, nor listens to routers, on interfaces that are
# there and on those that come.
NOBODY_ASKS='cd /proc/sys/net/ipv6/conf
for of in *; do
	echo 0 > $of/accept_dad
	[ $of = lo ] || [ $of = all ] || echo 0 > $of/accept_ra
done'

host_add() { # HOST
	ip_in "" netns add "$1"
	[ -n "${NET_LINES-}" ] || in_ns "$1" sh -c "$NOBODY_ASKS"
	ip_in "$1" link set lo up
}

# A cable between two hosts.
link_add() { # HOST IF HOST IF
	ip_in "" link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	ip_in "$1" link set "$2" up
	ip_in "$3" link set "$4" up
}

addr_add() { # HOST IF ADDRESS/LENGTH …
	local host=$1 dev=$2 addr
	shift 2
	for addr in "$@"; do
		case $addr in
		*:*) ip_in "$host" addr add "$addr" dev "$dev" nodad ;;
		*) ip_in "$host" addr add "$addr" dev "$dev" ;;
		esac
	done
}

route_add() { # HOST GATEWAY4 GATEWAY6
	ip_in "$1" route add default via "$2"
	ip_in "$1" route add default via "$3"
}

routing_on() { # HOST
	in_ns "$1" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
		echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
}

# A host on the lan: a port of the switch and addresses.
lan_join() { # HOST IF ADDRESS/LENGTH …
	link_add "$1" "$2" lan "to_$1"
	ip_in lan link set "to_$1" master br0
	addr_add "$@"
}

lan_add() {
	host_add lan
	ip_in lan link add br0 type bridge forward_delay 0 mcast_snooping 0
	ip_in lan link set br0 up
}

# The usual three hosts and a second one on the lan. Routing is off in gw.
topology() {
	local host

	net_begin
	for host in client gw server second; do
		host_add "$host"
	done
	lan_add
	link_add client wan gw wan0
	addr_add client wan "$CLIENT4/24" "$CLIENT6/64"
	addr_add gw wan0 "$WAN4/24" "$WAN6/64"
	lan_join gw lan0 "$LAN4/24" "$LAN6/64"
	lan_join server lan "$SERVER4/24" "$SERVER6/64"
	lan_join second lan "$SECOND4/24" "$SECOND6/64"
	route_add client "$WAN4" "$WAN6"
	route_add server "$LAN4" "$LAN6"
	route_add second "$LAN4" "$LAN6"
	route_add gw "$CLIENT4" "$CLIENT6"
	net_end
}

# A gateway with one interface: it stands on the lan, behind a router.
topology_one_armed() {
	local host

	net_begin
	for host in client router gw server second; do
		host_add "$host"
	done
	lan_add
	link_add client wan router wan
	addr_add client wan "$CLIENT4/24" "$CLIENT6/64"
	addr_add router wan "$WAN4/24" "$WAN6/64"
	lan_join router lan "$LAN4/24" "$LAN6/64"
	lan_join gw lan0 "$ARM4/24" "$ARM6/64"
	lan_join server lan "$SERVER4/24" "$SERVER6/64"
	lan_join second lan "$SECOND4/24" "$SECOND6/64"
	route_add client "$WAN4" "$WAN6"
	for host in gw server second; do
		route_add "$host" "$LAN4" "$LAN6"
	done
	net_end
	routing_on router
}

# ---- Servers

PIDS=()

# Starts socat in a host and returns when it listens.
serve() { # tcp|udp NAME HOST ADDRESS PORT
	local kind=$1 name=$2 host=$3 address=$4 port=$5 what line ready
	local log="$BATS_TEST_TMPDIR/$kind-$name-$host-$port.log"

	case $kind in
	tcp) what=TCP ;;
	udp) what=UDP ;;
	esac
	case $address in
	*:*) what="${what}6-LISTEN:$port,bind=[$address],ipv6only=1" ;;
	*) what="${what}4-LISTEN:$port,bind=$address" ;;
	esac
	mkfifo "$log.fifo"
	exec {ready}<> "$log.fifo"
	# In a process group of its own, so that the answering children end with it.
	ANSWER_NAME=$name setsid nsenter --net="/run/netns/$host" socat -d -d "$what,fork,reuseaddr" \
		"EXEC:$HELPERS/answer" 3>&- < /dev/null > /dev/null \
		2> >(exec 3>&-
			while IFS= read -r line; do
				printf '%s\n' "$line"
				case $line in
				*"listening on"* | *" E "*) printf '%s\n' "$line" >&"$ready" ;;
				esac
			done > "$log") &
	PIDS+=("$!")
	if ! IFS= read -r -t 10 line <&"$ready"; then
		line="no word from it in 10 seconds"
	fi
	case $line in
	*"listening on"*) ;;
	*)
		echo "server $name on $host: $line" >&2
		return 1
		;;
	esac
	# The descriptor stays open: the log's reader writes to it for each connection.
}

serve_tcp() { serve tcp "$@"; } # NAME HOST ADDRESS PORT
serve_udp() { serve udp "$@"; } # NAME HOST ADDRESS PORT

# ---- Connections

# Asks the server at an address and prints its answers, one for each line said.
ask() { # tcp|udp HOST ADDRESS PORT [LINE …]
	local proto=$1 host=$2
	shift 2
	in_ns "$host" timeout "$ASK_SECONDS" "$HELPERS/ask" "$proto" "$@" 2>&1
}

connect_tcp() { ask tcp "$@"; } # HOST ADDRESS PORT [LINE …]
connect_udp() { ask udp "$@"; } # HOST ADDRESS PORT [LINE …]

# An address the way socat tells it: IPv6 long and in brackets.
long() { # ADDRESS
	local address=$1 left right group out=()

	case $address in
	*:*) ;;
	*)
		echo "$address"
		return
		;;
	esac
	IFS=: read -r -a left <<< "${address%%::*}"
	right=()
	if [[ $address == *::* ]]; then
		IFS=: read -r -a right <<< "${address#*::}"
	fi
	for group in "${left[@]}"; do
		out+=("$(printf '%04x' "0x$group")")
	done
	while [ $((${#out[@]} + ${#right[@]})) -lt 8 ]; do
		out+=(0000)
	done
	for group in "${right[@]}"; do
		out+=("$(printf '%04x' "0x$group")")
	done
	(IFS=: && echo "[${out[*]}]")
}

# The connection reaches the server NAME, which sees PEER.
reaches() { # tcp|udp HOST ADDRESS PORT NAME [PEER]
	local answer

	if ! answer=$(ask "$1" "$2" "$3" "$4"); then
		echo "$1 from $2 to $3 port $4: no answer${answer:+: $answer}" >&2
		show_gateway >&2
		return 1
	fi
	case $answer in
	"$5 peer=$(long "${6:-}") local="* | "$5 peer="*" local="*)
		[ -z "${6-}" ] || [[ $answer == "$5 peer=$(long "$6") local="* ]] && return 0
		;;
	esac
	echo "$1 from $2 to $3 port $4: expected $5${6:+ to see $6}, got: $answer" >&2
	show_gateway >&2
	return 1
}

# Nobody answers: refused, or nothing comes back.
unreachable() { # tcp|udp HOST ADDRESS PORT
	local answer

	if answer=$(ASK_SECONDS=$DROP_SECONDS ask "$@"); then
		echo "$1 from $2 to $3 port $4: expected no answer, got: $answer" >&2
		show_gateway >&2
		return 1
	fi
}

# None of several is reached; they are asked all at once.
none_reachable() { # [tcp|udp HOST ADDRESS PORT] …
	local pids=() pid bad=0
	while [ $# -gt 0 ]; do
		unreachable "${@:1:4}" 3>&- &
		pids+=("$!")
		shift 4
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || bad=1
	done
	return "$bad"
}

show_gateway() {
	in_ns gw nft list ruleset 2>&1 | sed 's/^/  | /'
	iptables_save gw 2>&1 | sed 's/^/  | /'
}

# ---- portfwd in the gateway

portfwd_setup() {
	CONFIG=$BATS_TEST_TMPDIR/etc/portfwd.json
	RUN_DIR=$BATS_TEST_TMPDIR/run
	mkdir -p "$BATS_TEST_TMPDIR/etc"
}

pfw() { # ARGUMENT …
	pfw_in gw "$@"
}

pfw_in() { # HOST ARGUMENT …
	local host=$1
	shift
	if through_daemon; then
		daemon_behind "$host" || return
	fi
	in_ns "$host" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" "$@"
}

# With PORTFWD_DAEMON set, a daemon answers whatever a test asks portfwd for: what a test says of the
# command line alone should be as true of both together.
through_daemon() {
	[ -n "${PORTFWD_DAEMON-}" ]
}

# Of several who want it at once, one starts it.
daemon_behind() { # HOST
	[ -e "$BATS_TEST_TMPDIR/daemon.$1" ] || (
		flock 9
		[ -e "$BATS_TEST_TMPDIR/daemon.$1" ] || start_daemon_behind "$1"
	) 9> "$BATS_TEST_TMPDIR/starting"
}

start_daemon_behind() { # HOST
	local pid log=$BATS_TEST_TMPDIR/log-of-daemon.$1

	daemon_exec "$1" > "$log" 2>&1 < /dev/null &
	pid=$!
	for _ in {1..200}; do
		[ ! -S "$RUN_DIR/portfwd.sock" ] || break
		sleep 0.05
	done
	echo "$pid" > "$BATS_TEST_TMPDIR/daemon.$1"
	[ ! -S "$RUN_DIR/portfwd.sock" ] || return 0
	echo "portfwdd in $1 does not serve:" >&2
	cat "$log" >&2
	return 1
}

# Without what the test has open: a pipe to which nobody else writes has an end.
daemon_exec() { # HOST
	local fd

	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || exec {fd}>&-
	done
	exec setsid ip netns exec "$1" "${PORTFWDD:-$(dirname -- "$PORTFWD")/portfwdd}" -c "$CONFIG" \
		--run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" --foreground
}

# Those of the lines that are tried: MOMENTS of them by chance, or all.
choose() {
	if [ "$MOMENTS" = all ]; then
		cat
		return
	fi
	shuf -n "$MOMENTS" --random-source=<(yes "$RANDOM")
}

# For what in a test is true of the command line alone.
without_daemon() { # COMMAND …
	through_daemon || "$@"
}

# Until the command succeeds: at once, or with a daemon in five seconds at most, for it does by itself
# what one has asked for otherwise.
soon() { # COMMAND …
	local tries=100

	until "$@"; do
		if ! through_daemon || [ $((tries -= 1)) -le 0 ]; then
			echo "did not come true: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# What others have changed is told by diff; a daemon has put it back, or is about to.
differs() {
	if through_daemon; then
		soon pfw -q diff
	else
		pfw_fails 7 diff
	fi
}

# The file itself says what was asked for, which a daemon has in its journal until then.
settled() {
	soon [ ! -s "$CONFIG.journal" ]
}

# Of the namespace nothing is remembered in the run directory; a daemon may just be looking at it.
run_dir_is_empty() {
	soon only_of_daemon
}

only_of_daemon() {
	[ -z "$(find "$RUN_DIR" -mindepth 1 ! -name portfwd.sock ! -name portfwdd.lock)" ]
}

# They write until they have ended, also those whom a subshell has started and nobody waits for.
daemons_end() {
	local file pid

	for file in "$BATS_TEST_TMPDIR"/daemon.*; do
		[ -e "$file" ] || continue
		pid=$(< "$file")
		kill "$pid" 2> /dev/null || true
		timeout 10 bash -c "while readlink /proc/$pid/exe; do sleep 0.01; done" > /dev/null ||
			kill -KILL "$pid"
	done
}

# Writes the configuration from standard input.
config() {
	cat > "$CONFIG"
}

# Expects an exit code; the output is in $output, as after run.
pfw_fails() { # CODE ARGUMENT …
	local code=$1
	shift
	run pfw "$@"
	if [ "$status" -ne "$code" ]; then
		echo "portfwd $*: expected exit code $code, got $status: $output" >&2
		return 1
	fi
}

# One value of portfwd's JSON answer.
pfw_json() { # FILTER ARGUMENT …
	local filter=$1
	shift
	pfw --json "$@" | jq -r "$filter"
}

equal() { # EXPECTED ACTUAL [WHAT]
	if [ "$1" != "$2" ]; then
		printf '%sexpected: %s\n  actual: %s\n' "${3:+$3: }" "$1" "$2" >&2
		return 1
	fi
}

contains() { # TEXT PART
	if [[ $1 != *"$2"* ]]; then
		printf 'expected to find: %s\n              in: %s\n' "$2" "$1" >&2
		return 1
	fi
}

sysctl_get() { # HOST PATH
	in_ns "$1" cat "/proc/sys/$2"
}

# ---- Rules in the kernel, whatever the backend

# A line that is about one backend only.
nft_only() { # COMMAND …
	[ "$BACKEND" != nftables ] || "$@"
}
iptables_only() { # COMMAND …
	[ "$BACKEND" != iptables ] || "$@"
}

# Both families, without comments and counts, which are of the moment.
iptables_save() { # HOST
	in_ns "$1" iptables-legacy-save | sed '/^#/d; s/\[[0-9:]*\]$//; s/^/4 /'
	in_ns "$1" ip6tables-legacy-save | sed '/^#/d; s/\[[0-9:]*\]$//; s/^/6 /'
}

# What portfwd has in a host's kernel, as its backend's own tool lists it.
rules() { # [HOST]
	case $BACKEND in
	nftables) in_ns "${1:-gw}" nft list table inet portfwd 2> /dev/null || true ;;
	iptables) iptables_save "${1:-gw}" | grep -i portfwd || true ;;
	esac
}

# Neither backend has left anything; the built-in chains of iptables stay where they were opened.
nothing_is_left() { # [HOST]
	equal "" "$(in_ns "${1:-gw}" nft list ruleset)" "nftables"
	equal "" "$(iptables_save "${1:-gw}" | grep -i portfwd)" "iptables"
}

# What others do: all rules away, ours and theirs; at once, for a daemon is quick to put back ours.
wipe() {
	local tool

	nft_only in_ns gw nft flush ruleset
	[ "$BACKEND" = iptables ] || return 0
	for tool in iptables ip6tables; do
		in_ns gw sed 's/.*/*&\nCOMMIT/' "/proc/net/${tool/tables/_tables}_names" |
			in_ns gw "$tool-legacy-restore" -w
	done
}

# What administrators do with their whole firewall: save it, and load it at the next boot.
saved_and_loaded() {
	local saved=$BATS_TEST_TMPDIR/saved

	nft_only in_ns gw nft list ruleset > "$saved.nft"
	iptables_only in_ns gw iptables-legacy-save > "$saved.4"
	iptables_only in_ns gw ip6tables-legacy-save > "$saved.6"
	wipe
	nft_only in_ns gw nft -f "$saved.nft"
	iptables_only in_ns gw iptables-legacy-restore -w < "$saved.4"
	iptables_only in_ns gw ip6tables-legacy-restore -w < "$saved.6"
	# It had put all back when that came once more.
	! through_daemon || soon pfw -q diff
}

# What the configuration would make, loaded by the kernel's tool.
export_loaded() {
	case $BACKEND in
	nftables)
		pfw export --format nft > "$BATS_TEST_TMPDIR/export.nft"
		in_ns gw nft -f "$BATS_TEST_TMPDIR/export.nft"
		;;
	iptables)
		pfw export --format iptables > "$BATS_TEST_TMPDIR/export.4"
		pfw export --format ip6tables > "$BATS_TEST_TMPDIR/export.6"
		in_ns gw iptables-legacy-restore -w < "$BATS_TEST_TMPDIR/export.4"
		in_ns gw ip6tables-legacy-restore -w < "$BATS_TEST_TMPDIR/export.6"
		;;
	esac
}

# What stands in rules only as long as there is a forward.
case $BACKEND in
nftables) of_a_forward='comment|map|(to|go|from|key)-' ;;
iptables) of_a_forward='portfwd:|PORTFWD-[a-z]' ;;
esac

# Takes rules of iptables away, those in whose text this stands, as somebody by hand would.
iptables_lose() { # TEXT
	local tool

	for tool in iptables ip6tables; do
		in_ns gw "$tool-legacy-save" | awk -v text="$1" '
			/^\*/ || /^COMMIT/
			/^-A/ && index($0, text) { sub(/^-A/, "-D"); print }' |
			in_ns gw "$tool-legacy-restore" -w --noflush
	done
}

# ---- Begin and end of each test

hosts_remove() {
	ip -all netns del
}

setup() {
	sandbox_check
	portfwd_setup
	topology
}

everything_ends() {
	local pid
	for pid in "${PIDS[@]}"; do
		kill -- "-$pid" 2> /dev/null || true
	done
	for pid in "${PIDS[@]}"; do
		wait "$pid" 2> /dev/null || true
	done
	PIDS=()
	daemons_end
	hosts_remove
}

teardown() {
	everything_ends
}

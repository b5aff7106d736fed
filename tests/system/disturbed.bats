#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What others do to the rules and to the host, of all kinds, in random order and at random
# moments, while clients go on asking: each time the forwards work again. CHANGES and SEED say
# how many, and which. If these fail, somebody's forwards stay broken.
#
# As long as 60 tests.
#
# Backends: nftables iptables
# shellcheck disable=SC2154 # output and status are set by run

load helpers
load language
load daemon

setup() {
	sandbox_check
	portfwd_setup
	# In memory: none of this waits for a disk.
	CONFIG=/run/disturbed.json RUN_DIR=/run/disturbed
	rm -rf "$CONFIG"* "$RUN_DIR"
	daemon_setup
	topology
	peer_serve server web tcp "$SERVER4" 80 web tcp "$SERVER6" 80 web udp "$SERVER4" 53 \
		web udp "$SERVER6" 53 web tcp "$SERVER4" 8100-8103 web tcp "$SERVER6" 8100-8103
	peer_serve gw here tcp 127.0.0.1 90
	config <<-JSON
		{ "forwards": [
		{ "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		{ "name": "range", "listen": "8100-8103", "target": ["$SERVER4", "$SERVER6"] },
		{ "name": "few", "listen": "8083", "target": ["$SERVER4:80", "[$SERVER6]:80"],
		  "source": ["$CLIENT4", "$CLIENT6"] },
		{ "name": "dns", "listen": "53/udp", "target": ["$SERVER4", "$SERVER6"] },
		{ "name": "here", "listen": { "interface": "wan0", "port": 8090 }, "target": "127.0.0.1:90" } ] }
	JSON
	daemon_start "${BACKEND_WORDS[@]}"
	visit
	RANDOM=${SEED:=$((SRANDOM % 32768))}
	echo "SEED=$SEED"
	: "${CHANGES:=$([ "$BACKEND" = nftables ] && echo 100 || echo 30)}"
	clients_go_on
}

teardown() {
	daemon_end
	everything_ends
}

# ---- The forwards

# Each way through each forward: the host that asks, what it asks, who answers.
ways() {
	local wan

	for wan in "$WAN4" "$WAN6"; do
		echo "client tcp $wan 8080 web"
		echo "client tcp $wan 8102 web"
		echo "client tcp $wan 8083 web"
		echo "client udp $wan 53 web"
		# Hairpin: the server itself asks the address that its clients know.
		echo "server tcp $wan 8080 web"
	done
	echo "client tcp $WAN4 8090 here"
}

visit() {
	local host expected="" got=""

	for host in client server; do
		got+=$(ways | awk -v host="$host" '$1 == host { print "ask", $2, $3, $4 }' |
			peer_ask "$host" | cut -d' ' -f1 | paste -sd' ')" "
		expected+=$(ways | awk -v host="$host" '$1 == host { print $5 }' | paste -sd' ')" "
	done
	equal "$expected" "$got" "who answers"
}

# Others who ask all the time, whatever happens.
clients_go_on() {
	setsid ip netns exec client bash -c "while :; do
		'$PEER' ask <<< $'try tcp $WAN4 8080\ntry udp $WAN6 53\ntry tcp $WAN4 8102\ntry tcp $WAN6 8083'
	done" 3>&- < /dev/null > "$BATS_TEST_TMPDIR/answers" 2>&1 &
	PIDS+=("$!")
}

clients_were_served() {
	[ "$(grep -c '^web ' "$BATS_TEST_TMPDIR/answers")" -gt 0 ]
}

# ---- Disturbances

nft_() { # COMMANDS
	in_ns gw nft "$1"
}

iptables_() { # ARGUMENT …: of both families
	in_ns gw iptables-legacy -w "$@"
	in_ns gw ip6tables-legacy -w "$@"
}

sysctl_() { # PATH VALUE
	in_ns gw sh -c "echo $2 > /proc/sys/net/$1"
}

wan_anew() {
	ip -n gw link del wan0
	link_add client wan gw wan0
	addr_add client wan "$CLIENT4/24" "$CLIENT6/64"
	addr_add gw wan0 "$WAN4/24" "$WAN6/64"
	route_add client "$WAN4" "$WAN6"
	route_add gw "$CLIENT4" "$CLIENT6"
}

lan_anew() {
	ip -n gw link del lan0
	lan_join gw lan0 "$LAN4/24" "$LAN6/64"
	# These know an address that is no more.
	ip -n server neigh flush all
}

# What is done, how many lines of repairs it makes (one, none or any), and what is in that one. Of the
# rules of iptables, each command may be told by itself.
kinds=(
	"sysctl_ ipv4/ip_forward 0|1|cause=host objects=1 what=\"~ net.ipv4.ip_forward = 1\""
	"sysctl_ ipv6/conf/all/forwarding 0|1|cause=host objects=1 what=\"~ net.ipv6.conf.all.forwarding = 1\""
	"sysctl_ ipv4/conf/wan0/route_localnet 0|1|cause=host objects=1 what=\"~ net.ipv4.conf.wan0.route_localnet = 1\""
)
case $BACKEND in
nftables) kinds+=(
	"wan_anew|1|cause=host objects=1 what=\"+ net.ipv4.conf.wan0.route_localnet = 1\""
	"lan_anew|0|"
	"nft_ 'flush ruleset'|1|+ table inet portfwd"
	"nft_ 'delete table inet portfwd'|1|+ table inet portfwd"
	"nft_ 'delete table inet portfwd; add table inet portfwd'|1|+ set dnat4_"
	"nft_ 'flush table inet portfwd'|1|~ chain prerouting"
	"nft_ 'flush chain inet portfwd prerouting'|1|objects=1 what=\"~ chain prerouting\""
	"nft_ 'flush chain inet portfwd postrouting'|1|objects=1 what=\"~ chain postrouting\""
	"nft_ 'flush chain inet portfwd to-few'|1|objects=1 what=\"~ chain to-few\""
	"nft_ 'delete element inet portfwd dnat4_any { tcp . 8080 }'|1|objects=1 what=\"+ element dnat4_any { tcp . 8080"
	"nft_ 'delete element inet portfwd dnat6_any { udp . 53 }'|1|objects=1 what=\"+ element dnat6_any { udp . 53"
	"nft_ 'delete element inet portfwd keep4_any { tcp . 8100-8103 }'|1|objects=1 what=\"+ element keep4_any"
	"nft_ 'flush map inet portfwd dnat4_any'|1|objects=2 what=\"+ element dnat4_any"
	"nft_ 'flush map inet portfwd dnat6_any; flush map inet portfwd chain6_any'|1|objects=3 what=\"+ element"
	"nft_ 'flush set inet portfwd guarded4'|1|objects=2 what=\"+ element guarded4"
	"nft_ 'add element inet portfwd dnat4_any { tcp . 9999 : $SECOND4 . 80 }'|1|objects=1 what=\"- element dnat4_any"
	"nft_ 'insert rule inet portfwd prerouting counter drop'|1|objects=1 what=\"~ chain prerouting\""
	"nft_ 'add rule inet portfwd to-few drop; insert rule inet portfwd forward drop'|1|objects=2 what=\"~ chain"
	"nft_ 'add chain inet portfwd theirs'|1|objects=1 what=\"- chain theirs\""
	"nft_ 'add table inet portfwd { flags dormant; }'|1|objects=1 what=\"~ table inet portfwd\""
) ;;
iptables) kinds+=(
	"wan_anew|any|"
	"lan_anew|any|"
	"wipe || true|any|" # what it has emptied may be full again when it is to be deleted
	"iptables_ -t nat -F PORTFWD-DNAT|any|"
	"iptables_ -t nat -D PREROUTING 1|any|"
	"iptables_ -t nat -I PORTFWD-DNAT -j RETURN|any|"
	"iptables_ -t nat -I PORTFWD-SNAT -j ACCEPT|any|"
	"iptables_lose portfwd:few|any|"
) ;;
esac

any_kind() { # into $doing, $lines and $words
	local kind=${kinds[RANDOM % ${#kinds[@]}]}

	words=${kind##*|}
	kind=${kind%|*}
	lines=${kind##*|}
	doing=${kind%|*}
}

any_moment() { # AT MOST, in ms: into $moment
	printf -v moment '0.%03d' $((RANDOM % $1))
}

repairs() {
	logged "put back what others had changed"
}

# There are so many lines of repairs, or up to MORE.
told_in_lines() { # LINES [MORE]
	local lines

	lines=$(repairs)
	[ "$lines" -ge "$1" ] && [ "$lines" -le $(($1 + ${2-0})) ]
}

in_sync_soon() {
	eventually 5 quietly pfw diff
}

quietly() { # COMMAND …
	"$@" > "$BATS_TEST_TMPDIR/said" 2>&1
}

@test "one at a time: one line tells what was put back" {
	local told=0 i doing lines words moment

	for ((i = 0; i < CHANGES / 2; i++)); do
		any_moment 100
		sleep "$moment"
		any_kind
		echo "$i: $doing"
		eval "$doing"
		if [ "$lines" != any ]; then
			told=$((told + lines))
			eventually 5 told_in_lines "$told"
		fi
		[ "$lines" != 1 ] || contains "$(daemon_log | tail -n 1)" "$words"
		in_sync_soon
		visit
		[ "$lines" != any ] || told=$(repairs)
		told_in_lines "$told"
	done
	clients_were_served
}

@test "two at once" {
	local told i first doing lines words moment

	for ((i = 0; i < CHANGES / 10; i++)); do
		told=$(repairs)
		until any_kind && [[ $doing != lan_* ]]; do :; done
		first=$doing
		until any_kind && [[ $doing != *_anew ]]; do :; done
		any_moment 30
		echo "$i: $first, and $doing $moment later"
		{
			sleep "$moment"
			# It may have nothing to find.
			eval "$doing" 2>&1 || true
		} 3>&- &
		eval "$first" || true
		wait "$!"
		in_sync_soon
		visit
		nft_only told_in_lines $((told + 1)) 2
	done
	clients_were_served
}

# Adds and removes forwards, and has the file loaded, all the time; names of those that must stand
# when it has ended go to a file.
others_change() { # UNTIL THIS FILE IS GONE
	local i name stand=()

	for ((i = 0; ; i++)); do
		if [ ! -e "$1" ]; then
			printf '%s\n' "${stand[@]}" > "$BATS_TEST_TMPDIR/stand"
			return
		fi
		pfw -q add "more$i" "$((9000 + i))" "$SERVER4:80"
		stand+=("more$i")
		case $((i % 5)) in
		1) kill -HUP "$DAEMON_PID" ;;
		2) pfw -q reload ;;
		3)
			# The journal is written to the file meanwhile.
			sleep 0.25
			;;
		4)
			name=${stand[0]}
			pfw -q remove "$name"
			stand=("${stand[@]:1}")
			;;
		esac
	done
}

@test "during changes, reloads and while the file is rewritten" {
	local i name doing lines words moment others

	touch "$BATS_TEST_TMPDIR/go"
	others_change "$BATS_TEST_TMPDIR/go" 3>&- &
	others=$!
	for ((i = 0; i < CHANGES * 3 / 10; i++)); do
		any_moment 300
		sleep "$moment"
		any_kind
		echo "$i: $doing"
		# A rule may be in the way that has just been put back.
		eval "$doing" || true
		in_sync_soon
		visit
	done
	rm "$BATS_TEST_TMPDIR/go"
	wait "$others"
	equal "$(sort "$BATS_TEST_TMPDIR/stand")" \
		"$(pfw_json '.forwards[].name | select(startswith("more"))' list | sort)" "what was added stands"
	pfw diff
	name=$(tail -n 1 "$BATS_TEST_TMPDIR/stand")
	gets web client tcp "$WAN4" $((9000 + ${name#more}))
	clients_were_served
}

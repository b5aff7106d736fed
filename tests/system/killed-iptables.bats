#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With iptables a command is several commits, one a table, beside sysctls and files. Killed before
# each single call that changes any of these, it leaves a machine that routes nothing it should
# not, lets nobody in to 127.0.0.0/8, and goes on with the forwards that were there; what is
# missing is told, and the next command puts it right.
#
# MOMENTS says how many calls of each command are tried, or all, and SEED which.
#
# As long as 40 tests.
#
# Backends: iptables
# Needs both

load helpers
load language
load killed

setup() {
	command -v strace > /dev/null || skip "strace is not there"
	sandbox_check
	portfwd_setup
	killed_setup
	topology
	peer_serve server web tcp "$SERVER4" 80 web tcp "$SERVER6" 80
	peer_serve gw inner tcp 127.0.0.1 9000
	foreign_rules
	coproc asking { exec ip netns exec client "$PEER" ask 3>&-; }
	look clean
	: "${MOMENTS:=8}" "${SEED:=$RANDOM}"
	RANDOM=$SEED
}

# At which moment it was.
teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || echo "${moment-}" >&2
	everything_ends
}

# In each table, before ours and behind, with policies and chains of their own.
foreign_rules() {
	local tool
	for tool in iptables ip6tables; do
		in_ns gw "$tool-legacy-restore" -w <<-'RULES'
			*raw
			-A PREROUTING -p udp --dport 4000 -j NOTRACK
			COMMIT
			*nat
			:THEIRS - [0:0]
			-A PREROUTING -p tcp --dport 2222 -m comment --comment "theirs, too" -j THEIRS
			-A THEIRS -j RETURN
			-A POSTROUTING -p udp --sport 4000 -j MASQUERADE
			COMMIT
			*filter
			:INPUT DROP [0:0]
			-A INPUT -j ACCEPT
			-A FORWARD -p tcp --dport 2222 -j REJECT
			-A OUTPUT -p udp --dport 4000 -j DROP
			COMMIT
		RULES
	done
}

# Files that say what stands in the gateway: our rules, those of others, switches of the host.
look() { # FOLDER
	mkdir -p "/run/$1"
	nsenter --net=/run/netns/gw sh -c '
		iptables-legacy-save | sed "s/^/4 /"
		ip6tables-legacy-save | sed "s/^/6 /"
		cd /proc/sys/net && grep . ipv4/ip_forward ipv4/conf/*/forwarding ipv4/conf/*/route_localnet \
			ipv4/conf/all/accept_redirects ipv6/conf/*/forwarding ipv6/conf/*/accept_ra' |
		awk -v folder="/run/$1" '
			/^ipv/ { print > (folder "/switches"); next }
			/^[46] #/ { next }
			{ sub(/\[[0-9:]*\]$/, ""); sub(/ -m comment --comment portfwd /, " ") }
			$2 ~ /^\*/ { of = $1 " " $2 }
			{ print of, $0 > (folder (/PORTFWD/ ? "/rules" : "/foreign")) }
			BEGIN { printf "" > (folder "/rules") }'
	table gw >> "/run/$1/rules"
}

# The same in both. Of others nothing changes, ever.
same_look() { # WHAT ONE OTHER
	local file
	for file in rules switches; do
		diff "/run/$2/$file" "/run/$3/$file" > /run/differs || {
			printf '%s: %s\n' "$1" "$file" >&2
			cat /run/differs >&2
			return 1
		}
	done
}

# ---- What is true whenever a command is killed

theirs_are_left_alone() {
	diff /run/clean/foreign /run/now/foreign >&2 || {
		echo "these are the rules of others" >&2
		return 1
	}
}

# How many datagrams came to the server for ports where nobody listens.
strays() {
	# shellcheck disable=SC2016 # of awk
	nsenter --net=/run/netns/server awk '
		/^Udp: [0-9]/ { n += $3 }
		/^Udp6NoPorts/ { n += $2 }
		END { print n }' /proc/net/snmp /proc/net/snmp6
}

nothing_passes() {
	nsenter --net=/run/netns/client bash -c "echo > /dev/udp/$SERVER4/7; echo > /dev/udp/$SERVER6/7" \
		2> /run/said || true
	equal "$strays" "$(strays)" "datagrams that passed"
}

loopback_is_shielded() {
	local rules
	grep -q 'route_localnet:1' /run/now/switches || return 0
	rules=$(< /run/now/rules)
	case $rules in
	*'-j PORTFWD-SHIELD'*'-A PORTFWD-SHIELD -s 127.0.0.0/8 ! -i lo -j DROP'*'-A PORTFWD-SHIELD -d 127.0.0.0/8 ! -i lo -j DROP'*) ;;
	*'hook prerouting priority raw'*'!= loopback ip saddr 127.0.0.0/8 drop'*'!= loopback ip daddr 127.0.0.0/8 drop'*) ;;
	*)
		printf 'nothing shields the loopback:\n%s\n' "$rules" >&2
		return 1
		;;
	esac
}

# In both families, and from outside to a service on the loopback.
goes_on() { # "PROTO ADDRESS PORT ANSWER" …
	local forward answer
	for forward in "$@"; do
		printf 'ask %s\n' "${forward% * * *}" >&"${asking[1]}"
		IFS= read -r -t 10 answer <&"${asking[0]}"
		equal "${forward#* * * }" "$answer"
	done
}

# How all is when it is as the file says.
asked_for() {
	if cmp -s "$CONFIG" /run/old.json; then
		echo was
	else
		echo become
	fi
}

diff_tells() {
	local code=0 expected=0 asked_for
	asked_for=$(asked_for)
	cmp -s /run/now/rules "/run/$asked_for/rules" &&
		cmp -s /run/now/switches "/run/$asked_for/switches" || expected=7
	pfw diff > /run/said 2>&1 || code=$?
	equal "$expected" "$code" "diff: $(cat /run/said)"
}

# ---- The attack

# What changes anything: "NAME NUMBER WHAT", by the names of calls and how manieth of a name it is.
CALLS=write,fsync,fchmod,fchown,ftruncate,rename,renameat2,unlink,rmdir,mkdir,flock,setsockopt,sendto,sendmsg
changing_calls() { # ARGUMENT …
	traced -y -e "trace=$CALLS" -- -q "$@"
	awk '{
		sub(/^[0-9]+ +/, "")
		name = $0
		sub(/\(.*/, "", name)
		n[name]++
		if (/ = -1 / || /ERESTART/ || /nlmsg_type=[^ ]*GET/ || (name == "setsockopt" && !/_SO_SET_/))
			next
		print name, n[name], substr($0, 1, 90)
	}' /run/calls
}

killed() { # CALL NUMBER ARGUMENT …
	local code=0
	traced -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" -- "${@:3}" > /run/said 2>&1 || code=$?
	# The kernel restarts a call now and then, and it counts twice: then this one is not reached.
	[ "$code" = 0 ] || equal 137 "$code" "$(cat /run/said)"
	[ "$code" = 0 ] || killed=$((killed + 1))
}

# Before a command that writes the file itself, or one that finds the new one there; each for the
# first time or where something stands. From /run/old.json to /run/new.json.
begin_change() {
	cp /run/old.json "$CONFIG"
	pfw -q reload
}
begin_reload() {
	begin_change
	cp /run/new.json "$CONFIG"
}
begin_first_change() {
	pfw -q flush
	cp /run/old.json "$CONFIG"
}
begin_first_reload() {
	pfw -q flush
	cp /run/new.json "$CONFIG"
}

# What may come after a command that was killed; $how is how all is then.
then_reload() {
	pfw -q reload
	how=$(asked_for)
}
then_change() {
	pfw -q add next 7000 "$SERVER4:80"
	pfw diff
	pfw -q remove next
	how=$(asked_for)
}
then_again() {
	# It was done, and there is nothing to remove.
	pfw -q "${command[@]}" 2> /run/said || equal "remove 3" "${command[0]} $?" "$(cat /run/said)"
	how=become
}
then_back() {
	cp /run/old.json "$CONFIG"
	pfw -q reload
	how=was
}
# As it was, by a command that does not look at everything.
then_regret() {
	cp /run/old.json "$CONFIG"
	then_change
}
then_elsewhere() {
	file nftables > "$CONFIG"
	pfw -q "${command[@]}"
	equal "" "$(iptables_save gw | grep PORTFWD)"
	pfw -q flush
	how=clean
}
then_flush() {
	pfw -q flush
	how=clean
}

# Kills a command before each call that changes something, and looks; then, in turn, one of what may
# come next. $untouched: forwards that go on whatever happens.
attack() { # BEGIN NEXT[,NEXT…] ARGUMENT …
	local begin=$1 command=("${@:3}") calls tried next k name number what strays how killed=0
	IFS=, read -r -a next <<< "$2"
	"$begin"
	look was
	mapfile -t calls < <(changing_calls "${command[@]}")
	look become
	[ "${#calls[@]}" -ge 10 ]
	strays=$(strays)
	mapfile -t tried < <(choose <<< "$(seq 0 $((${#calls[@]} - 1)))")
	echo "# seed $SEED, ${command[*]}: ${#tried[@]} of ${#calls[@]} calls" >&3
	for k in "${tried[@]}"; do
		"$begin"
		read -r name number what <<< "${calls[k]}"
		moment="portfwd ${command[*]}, killed before its call $name number $number: $what"
		killed "$name" "$number" "${command[@]}"
		look now
		theirs_are_left_alone
		nothing_passes
		loopback_is_shielded
		goes_on "${untouched[@]}"
		diff_tells
		moment+="; then ${next[k % ${#next[@]}]}"
		"then_${next[k % ${#next[@]}]}"
		look now
		same_look "not as it should be" "$how" now
		[ "$how" = clean ] || pfw diff
	done
	[ "$killed" -ge $((${#tried[@]} / 2)) ]
	moment="portfwd ${command[*]}; flush"
	pfw -q flush
	look now
	same_look "something is left" clean now
	theirs_are_left_alone
}

# ---- Commands

forward() { # NAME LISTEN TARGET …
	jq -n --arg name "$1" --arg listen "$2" '{ name: $name, listen: $listen, target: $ARGS.positional }' \
		--args "${@:3}"
}

file() { # BACKEND FORWARD …
	jq -s --arg backend "$1" '{ settings: { backend: $backend }, forwards: . }' <<< "${*:2}"
}

web=$(forward web 8080 "$SERVER4:80" "[$SERVER6]:80")
inner=$(forward inner 9000 127.0.0.1:9000)
web_answers=("tcp $WAN4 8080 web $CLIENT4 80" "tcp $WAN6 8080 web $CLIENT6 80")
inner_answers=("tcp $WAN4 9000 inner $CLIENT4 9000")

@test "the first reload, and flush" {
	local untouched=()
	file iptables > /run/old.json
	file iptables "$web" "$inner" > /run/new.json
	attack begin_first_reload reload,flush,change reload
	file iptables "$web" "$inner" > /run/old.json
	attack begin_change flush,reload flush
}

@test "the first add" {
	local untouched=()
	file iptables > /run/old.json
	attack begin_first_change again,flush,elsewhere add web 8080 "$SERVER4:80,[$SERVER6]:80"
}

@test "add and remove, of what leads to the loopback" {
	local untouched=("${web_answers[@]}")
	file iptables "$web" > /run/old.json
	attack begin_change again,reload,change add inner 9000 127.0.0.1:9000
	file iptables "$web" "$inner" > /run/old.json
	attack begin_change again,reload,change remove inner
}

@test "a reload that changes a lot" {
	local untouched=("${web_answers[@]}" "${inner_answers[@]}")
	file iptables "$web" "$inner" "$(forward goes 8000-8079 "$SERVER4")" > /run/old.json
	file iptables "$web" "$inner" "$(forward "same" 80 "$SERVER4:80" "[$SERVER6]:80")" \
		"$(forward many "$(seq -s , 10000 10079)" "$SECOND4" "[$SECOND6]")" \
		"$(forward few 22 "$SERVER4:22" | jq '. + { limit: { rate: "5/minute" } }')" > /run/new.json
	attack begin_reload reload,change,back reload
}

@test "a move to iptables, and back" {
	local untouched=("${web_answers[@]}" "${inner_answers[@]}")
	file nftables "$web" "$inner" > /run/old.json
	file iptables "$web" "$inner" > /run/new.json
	attack begin_reload reload,regret,change,back reload
	file iptables "$web" "$inner" > /run/old.json
	file nftables "$web" "$inner" > /run/new.json
	attack begin_reload reload,regret,change,back reload
}

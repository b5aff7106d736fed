#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A command that is killed at any moment leaves the file and the kernel each as they were
# or as they should be, and the next command puts right what is left. CHANGES and SEED
# say how many moments, and which.
#
# As long as 60 tests.
#
# Backends: nftables

load helpers
load language
load killed

setup() {
	sandbox_check
	portfwd_setup
	killed_setup
	MODEL=/run/model
	rm -rf "$MODEL"
	mkdir -p "$MODEL"
	topology
	# Where each change is made without being killed, to see what it gives.
	host_add model
	link_add model wan0 model lan0
	peer_serve server web tcp "$SERVER4" 80 web tcp "$SERVER6" 80
	seed=${SEED:-1}
	RANDOM=$seed
	: "${CHANGES:=200}"
}

model() {
	nsenter --net=/run/netns/model "$PORTFWD" -c "$MODEL/portfwd.json" --run-dir "$MODEL/run" "$@"
}

any_of() { # WORD …: sets $word
	local words=("$@")
	word=${words[RANDOM % $#]}
}

# A change at random, of few forwards in many forms: into $arguments.
random_change() {
	local name=n$((RANDOM % 6)) word port=$((9000 + RANDOM % 4 * 20))

	if [ $((RANDOM % 2)) = 0 ] && grep -q "\"$name\"" "$CONFIG"; then
		any_of remove remove remove disable enable
		arguments=("$word" "$name")
		return
	fi
	port=$((port + ${name#n}))
	case $((RANDOM % 6)) in
	0) arguments=("$port" "$SERVER4:80,[$SERVER6]:80") ;;
	1) arguments=("[$WAN6]:$port" "[$SERVER6]:80" --snat masquerade) ;;
	2) arguments=("1${port}-1${port}/tcp+udp" "$SERVER4") ;;
	3) arguments=("$port" "$SERVER4:80,$SECOND4:80" --balance round-robin) ;;
	4) arguments=("$WAN4:$port" "$SERVER4:80" --source 203.0.113.0/24 --limit connections=3) ;;
	5) arguments=("$port/udp" self:53) ;;
	esac
	arguments=(add "$name" "${arguments[@]}" --replace)
}

# What a command asks the kernel for: all that may matter, and what changes anything.
ALL_CALLS=openat,read,write,close,fsync,fchmod,rename,renameat2,link,unlink,mkdir,flock,socket,bind,sendto,sendmsg,recvmsg,recvfrom
CHANGING='write|fsync|fchmod|rename|renameat2|link|unlink|sendmsg'

# The time that a command takes.
measure() { # ARGUMENT …
	local begin=${EPOCHREALTIME/./}

	pfw -q "$@"
	MICROSECONDS=$((${EPOCHREALTIME/./} - begin))
}

# The moments of a command, a line each: a system call, and the how manieth of its kind it is.
moments() { # ARGUMENT …
	command -v strace > /dev/null || return 0
	traced -e "trace=$ALL_CALLS" -- -q "$@"
	# What comes before its first lock is no moment of its own.
	sed 's/^[0-9]* *//; s/(.*//' /run/calls |
		awk '{ n[$1]++ } /flock/ { begun = 1 } begun { print $1, n[$1] }' > "/run/moments.$1"
}

# Runs a command, and kills it at a moment at random: before one of its system calls, or
# after some time; $code is 0 where it was faster.
run_killed() { # ARGUMENT …
	local at by moments=/run/moments.$1 kind

	code=0
	[ -e "$moments" ] || moments=/run/moments.add
	kind=$((RANDOM % 4))
	[ -e "$moments" ] || kind=0
	case $kind in
	0)
		at=$((1 + RANDOM * 32768 % MICROSECONDS))
		by="$at µs"
		timeout -s KILL "$(printf '0.%06d' "$at")" nsenter --net=/run/netns/gw "$PORTFWD" \
			-c "$CONFIG" --run-dir "$RUN_DIR" "$@"
		;;
	*)
		# Before any call, or more often before one that changes something.
		by=$(grep -E "^($CHANGING) " "$moments" | shuf -n 1 --random-source=<(yes $RANDOM))
		[ "$kind" != 1 ] || by=$(shuf -n 1 --random-source=<(yes $RANDOM) "$moments")
		traced -e "trace=${by% *}" -e "inject=${by% *}:signal=KILL:when=${by#* }" -- "$@"
		;;
	esac > /run/said 2>&1 || code=$?
	moment="seed $seed, change $i: portfwd $*, killed at $by ($code)"
	case $code in
	0) finished=$((finished + 1)) ;;
	137) killed=$((killed + 1)) ;;
	*)
		echo "$moment: $(cat /run/said)" >&2
		return 1
		;;
	esac
}

same() { # WHAT ONE OTHER
	[ "$2" = "$3" ] || {
		printf '%s: %s\n' "$moment" "$1" >&2
		diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") >&2 || true
		return 1
	}
}

is_either() { # WHAT ACTUAL OLD NEW
	[ "$2" = "$3" ] || [ "$2" = "$4" ] || {
		printf '%s: %s is neither the old nor the new one\n' "$moment" "$1" >&2
		diff <(printf '%s\n' "$3") <(printf '%s\n' "$2") >&2 || true
		diff <(printf '%s\n' "$4") <(printf '%s\n' "$2") >&2 || true
		return 1
	}
}

in_order() {
	local output
	output=$(pfw diff 2>&1) || {
		printf '%s: not in sync: %s\n' "$moment" "$output" >&2
		return 1
	}
}

# What portfwd switched on is recorded, and guarded.
routing_is_safe() { # TABLE
	local family key
	for family in 4 6; do
		key=net/ipv4/ip_forward
		[ "$family" = 4 ] || key=net/ipv6/conf/all/forwarding
		[ "$(nsenter --net=/run/netns/gw cat "/proc/sys/$key")" = 1 ] || continue
		jq -e --arg key "$key" '.sysctl[] | select(.key == $key).was == "0"' \
			"$RUN_DIR"/net-*/state.json > /dev/null || {
			echo "$moment: $key is 1, and that is not recorded" >&2
			return 1
		}
		contains "$1" "iifname @guarded$family oifname @earlier$family goto guard"
	done
}

# In both families, by new connections and by those that were open before.
stays_reachable() {
	local answers
	printf 'ask tcp %s 8080\n' "$WAN4" "$WAN6" >&"${asking[1]}"
	IFS= read -r -t 10 answers <&"${asking[0]}"
	equal "web $CLIENT4 80" "$answers" "$moment"
	IFS= read -r -t 10 answers <&"${asking[0]}"
	equal "web $CLIENT6 80" "$answers" "$moment"
}

# The next command, and with it all is as the file says.
mended() {
	local word words last

	any_of reload add enable remove
	words=("$word")
	last=$(jq -r '.forwards[-1].name' "$CONFIG")
	case $word in
	add) words+=(next "7000-700$((1 + RANDOM % 9))" "$SERVER4" --replace) ;;
	enable) words+=(stays) ;;
	remove)
		words+=("$last")
		[ "$last" != stays ] || words=(reload)
		;;
	esac
	pfw -q "${words[@]}" > /run/said 2>&1 || {
		echo "$moment: then portfwd ${words[*]}: $(cat /run/said)" >&2
		return 1
	}
	in_order
	stays_reachable
	cp "$CONFIG" "$MODEL/portfwd.json"
	model -q reload
	same "${words[*]} makes another table than a reload" "$(table model)" "$(table gw)"
}

@test "add, remove, enable, disable and reload, killed at 200 moments" {
	local i arguments code moment killed=0 finished=0 old_file old new now kernel word

	pfw -q add stays 8080 "$SERVER4:80,[$SERVER6]:80"
	cp "$CONFIG" "$MODEL/portfwd.json"
	model -q reload
	measure add n0 9000 "$SERVER4:80,[$SERVER6]:80"
	moments add n0 9000 "$SERVER4:80" --replace
	pfw -q remove n0
	cp "$CONFIG" "$MODEL/before.json"
	model -q add n0 9000 "$SERVER4:80,[$SERVER6]:80"
	cp "$MODEL/portfwd.json" "$CONFIG"
	moments reload
	cp "$MODEL/before.json" "$CONFIG"
	pfw -q reload
	cp "$CONFIG" "$MODEL/portfwd.json"
	model -q reload
	coproc asking { exec ip netns exec client "$PEER" ask 3>&-; }
	for ((i = 0; i < CHANGES; i++)); do
		old_file=$(cat "$CONFIG")
		old=$(table gw)
		random_change
		model -q "${arguments[@]}" > /run/said 2>&1 || continue
		new=$(table model)
		if [ $((RANDOM % 3)) = 0 ]; then
			# As by an editor.
			cp "$MODEL/portfwd.json" "$CONFIG"
			old_file=$(cat "$CONFIG")
			arguments=(reload)
		fi
		run_killed "${arguments[@]}"
		now=$(cat "$CONFIG")
		kernel=$(table gw)
		is_either "the file" "$now" "$old_file" "$(cat "$MODEL/portfwd.json")"
		is_either "the table" "$kernel" "$old" "$new"
		# The file is the last to change.
		[ "$now" = "$old_file" ] || same "the file alone is new" "$new" "$kernel"
		[ "$code" != 0 ] || same "it is done, and the table is not new" "$new" "$kernel"
		routing_is_safe "$kernel"
		stays_reachable
		mended
	done
	[ "$killed" -ge $((CHANGES / 3)) ] || {
		echo "only $killed of $CHANGES were killed, and $finished finished" >&2
		return 1
	}
}

switches() {
	nsenter --net=/run/netns/gw sh -c 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding \
		/proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/forwarding' | xargs
}

@test "the first reload, the first add, and flush, killed at 60 moments" {
	local i code moment killed=0 finished=0 before new kernel word

	before=$(switches)
	pfw -q add stays 8080 "$SERVER4:80,[$SERVER6]:80"
	new=$(table gw)
	moments flush
	measure reload
	pfw -q flush
	moments reload
	pfw -q flush
	moments add stays 8080 "$SERVER4:80,[$SERVER6]:80"
	pfw -q flush
	equal "$before" "$(switches)"
	for ((i = 0; i < CHANGES * 3 / 10; i++)); do
		case $((i % 3)) in
		0) run_killed reload ;;
		1) run_killed add stays 8080 "$SERVER4:80,[$SERVER6]:80" ;;
		2)
			pfw -q reload
			run_killed flush
			;;
		esac
		kernel=$(table gw)
		is_either "the table" "$kernel" "" "$new"
		routing_is_safe "$kernel"
		any_of reload flush "add stays 8080 $SERVER4:80,[$SERVER6]:80"
		# shellcheck disable=SC2086 # words
		pfw -q $word > /run/said 2>&1 || {
			echo "$moment: then portfwd $word: $(cat /run/said)" >&2
			return 1
		}
		if [ "$word" != flush ]; then
			in_order
			same "the table" "$new" "$(table gw)"
			pfw -q flush
		fi
		same "the ruleset" "" "$(table gw)"
		same "the switches" "$before" "$(switches)"
	done
	[ "$killed" -ge $((CHANGES / 10)) ] || {
		echo "only $killed were killed, and $finished finished" >&2
		return 1
	}
}

@test "eight at once, some of them killed: what was acknowledged is there" {
	local i k pids names code round moment

	pfw -q add stays 8080 "$SERVER4:80,[$SERVER6]:80"
	measure reload
	for ((round = 0; round < 5; round++)); do
		moment="seed $seed, round $round"
		pids=() names=()
		for k in 1 2 3 4; do
			pfw -q add "old$k" "$((7000 + k))" "$SERVER4:80" --replace
		done
		for k in 1 2 3 4; do
			for i in "add new$k $((8000 + k)) $SERVER4:80,[$SERVER6]:80 --replace" "remove old$k"; do
				[ $((RANDOM % 2)) = 0 ] && set -- timeout -s KILL \
					"$(printf '0.%06d' $((RANDOM * 32768 % (MICROSECONDS * 6) + 1)))" || set --
				# shellcheck disable=SC2086 # words
				"$@" nsenter --net=/run/netns/gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" -q $i \
					> "/run/said.${#pids[@]}" 2>&1 3>&- &
				pids+=("$!") names+=("$i")
			done
		done
		for i in "${!pids[@]}"; do
			code=0
			wait "${pids[i]}" 2> /dev/null || code=$?
			names[i]="$code ${names[i]}"
			[ "$code" = 0 ] || [ "$code" = 137 ] || {
				echo "$moment: ${names[i]}: $(cat "/run/said.$i")" >&2
				return 1
			}
		done
		for i in "${!names[@]}"; do
			read -r code word name _ <<< "${names[i]}"
			case $code$word in
			0add) jq -e --arg name "$name" '.forwards[] | select(.name == $name)' "$CONFIG" > /run/said ;;
			0remove) jq -e --arg name "$name" 'all(.forwards[]; .name != $name)' "$CONFIG" > /run/said ;;
			esac || {
				echo "$moment: ${names[i]} was lost" >&2
				return 1
			}
		done
		routing_is_safe "$(table gw)"
		pfw -q reload
		in_order
		cp "$CONFIG" "$MODEL/portfwd.json"
		model -q reload
		same "the table" "$(table model)" "$(table gw)"
		for k in 1 2 3 4; do
			pfw -q remove "new$k" 2> /run/said || true
		done
	done
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first command and the last, and several at once, killed at any moment: what was acknowledged
# is there, and the next command puts right what is left. CHANGES and SEED as in killed.bats.
#
# As long as 40 tests.
#
# Backends: nftables

load helpers
load language
load killed

setup() {
	sandbox_check
	portfwd_setup
	random_setup
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

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
	random_setup
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

@test "add, remove, enable, disable and reload, killed at random moments" {
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

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reload after reload of other forwards: whoever goes through one that stays as it is
# notices nothing of it.
#
# Backends: nftables iptables

load helpers

setup_file() {
	"${CC:-cc}" -O1 -o "$BATS_FILE_TMPDIR/steady" "$BATS_TEST_DIRNAME/steady.c"
}

setup() {
	sandbox_check
	portfwd_setup
	# In memory: a hundred reloads wait for no disk.
	CONFIG=/run/portfwd.json RUN_DIR=/run/portfwd
	rm -rf "$CONFIG" "$RUN_DIR"
	topology
	start echo server echo "$SERVER4" 80 "$SERVER4" 8100 "$SERVER4" 8101 "$SERVER6" 80 \
		"$SERVER6" 8100 "$SERVER6" 8101
	start echo2 second echo "$SECOND4" 80 "$SECOND6" 80
	others 0 true
	pfw -q reload
}

# Runs steady in a host until ${closing[NAME]} is closed, and returns when it is ready.
declare -gA closing=() said=() process=()
start() { # NAME HOST WORD …
	local name=$1 host=$2 pipe=$BATS_TEST_TMPDIR/$1 in line other
	shift 2
	mkfifo "$pipe.in" "$pipe.out"
	(
		# Else this one keeps the others from coming to their end.
		for other in "${closing[@]}"; do
			exec {other}>&-
		done
		exec setsid ip netns exec "$host" "$BATS_FILE_TMPDIR/steady" "$@"
	) 3>&- < "$pipe.in" > "$pipe.out" 2>&1 &
	process[$name]=$!
	PIDS+=("$!")
	exec {in}> "$pipe.in"
	closing[$name]=$in
	exec {in}< "$pipe.out"
	if ! IFS= read -r -t 20 line <&"$in" || [ "$line" != ready ]; then
		echo "$name is not ready: $line" >&2
		return 1
	fi
	said[$name]=$in
}

finishes() { # NAME WORDS
	local in=${closing[$1]} out=${said[$1]} status=0
	exec {in}>&-
	equal "$2" "$(cat <&"$out")" "$1"
	wait "${process[$1]}" || status=$?
	equal 0 "$status" "$1: exit code"
}

# The file: five forwards that stay, and others that are different in each ROUND.
others() { # ROUND COUNTERS
	local i port target options counters=$2

	cat <<-JSON
		{ "settings": { "counters": $counters }, "forwards": [
		{ "name": "plain", "listen": "8080/tcp+udp", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		{ "name": "range", "listen": "8100-8101/tcp+udp", "target": ["$SERVER4", "$SERVER6"] },
		{ "name": "pool", "listen": "8082/tcp+udp",
		  "target": ["$SERVER4:80", "$SECOND4:80", "[$SERVER6]:80", "[$SECOND6]:80"] },
		{ "name": "few", "listen": { "address": ["$WAN4", "$WAN6"], "port": 8083, "protocol": ["tcp", "udp"] },
		  "target": ["$SERVER4:80", "[$SERVER6]:80"], "source": ["$CLIENT4", "$CLIENT6"] },
		{ "name": "masked", "listen": "8084/tcp+udp",
		  "target": ["$SERVER4:80", "[$SERVER6]:80"], "snat": "masquerade" }
	JSON
	for i in 1 2 3 4 5 6; do
		# Which are there, where they listen, where they go and how, each in a turn of its own.
		[ $((($1 + i) % 4)) != 0 ] || continue
		port=$((9000 + i * 20 + $1 / 3 % 2))
		[ $((($1 + i) % 5)) != 0 ] || port=$port-$((port + 9))
		[ $((($1 + i) % 6)) != 0 ] || port="$WAN4:$port"
		case $((($1 + i) % 7)) in
		0 | 1) target="\"$SERVER4:$((80 + $1 % 3))\"" ;;
		2) target="\"self:$((80 + $1 % 3))\"" ;;
		3 | 4) target="\"$SERVER4:80\", \"$SECOND4:$((80 + $1 % 3))\"" ;;
		*) target="\"$SECOND4\", \"$SECOND6\"" ;;
		esac
		case $port:$target in
		"$WAN4"*"$SECOND6"*) target="\"$SECOND4\"" ;;
		*-*:*:80*,*) port=${port%-*} ;;
		esac
		case $target:$((($1 + i) % 3)) in
		*self*:*) options= ;;
		*:0) options=', "snat": "masquerade"' ;;
		*:1) options=', "source": ["203.0.113.0/24", "2001:db8:9::/48"], "log": true' ;;
		*) options=', "limit": { "rate": "5/second" }' ;;
		esac
		case $BACKEND:$port:$target:$options in
		iptables:*"$SECOND6"*rate*) options=', "limit": { "connections": 5 }' ;;
		*"$SECOND6"*) ;;
		*) options=${options/, \"2001:db8:9::\/48\"/} ;;
		esac
		printf ', { "name": "other%d", "listen": "%s/tcp+udp", "target": [%s]%s }\n' \
			"$i" "$port" "$target" "$options"
	done
	echo '] }'
} > "$CONFIG"

reload_often() { # FIRST LAST COUNTERS COUNTERS
	local round first=$1 last=$2 counters=("$3" "$4") changed=0

	for ((round = first; round <= last; round++)); do
		others "$round" "${counters[round % 2]}"
		case $(pfw reload) in
		*"nothing changed") ;;
		reloaded*) changed=$((changed + 1)) ;;
		esac
	done
	# Else nothing was tried.
	equal "$((last - first + 1))" "$changed" "reloads that changed something"
	pfw diff
}

@test "100 reloads of others: 1,000 connections go on, no datagram is lost, of open flows nor of new ones" {
	local address port tcp=() udp=() rounds=${CHANGES:-100}
	for address in "$WAN4" "$WAN6"; do
		for port in 8080 8101 8082 8083 8084; do
			tcp+=(100 "$address" "$port")
			udp+=("$address" "$port")
		done
	done
	start held client hold "${tcp[@]}"
	start flow client stream 1000 once "${udp[@]}"
	start flows client stream 500 anew "${udp[@]}"
	reload_often 1 "$rounds" true true
	finishes flows "none lost"
	# A table built anew: a packet of a new flow that is between two lookups in this moment finds
	# neither the old elements nor the new ones, so only what is open is asked for.
	reload_often "$((rounds + 1))" "$((rounds + 10))" true false
	finishes held "1000 connections"
	finishes flow "none lost"
}

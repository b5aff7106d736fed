#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One change at a time gives what a reload of the whole configuration would give:
# after each of many random changes the kernel holds exactly what the file says.
#
# As long as 60 tests.
#
# Backends: nftables iptables
# Through a daemon: nftables iptables

load helpers

setup() {
	sandbox_check
	portfwd_setup
	# In memory: hundreds of saved files wait for no disk.
	CONFIG=/run/portfwd.json RUN_DIR=/run/portfwd
	rm -rf "$CONFIG" "$RUN_DIR"
	host_add gw
	link_add gw wan0 gw lan0
	addr_add gw wan0 "$WAN4/24" "$WAN6/64"
	addr_add gw lan0 "$LAN4/24" "$LAN6/64"
}

any_of() { # WORD …: sets $word
	local words=("$@")
	word=${words[RANDOM % $#]}
}

# The arguments of a random forward, into $arguments. They overlap by intent: few
# addresses, ports and sources, so that keys are shared, covered and refused.
random_forward() {
	local family address="" ports protocol kind target word self=

	arguments=()
	any_of 4 4 6 both
	family=$word
	any_of "" address address
	case $word$family in
	address4) any_of "$WAN4:" "$WAN4:" 203.0.113.7: ;;
	address6) word="[$WAN6]:" ;;
	*) word= ;;
	esac
	address=$word
	any_of 8001 8002 8003 8001,8003 8000-8003 8002-8005 8000-8003 8001,8004-8005 8003-8006
	ports=$word
	any_of "" "" /udp /tcp+udp
	protocol=$word
	any_of keep one one several several self range
	kind=$word
	case $kind:$ports in
	range:*,* | range:???? | several:*,*) kind=one ;;
	esac
	case $kind:$family in
	self:*) any_of self self:22 && target=$word self=1 ;;
	keep:4) target=$SERVER4 ;;
	keep:both) target=$SERVER4,$SERVER6 ;;
	keep:6) target=$SERVER6 ;;
	one:4) any_of "$SERVER4:80" "$SECOND4:80" && target=$word ;;
	one:6) target="[$SERVER6]:80" ;;
	one:both) target="$SERVER4:80,[$SERVER6]:80" ;;
	several:4) any_of "$SERVER4,$SECOND4" "$SERVER4:80,$SECOND4:81" && target=$word ;;
	several:6) target="[$SERVER6]:80,[$SECOND6]:80" ;;
	several:both) target="$SERVER4:80,$SECOND4:80,[$SERVER6]:80" ;;
	range:4) target=$SERVER4:100-103 ;;
	range:6) target="[$SERVER6]:100-103" ;;
	range:both) target="$SERVER4:100-103,[$SERVER6]:100-103" ;;
	esac
	arguments=("$address$ports$protocol" "$target")
	any_of "" "" wan0
	[ -z "$word" ] || arguments+=(--interface "$word")
	case $family$self in
	4) any_of "" "" 10.0.0.0/8 10.1.0.0/16 198.51.100.0/24 '10.0.0.0/8,!10.1.0.0/16' '!10.1.2.3' ;;
	6) any_of "" "" 2001:db8:1::/48 2001:db8:1::/64 fd00::/8 '!fd00::/64' ;;
	both*) any_of "" "" 10.0.0.0/8 10.0.0.0/8,fd00::/8 2001:db8:1::/48 10.1.0.0/16,2001:db8:1::/64 ;;
	*) word= ;;
	esac
	[ -z "$word" ] || arguments+=(--source "$word")
	if [ -z "$self" ]; then
		case $family in
		4) any_of "" "" auto masquerade none "$LAN4" ;;
		6) any_of "" "" auto masquerade none "$LAN6" ;;
		*) any_of "" "" auto masquerade none ;;
		esac
		[ -z "$word" ] || arguments+=(--snat "$word")
		any_of "" "" --no-hairpin
		[ -z "$word" ] || arguments+=("$word")
	fi
	case $kind in
	several)
		any_of random round-robin source
		arguments+=(--balance "$word")
		;;
	esac
	any_of "" "" "" --no-local --log
	[ -z "$word" ] || arguments+=("$word")
	any_of "" "" "" "" rate=50/second rate=5/minute,burst=20 connections=3 rate=7/hour,connections=2
	case $BACKEND:$family$self:$word in
	iptables:both*:rate* | iptables:*1:rate*) word=connections=3 ;;
	esac
	[ -z "$word" ] || arguments+=(--limit "$word")
	any_of "" "" "" "" 2h 1d
	[ -z "$word" ] || arguments+=(--expires "$word")
	any_of "" "" "" "" --disabled
	[ -z "$word" ] || arguments+=("$word")
}

# Changes at random, N times; what is refused must be refused for a conflict, or for what iptables
# cannot express.
random_changes() { # N NAMES
	local i name command code output word arguments done=0

	for ((i = 0; i < $1; i++)); do
		name=n$((RANDOM % $2))
		any_of add add add replace replace replace remove disable enable enable
		command=$word
		case $command in
		add | replace)
			random_forward
			[ "$command" = add ] || arguments+=(--replace)
			arguments=(add "$name" "${arguments[@]}")
			;;
		remove) arguments=(remove "$name") ;;
		*) arguments=("$command" "$name" "n$((RANDOM % $2))") ;;
		esac
		code=0
		output=$(pfw "${arguments[@]}" 2>&1) || code=$?
		case $code in
		0) done=$((done + 1)) ;;
		3 | 4) ;;
		1) [[ $BACKEND/$output == iptables/*limit.rate:*"both families"* ]] || code=bad ;;
		2) [[ $output == *twice* ]] || [ "$command" != add ] || code=bad ;;
		*) code=bad ;;
		esac
		if [ "$code" = bad ]; then
			echo "change $i of seed $seed: portfwd ${arguments[*]}: $output" >&2
			return 1
		fi
		if ! output=$(pfw diff 2>&1); then
			echo "seed $seed, change $i, after portfwd ${arguments[*]} ($code): $output" >&2
			cat "$CONFIG" >&2
			return 1
		fi
	done
	# Else nothing was tried.
	[ "$done" -gt $(($1 / 4)) ] || {
		echo "only $done of $1 changes were done" >&2
		return 1
	}
}

@test "200 random changes over few keys: in sync after each" {
	local seed=${SEED:-1}
	RANDOM=$seed
	random_changes "${CHANGES:-100}" 12
}

@test "100 random changes of many forwards at once standing, then none is left" {
	local seed=${SEED:-2}
	RANDOM=$((seed + 1000))
	random_changes "${CHANGES:-50}" 40
	pfw flush
	nothing_is_left
	pfw reload
	pfw diff
	mapfile -t names < <(pfw_json '.forwards[].name' list)
	pfw remove "${names[@]}"
	# The guard stays as long as the routing; no element and no chain of a forward does.
	equal "" "$(rules | grep -E "$of_a_forward" || true)"
	pfw diff
}

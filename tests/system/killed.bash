# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # names are set by others, and for them
#
# For commands that are killed: where their files are, what they ask the kernel for, and how they
# are killed at a moment at random. Load it behind helpers and language.

# In memory: hundreds of saved files wait for no disk.
killed_setup() {
	local etc=/run/etc-killed
	CONFIG=$etc/portfwd.json RUN_DIR=/run/portfwd
	rm -rf "$etc" "$RUN_DIR"
	mkdir -p "$etc"
}

# With the backend that the file says.
pfw() {
	nsenter --net=/run/netns/gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "$@"
}

# The table in a host, so that equal ones are equal: rules in their order, all else sorted.
table() { # HOST
	nsenter --net="/run/netns/$1" nft -s list ruleset | awk '
		/^[ \t]*}?$/ { next }
		$1 == "map" || $1 == "set" || $1 == "chain" { name = $2; rules = $1 == "chain"; n = 0 }
		rules { print name, n++, $0; next }
		name ~ /^(hairpin|straight)$/ && /"/ { next } # learned from packets
		{ sub(/elements = {/, ""); gsub(/[{},]|^[ \t]+|[ \t]+$/, "") }
		$0 != "" { print name, $0 }
	' | sort
}

# Some sanitizers do not work where somebody traces.
traced() { # STRACE-OPTION … -- ARGUMENT …
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 nsenter --net=/run/netns/gw \
		strace -qq -f -o /run/calls "${options[@]}" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "$@"
}

# ---- At random

random_setup() {
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
	: "${CHANGES:=80}"
}

model() {
	nsenter --net=/run/netns/model "$PORTFWD" -c "$MODEL/portfwd.json" --run-dir "$MODEL/run" "$@"
}

any_of() { # WORD …: sets $word
	local words=("$@")
	word=${words[RANDOM % $#]}
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
	local at by moments=/run/moments.$1 kind among changing=$CHANGING

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
		[ "$kind" != 1 ] || changing='.*'
		mapfile -t among < <(grep -E "^($changing) " "$moments")
		by=${among[RANDOM % ${#among[@]}]}
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

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is beyond a limit is dropped: it comes nowhere, and whoever asks is told nothing.
#
# Backends: nftables iptables

load helpers
load language

# Counts what comes to a host, by a hook of its own and a condition of nft.
watch() { # HOST HOOK CONDITION
	in_ns "$1" nft -f - <<-NFT
		table inet watch {
			chain watch {
				type filter hook $2 priority -500
				meta l4proto { tcp, udp, sctp } $3 counter
			}
		}
	NFT
}

watched() { # HOST
	in_ns "$1" nft list table inet watch | grep -o 'counter packets [0-9]*'
}

# No answer and no refusal. Programs of the machine itself may be told that they cannot send.
hears_nothing() { # HOST tcp|udp ADDRESS PORT
	ASK_SECONDS=$DROP_SECONDS run ask "$2" "$1" "$3" "$4"
	case $1:$status:$output in
	*:124: | gw:1:*"not permitted" | gw:1:*unreachable) ;;
	*)
		echo "$* hears, with $status: $output" >&2
		return 1
		;;
	esac
}

@test "from outside and from the machine itself: no service, no other host and no answer" {
	local host family proto port=8000 address protos=(tcp udp sctp)
	declare -A wan=([4]=$WAN4 [6]=$WAN6) to=([4]=$SERVER4 [6]="[$SERVER6]") any=([4]=0.0.0.0 [6]=::)
	peer_serve server web tcp "$SERVER4" 80 web udp "$SERVER4" 80 web sctp "$SERVER4" 80 \
		web tcp "$SERVER6" 80 web udp "$SERVER6" 80 web sctp "$SERVER6" 80
	for family in 4 6; do
		for proto in "${protos[@]}"; do
			port=$((port + 1))
			peer_serve gw own "$proto" "${any[$family]}" "$port"
			pfw add "$proto$family" "$port/$proto" "${to[$family]}:80" --limit rate=1/day,burst=1
		done
	done
	in_sync
	watch gw input "ct direction original"
	watch client prerouting "fib daddr type multicast"
	watch server prerouting "fib daddr type multicast"
	port=8000
	for family in 4 6; do
		for proto in "${protos[@]}"; do
			port=$((port + 1)) address=${wan[$family]}
			gets web gw "$proto" "$address" "$port"
			gets none client "$proto" "$address" "$port"
			gets none gw "$proto" "$address" "$port"
			[ "$proto" != sctp ] || continue
			hears_nothing client "$proto" "$address" "$port"
			hears_nothing gw "$proto" "$address" "$port"
		done
	done
	for host in gw client server; do
		equal "counter packets 0" "$(watched "$host")" "what comes to $host"
	done
	equal "1 1 1 1 1 1" "$(pfw_json '[.forwards[].connections] | join(" ")' list)"
	in_sync
	pfw flush
	equal "" "$(rules)"
}

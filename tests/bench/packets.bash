# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2086,SC2154 # numbers, and what run sets
#
# What packets take.
#
#                  ┌─ .1 172.16.1.0/24 .2 ─ many   ─ .1 192.168.1.0/24 .2 ─┐
#   client 10.… ───┼─ .1 172.16.2.0/24 .2 ─ one    ─ .1 192.168.2.0/24 .2 ─┼── server, port 80
#                  └─ .1 172.16.3.0/24 .2 ─ byhand ─ .1 192.168.3.0/24 .2 ─┘

in_ns() { # HOST COMMAND …
	ip netns exec "$@"
}

link_add() { # HOST IF ADDRESS HOST IF ADDRESS
	ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
	ip -n "$1" addr add "$3/24" dev "$2"
	ip -n "$4" addr add "$6/24" dev "$5"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

gateway_add() { # HOST NUMBER PREFIX
	ip netns add "$1"
	ip -n "$1" link set lo up
	link_add client "to_$1" "172.16.$2.1" "$1" client "172.16.$2.2"
	link_add "$1" server "192.168.$2.1" server "from_$1" "192.168.$2.2"
	ip -n client route add "$3" via "172.16.$2.2"
	ip -n server route add "172.16.$2.0/24" via "192.168.$2.1"
	# What was reset is forgotten before its ports come round again. It is there once a rule needs it.
	in_ns "$1" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
		cd /proc/sys/net/netfilter && echo 1 > nf_conntrack_tcp_timeout_close'
}

gateway_fill() { # HOST FORWARDS FIRST
	write_json "$2" true "$3" "$(target_of "$1")" > "$1.json"
	in_ns "$1" "$PORTFWD" -c "$1.json" --run-dir "/run/bench/$1" -q reload
	[ "$(in_ns "$1" "$BENCH/elements" in portfwd dnat4_addr)" = "$2" ] ||
		fail "gateway $1 does not have its $2 forwards"
}

hosts_add() {
	local host
	for host in client server; do
		ip netns add "$host"
		ip -n "$host" link set lo up
	done
	gateway_add many 1 "$(address $MANY)/9"
	gateway_add one 2 "$(address $ONE)/16"
	gateway_add byhand 3 "$(address $BYHAND)/16"
	gateway_fill one 1 $ONE
	in_ns byhand nft -f - <<- NFT
		table ip byhand {
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
				ip daddr $(address $BYHAND) tcp dport 8080 dnat to $(target_of byhand):80
			}
		}
	NFT
}

# A series of each way, one line a round.
connect() { # first|rate ROUNDS SIZE FIRST-A COUNT-A FIRST-B
	"$BENCH/connect" "$1" /run/netns/client /run/netns/server 80 "$2" "$3" \
		"$(address "$4")" "$5" "$(address "$6")" 1 > pairs || fail "no connections"
	cut -d ' ' -f 1 pairs > ours
	cut -d ' ' -f 2 pairs > theirs
}

bench_packets() { # N
	local n=$1

	gateway_fill many "$n" $MANY
	connect first 40 500 $MANY "$n" $ONE
	result packet "$n" "first packet of a connection, p50" "with one forward" "$(to_reach '100000:<= 1.1')"
	connect rate 40 500 $MANY "$n" $BYHAND
	result rate "$n" "connections a second" "one nft DNAT rule" "$(to_reach '100000:>= 0.95')"
}

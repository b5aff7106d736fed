#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Routing is switched on where a forward needs it, and only there; flush puts it back.
#
# Backends: nftables iptables
# Through a daemon: nftables iptables

load helpers

routing() { # what IPv4 and IPv6 say in the gateway
	echo "$(sysctl_get gw net/ipv4/ip_forward) $(sysctl_get gw net/ipv6/conf/all/forwarding)"
}

@test "an IPv4 forward switches on routing for IPv4 only; flush puts it back" {
	equal "0 0" "$(routing)"
	pfw add 8080 "$SERVER4:80"
	equal "1 0" "$(routing)"
	equal "true false" "$(pfw_json '"\(.ip_forward.ipv4) \(.ip_forward.ipv6)"' status)"
	pfw flush
	equal "0 0" "$(routing)"
}

@test "an IPv6 forward switches on routing for IPv6 only; flush puts it back" {
	pfw add 8080 "[$SERVER6]:80"
	equal "0 1" "$(routing)"
	pfw flush
	equal "0 0" "$(routing)"
	equal 0 "$(sysctl_get gw net/ipv6/conf/wan0/forwarding)" wan0
}

@test "a forward to the machine itself needs no routing" {
	pfw add 8080 self:80
	equal "0 0" "$(routing)"
}

@test "a disabled forward needs no routing" {
	pfw add 8080 "$SERVER4:80" --disabled
	equal "0 0" "$(routing)"
	pfw enable tcp-8080
	equal "1 0" "$(routing)"
}

@test "routing that was on before stays on after flush" {
	routing_on gw
	pfw add 8080 "$SERVER4:80,[$SERVER6]:80"
	pfw flush
	equal "1 1" "$(routing)"
}

@test "ip_forward false in the settings: routing is the administrator's" {
	config <<-JSON
		{ "settings": { "ip_forward": false },
		  "forwards": [ { "name": "web", "listen": "8080", "target": ["$SERVER4:80", "[$SERVER6]:80"] } ] }
	JSON
	pfw reload
	equal "0 0" "$(routing)"
}

@test "a dry run changes neither routing nor table nor file" {
	run pfw --dry-run add 8080 "$SERVER4:80"
	equal 0 "$status" "$output"
	equal "0 0" "$(routing)"
	nothing_is_left
	[ ! -e "$CONFIG" ]
}

@test "a refused add switches nothing on" {
	pfw add web 8080 self:80
	pfw_fails 4 add other 8080 "$SERVER4:80"
	equal "0 0" "$(routing)"
}

@test "what flush is to put back survives further changes" {
	pfw add one 8080 "$SERVER4:80"
	pfw add two 8081 "[$SERVER6]:80"
	pfw remove one
	pfw reload
	pfw flush
	equal "0 0" "$(routing)"
}

all_sysctls() {
	in_ns gw sh -c 'grep -rs "" /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf \
		/proc/sys/net/ipv4/ip_forward | sort' || true
}

@test "flush puts everything back, whatever came, went, was renamed or failed in between" {
	local before
	ip -n gw link add br1 type bridge
	ip -n gw link add br2 type bridge
	in_ns gw sh -c 'cd /proc/sys/net
		echo 1 > ipv6/conf/wan0/accept_ra
		echo 1 > ipv6/conf/br1/accept_ra
		echo 1 > ipv6/conf/default/accept_ra
		echo 1 > ipv6/conf/br2/forwarding
		[ ! -e ipv6/conf/br2/force_forwarding ] || echo 1 > ipv6/conf/br2/force_forwarding
		echo 1 > ipv4/conf/lan0/forwarding
		echo 1 > ipv4/conf/default/forwarding
		echo 1 > ipv4/conf/br1/route_localnet
		echo 1 > ipv4/conf/all/accept_redirects
		echo 0 > ipv4/conf/wan0/accept_redirects'
	before=$(all_sysctls)
	pfw add four 8080 "$SERVER4:80"
	pfw add near 8081 127.0.0.1:80 --interface lan0,wan0
	pfw add all 8082 127.0.0.1:80
	ip -n gw link add late0 type bridge
	pfw add six 8083 "[$SERVER6]:80"
	pfw remove all
	pfw add all 8082 127.0.0.1:81
	ip -n gw link set br1 name renamed1
	ip -n gw link del br2
	pfw_fails 4 add other 8080 "$SERVER4:81"
	pfw disable near
	pfw reload
	pfw diff
	[ "$before" != "$(all_sysctls)" ]
	pfw flush
	ip -n gw link set renamed1 name br1
	ip -n gw link del late0
	# Of what is gone nothing is left to compare.
	diff <(grep -v /br2/ <<< "$before") <(all_sysctls)
	# And nothing of the namespace is remembered.
	run_dir_is_empty
}

@test "an interface that forwards by itself does so again after flush" {
	local before
	in_ns gw sh -c 'cd /proc/sys/net
		echo 1 > ipv4/conf/wan0/forwarding
		echo 1 > ipv6/conf/wan0/forwarding
		[ ! -e ipv6/conf/wan0/force_forwarding ] || echo 1 > ipv6/conf/wan0/force_forwarding'
	before=$(all_sysctls)
	pfw add 8080 "$SERVER4:80,[$SERVER6]:80"
	ip -n gw link set wan0 down
	ip -n gw link set wan0 name up0
	pfw flush
	diff <(sed s,/wan0/,/up0/, <<< "$before" | sort) <(all_sysctls)
}

@test "commands that wait for a flush, and come behind it, do not work at the same time" {
	local pids
	pfw add one 8080 "$SERVER4:80"
	for _ in 1 2 3; do
		pids=()
		for _ in 1 2 3; do
			pfw flush &
			pids+=("$!")
			pfw reload &
			pids+=("$!")
		done
		wait "${pids[@]}"
	done
	pfw reload
	pfw diff
	pfw flush
	equal "0 0" "$(routing)"
	run_dir_is_empty
}

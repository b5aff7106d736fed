#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How much a forward takes, what it logs, when it ends, and under which address
# its connections go on.
#
# Backends: nftables iptables
# Through a daemon: nftables

load helpers
load language

servers() {
	peer_serve server web tcp "$SERVER4" 80 web6 tcp "$SERVER6" 80 web udp "$SERVER4" 80 \
		web6 udp "$SERVER6" 80 web tcp "$SERVER4" 8000-8005
}

# Waits until a forward that was given a moment has had it; nftables takes the element away then.
has_expired() { # NAME
	while nft_only rules | grep -qE ": jump to-$1|comment \"$1\""; do :; done
	until [ "$(pfw_json ".forwards[] | select(.name == \"$1\").state" list)" = expired ]; do :; done
}

# How many of the lines were answers.
answered() { # LINES
	grep -vc none <<< "$1" || true
}

# One rate for both families is what iptables cannot.
@test "rate: as many as the burst pass, the rest is dropped; of all clients together" {
	servers
	more_clients client wan 198.51.100.70/24
	local six=",[$SERVER6]:80"
	[ "$BACKEND" = nftables ] || six=
	pfw add seven 8080/tcp+udp "$SERVER4:80$six" --limit rate=1/hour,burst=7
	pfw add five 8081 "$SERVER4:80" --limit rate=1/hour
	nft_only pfw add both 8082 "$SERVER4:80,[$SERVER6]:80" --limit rate=1/hour,burst=2 --source "$CLIENT4,$CLIENT6"
	equal 4 "$(answered "$(peer_ask client <<< "times 4 ask tcp $WAN4 8080")")"
	equal 3 "$(answered "$(peer_ask client <<< "times 5 try udp $WAN4 8080")")"
	equal 0 "$(answered "$(peer_ask client <<< "try tcp $WAN4 8080 198.51.100.70")")"
	equal 0 "$(answered "$(peer_ask client <<< "try tcp $WAN6 8080")")"
	equal 5 "$(answered "$(peer_ask client <<< "times 7 try tcp $WAN4 8081")")"
	if [ "$BACKEND" = nftables ]; then
		gets "web6 $CLIENT6" client tcp "$WAN6" 8082 "$CLIENT6"
		gets "web $CLIENT4" client tcp "$WAN4" 8082
		gets none client tcp "$WAN6" 8082 "$CLIENT6"
	else
		pfw add both 8082 "[$SERVER6]:80" --limit rate=1/hour,burst=2 --source "$CLIENT6"
		gets "web6 $CLIENT6" client tcp "$WAN6" 8082 "$CLIENT6"
		gets "web6 $CLIENT6" client tcp "$WAN6" 8082 "$CLIENT6"
		gets none client tcp "$WAN6" 8082 "$CLIENT6"
	fi
	equal "7 5 2" "$(pfw_json '[.forwards[].connections] | join(" ")' list)" "connections"
	in_sync
}

@test "rate: what exceeds comes to no other forward, and time makes room again" {
	local i answer=none
	servers
	peer_serve gw own tcp "$WAN4" 8080
	pfw add any 8080 "$SERVER4:80"
	pfw add limited "$WAN4:8080" "$SERVER4:80" --limit rate=2/second,burst=1
	equal "1 none" "$(peer_ask client <<< "times 2 try tcp $WAN4 8080" | sed 's/^web.*/1/' | xargs)"
	for ((i = 0; i < 10; i++)); do
		answer=$(peer_ask client <<< "try tcp $WAN4 8080")
		[ "$answer" = none ] || break
	done
	equal "web $CLIENT4 80" "$answer"
}

@test "connections: so many at once of each client; closing one lets another in" {
	local address client
	servers
	more_clients client wan 198.51.100.70/24 2001:db8:1::70/64
	pfw add two 8080 "$SERVER4:80,[$SERVER6]:80" --limit connections=2
	for address in "$WAN4 $CLIENT4 198.51.100.70" "$WAN6 $CLIENT6 2001:db8:1::70"; do
		read -r address client other <<< "$address"
		# Held, held, refused, another client; closed, and then one more of four.
		run peer_ask client <<-ASK
			hold tcp $address 8080 $client
			hold tcp $address 8080 $client
			hold tcp $address 8080 $client
			hold tcp $address 8080 $other
			hold tcp $address 8080 $other
			hold tcp $address 8080 $other
			close
			times 4 hold tcp $address 8080 $client
		ASK
		contains "${lines[0]}" "$client 80"
		contains "${lines[1]}" "$client 80"
		equal none "${lines[2]}"
		contains "${lines[3]}" "$other 80"
		contains "${lines[4]}" "$other 80"
		equal none "${lines[5]}"
		equal closed "${lines[6]}"
		equal 1 "$(answered "$(printf '%s\n' "${lines[@]:7}")")"
	done
	in_sync
}

# The match connlimit forgets with each change of its table.
# bats test_tags=nftables
@test "connections: the count outlives changes of others, and reload" {
	local line questions
	servers
	pfw add two 8080 "$SERVER4:80" --limit connections=2,rate=100/second,burst=50
	coproc peer_ask client
	local asking=$COPROC_PID
	# shellcheck disable=SC2153 # set by coproc
	echo "times 2 hold tcp $WAN4 8080" >&"${COPROC[1]}"
	read -r -t 10 line <&"${COPROC[0]}"
	equal "web $CLIENT4 80" "$line"
	read -r -t 10 line <&"${COPROC[0]}"
	equal "web $CLIENT4 80" "$line"
	pfw add other 8081 "$SERVER4:80" --limit connections=2
	pfw reload
	gets none client tcp "$WAN4" 8080
	gets "web $CLIENT4 80" client tcp "$WAN4" 8081
	# Sets of clients are there to be saved, too; the kernel counts anew then.
	saved_and_loaded
	in_sync
	questions=${COPROC[1]}
	exec {questions}>&-
	wait "$asking"
	gets "web $CLIENT4 80" client tcp "$WAN4" 8080
}

# The kernel keeps for a while what has expired, and with it the chain; that is no reason to make
# the table anew.
# bats test_tags=nftables
@test "connections: the count outlives forwards that expire" {
	local line ports
	servers
	pfw add one 8080 "$SERVER4:80" --limit connections=1
	pfw add range 8081-8083 "$SERVER4:80" --limit connections=1
	coproc peer_ask client
	local asking=$COPROC_PID
	# shellcheck disable=SC2153 # set by coproc
	echo "hold tcp $WAN4 8080" >&"${COPROC[1]}"
	read -r -t 10 line <&"${COPROC[0]}"
	equal "web $CLIENT4 80" "$line"
	for ports in 9000-9010 9000; do
		pfw add soon "$ports" "$SERVER4:80" --expires 2s
		has_expired soon
		pfw --dry-run reload
		pfw reload
		in_sync
		equal 0 "$(rules | grep -c soon)"
		gets none client tcp "$WAN4" 8080
		pfw remove soon
	done
	local questions=${COPROC[1]}
	exec {questions}>&-
	wait "$asking"
}

@test "connections: each forward counts for itself, all in one set, and anew with another limit" {
	servers
	local i
	for i in 1 2 3; do
		echo "{ \"name\": \"f$i\", \"listen\": \"808$i\", \"target\": [\"$SERVER4:80\", \"[$SERVER6]:80\"],
		        \"limit\": { \"connections\": $i } }"
	done | jq -s '{ forwards: . }' | config
	pfw reload
	for address in "$WAN4 $CLIENT4" "$WAN6 $CLIENT6"; do
		run peer_ask client <<-ASK
			times 2 hold tcp ${address% *} 8081 ${address#* }
			times 3 hold tcp ${address% *} 8082 ${address#* }
			times 4 hold tcp ${address% *} 8083 ${address#* }
		ASK
		equal 6 "$(answered "$output")"
	done
	nft_only equal 2 "$(rules | grep -c 'set connections')"
	pfw diff
	coproc peer_ask client
	local asking=$COPROC_PID
	# shellcheck disable=SC2153 # set by coproc
	echo "hold tcp $WAN4 8081" >&"${COPROC[1]}"
	read -r -t 10 line <&"${COPROC[0]}"
	equal "web $CLIENT4 80" "$line"
	gets none client tcp "$WAN4" 8081
	pfw add --replace f1 8081 "$SERVER4:80" --limit connections=2
	gets "web $CLIENT4 80" client tcp "$WAN4" 8081
	in_sync
	local questions=${COPROC[1]}
	exec {questions}>&-
	wait "$asking"
	pfw remove f1 f2 f3
	equal "" "$(rules | grep -i connections)"
}

@test "limits on a range, on udp, and on the machine's own service" {
	servers
	peer_serve_both gw own "$WAN4" 22
	pfw add range 8000-8005 "$SERVER4" --limit connections=1
	local at=
	[ "$BACKEND" = nftables ] || at=$WAN4:
	pfw add self "${at}2222/tcp+udp" self:22 --limit rate=1/hour,burst=2
	run peer_ask client <<-ASK
		hold tcp $WAN4 8000
		hold tcp $WAN4 8001
		try udp $WAN4 2222
		try tcp $WAN4 2222
		try tcp $WAN4 2222
	ASK
	equal "web $CLIENT4 8000,none,own $CLIENT4 22,own $CLIENT4 22,none" "$(IFS=, && echo "${lines[*]}")"
	in_sync
}

@test "log: new connections pass the rule that logs them, under the forward's name" {
	servers
	pfw add my.web 8080 "$SERVER4:80,[$SERVER6]:80" --log
	# From another network namespace than the first nothing is printed: what is behind counts.
	contains "$(rules)" 'prefix "portfwd my.web: "'
	gets "web $CLIENT4" client tcp "$WAN4" 8080
	gets "web6 $CLIENT6" client tcp "$WAN6" 8080
	equal 2 "$(pfw_json '.forwards[0].connections' list)"
	# More than are logged are forwarded all the same.
	equal 100 "$(answered "$(peer_ask client <<< "times 100 ask tcp $WAN4 8080")")"
	in_sync
}

@test "expires: stops within a second with no process running; list says so; the next save prunes it" {
	local until port answer begin end line
	servers
	peer_serve gw own tcp "$WAN4" 8080-8085 own tcp "$WAN6" 8086-8087
	more_clients client wan 198.51.100.70/24
	until=$(($(date +%s) + 5))
	local options=(--expires "$(date -u -d "@$until" +%Y-%m-%dT%H:%M:%SZ)")
	pfw add plain 8080 "$SERVER4:80" "${options[@]}"
	pfw add source 8081 "$SERVER4:80" --source "$CLIENT4" --snat masquerade "${options[@]}"
	pfw add range 8082-8083 "$SERVER4:80" "${options[@]}"
	pfw add shared 8084 "$SERVER4:80" --source "$CLIENT4" --snat masquerade "${options[@]}"
	pfw add sharing 8084 "$SERVER4:80" --source 198.51.100.64/26
	pfw add narrow 8085 "$SERVER4:80" --source "$CLIENT4" --snat masquerade "${options[@]}"
	pfw add wide 8085 "$SERVER4:80"
	pfw add plain6 8086 "[$SERVER6]:80" "${options[@]}"
	pfw add source6 "[$WAN6]:8087" "[$SERVER6]:80" --source "$CLIENT6" --snat masquerade "${options[@]}"
	in_sync
	for port in 8080 8081 8082 8083 8084 8085; do
		echo "try tcp $WAN4 $port"
	done > "$BATS_TEST_TMPDIR/questions"
	printf 'try tcp %s\n' "$WAN6 8086" "$WAN6 8087" >> "$BATS_TEST_TMPDIR/questions"
	while :; do
		begin=$EPOCHREALTIME
		answer=$(peer_ask client < "$BATS_TEST_TMPDIR/questions" | cut -d' ' -f1,2 | xargs)
		end=$EPOCHREALTIME
		# The kernel counts in ticks, and may end an element a few milliseconds before its time.
		[ "${end%.*}" -lt $((until - 1)) ] || break
		equal "web $CLIENT4 web $LAN4 web $CLIENT4 web $CLIENT4 web $LAN4 web $LAN4 web6 $CLIENT6 web6 $LAN6" \
			"$answer" "before"
	done
	while [ "${begin%.*}" -lt $((until + 1)) ]; do
		begin=$EPOCHREALTIME
		answer=$(peer_ask client < "$BATS_TEST_TMPDIR/questions" | cut -d' ' -f1,2 | xargs)
	done
	equal "own $CLIENT4 own $CLIENT4 own $CLIENT4 own $CLIENT4 own $CLIENT4 web $CLIENT4 own $CLIENT6 own $CLIENT6" \
		"$answer" "after"
	gets "web 198.51.100.70" client tcp "$WAN4" 8084 198.51.100.70
	equal "plain source range shared narrow plain6 source6" \
		"$(pfw_json '[.forwards[] | select(.state == "expired") | .name] | join(" ")' list)"
	# What the expired ones leave until the next change is nobody's fault.
	in_sync
	equal "sharing wide" "$(pfw_json '[.forwards[] | select(.state == "active") | .name] | join(" ")' list)"
	nft_only in_ns gw nft delete element inet portfwd chain4_any '{ tcp . 8084 }'
	iptables_only iptables_lose "--dport 8084 "
	differs
	without_daemon nft_only equal 1 "$(wc -l <<< "$output")" "$output"
	without_daemon nft_only contains "$output" "tcp . 8084"
	without_daemon iptables_only contains "$output" "--dport 8084"
	pfw add heir 8080 "$SERVER4:80"
	settled
	equal "sharing wide heir" "$(jq -r '[.forwards[].name] | join(" ")' "$CONFIG")"
	gets "web $CLIENT4" client tcp "$WAN4" 8080
	gets "web $CLIENT4" client tcp "$WAN4" 8085
	in_sync
	if rules | grep -E 'plain|narrow|shared|source6'; then
		echo "the expired ones have left something" >&2
		return 1
	fi
}

# As if the clock had been set, or a list of nft's been saved and loaded.
# bats test_tags=nftables
@test "expires: by the clock, also where the kernel keeps the element for longer" {
	local until comment
	servers
	until=$(($(date +%s) + 4))
	pfw add brief 8080 "$SERVER4:80" --expires "$(date -u -d "@$until" +%FT%TZ)"
	comment=$(in_ns gw nft list map inet portfwd chain4_any | grep -o 'comment "brief[^"]*"')
	in_ns gw nft delete element inet portfwd chain4_any '{ tcp . 8080 }'
	in_ns gw nft add element inet portfwd chain4_any "{ tcp . 8080 timeout 1h $comment : jump to-brief }"
	gets "web $CLIENT4" client tcp "$WAN4" 8080
	while [ "${EPOCHREALTIME%.*}" -le "$until" ]; do :; done
	gets none client tcp "$WAN4" 8080
	equal expired "$(pfw_json '.forwards[].state' list)"
	pfw reload
	in_sync
}

@test "expires: what has expired already is no error and takes nothing" {
	servers
	config <<-JSON
		{ "forwards": [
		  { "name": "past", "listen": "8080", "target": "$SERVER4:81", "expires": "2020-01-01T00:00:00Z" },
		  { "name": "now", "listen": "8080", "target": "$SERVER4:80" } ] }
	JSON
	pfw reload
	gets "web $CLIENT4" client tcp "$WAN4" 8080
	equal "expired active" "$(pfw_json '[.forwards[].state] | join(" ")' list)"
	in_sync
}

# Not through a daemon: it puts back what others take away.
# bats test_tags=nftables,alone
@test "a forward is missing when it cannot work, not when others added something" {
	pfw add one 8080 "$SERVER4:80"
	pfw add two 8081 "$SERVER4:80,$SECOND4:80"
	local states='[.forwards[].state] | join(" ")'
	in_ns gw nft insert rule inet portfwd prerouting tcp dport 9999 accept
	in_ns gw nft add chain inet portfwd foreign
	in_ns gw nft add set inet portfwd foreign '{ type ipv4_addr; }'
	pfw_fails 7 diff
	equal "active active" "$(pfw_json "$states" list)" "more than there should be"
	in_ns gw nft delete element inet portfwd dnat4_any '{ tcp . 8080 }'
	equal "missing active" "$(pfw_json "$states" list)" "an element deleted"
	in_ns gw nft flush chain inet portfwd go-two 2> /dev/null || in_ns gw nft flush chain inet portfwd to-two
	equal "missing missing" "$(pfw_json "$states" list)" "a forward's chain flushed"
	pfw reload
	in_sync
	in_ns gw nft flush chain inet portfwd prerouting
	equal "missing missing" "$(pfw_json "$states" list)" "prerouting flushed"
	pfw reload
	in_ns gw nft add table inet portfwd '{ flags dormant; }'
	equal "missing missing" "$(pfw_json "$states" list)" "dormant"
	pfw reload
	equal "active active" "$(pfw_json "$states" list)"
	in_sync
}

# The kernel keeps an expired element of a map of intervals until that map is changed, and
# with it the chain.
@test "expires: a range that has expired is in nobody's way" {
	local change
	servers
	pfw add stays 8000-8003 "$SERVER4" --source "$CLIENT4"
	pfw add other 8080 "$SERVER4:80"
	gets "web $CLIENT4 8001" client tcp "$WAN4" 8001
	gets "web $CLIENT4 80" client tcp "$WAN4" 8080
	for change in reload "remove other" "add more 8005 $SERVER4" \
		"add soon 9000-9010 $SERVER4 --replace"; do
		pfw add soon 9000-9010 "$SERVER4" --expires 2s --replace
		has_expired soon
		# shellcheck disable=SC2086 # words
		pfw $change
		in_sync
		equal 1 "$(pfw_json '.forwards[] | select(.name == "stays").connections' list)"
	done
	gets "web $CLIENT4 8002" client tcp "$WAN4" 8002
	gets "web $CLIENT4 8005" client tcp "$WAN4" 8005
}

# bats test_tags=nftables
@test "expires: reload leaves the element its time" {
	local before
	pfw add later 8080 "$SERVER4:80" --expires 1h
	before=$(in_ns gw nft list table inet portfwd | grep -o 'timeout [0-9a-z]*')
	pfw add other 8081 "$SERVER4:80"
	pfw reload
	equal "$before" "$(in_ns gw nft list table inet portfwd | grep -o 'timeout [0-9a-z]*')"
	in_sync
}

@test "snat address: the target sees it, from clients, hairpin and the machine itself" {
	servers
	addr_add gw lan0 10.0.0.99/24 fd00::99/64
	pfw add four 8080/tcp+udp "$SERVER4:80" --snat 10.0.0.99
	pfw add six 8080/tcp+udp "[$SERVER6]:80" --snat fd00::99
	pfw add kept 8000 "$SERVER4" --snat 10.0.0.99
	pfw add range 8001-8005 "$SERVER4" --snat "$WAN4"
	pfw add far "$LAN4:8090" "$SERVER4:80" --snat 10.0.0.99 --no-local
	pfw add plain 8081 "$SERVER4:80"
	local proto
	for proto in tcp udp; do
		gets "web 10.0.0.99 80" client "$proto" "$WAN4" 8080
		gets "web6 fd00::99 80" client "$proto" "$WAN6" 8080
		gets "web 10.0.0.99 80" second "$proto" "$WAN4" 8080
		gets "web 10.0.0.99 80" gw "$proto" "$WAN4" 8080
	done
	gets "web 10.0.0.99 8000" client tcp "$WAN4" 8000
	gets "web $WAN4 8005" client tcp "$LAN4" 8005
	gets "web 10.0.0.99 80" client tcp "$LAN4" 8090
	gets none gw tcp "$LAN4" 8090
	gets "web $CLIENT4 80" client tcp "$WAN4" 8081
	in_sync
}

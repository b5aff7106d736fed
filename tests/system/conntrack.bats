#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# shellcheck disable=SC2154 # the descriptors of held connections are set by name
#
# Connections that are open while forwards change: those of what is gone are cut, all others go on.
#
# Backends: nftables iptables
# Through a daemon: nftables

load helpers
load held

# How many entries the gateway's table has of such connections, by options of conntrack -L.
entries() { # OPTION …
	in_ns gw conntrack -L "$@" 2> /dev/null | grep -c . || true
}

# Sends a datagram from one port again and again, whatever comes back. Address as of socat.
send_on() { # HOST SOCAT-ADDRESS
	hold sender "$1" "$2"
	# The pause is the tenth of a second that the read waits.
	(
		exec 3>&-
		exec {never}<> <(:)
		while printf 'hello\n' >&"$to_sender"; do
			read -r -t 0.1 <&"$never" || true
		done
	) 2> /dev/null &
	PIDS+=("$!")
}

@test "a removed forward's open connection carries nothing more; others' go on" {
	serve_tcp web server "$SERVER4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw add other "$WAN4:8081" "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:$WAN4:8081"
	carries one web before
	carries two web before
	pfw remove web
	carries_nothing one
	carries two web after
	equal 0 "$(entries -p tcp --orig-port-dst 8080 --dst-nat)"
}

@test "the same over IPv6, and on any address of the machine" {
	serve_tcp web server "$SERVER6" 80
	pfw add web 8080 "[$SERVER6]:80"
	pfw add other 8081 "[$SERVER6]:80"
	hold one client "TCP6:[$WAN6]:8080"
	hold lan client "TCP6:[$LAN6]:8080"
	hold two client "TCP6:[$WAN6]:8081"
	carries one web before
	carries lan web before
	carries two web before
	pfw remove web
	carries_nothing one
	carries_nothing lan
	carries two web after
}

@test "masqueraded, hairpin and the machine's own connections are cut too" {
	serve_tcp web server "$SERVER4" 80
	pfw add hides "$WAN4:8080" "$SERVER4:80" --snat masquerade
	pfw add web 8081 "$SERVER4:80"
	hold far client "TCP4:$WAN4:8080"
	hold near second "TCP4:$WAN4:8081"
	hold own gw "TCP4:$WAN4:8081"
	carries far web before
	carries near web before
	carries own web before
	pfw remove hides
	carries_nothing far
	carries near web after
	pfw remove web
	carries_nothing near
	carries_nothing own
}

@test "a disabled forward's open connection is cut" {
	serve_tcp web server "$SERVER4" 80
	pfw add web 8080 "$SERVER4:80" --interface wan0
	hold one client "TCP4:$WAN4:8080"
	carries one web before
	pfw disable web
	carries_nothing one
}

@test "--drain leaves tcp to finish, udp is cut all the same" {
	serve_tcp web server "$SERVER4" 80
	serve_udp dns server "$SERVER4" 80
	pfw add web "$WAN4:8080/tcp+udp" "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	hold two client "UDP4:$WAN4:8080"
	carries one web before
	carries two dns before
	pfw remove --drain web
	carries one web after
	carries_nothing two
	unreachable tcp client "$WAN4" 8080
}

@test "--drain with disable, add --replace and reload" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	carries one web before
	pfw add --replace --drain web "$WAN4:8080" "$SECOND4:80"
	carries one web replaced
	reaches tcp client "$WAN4" 8080 new
	hold two client "TCP4:$WAN4:8080"
	carries two new before
	pfw disable --drain web
	carries two new disabled
	pfw enable web
	if through_daemon; then # which loads a saved file at once, and drains nothing
		EDITOR='f() { echo {} > "$1"; }; f' pfw edit --drain
	else
		echo '{}' | config
		pfw reload --drain
	fi
	carries one web reloaded
	carries two new reloaded
	unreachable tcp client "$WAN4" 8080
	# What is left for them is no difference, and goes with the next chance.
	pfw diff
	pfw add other 8081 "$SERVER4:80"
	pfw remove other
	pfw diff
	carries two new "no forward is left"
	nft_only in_ns gw sh -c 'nft list ruleset | nft -c -f -'
	pfw reload
	pfw diff
	# The guard stays as long as routing is on; nothing rewrites any more.
	equal "" "$(rules | grep -E 'type nat|-j DNAT|MASQUERADE' || true)"
	pfw flush
	nothing_is_left
}

@test "another target cuts, and so does another word on the source address" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	carries one web before
	pfw add --replace web "$WAN4:8080" "$SECOND4:80"
	carries_nothing one
	hold two client "TCP4:$WAN4:8080"
	carries two new before
	pfw add --replace web "$WAN4:8080" "$SECOND4:80" --snat masquerade
	carries_nothing two
	reaches tcp client "$WAN4" 8080 new "$LAN4"
}

@test "what only renames, comments or moves a forward cuts nothing" {
	serve_tcp web server "$SERVER4" 80
	config <<-JSON
		{ "forwards": [ { "name": "web", "listen": "$WAN4:8080", "target": "$SERVER4:80" } ] }
	JSON
	pfw reload
	hold one client "TCP4:$WAN4:8080"
	carries one web before
	pfw add --replace web "$WAN4:8080" "$SERVER4:80" --comment "a word"
	carries one web commented
	config <<-JSON
		{ "forwards": [
		  { "name": "other", "listen": "8081", "target": "$SERVER4:80", "snat": "masquerade" },
		  { "name": "renamed", "listen": "$WAN4:8080", "target": "$SERVER4:80" }
		] }
	JSON
	pfw reload
	carries one web renamed
	pfw add masked 8080 "$SERVER4:80" --snat masquerade
	carries one web "spoken for"
	pfw remove masked
	carries one web "silent again"
}

@test "--no-local cuts the machine's own connections and leaves the others" {
	serve_tcp web server "$SERVER4" 80
	pfw add web 8080 "$SERVER4:80"
	hold far client "TCP4:$WAN4:8080"
	hold own gw "TCP4:$WAN4:8080"
	carries far web before
	carries own web before
	pfw add --replace web 8080 "$SERVER4:80" --no-local
	carries far web after
	carries_nothing own
}

@test "self: the machine's own service, kept address or redirected" {
	serve_tcp web4 gw "$WAN4" 80
	ip -n client route add 203.0.113.7/32 via "$WAN4"
	pfw add kept 8080 self:80
	pfw add elsewhere 203.0.113.7:8080 self:80
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:203.0.113.7:8080"
	carries one web4 before
	carries two web4 before
	pfw remove elsewhere
	carries one web4 after
	carries_nothing two
	pfw remove kept
	carries_nothing one
}

@test "a connection through an unchanged forward outlives other changes and 20 reloads" {
	serve_tcp web server "$SERVER4" 80
	serve_udp dns server "$SERVER4" 80
	pfw add web 8080/tcp+udp "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	hold two client "UDP4:$WAN4:8080"
	carries one web before
	carries two dns before
	local i
	for i in {1..20}; do
		config <<-JSON
			{ "forwards": [
			  { "name": "web", "listen": "8080/tcp+udp", "target": "$SERVER4:80" },
			  { "name": "busy", "listen": "$WAN4:$((9000 + i))/tcp+udp", "target": "$SECOND4:80" },
			  { "name": "turns", "listen": "9000/tcp+udp", "target": "$SERVER4:$((80 + i))" }
			] }
		JSON
		pfw reload
		carries one web "reload $i"
		carries two dns "reload $i"
	done
	pfw remove busy
	pfw disable turns
	carries one web after
	carries two dns after
}

@test "a reload cuts what it removes and changes, and nothing else" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	config <<-JSON
		{ "forwards": [
		  { "name": "stays", "listen": "$WAN4:8080", "target": "$SERVER4:80" },
		  { "name": "goes", "listen": "$WAN4:8081", "target": "$SERVER4:80" },
		  { "name": "turns", "listen": "8082", "target": "$SERVER4:80" }
		] }
	JSON
	pfw reload
	hold stays client "TCP4:$WAN4:8080"
	hold goes client "TCP4:$WAN4:8081"
	hold turns client "TCP4:$WAN4:8082"
	carries stays web before
	carries goes web before
	carries turns web before
	config <<-JSON
		{ "forwards": [
		  { "name": "stays", "listen": "$WAN4:8080", "target": "$SERVER4:80" },
		  { "name": "turns", "listen": "8082", "target": "$SECOND4:80" }
		] }
	JSON
	pfw --dry-run reload
	without_daemon carries goes web "a dry run cuts nothing"
	pfw reload
	carries stays web after
	carries_nothing goes
	carries_nothing turns
}

@test "forwards that exchange their targets exchange no connections" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	pfw add one "$WAN4:8080" "$SERVER4:80"
	pfw add two "$WAN4:8081" "$SECOND4:80"
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:$WAN4:8081"
	carries one web before
	carries two new before
	config <<-JSON
		{ "forwards": [
		  { "name": "one", "listen": "$WAN4:8081", "target": "$SERVER4:80" },
		  { "name": "two", "listen": "$WAN4:8080", "target": "$SECOND4:80" }
		] }
	JSON
	pfw reload
	carries_nothing one
	carries_nothing two
}

@test "a less specific forward to the same target keeps the connection, to another it does not" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	pfw add any 8080 "$SERVER4:80"
	pfw add address "$WAN4:8080" "$SERVER4:80"
	pfw add both "$WAN4:8080" "$SECOND4:80" --interface wan0
	hold far client "TCP4:$WAN4:8080"
	hold near second "TCP4:$WAN4:8080"
	carries far new before
	carries near web before
	pfw remove both
	carries_nothing far
	carries near web after
	pfw remove address
	carries near web "by the other"
	pfw remove any
	carries_nothing near
}

@test "flush cuts all of portfwd's connections and no others" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp ssh gw "$WAN4" 22
	routing_on gw
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw add any 8081 "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:$WAN4:8081"
	hold plain client "TCP4:$SERVER4:80"
	hold own client "TCP4:$WAN4:22"
	carries one web before
	carries two web before
	carries plain web before
	carries own ssh before
	pfw flush
	carries_nothing one
	carries_nothing two
	carries plain web after
	carries own ssh after
}

@test "what others rewrote stays, even from the same port to the same target" {
	serve_tcp web server "$SERVER4" 80
	serve_udp dns server "$SERVER4" 53
	routing_on gw
	ip -n client route add 203.0.113.7/32 via "$WAN4"
	in_ns gw nft -f - <<-RULES
		table ip foreign {
			chain prerouting {
				type nat hook prerouting priority -110;
				ip daddr 203.0.113.7 tcp dport 8080 dnat to $SERVER4:80
				tcp dport 2222 dnat to $SERVER4:80
				udp dport 5353 dnat to $SERVER4:53
			}
		}
	RULES
	pfw add web 8080 "$SERVER4:80"
	pfw add ssh "$WAN4:2223" "$SERVER4:80"
	hold ours client "TCP4:$WAN4:8080"
	hold transit client "TCP4:203.0.113.7:8080"
	hold foreign client "TCP4:$WAN4:2222"
	hold query client "UDP4:$WAN4:5353"
	carries ours web before
	carries transit web before
	carries foreign web before
	carries query dns before
	pfw remove web ssh
	carries_nothing ours
	carries transit web after
	carries foreign web after
	pfw add dns "$WAN4:5353/udp" "$SECOND4:53"
	carries query dns after
	pfw flush
	carries transit web flushed
	carries foreign web flushed
	carries query dns flushed
}

@test "ranges, kept, shifted and brought together: a removed one's are cut, another's go on" {
	serve_tcp kept server "$SERVER4" 8005
	serve_tcp shifted server "$SERVER4" 9005
	serve_tcp one server "$SERVER4" 80
	pfw add kept "$WAN4:8000-8010" "$SERVER4"
	pfw add shifted "$WAN4:8100-8110" "$SERVER4:9000-9010"
	pfw add one 8200-8210 "$SERVER4:80" --snat masquerade
	pfw add logged "$WAN4:8300-8310" "$SERVER4:9000-9010" --log
	pfw add single "$WAN4:8106" "$SERVER4:80"
	hold kept client "TCP4:$WAN4:8005"
	hold shifted client "TCP4:$WAN4:8105"
	hold one client "TCP4:$WAN4:8205"
	hold logged client "TCP4:$WAN4:8305"
	hold single client "TCP4:$WAN4:8106"
	carries kept kept before
	carries shifted shifted before
	carries one one before
	carries logged shifted before
	carries single one before
	# The same by a chain, and again by elements.
	pfw add --replace shifted "$WAN4:8100-8110" "$SERVER4:9000-9010" --log
	pfw add --replace logged "$WAN4:8300-8310" "$SERVER4:9000-9010"
	carries shifted shifted "by a chain"
	carries logged shifted "by elements"
	pfw remove kept
	carries_nothing kept
	carries shifted shifted after
	pfw add --replace shifted "$WAN4:8100-8110" "$SERVER4:9100-9110"
	carries_nothing shifted
	carries logged shifted after
	carries single one after
	pfw add --replace one 8200-8210 "$SERVER4:80"
	carries_nothing one
	pfw flush
	carries_nothing logged
	carries_nothing single
}

@test "a range and a single port within it: the connection goes on as long as either leads there" {
	serve_tcp web server "$SERVER4" 80
	pfw add wide "$WAN4:8000-8100" "$SERVER4:80"
	hold one client "TCP4:$WAN4:8050"
	carries one web before
	pfw add single 8050 "$SERVER4:80"
	pfw remove wide
	carries one web "by the single port"
	pfw add wide "$WAN4:8000-8100" "$SERVER4:80"
	pfw remove single
	carries one web "by the range"
	pfw disable wide
	carries_nothing one
}

@test "several targets: what goes to one that is left out is cut" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80,$SECOND4:80" --balance round-robin
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:$WAN4:8080"
	local first second
	first=$(talk one before) second=$(talk two before)
	[ "${first%% *}" != "${second%% *}" ]
	pfw add other "$WAN4:8081" "$SERVER4:80"
	local left=one gone=two
	[ "${first%% *}" = web ] || left=two gone=one
	pfw add --replace web "$WAN4:8080" "$SERVER4:80"
	carries "$left" web after
	carries_nothing "$gone"
	config <<-JSON
		{ "forwards": [ { "name": "web", "listen": "$WAN4:8080",
		  "target": ["$SERVER4:80", "$SECOND4:80"], "limit": {"connections": 9} } ] }
	JSON
	pfw reload
	carries "$left" web limited
	pfw --quiet flush
	carries_nothing "$left"
}

@test "sources: who is not admitted any more is cut, who shares the key is not" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp new second "$SECOND4" 80
	addr_add client wan 198.51.100.70/24
	pfw add some "$WAN4:8080" "$SERVER4:80" --source 198.51.100.70
	pfw add all "$WAN4:8080" "$SECOND4:80"
	hold some client "TCP4:$WAN4:8080,bind=198.51.100.70"
	hold all client "TCP4:$WAN4:8080,bind=$CLIENT4"
	carries some web before
	carries all new before
	pfw remove all
	carries some web after
	carries_nothing all
	pfw add --replace some "$WAN4:8080" "$SERVER4:80"
	hold all2 client "TCP4:$WAN4:8080,bind=$CLIENT4"
	carries all2 web before
	carries some web widened
	pfw add --replace some "$WAN4:8080" "$SERVER4:80" --source "!$CLIENT4"
	carries some web narrowed
	carries_nothing all2
	echo '{}' | config
	pfw reload
	carries_nothing some
}

@test "sources that make one range: who is in it is cut, as the kernel tells it" {
	serve_tcp web server "$SERVER4" 80
	addr_add client wan 198.51.100.70/24 198.51.100.71/24 198.51.100.72/24
	pfw add some "$WAN4:8080" "$SERVER4:80"
	hold in client "TCP4:$WAN4:8080,bind=198.51.100.71"
	hold out client "TCP4:$WAN4:8080,bind=198.51.100.72"
	pfw add --replace some "$WAN4:8080" "$SERVER4:80" --source '!198.51.100.70,!198.51.100.71'
	carries_nothing in
	carries out web excluded
	echo '{ "forwards": [ { "name": "some", "listen": "'"$WAN4"':8080", "target": "'"$SERVER4"':80",
		"source": ["198.51.100.71", "198.51.100.72"] } ] }' | config
	pfw reload
	carries out web admitted
	pfw flush
	carries_nothing out
}

@test "one key, one target, two words on the source: each keeps its own" {
	serve_tcp web server "$SERVER4" 80
	addr_add client wan 198.51.100.70/24
	pfw add some "$WAN4:8080" "$SERVER4:80" --source 198.51.100.70 --snat masquerade
	pfw add all "$WAN4:8080" "$SERVER4:80"
	hold some client "TCP4:$WAN4:8080,bind=198.51.100.70"
	hold all client "TCP4:$WAN4:8080,bind=$CLIENT4"
	carries some web before
	carries all web before
	pfw remove all
	carries some web after
	carries_nothing all
}

@test "an own source address: another one cuts" {
	serve_tcp web server "$SERVER4" 80
	addr_add gw lan0 10.0.0.71/24 10.0.0.72/24
	pfw add web "$WAN4:8080" "$SERVER4:80" --snat 10.0.0.71
	hold one client "TCP4:$WAN4:8080"
	carries one web before
	pfw add --replace web "$WAN4:8080" "$SERVER4:80" --snat 10.0.0.71 --log
	carries one web logged
	pfw add --replace web "$WAN4:8080" "$SERVER4:80" --snat 10.0.0.72
	carries_nothing one
}

@test "a forward that expires is cut when it is removed before, and flush sees its chain" {
	serve_tcp web server "$SERVER4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80" --expires "$LATE-01-02T00:00:00Z"
	pfw add limited "$WAN4:8081" "$SERVER4:80" --limit connections=5
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:$WAN4:8081"
	carries one web before
	carries two web before
	pfw add --replace web "$WAN4:8080" "$SERVER4:80" --expires "$LATE-01-01T00:00:00Z"
	carries one web "sooner"
	pfw remove web
	carries_nothing one
	carries two web after
	pfw flush
	carries_nothing two
}

@test "a client of narrower sources is taken over at once by udp, and others are not" {
	serve_udp dns server "$SERVER4" 53
	serve_udp new second "$SECOND4" 53
	addr_add client wan 198.51.100.70/24
	pfw add all "$WAN4:50-60/udp" "$SERVER4"
	hold some client "UDP4:$WAN4:53,bind=198.51.100.70"
	hold all client "UDP4:$WAN4:53,bind=$CLIENT4"
	carries some dns before
	carries all dns before
	pfw add some "$WAN4:50-60/udp" "$SECOND4" --source 198.51.100.70
	carries some new after
	carries all dns after
}

@test "a udp client that sent before the forward was there is forwarded without a pause" {
	serve_udp dns server "$SERVER4" 5353
	# Something must want connection tracking, or there is nothing to go past with.
	pfw add other 9999 "$SERVER4:80"
	send_on client "UDP4-DATAGRAM:$WAN4:53,bind=:5000"
	until [ "$(entries -p udp --orig-port-dst 53)" -gt 0 ]; do :; done
	pfw add dns 53/udp "$SERVER4:5353"
	local answer
	IFS= read -r -t "$ASK_SECONDS" answer <&"$from_sender"
	contains "$answer" "dns peer=$CLIENT4"
}

@test "the same over IPv6, by reload, to one address" {
	serve_udp dns server "$SERVER6" 5353
	pfw add other 9999 "$SERVER4:80,[$SERVER6]:80"
	send_on client "UDP6-DATAGRAM:[$WAN6]:53,bind=[::]:5000"
	until [ "$(entries -f ipv6 -p udp --orig-port-dst 53)" -gt 0 ]; do :; done
	config <<-JSON
		{ "forwards": [
		  { "name": "other", "listen": "9999", "target": ["$SERVER4:80", "[$SERVER6]:80"] },
		  { "name": "dns", "listen": "[$WAN6]:53/udp", "target": "[$SERVER6]:5353" }
		] }
	JSON
	pfw reload
	local answer
	IFS= read -r -t "$ASK_SECONDS" answer <&"$from_sender"
	contains "$answer" "dns peer=$(long "$CLIENT6")"
}

@test "a more specific forward takes a udp client over at once, a less specific one does not" {
	serve_udp dns server "$SERVER4" 5353
	serve_udp new second "$SECOND4" 5353
	pfw add any 53/udp "$SERVER4:5353"
	hold one client "UDP4:$WAN4:53"
	carries one dns before
	pfw add one "$WAN4:53/udp" "$SECOND4:5353"
	carries one new after
	pfw remove any
	pfw add any 53/udp "$SERVER4:5353"
	carries one new "still the more specific"
}

@test "an added udp forward leaves alone what passes through to other hosts' same port" {
	serve_udp dns server "$SERVER4" 53
	routing_on gw
	pfw add other 9999 "$SECOND4:80"
	hold one client "UDP4:$SERVER4:53"
	carries one dns before
	local id
	id=$(in_ns gw conntrack -L -o id -p udp --orig-port-dst 53 2> /dev/null | grep -o 'id=[0-9]*')
	pfw add dns 53/udp "$SECOND4:53"
	carries one dns after
	equal "$id" "$(in_ns gw conntrack -L -o id -p udp --orig-port-dst 53 2> /dev/null |
		grep -o 'id=[0-9]*')"
}

@test "one removal among 2000 entries takes just its own" {
	pfw add gone "$WAN4:8080/udp" "$SERVER4:80"
	pfw add stays "$WAN4:8081/udp" "$SERVER4:80"
	# shellcheck disable=SC2016 # the inner shell's
	in_ns client bash -c 'for i in {1..1000}; do
			echo hello > "/dev/udp/$WAN4/8080"
			echo hello > "/dev/udp/$WAN4/8081"
		done' 2> /dev/null
	local gone stays
	gone=$(entries -p udp --orig-port-dst 8080) stays=$(entries -p udp --orig-port-dst 8081)
	# Some of a thousand sockets may get the same port.
	[ "$gone" -gt 900 ]
	[ "$stays" -gt 900 ]
	pfw remove gone
	equal 0 "$(entries -p udp --orig-port-dst 8080)"
	equal "$stays" "$(entries -p udp --orig-port-dst 8081)"
}

@test "after others wiped our table, remove and flush still cut" {
	serve_tcp web server "$SERVER4" 80
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw add other "$WAN4:8081" "$SERVER4:80"
	hold one client "TCP4:$WAN4:8080"
	hold two client "TCP4:$WAN4:8081"
	carries one web before
	carries two web before
	wipe
	pfw remove web
	carries_nothing one
	carries two web after
	nft_only in_ns gw nft delete element inet portfwd dnat4_addr "{ $WAN4 . tcp . 8081 }"
	iptables_only iptables_lose portfwd:other
	pfw remove other
	carries_nothing two
}

# Some sanitizers do not work where somebody traces.
traced() { # STRACE-OPTION … -- ARGUMENT …
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 in_ns gw strace -f "${options[@]}" \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" "$@"
}

# Not through a daemon: it is about system calls of the command.
# bats test_tags=alone
@test "no change, no look at the connections" {
	command -v strace > /dev/null || skip "needs strace"
	local calls=$BATS_TEST_TMPDIR/calls
	looks() {
		traced -o "$calls" -e trace=sendto -- "$@" > /dev/null
		# As a number or in words, whatever strace knows of the socket.
		grep -c 'nlmsg_type=0x101[ ,]\|IPCTNL_MSG_CT_GET[ ,]' "$calls" || true
	}
	equal 0 "$(looks -q add web 8080/tcp "$SERVER4:80")"
	equal 0 "$(looks -q add web 8080/tcp "$SERVER4:80")"
	equal 0 "$(looks -q reload)"
	equal 0 "$(looks -q --dry-run remove web)"
	equal 0 "$(looks -q add dns 53/udp "$SERVER4:53" --disabled)"
	equal 0 "$(looks -q remove dns)"
	equal 0 "$(looks -q disable --drain web)"
	pfw enable web
	wipe
	equal 0 "$(looks -q remove web)"
	pfw add web 8080/tcp "$SERVER4:80"
	serve_tcp other gw "$WAN4" 8099
	hold one client "TCP4:$WAN4:8099"
	equal 1 "$(looks -q remove web)"
	carries one other after
}

# Not through a daemon: it is about system calls of the command.
# bats test_tags=alone
@test "a cut that fails is a warning: the change stands" {
	serve_tcp web server "$SERVER4" 80
	command -v strace > /dev/null || skip "needs strace"
	pfw add web "$WAN4:8080" "$SERVER4:80"
	pfw add other "$WAN4:8081" "$SERVER4:80"
	# The last socket that is opened is the one for the connections.
	local n
	traced -o "$BATS_TEST_TMPDIR/calls" -e trace=socket -- -q remove web
	n=$(grep -c 'socket(' "$BATS_TEST_TMPDIR/calls")
	run traced -o /dev/null -e trace=socket -e "inject=socket:error=EMFILE:when=$n" -- \
		-q remove other
	equal 0 "$status" "$output"
	contains "$output" "portfwd: warning: "
	unreachable tcp client "$WAN4" 8081
	equal '[]' "$(pfw_json '.forwards | tostring' list)"
}

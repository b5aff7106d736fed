#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each key of the configuration with each of its values, sent as packets, in IPv4 and in
# IPv6. What values do together is tested elsewhere.
#
# Backends: nftables iptables

load helpers
load language

SCHEMA=$BATS_TEST_DIRNAME/../../data/portfwd.schema.json

# Words of the tables below, and what they are in a family. Behind an address that
# is followed by a colon, IPv6 stands in brackets.
words() { # 4|6
	local family=$1 word name
	for word in WAN LAN SERVER SECOND CLIENT; do
		name=$word$family
		echo "$word ${!name}"
	done
	case $family in
	4) printf '%s\n' "NET 198.51.100.0/25" "OTHER 198.51.100.70" "FAR 203.0.113.7" "OWN 10.0.0.99" "ANY 0.0.0.0" ;;
	6) printf '%s\n' "NET 2001:db8:1::/80" "OTHER 2001:db8:1::70" "FAR 2001:db8:77::7" "OWN fd00::99" "ANY ::" ;;
	esac
}

in_family() { # 4|6, a filter
	local word address expressions=()
	while read -r word address; do
		case $address in
		*:*) expressions+=(-e "s#\\b$word:\\b#[$address]:#g") ;;
		esac
		expressions+=(-e "s#\\b$word\\b#$address#g")
	done < <(words "$1")
	sed -E "${expressions[@]}"
}

# ---- The tables: forwards, each with questions and the answers that must come

forward() { # JSON without braces and name
	n=$((${n:-0} + 1))
	printf '{ "name": "f%d", %s }\n' "$n" "$1" >> "$what/forwards"
}

from() { # HOST "QUESTION" ANSWER …
	case $3 in
	none) echo "${2/#ask/try}" ;;
	*) echo "$2" ;;
	esac >> "$what/$1.questions"
	printf '%s\n' "${@:3}" >> "$what/$1.answers"
}

# The usual question of this client, and what it must hear.
tcp() { # ADDRESS PORT ANSWER
	from client "ask tcp $1 $2" "$3"
}
udp() {
	from client "ask udp $1 $2" "$3"
}
sctp() {
	from client "ask sctp $1 $2" "$3"
}
hairpin() {
	from second "ask tcp $1 $2" "$3"
}
own() {
	from gw "ask tcp $1 $2" "$3"
}

listen_forms() {
	forward '"listen": "8000", "target": "SERVER:80"'
	tcp WAN 8000 "web CLIENT 80"
	tcp LAN 8000 "web CLIENT 80"
	hairpin WAN 8000 "web LAN 80"
	own WAN 8000 "web WAN 80"
	forward '"listen": "WAN:8001", "target": "SERVER:80"'
	tcp WAN 8001 "web CLIENT 80"
	tcp LAN 8001 "own CLIENT 8001"
	forward '"listen": "*:8002", "target": "SERVER:80"'
	tcp WAN 8002 "web CLIENT 80"
	tcp LAN 8002 "web CLIENT 80"
	tcp FAR 8002 none
	forward '"listen": "ANY:8003", "target": "SERVER:80"'
	tcp WAN 8003 "web CLIENT 80"
	tcp LAN 8003 "web CLIENT 80"
	tcp FAR 8003 none
	forward '"listen": "8004,8006-8007/tcp+udp", "target": "SERVER:80"'
	tcp WAN 8004 "web CLIENT 80"
	tcp WAN 8005 "own CLIENT 8005"
	udp WAN 8006 "web CLIENT 80"
	tcp WAN 8007 "web CLIENT 80"
	tcp WAN 8008 "own CLIENT 8008"
	forward '"listen": "FAR:8009/udp", "target": "SERVER:80"'
	udp FAR 8009 "web CLIENT 80"
	tcp FAR 8009 none
	udp WAN 8009 "own CLIENT 8009"
	forward '"listen": { "address": "WAN", "port": 8010 }, "target": "SERVER:80"'
	tcp WAN 8010 "web CLIENT 80"
	tcp LAN 8010 "own CLIENT 8010"
	forward '"listen": { "address": ["WAN", "FAR"], "port": "8011" }, "target": "SERVER:80"'
	tcp WAN 8011 "web CLIENT 80"
	tcp FAR 8011 "web CLIENT 80"
	tcp LAN 8011 "own CLIENT 8011"
	forward '"listen": { "address": "*", "port": [8012] }, "target": "SERVER:80"'
	tcp LAN 8012 "web CLIENT 80"
	forward '"listen": { "address": "ANY", "port": "8013,8014" }, "target": "SERVER:80"'
	tcp LAN 8013 "web CLIENT 80"
	tcp LAN 8014 "web CLIENT 80"
	forward '"listen": { "address": "ANY", "port": [8015, "8016-8017"], "protocol": "udp" }, "target": "SERVER:80"'
	udp WAN 8015 "web CLIENT 80"
	udp WAN 8017 "web CLIENT 80"
	tcp WAN 8015 "own CLIENT 8015"
	forward '"listen": { "port": 8018, "protocol": "tcp+udp" }, "target": "SERVER:80"'
	tcp WAN 8018 "web CLIENT 80"
	udp WAN 8018 "web CLIENT 80"
	forward '"listen": { "port": 8019, "protocol": ["udp", "tcp"] }, "target": "SERVER:80"'
	tcp WAN 8019 "web CLIENT 80"
	udp WAN 8019 "web CLIENT 80"
	forward '"listen": "8024/sctp", "target": "SERVER:80"'
	sctp WAN 8024 "web CLIENT 80"
	hairpin WAN 8024 "own SECOND 8024"
	from second "ask sctp WAN 8024" "web LAN 80"
	from gw "ask sctp WAN 8024" "web WAN 80"
	forward '"listen": { "port": "8025-8027", "protocol": ["tcp", "udp", "sctp"] }, "target": "SERVER:80"'
	sctp WAN 8026 "web CLIENT 80"
	udp WAN 8027 "web CLIENT 80"
	tcp WAN 8025 "web CLIENT 80"
	forward '"listen": { "address": "WAN", "port": 8028, "protocol": "sctp" }, "target": "SERVER:80", "snat": "masquerade"'
	sctp WAN 8028 "web LAN 80"
	tcp WAN 8028 "own CLIENT 8028"
	sctp LAN 8028 none
	forward '"listen": { "port": 8020, "interface": "lan0" }, "target": "SERVER:80"'
	tcp WAN 8020 "own CLIENT 8020"
	hairpin WAN 8020 "web LAN 80"
	hairpin LAN 8020 "web LAN 80"
	own WAN 8020 "own WAN 8020"
	forward '"listen": { "port": 8021, "interface": ["wan0", "lan0"] }, "target": "SERVER:80"'
	tcp WAN 8021 "web CLIENT 80"
	tcp LAN 8021 "web CLIENT 80"
	hairpin WAN 8021 "web LAN 80"
	own WAN 8021 "own WAN 8021"
	forward '"listen": { "port": "8022-8023", "interface": ["wan0", "lan0"], "address": ["WAN"] }, "target": "SERVER:80"'
	tcp WAN 8023 "web CLIENT 80"
	tcp LAN 8023 "own CLIENT 8023"
	hairpin WAN 8022 "web LAN 80"
	own WAN 8022 "own WAN 8022"
}

target_forms() {
	forward '"listen": "8030", "target": "SERVER"'
	tcp WAN 8030 "kept CLIENT 8030"
	forward '"listen": "8031-8033/tcp+udp", "target": "SERVER"'
	tcp WAN 8033 "kept CLIENT 8033"
	udp WAN 8031 "kept CLIENT 8031"
	forward '"listen": "8034-8036/tcp+udp", "target": "SERVER:8044-8046"'
	tcp WAN 8035 "kept CLIENT 8045"
	udp WAN 8036 "kept CLIENT 8046"
	forward '"listen": "8037-8039/tcp+udp", "target": "SERVER:80"'
	tcp WAN 8037 "web CLIENT 80"
	udp WAN 8039 "web CLIENT 80"
	forward '"listen": "8040", "target": { "address": "SERVER" }'
	tcp WAN 8040 "kept CLIENT 8040"
	forward '"listen": "8041", "target": { "address": "SERVER", "port": 80 }'
	tcp WAN 8041 "web CLIENT 80"
	forward '"listen": "8042", "target": { "address": "SERVER", "port": "80", "weight": 7 }'
	tcp WAN 8042 "web CLIENT 80"
	forward '"listen": "8050-8052", "target": [ { "address": "SERVER", "port": "8044-8046" } ]'
	tcp WAN 8052 "kept CLIENT 8046"
	forward '"listen": "8053", "target": [ { "address": "SERVER", "port": null } ]'
	tcp WAN 8053 "kept CLIENT 8053"
	forward '"listen": "8054/tcp+udp", "target": [ "10.0.0.2:80", "[fd00::2]:80" ]'
	tcp WAN 8054 "web CLIENT 80"
	udp WAN 8054 "web CLIENT 80"
	forward '"listen": "8055/tcp+udp", "target": "self:22"'
	tcp WAN 8055 "self CLIENT 22"
	udp WAN 8055 "self CLIENT 22"
	hairpin WAN 8055 "self SECOND 22"
	own WAN 8055 "self WAN 22"
	forward '"listen": "FAR:22", "target": "self"'
	tcp FAR 22 "self CLIENT 22"
	forward '"listen": "FAR:8056", "target": { "address": "self", "port": 22 }'
	tcp FAR 8056 "self CLIENT 22"
	forward '"listen": "8044-8046/sctp", "target": "SERVER:8057-8059"'
	sctp WAN 8045 "kept CLIENT 8058"
	forward '"listen": "8047/sctp", "target": "self:22"'
	sctp WAN 8047 "self CLIENT 22"
	forward '"listen": "8057-8059", "target": "self:22-24"'
	tcp WAN 8058 "self CLIENT 23"
}

# Which of several takes how many is told in targets.bats.
balance_values() {
	forward '"listen": "8060", "balance": "random", "target": ["SERVER:85", "SECOND:85"]'
	from client "times 3 ask tcp WAN 8060" "pool CLIENT 85" "pool CLIENT 85" "pool CLIENT 85"
	forward '"listen": "8061", "target": ["SERVER:85", "SECOND:85"]'
	tcp WAN 8061 "pool CLIENT 85"
	forward '"listen": "8062", "balance": "source", "target": ["SERVER:85", "SECOND:85"]'
	from client "times 2 ask tcp WAN 8062" "pool CLIENT 85" "pool CLIENT 85"
	forward '"listen": "8063", "balance": "round-robin", "target": ["SERVER:80", "SERVER:81"]'
	from client "times 3 ask tcp WAN 8063" "web CLIENT 80" "web CLIENT 81" "web CLIENT 80"
	forward '"listen": "8064", "balance": "round-robin",
	  "target": [ { "address": "SERVER", "port": 80, "weight": 3 }, "SERVER:81" ]'
	# Three to one: nftables takes them one after the other, iptables spreads them.
	nft_only from client "times 5 ask tcp WAN 8064" "web CLIENT 80" "web CLIENT 80" \
		"web CLIENT 80" "web CLIENT 81" "web CLIENT 80"
	iptables_only from client "times 5 ask tcp WAN 8064" "web CLIENT 80" "web CLIENT 80" \
		"web CLIENT 81" "web CLIENT 80" "web CLIENT 80"
}

source_forms() {
	forward '"listen": "8070/tcp+udp", "target": "SERVER:80", "source": "CLIENT"'
	from client "ask tcp WAN 8070 CLIENT" "web CLIENT 80"
	from client "ask udp WAN 8070 CLIENT" "web CLIENT 80"
	from client "ask tcp WAN 8070 OTHER" "own OTHER 8070"
	from client "ask udp WAN 8070 OTHER" "own OTHER 8070"
	forward '"listen": "8071", "target": "SERVER:80", "source": ["NET", "!OTHER"]'
	from client "ask tcp WAN 8071 CLIENT" "web CLIENT 80"
	from client "ask tcp WAN 8071 OTHER" "own OTHER 8071"
	hairpin WAN 8071 "own SECOND 8071"
	forward '"listen": "8072", "target": "SERVER:80", "source": "!OTHER"'
	from client "ask tcp WAN 8072 CLIENT" "web CLIENT 80"
	from client "ask tcp WAN 8072 OTHER" "own OTHER 8072"
	hairpin WAN 8072 "web LAN 80"
	# One key for two: the narrower first, with its own word on the source address.
	forward '"listen": "8073-8074", "target": "SERVER:80", "snat": "masquerade"'
	forward '"listen": "8073-8074", "target": "SERVER:81", "source": "OTHER"'
	from client "ask tcp WAN 8073 CLIENT" "web LAN 80"
	from client "ask tcp WAN 8073 OTHER" "web OTHER 81"
}

source_addresses() {
	forward '"listen": "8080/tcp+udp", "target": "SERVER:80", "snat": "auto"'
	tcp WAN 8080 "web CLIENT 80"
	udp WAN 8080 "web CLIENT 80"
	hairpin WAN 8080 "web LAN 80"
	own WAN 8080 "web WAN 80"
	forward '"listen": "8081/tcp+udp", "target": "SERVER:80", "snat": "masquerade"'
	tcp WAN 8081 "web LAN 80"
	udp WAN 8081 "web LAN 80"
	hairpin WAN 8081 "web LAN 80"
	own WAN 8081 "web LAN 80"
	forward '"listen": "8082/tcp+udp", "target": "SERVER:80", "snat": "none"'
	tcp WAN 8082 "web CLIENT 80"
	udp WAN 8082 "web CLIENT 80"
	hairpin WAN 8082 none
	own WAN 8082 "web WAN 80"
	forward '"listen": "8083/tcp+udp", "target": "SERVER:80", "snat": "OWN"'
	tcp WAN 8083 "web OWN 80"
	udp WAN 8083 "web OWN 80"
	hairpin WAN 8083 "web OWN 80"
	own WAN 8083 "web OWN 80"
	forward '"listen": "8084", "target": "SERVER:80", "hairpin": false'
	tcp WAN 8084 "web CLIENT 80"
	hairpin WAN 8084 none
	own WAN 8084 "web WAN 80"
	forward '"listen": "8085", "target": "SERVER:80", "hairpin": true'
	hairpin WAN 8085 "web LAN 80"
	forward '"listen": "8086", "target": "SERVER:80", "hairpin": false, "snat": "masquerade"'
	hairpin WAN 8086 "web LAN 80"
	forward '"listen": "8087/tcp+udp", "target": "SERVER:80", "local": false'
	tcp WAN 8087 "web CLIENT 80"
	hairpin WAN 8087 "web LAN 80"
	own WAN 8087 "own WAN 8087"
	from gw "ask udp WAN 8087" "own WAN 8087"
	forward '"listen": "8088/tcp+udp", "target": "SERVER:80", "local": true'
	own WAN 8088 "web WAN 80"
	from gw "ask udp WAN 8088" "web WAN 80"
}

switches() {
	forward '"listen": "8090", "target": "SERVER:80", "log": true, "comment": "\"quoted\", ünlike # others"'
	tcp WAN 8090 "web CLIENT 80"
	forward '"listen": "8091", "target": "SERVER:80", "log": false, "comment": null'
	tcp WAN 8091 "web CLIENT 80"
	forward '"listen": "8092", "target": "SERVER:80", "enabled": false'
	tcp WAN 8092 "own CLIENT 8092"
	forward '"listen": "8093", "target": "SERVER:80", "enabled": true'
	tcp WAN 8093 "web CLIENT 80"
	forward '"listen": "8094", "target": "SERVER:80", "expires": "2001-01-01T00:00:00Z"'
	tcp WAN 8094 "own CLIENT 8094"
	forward '"listen": "8095/tcp+udp", "target": "SERVER:80", "expires": "'"$LATE"'-06-30T12:00:00.5+02:00"'
	tcp WAN 8095 "web CLIENT 80"
	udp WAN 8095 "web CLIENT 80"
	forward '"listen": "8096", "target": "SERVER:80", "expires": null, "limit": null'
	tcp WAN 8096 "web CLIENT 80"
}

limits() {
	local unit port=8100
	for unit in second minute hour day; do
		forward "\"listen\": \"$port\", \"target\": \"SERVER:80\", \"limit\": { \"rate\": \"1000/$unit\" }"
		tcp WAN "$port" "web CLIENT 80"
		port=$((port + 1))
	done
	forward '"listen": "8104", "target": "SERVER:80", "limit": { "rate": "1/hour" }'
	from client "times 6 try tcp WAN 8104" "web CLIENT 80" "web CLIENT 80" "web CLIENT 80" \
		"web CLIENT 80" "web CLIENT 80" none
	forward '"listen": "8105/tcp+udp", "target": "SERVER:80", "limit": { "rate": "1/hour", "burst": 2, "connections": null }'
	udp WAN 8105 "web CLIENT 80"
	tcp WAN 8105 "web CLIENT 80"
	udp WAN 8105 none
	forward '"listen": "8106-8107", "target": "SERVER:80", "limit": { "connections": 1, "rate": null, "burst": null }'
	from client "hold tcp WAN 8106 CLIENT" "web CLIENT 80"
	from client "hold tcp WAN 8107 CLIENT" none
	from client "hold tcp WAN 8106 OTHER" "web OTHER 80"
}

settings_all='"backend": "auto", "ip_forward": true, "guard": true, "counters": true,
	"own_table": false, "hairpin": true, "local": true, "snat": "auto"'

all_values() {
	listen_forms
	target_forms
	balance_values
	source_forms
	source_addresses
	switches
	limits
}

settings_none='"backend": "'"$BACKEND"'", "ip_forward": false, "guard": false, "counters": false,
	"own_table": true, "hairpin": false, "local": false, "snat": "none"'

defaults_none() {
	forward '"listen": "8000", "target": "SERVER:80"'
	tcp WAN 8000 "web CLIENT 80"
	hairpin WAN 8000 none
	own WAN 8000 "own WAN 8000"
	forward '"listen": "8001", "target": "SERVER:80", "snat": "auto"'
	hairpin WAN 8001 none
	forward '"listen": "8002", "target": "SERVER:80", "snat": "auto", "hairpin": true'
	tcp WAN 8002 "web CLIENT 80"
	hairpin WAN 8002 "web LAN 80"
	own WAN 8002 "own WAN 8002"
	forward '"listen": "8003", "target": ["SERVER:85", "SECOND:85"], "local": true'
	own WAN 8003 "pool WAN 85"
	# Neither a forward nor a guard: the administrator routes.
	tcp SERVER 81 "web CLIENT 81"
}

settings_masquerade='"snat": "masquerade", "hairpin": false'

defaults_masquerade() {
	forward '"listen": "8000", "target": "SERVER:80"'
	tcp WAN 8000 "web LAN 80"
	hairpin WAN 8000 "web LAN 80"
	own WAN 8000 "web LAN 80"
	forward '"listen": "8001", "target": "SERVER:80", "snat": "none"'
	tcp WAN 8001 "web CLIENT 80"
	forward '"listen": "8002", "target": "SERVER:80", "snat": "auto", "hairpin": true'
	hairpin WAN 8002 "web LAN 80"
	forward '"listen": "8003", "target": "self:22"'
	tcp WAN 8003 "self CLIENT 22"
}

# ---- What is done with a table

prepare() { # 4|6 TABLE SETTINGS, sets $what
	what=$BATS_TEST_TMPDIR/$2-$1 n=0
	mkdir "$what"
	"$2"
	in_family "$1" < "$what/forwards" | jq -s "{ settings: { $3 }, forwards: . }" > "$what/config.json"
}

everybody() { # 4|6
	local word address
	addr_add gw lan0 10.0.0.99/24
	addr_add client wan 198.51.100.70/24
	# Of several of its addresses, IPv6 else takes the newest by itself.
	ip -n gw addr add fd00::99/64 dev lan0 nodad preferred_lft 0
	ip -n client addr add 2001:db8:1::70/64 dev wan nodad preferred_lft 0
	ip -n client route add 203.0.113.7/32 via "$WAN4"
	ip -n client -6 route add 2001:db8:77::7/128 via "$WAN6"
	# Who is not forwarded to this address hears nothing, in either family.
	ip -n gw route add blackhole 203.0.113.7
	ip -n gw -6 route add blackhole 2001:db8:77::7
	while read -r word address; do
		local "$word=$address"
	done < <(words "$1")
	peer_serve server web tcp "$SERVER" 80-81 web udp "$SERVER" 80 pool tcp "$SERVER" 85 \
		kept tcp "$SERVER" 8030-8059 kept udp "$SERVER" 8030-8059 \
		web sctp "$SERVER" 80 kept sctp "$SERVER" 8058
	peer_serve second pool tcp "$SECOND" 85
	peer_serve gw own tcp "$ANY" 8000-8109 own udp "$WAN" 8000-8109 self tcp "$ANY" 22-24 self udp "$WAN" 22 \
		self sctp "$WAN" 22
}

answers_are_right() { # 4|6
	local host
	for host in client second gw; do
		in_family "$1" < "$what/$host.questions" | peer_ask "$host" > "$what/$host.got"
		paste -d '|' <(repeated < "$what/$host.questions" | in_family "$1") \
			<(in_family "$1" < "$what/$host.answers") > "$what/$host.expected"
		paste -d '|' <(repeated < "$what/$host.questions" | in_family "$1") "$what/$host.got" |
			diff -u "$what/$host.expected" - || {
			echo "from $host" >&2
			show_gateway >&2
			return 1
		}
	done
}

# A question that is asked several times has as many answers.
repeated() {
	awk '$1 == "times" { for (i = 0; i < $2; i++) print; next } { print }'
}

check_table() { # 4|6 TABLE SETTINGS
	prepare "$@"
	everybody "$1"
	cp "$what/config.json" "$CONFIG"
	pfw reload
	answers_are_right "$1"
	in_sync
}

@test "each value of each key, in IPv4" {
	check_table 4 all_values "$settings_all"
}

@test "each value of each key, in IPv6" {
	check_table 6 all_values "$settings_all"
}

everything_is_off() { # 4|6
	routing_on gw
	check_table "$1" defaults_none "$settings_none"
	equal "null null null null" "$(pfw_json '[.forwards[].connections | tostring] | join(" ")' list)"
	equal "" "$(nft_only rules | grep counter || true)" "counters"
	equal "" "$(rules | grep -i guard || true)" "guard"
}

@test "settings that switch everything off, in IPv4; routing is the administrator's" {
	everything_is_off 4
}

@test "settings that switch everything off, in IPv6" {
	everything_is_off 6
}

@test "settings that masquerade, in IPv4; a forward's own word comes first" {
	check_table 4 defaults_masquerade "$settings_masquerade"
}

@test "settings that masquerade, in IPv6" {
	check_table 6 defaults_masquerade "$settings_masquerade"
}

# Every key of the schema, "KEY VALUE" for those with a list of values, and for switches.
demanded() {
	jq -r '
		def values: if type == "object" and has("enum") then .enum[]
			elif type == "object" and .type == "boolean" then (true, false)
			elif type == "object" and has("anyOf") then .anyOf[] | values
			else empty end;
		."$defs" | to_entries[] | .key as $of | .value.properties // {} | to_entries[] |
		"\($of) \(.key)", "\($of) \(.key) \(.value | values | select(type != "array") | tojson)"
	' "$SCHEMA" | sort -u
}

sent() { # FILE …
	jq -r '
		def told($of): to_entries[] | "\($of) \(.key)",
			(select(.value | type == "string" or type == "boolean") | "\($of) \(.key) \(.value | tojson)");
		(.settings | told("settings")),
		(.forwards[] | told("forward"),
			(.listen | select(type == "object") | told("listen")),
			(.limit | select(type == "object") | told("limit")),
			(.target | if type == "array" then .[] else . end | select(type == "object") | told("target")))
	' "$@" | sort -u
}

# Which backend is the run's to say.
# bats test_tags=nftables
@test "no key of the schema and none of its values is left out" {
	local family configs=()
	for family in 4 6; do
		prepare "$family" all_values "$settings_all"
		configs+=("$what/config.json")
		prepare "$family" defaults_none "$settings_none"
		configs+=("$what/config.json")
		prepare "$family" defaults_masquerade "$settings_masquerade"
		configs+=("$what/config.json")
	done
	[ "$(demanded | wc -l)" -gt 40 ]
	equal 'settings backend "iptables"' "$(comm -23 <(demanded) <(sent "${configs[@]}"))" "never sent"
}

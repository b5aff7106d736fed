#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each command once, well and badly: what it answers, and that a refused one
# leaves kernel and file as they were. tests/run has this file run under valgrind too.
#
# Backends: nftables
# Through a daemon: nftables

bats_require_minimum_version 1.5.0
load helpers

setup() {
	sandbox_check
	portfwd_setup
	host_add gw
	link_add gw wan0 gw lan0
	addr_add gw wan0 "$WAN4/24" "$WAN6/64"
	addr_add gw lan0 "$LAN4/24" "$LAN6/64"
}

# What there is, to compare: the table without its counters, and the file.
everything() {
	settled
	in_ns gw nft -s list ruleset
	cat "$CONFIG" 2> /dev/null || true
}

refused() { # CODE ARGUMENT …
	local before
	before=$(everything)
	pfw_fails "$@"
	contains "$output" "portfwd: "
	equal "$before" "$(everything)" "portfwd ${*:2} was refused and left"
}

two_forwards() {
	config <<-JSON
		{ "forwards": [
		  { "name": "web", "listen": "$WAN4:8080", "target": "$SERVER4:80", "comment": "for all" },
		  { "name": "dns", "listen": "53/tcp+udp", "target": ["$SERVER4", "$SERVER6"] }
		] }
	JSON
	pfw reload
}

@test "version and help" {
	run pfw version
	equal 0 "$status"
	contains "$output" portfwd
	run pfw --help
	equal 0 "$status"
	contains "$output" export
}

@test "usage errors" {
	refused 2
	refused 2 fly
	refused 2 --fly list
	refused 2 add
	refused 2 add 8080
	refused 2 list --no-such-option
	run pfw relaod
	equal 2 "$status"
	contains "$output" reload
}

@test "add: typed, published, with options, again" {
	pfw add 8080 "$SERVER4:80"
	pfw add web "$WAN4:443,444/tcp+udp" "$SERVER4" --comment "all of it" --snat masquerade \
		--no-hairpin --no-local --interface wan0
	pfw add -p "$WAN4:2222:$SERVER4:22"
	pfw add "[$WAN6]:8081" "[$SERVER6]:80" --disabled
	equal 4 "$(pfw_json '.forwards | length' list)"
	equal tcp-8080 "$(pfw_json '.forwards[0].name' list)"
	local before
	before=$(everything)
	pfw add 8080 "$SERVER4:80"
	equal "$before" "$(everything)" "the second add"
	pfw add --replace web "$WAN4:443" "$SERVER4"
}

@test "add: refused" {
	two_forwards
	refused 1 add 0 "$SERVER4:80"
	refused 1 add 8080 10.0.0.256
	refused 1 add "$WAN4:81" "$SERVER6"
	refused 4 add web 9090 "$SERVER4:80"
	refused 4 add other "$WAN4:8080" "$SERVER4:81"
	refused 1 add 8080 "$SERVER4:80" --snat sometimes
}

@test "remove" {
	two_forwards
	refused 3 remove nobody
	refused 3 remove web nobody
	pfw remove web
	equal dns "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	pfw remove 53/tcp+udp
	equal 0 "$(pfw_json '.forwards | length' list)"
}

@test "enable and disable" {
	two_forwards
	refused 3 disable nobody
	pfw disable web dns
	pfw disable web
	equal "disabled disabled" "$(pfw_json '[.forwards[].state] | join(" ")' list)"
	pfw enable web
	equal "active disabled" "$(pfw_json '[.forwards[].state] | join(" ")' list)"
}

@test "list and show, for eyes and for programs" {
	run pfw list
	equal 0 "$status" "$output"
	two_forwards
	run pfw list
	equal 0 "$status"
	contains "$output" web
	contains "$output" dns
	run pfw list dns
	equal 0 "$status"
	[[ $output != *web* ]]
	run pfw show web
	equal 0 "$status"
	contains "$output" "$WAN4"
	pfw_fails 3 show nobody
	pfw_fails 3 list nobody
	equal "$WAN4 8080 tcp" \
		"$(pfw_json '.forwards[0].listen | "\(.address[0]) \(.port) \(.protocol[0])"' list)"
}

@test "status" {
	run pfw status
	equal 0 "$status" "$output"
	two_forwards
	run pfw status
	equal 0 "$status"
	equal "nftables 2 2 true" \
		"$(pfw_json '"\(.backend) \(.forwards.configured) \(.forwards.active) \(.in_sync)"' status)"
}

@test "check" {
	two_forwards
	pfw check
	pfw check "$CONFIG"
	pfw_fails 1 check "$BATS_TEST_TMPDIR/missing.json"
	echo '{ "forwards": [ { "listen": { "port": 70000 }, "target": "10.0.0.2", "colour": 1 } ] }' \
		> "$BATS_TEST_TMPDIR/bad.json"
	pfw_fails 1 check "$BATS_TEST_TMPDIR/bad.json"
	contains "$output" "$BATS_TEST_TMPDIR/bad.json: forwards[0].listen.port: 70000 is not a port (1-65535)"
	contains "$output" colour
	printf '{ "forwards": [' > "$BATS_TEST_TMPDIR/bad.json"
	pfw_fails 1 check "$BATS_TEST_TMPDIR/bad.json"
}

@test "diff" {
	two_forwards
	pfw diff
	in_ns gw nft delete table inet portfwd
	differs
}

@test "reload: good, bad, missing" {
	two_forwards
	pfw reload
	cp "$CONFIG" "$BATS_TEST_TMPDIR/good.json"
	printf '{ "forwards": [ { "listen": "8080", "target": "nowhere" } ] }' > "$CONFIG"
	refused 1 reload
	rm "$CONFIG"
	refused 1 reload
	cp "$BATS_TEST_TMPDIR/good.json" "$CONFIG"
	pfw diff
}

@test "flush" {
	pfw flush
	two_forwards
	pfw flush
	equal "" "$(in_ns gw nft list ruleset)"
	equal 2 "$(jq '.forwards | length' "$CONFIG")" "the file"
	pfw flush
}

@test "flush leaves no folder, also where a command was killed while it saved" {
	pfw add own 8080 self:80
	echo half > "$(echo "$RUN_DIR"/net-*)/state.json.new"
	pfw flush
	run_dir_is_empty
}

@test "export" {
	two_forwards
	pfw export | jq -e '.forwards | length == 2'
	pfw export --format json | jq -e '.forwards | length == 2'
	pfw export --format nft | in_ns gw nft -c -f -
	pfw_fails 2 export --format xml
}

@test "--dry-run of each command that changes something" {
	two_forwards
	local before
	before=$(everything)
	pfw --dry-run add more 9090 "$SERVER4:80"
	pfw -n remove web
	pfw -n disable dns
	pfw -n enable dns
	pfw -n reload
	pfw -n flush
	equal "$before" "$(everything)"
}

@test "--json answers are JSON, errors too" {
	two_forwards
	local command
	for command in "add more 9090 $SERVER4:80" "disable more" "enable more" "list" "show web" \
		"status" "check" "diff" "reload" "export" "remove more" "flush" "version"; do
		# shellcheck disable=SC2086 # words
		pfw --json $command | jq -e type > /dev/null || {
			echo "portfwd --json $command: not JSON" >&2
			return 1
		}
	done
	run --separate-stderr pfw --json remove nobody
	equal 3 "$status"
	jq -e type <<< "$output" > /dev/null
}

# Not through a daemon: it has rights of its own.
# bats test_tags=alone
@test "without permission for netlink: exit code 5, and nothing changed" {
	two_forwards
	local before
	before=$(everything)
	run ip netns exec gw setpriv --bounding-set=-net_admin --inh-caps=-net_admin \
		"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" add more 9090 "$SERVER4:80"
	equal 5 "$status" "$output"
	contains "$output" "portfwd: "
	equal "$before" "$(everything)"
}

@test "routing that is switched is told, once and for each family" {
	run pfw --dry-run add web 8080 "$SERVER4:80"
	contains "$output" "would switch on routing of IPv4; \"portfwd flush\" switches it off again"
	run pfw add web 8080 "$SERVER4:80,[$SERVER6]:80"
	contains "$output" "switched on routing of IPv4 and IPv6; \"portfwd flush\" switches it off again"
	run pfw add more 8081 "$SERVER4:80"
	[[ $output != *routing* ]]
	run pfw --dry-run flush
	contains "$output" "would switch off routing of IPv4 and IPv6, as it was before"
	equal "off off" "$(pfw_json '"\(.routing.ipv4) \(.routing.ipv6)"' flush)"
	equal "on on" "$(pfw_json '"\(.routing.ipv4) \(.routing.ipv6)"' reload)"
	equal "null null" "$(pfw_json '"\(.routing.ipv4) \(.routing.ipv6)"' reload)"
	run pfw flush
	contains "$output" "switched off routing of IPv4 and IPv6, as it was before"
	routing_on gw
	run pfw reload
	[[ $output != *routing* ]]
	run pfw flush
	[[ $output != *routing* ]]
	pfw remove web more
	in_ns gw sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
	run pfw add self 8082 self:80
	[[ $output != *routing* ]]
	run pfw -q add web 8080 "$SERVER4:80"
	equal "" "$output"
}

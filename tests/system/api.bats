#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The control API, route by route. If these fail, programs that manage forwards through portfwdd do
# something else than they asked for, or are told wrongly what they did.
#
# Backends: nftables
# shellcheck disable=SC2154 # code, type, body and headers are set by api

load helpers
load daemon
load api

setup() {
	sandbox_check
	portfwd_setup
	host_add gw
	daemon_setup
	config <<- EOF
		{ "settings": { "hairpin": false },
		  "forwards": [ { "name": "web", "listen": "8080", "target": "$SERVER4:80" } ] }
	EOF
}

teardown() {
	local pid

	for pid in "${PIDS[@]}"; do
		kill -- "-$pid" 2> /dev/null || kill "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	PIDS=()
	daemon_end
	hosts_remove
}

DNS='{"name": "dns", "listen": "53/udp", "target": "10.0.0.53"}'

# ---- Whole

@test "status says that the daemon runs, and what stands" {
	daemon_start
	answers 200 GET /v1/status
	equal application/json "$type"
	equal "true $DAEMON_PID" "$(field '"\(.daemon.running) \(.daemon.pid)"')"
	equal "1 true" "$(field '"\(.forwards.active) \(.in_sync)"')"
}

@test "check and reload answer for the files as they are saved" {
	daemon_start
	answers 200 POST /v1/check
	equal "$CONFIG 1" "$(field '"\(.file) \(.forwards)"')"
	answers 200 POST /v1/reload
	equal "false 1" "$(field '"\(.changed) \(.forwards)"')"
	config <<< '{ "forwards": [ { "name": "web", "listen": "70000", "target": "10.0.0.2" } ] }'
	refuses 422 "70000 is not a port" 'forwards[0].listen' POST /v1/check
	refuses 422 "70000 is not a port" 'forwards[0].listen' POST /v1/reload '{}'
	equal "$CONFIG" "$(field '.errors[0].file')"
	refuses 422 "names is no key" "" POST /v1/reload '{"names": []}'
}

@test "a reload that waits for its confirmation gets it, once" {
	daemon_start
	refuses 409 "no reload waits" "" POST /v1/confirm
	config <<< '{ "forwards": [ { "name": "web", "listen": "8081", "target": "10.0.0.2:80" } ] }'
	answers 200 POST /v1/reload '{"confirm": 60}'
	equal 60 "$(field .confirm.seconds)"
	refuses 409 "waits for" "" POST /v1/forwards "$DNS"
	answers 200 POST /v1/confirm
	answers 201 POST /v1/forwards "$DNS"
	refuses 409 "no reload waits" "" POST /v1/confirm
}

# ---- Forwards

@test "a forward is added, and its packets go where it says" {
	hosts_remove
	topology
	serve_udp one server "$SERVER4" 5353
	daemon_start
	answers 201 POST /v1/forwards "{\"name\": \"dns\", \"listen\": \"53/udp\", \"target\": \"$SERVER4:5353\"}"
	equal /v1/forwards/dns "$(header Location)"
	equal "dns udp $CONFIG" "$(field '"\(.name) \(.listen.protocol[0]) \(.file)"')"
	reaches udp client "$WAN4" 53 one
	has_logged "a client changed the forwards: verb=add forward=dns uid=0 pid="
	answers 200 GET /v1/forwards/dns
	equal "active 1" "$(field '"\(.state) \(.connections)"')"
	answers 204 DELETE /v1/forwards/dns
	equal "" "$body"
	unreachable udp client "$WAN4" 53
}

@test "what stands already is no news; with other content it is a conflict" {
	daemon_start
	answers 201 POST /v1/forwards "$DNS"
	answers 200 POST /v1/forwards "$DNS"
	equal "" "$(header Location)"
	refuses 409 "stands already" "" POST /v1/forwards '{"name": "dns", "listen": "53/udp", "target": "10.0.0.54"}'
	equal "conflict 4" "$(field '"\(.kind) \(.code)"')"
	equal 1 "$(logged "verb=add")"
}

@test "without a name a forward gets the one of its listen part" {
	daemon_start
	answers 201 POST /v1/forwards '{"listen": "2222", "target": "10.0.0.9:22"}'
	equal "tcp-2222 /v1/forwards/tcp-2222" "$(field .name) $(header Location)"
}

@test "all errors of a forward are told, with their places" {
	daemon_start
	refuses 422 "70000 is not a port" listen POST /v1/forwards '{"listen": "70000", "target": "x", "bad": 1}'
	equal "listen target bad" "$(field '[.errors[].path] | join(" ")')"
	equal 3 "$(field .count)"
	equal web "$(pfw_json '.forwards[].name' list)"
}

@test "put makes a forward, or changes it, under the name of the path" {
	daemon_start
	answers 201 PUT /v1/forwards/dns '{"listen": "53/udp", "target": "10.0.0.53"}'
	equal /v1/forwards/dns "$(header Location)"
	answers 200 PUT /v1/forwards/dns '{"name": "dns", "listen": "53/udp", "target": "10.0.0.54"}'
	equal 10.0.0.54 "$(field '.target[0].address')"
	refuses 422 "another name" name PUT /v1/forwards/dns '{"name": "x", "listen": "54/udp", "target": "10.0.0.54"}'
	refuses 422 "is not a name" name PUT /v1/forwards/-x '{"listen": "54/udp", "target": "10.0.0.54"}'
}

@test "what get answers can be put back, and changes nothing" {
	local before

	daemon_start
	answers 200 GET /v1/forwards/web
	before=$body
	answers 200 PUT /v1/forwards/web "$body"
	answers 200 GET /v1/forwards/web
	equal "$before" "$body"
}

# The file follows when it is quiet.
saved() { # TEXT FILTER
	[ "$1" = "$(jq -r "$2" "$CONFIG")" ]
}

@test "patch changes what it says, and leaves to the settings what they said" {
	daemon_start
	answers 200 PATCH /v1/forwards/web '{"comment": "the shop", "listen": {"interface": "wan0"}}'
	equal "the shop 8080 wan0 false" "$(field '"\(.comment) \(.listen.port) \(.listen.interface[0]) \(.hairpin)"')"
	eventually 5 saved "the shop null" '.forwards[0] | "\(.comment) \(.hairpin)"'
	answers 200 PATCH /v1/forwards/web '{"comment": null, "listen": {"interface": null}, "hairpin": true}'
	equal "null [] true" "$(field '"\(.comment) \(.listen.interface) \(.hairpin)"')"
	eventually 5 saved true '.forwards[0].hairpin'
	api PATCH /v1/forwards/web - --data-binary '{"hairpin": null}' -H 'Content-Type: application/merge-patch+json'
	equal "200 false" "$code $(field .hairpin)"
	refuses 422 "70000" listen.port PATCH /v1/forwards/web '{"listen": {"port": "70000"}}'
	refuses 422 "keeps its name" name PATCH /v1/forwards/web '{"name": "other"}'
	refuses 404 "no forward" "" PATCH /v1/forwards/none '{"comment": "x"}'
}

@test "two editors of one forward do not overwrite each other" {
	local first

	daemon_start
	answers 200 GET /v1/forwards/web
	first=$(header ETag)
	answers 200 PUT /v1/forwards/web '{"listen": "8080", "target": "10.0.0.3:80"}' -H "If-Match: $first"
	[ "$(header ETag)" != "$first" ]
	refuses 412 "changed meanwhile" "" PUT /v1/forwards/web '{"listen": "8080", "target": "10.0.0.4:80"}' -H "If-Match: $first"
	refuses 412 "changed meanwhile" "" PATCH /v1/forwards/web '{"comment": "x"}' -H "If-Match: $first"
	refuses 412 "changed meanwhile" "" DELETE /v1/forwards/web - -H "If-Match: $first"
	answers 200 GET /v1/forwards/web
	equal 10.0.0.3 "$(field '.target[0].address')"
	answers 200 PATCH /v1/forwards/web '{"comment": "x"}' -H "If-Match: \"a\", $(header ETag)"
	answers 204 DELETE /v1/forwards/web - -H "If-Match: $(header ETag)"
	refuses 412 "any more" "" PUT /v1/forwards/web '{"listen": "8080", "target": "10.0.0.4:80"}' -H 'If-Match: *'
}

@test "with If-None-Match only what is new is made, and only what is news is sent" {
	daemon_start
	refuses 412 "stands already" "" PUT /v1/forwards/web '{"listen": "8081", "target": "10.0.0.4:80"}' -H 'If-None-Match: *'
	answers 201 PUT /v1/forwards/dns '{"listen": "53/udp", "target": "10.0.0.53"}' -H 'If-None-Match: *'
	answers 304 GET /v1/forwards/dns - -H "If-None-Match: W/$(header ETag)"
	equal "" "$body"
	answers 200 GET /v1/forwards/dns - -H 'If-None-Match: "0"'
}

@test "delete takes names only, and says what is not there" {
	daemon_start
	refuses 404 "no forward \"8080\"" "" DELETE /v1/forwards/8080
	refuses 404 "no forward \"none\"" "" DELETE /v1/forwards/none
	refuses 404 "" "" GET /v1/forwards/web%00
	refuses 404 "" "" GET /v1/forwards/web%2
	answers 200 GET /v1/forwards/w%65b
	answers 204 DELETE /v1/forwards/%77eb
	equal '{"forwards":[]}' "$(api GET /v1/forwards; printf %s "$body")"
}

@test "a dry run tells what would change, and nothing does" {
	local before

	daemon_start
	before=$(in_ns gw nft list ruleset; cat "$CONFIG")
	answers 200 POST '/v1/forwards?dry_run' "$DNS"
	equal "true dns" "$(field '"\(.created) \([.changes[].forward // empty][0])"')"
	answers 200 PUT '/v1/forwards/web?dry_run=true' '{"listen": "8081", "target": "10.0.0.4:80"}'
	answers 200 PATCH '/v1/forwards/web?dry_run&drain' '{"enabled": false}'
	answers 200 DELETE '/v1/forwards/web?dry_run=true&drain=false'
	equal web "$(field '.removed[0].name')"
	equal "$before" "$(in_ns gw nft list ruleset; cat "$CONFIG")"
	equal 0 "$(logged "a client changed")"
}

@test "a runtime forward is not saved, and stays so when it is patched" {
	daemon_start
	answers 201 POST '/v1/forwards?runtime' "$DNS"
	answers 200 PATCH /v1/forwards/dns '{"comment": "x"}'
	equal "$RUN_DIR" "$(field .file | cut -c "1-${#RUN_DIR}")"
	equal web "$(jq -r '[.forwards[].name] | join(" ")' "$CONFIG")"
	refuses 409 "--runtime" "" PUT /v1/forwards/dns '{"listen": "53/udp", "target": "10.0.0.54"}'
}

# ---- HTTP

@test "paths, methods, types and switches that there are not" {
	daemon_start
	refuses 404 "no such path" "" GET /v2/status
	refuses 404 "no such path" "" GET /v1/forwards/
	refuses 404 "no such command" "" POST /v1/commands/explode '{}'
	refuses 405 "takes no DELETE" "" DELETE /v1/forwards
	equal "GET, HEAD, POST, OPTIONS" "$(header Allow)"
	refuses 415 "application/json" "" POST /v1/forwards - --data-binary "$DNS"
	refuses 415 "application/json" "" POST /v1/forwards - --data-binary "$DNS" -H 'Content-Type: application/merge-patch+json'
	refuses 400 "line 1" "" POST /v1/forwards '{"name": }'
	refuses 400 "duplicate" "" POST /v1/forwards '{"name": "a", "name": "b"}'
	refuses 400 "body is missing" "" POST /v1/forwards
	refuses 422 "is an object" "" POST /v1/forwards '[]'
	refuses 400 "no switch" "" POST '/v1/forwards?force' "$DNS"
	refuses 400 "no switch" "" DELETE '/v1/forwards/web?runtime'
	refuses 400 "true or false" "" DELETE '/v1/forwards/web?dry_run=no'
	answers 204 OPTIONS /v1/reload
	equal "POST, OPTIONS" "$(header Allow)"
	answers 200 HEAD /v1/forwards/web
	[ "$(header Content-Length)" -gt 100 ]
	equal web "$(pfw_json '[.forwards[].name] | join(" ")' list)"
}

@test "several requests share a connection" {
	daemon_start
	run curl -sS --unix-socket "$RUN_DIR/portfwd.sock" -w '%{http_code} %{num_connects}\n' -o /dev/null \
		http://l/v1/status -o /dev/null http://l/v1/forwards -o /dev/null http://l/none
	equal "200 1,200 0,404 0" "$(paste -sd , <<< "$output")"
}

@test "who means another portfwd is told, and not served" {
	local netns

	netns=$(in_ns gw stat -L -c %d:%i /proc/self/ns/net)
	daemon_start
	answers 200 GET /v1/status - -H "Portfwd-Config: $CONFIG" -H "Portfwd-Netns: $netns"
	answers 200 GET /v1/status - -H "Portfwd-Config: ${CONFIG//\//%2F}" -H "Portfwd-Backend;"
	refuses 421 "another configuration: $CONFIG" "" GET /v1/status - -H "Portfwd-Config: $CONFIG.old"
	refuses 421 "another network namespace" "" DELETE /v1/forwards/web - -H "Portfwd-Netns: 4:1"
	refuses 421 "another backend" "" POST /v1/reload - -H "Portfwd-Backend: iptables"
	answers 200 GET /v1/forwards/web
}

# ---- Commands

@test "commands answer what portfwd prints" {
	daemon_start
	answers 200 POST /v1/commands/list
	equal "$(pfw --json list | jq -S .)" "$(jq -S . <<< "$body")"
	answers 200 POST /v1/commands/list '{"names": ["web"]}'
	equal web "$(field '.forwards[0].name')"
	answers 200 POST /v1/commands/export '{"format": "nft"}'
	equal "$(pfw export --format nft)" "$(field .text)"
	answers 200 POST /v1/commands/diff
	equal true "$(field .in_sync)"
	answers 200 POST /v1/commands/status
	answers 200 POST /v1/commands/check
	refuses 422 "file is no key" "" POST /v1/commands/check '{"file": "/etc/shadow"}'
	answers 200 POST /v1/commands/add "{\"forward\": $DNS}"
	answers 200 POST /v1/commands/disable '{"names": ["dns"]}'
	equal true "$(field '.forwards[0].changed')"
	answers 200 POST /v1/commands/enable '{"names": ["dns"]}'
	refuses 404 "no forward" "" POST /v1/commands/remove '{"names": ["dns", "none"]}'
	answers 200 POST /v1/commands/remove '{"names": ["53/udp"]}'
	answers 200 POST /v1/commands/reload '{"dry_run": true}'
	# The file itself may still be behind the journal.
	answers 200 POST /v1/commands/read
	answers 200 POST /v1/commands/write "$(jq -n --argjson file "$body" '{text: "{}\n", base: $file.text}')"
	equal "{}" "$(cat "$CONFIG")"
	refuses 412 "changed" "" POST /v1/commands/write '{"text": "{}", "base": "other"}'
	answers 200 POST /v1/commands/flush
	equal "" "$(in_ns gw nft list tables)"
}

# ---- Watching

events_start() {
	EVENTS=$BATS_TEST_TMPDIR/events
	curl -sSN --unix-socket "$RUN_DIR/portfwd.sock" http://l/v1/events 3>&- > "$EVENTS" \
		2> "$EVENTS.log" &
	PIDS+=("$!")
	eventually 5 grep -q '"event":"hello"' "$EVENTS"
}

@test "events tell what clients and others do" {
	daemon_start
	events_start
	answers 201 POST /v1/forwards "$DNS"
	eventually 5 grep -q '"event":"change"' "$EVENTS"
	equal '["dns"] add' "$(jq -r 'select(.event == "change") | "\(.forwards) \(.verb)"' "$EVENTS")"
	in_ns gw nft flush ruleset
	eventually 5 grep -q '"event":"repair"' "$EVENTS"
	while IFS= read -r body; do
		code=200 type=application/x-ndjson
		api_keep GET /v1/events
	done < "$EVENTS"
}

@test "who listens to events ends with the daemon, and the daemon without waiting" {
	daemon_start
	events_start
	daemon_stop
	wait "${PIDS[0]}"
	PIDS=()
}

@test "the daemon notices that who listened is gone, without an event" {
	daemon_start
	events_start
	answers 200 GET /metrics
	contains "$body" "portfwd_event_clients 1"
	kill "${PIDS[0]}"
	wait "${PIDS[0]}" || true
	PIDS=()
	eventually 5 no_event_clients
}

no_event_clients() {
	api GET /metrics && [[ $body == *"portfwd_event_clients 0"* ]]
}

@test "metrics are what promtool takes" {
	daemon_start
	api GET /nothing
	answers 204 DELETE /v1/forwards/web
	answers 201 POST /v1/forwards "$DNS"
	in_ns gw nft flush ruleset
	eventually 5 has_logged "put back"
	answers 200 GET /metrics
	contains "$type" "text/plain; version=0.0.4"
	contains "$body" 'portfwd_forwards{state="active"} 1'
	contains "$body" 'portfwd_connections_total{forward="dns"} 0'
	contains "$body" 'portfwd_repairs_total 1'
	contains "$body" 'portfwd_reloads_total{result="good"} '
	contains "$body" 'portfwd_requests_total{method="DELETE",route="/v1/forwards/{name}",code="204"} 1'
	[ -x "${PORTFWD_PROMETHEUS-}/promtool" ] || skip "promtool is not there"
	run "$PORTFWD_PROMETHEUS/promtool" check metrics <<< "$body"
	equal "0 " "$status $output"
}

@test "Prometheus scrapes it" {
	local port=19090

	[ -x "${PORTFWD_PROMETHEUS-}/prometheus" ] || skip "prometheus is not there"
	daemon_start
	# It knows no unix sockets.
	in_ns gw socat TCP4-LISTEN:19091,bind=127.0.0.1,fork,reuseaddr "UNIX-CONNECT:$RUN_DIR/portfwd.sock" \
		3>&- > "$BATS_TEST_TMPDIR/socat.log" 2>&1 &
	PIDS+=("$!")
	cat > "$BATS_TEST_TMPDIR/prometheus.yml" <<- EOF
		scrape_configs:
		  - { job_name: portfwd, scrape_interval: 1s, static_configs: [ { targets: [ "127.0.0.1:19091" ] } ] }
	EOF
	in_ns gw "$PORTFWD_PROMETHEUS/prometheus" --config.file "$BATS_TEST_TMPDIR/prometheus.yml" \
		--storage.tsdb.path "$BATS_TEST_TMPDIR/tsdb" --web.listen-address "127.0.0.1:$port" \
		3>&- > "$BATS_TEST_TMPDIR/prometheus.log" 2>&1 &
	PIDS+=("$!")
	eventually 30 scraped "$port"
}

scraped() { # PORT
	local answer

	answer=$(in_ns gw curl -sS "http://127.0.0.1:$1/api/v1/query" --data-urlencode 'query=portfwd_forwards{state="active"}' 2> /dev/null) &&
		[ "$(jq -r '.data.result[0].value[1]' <<< "$answer")" = 1 ]
}

# ---- Who may

# Where others can get to.
open_run_dir() {
	setpriv --reuid 65534 --regid 65534 --clear-groups true 2> /dev/null || skip "there is one user only"
	RUN_DIR=/run/portfwd-test
	rm -rf -- "$RUN_DIR"
	API_AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
}

every_route() { # COMMAND …
	local route

	for route in "GET /v1/status" "GET /v1/forwards" "POST /v1/forwards" "GET /v1/forwards/web" \
		"PUT /v1/forwards/web" "PATCH /v1/forwards/web" "DELETE /v1/forwards/web" "POST /v1/reload" \
		"POST /v1/confirm" "POST /v1/check" "POST /v1/commands/flush" "GET /v1/events" "GET /metrics" \
		"GET /none" "BREW /v1/status" "OPTIONS /v1/status"; do
		"$@" ${route% *} "${route#* }"
	done
}

@test "others cannot connect; where they can, every route refuses them, and the log tells" {
	open_run_dir
	daemon_start --group daemon
	equal "660 root daemon" "$(stat -c '%a %U %G' "$RUN_DIR/portfwd.sock")"
	run "${API_AS[@]}" curl -sS --unix-socket "$RUN_DIR/portfwd.sock" http://l/v1/status
	equal 7 "$status"
	chmod 0666 "$RUN_DIR/portfwd.sock"
	every_route refuses 403 "only root and the members" ""
	has_logged "refused a client who may not: uid=65534"
	refuses 403 "only root" "" POST /v1/forwards "$DNS"
	API_AS=()
	answers 200 GET /v1/forwards/web
}

@test "who may not cannot hide in the log" {
	open_run_dir
	daemon_start --group daemon
	chmod 0666 "$RUN_DIR/portfwd.sock"
	printf 'GET /\xff\xfe\033[2J\302\205x%0300d HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n' 0 |
		"${API_AS[@]}" socat -t 5 - "UNIX-CONNECT:$RUN_DIR/portfwd.sock" | grep -q '^HTTP/1.1 403'
	has_logged "refused a client who may not: uid=65534 pid="
	has_logged 'path="/???[2J?x000'
	[ "$(daemon_log | wc -L)" -lt 400 ]
}

@test "a member of the group may, by any of their groups" {
	open_run_dir
	daemon_start --group daemon
	API_AS=(setpriv --reuid 65534 --regid 65534 --groups 4,1)
	answers 201 POST /v1/forwards "$DNS"
	has_logged "verb=add forward=dns uid=65534 pid="
	API_AS=(setpriv --reuid 65534 --regid 1 --clear-groups)
	answers 204 DELETE /v1/forwards/dns
	API_AS=(setpriv --reuid 65534 --regid 65534 --groups 4)
	run api GET /v1/status
	[ "$status" != 0 ]
}

# ---- All of it together; stays the last

@test "every answer above is as the description of the API says, and each route was asked" {
	local python

	for python in python3 /usr/bin/python3 none; do
		! "$python" -c 'import jsonschema, yaml' 2> /dev/null || break
	done
	[ "$python" != none ] || skip "python3-jsonschema and python3-yaml are not installed"
	"$python" "$HELPERS/openapi" "$HELPERS/../../data" "$BATS_FILE_TMPDIR/answers"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Forwards of "add --runtime": part of everything until the next boot or flush, and in no file
# of the administrator.
#
# Backends: nftables iptables
# Through a daemon: nftables iptables

bats_require_minimum_version 1.5.0
load helpers

runtime_file() {
	local folder=("$RUN_DIR"/net-*)
	echo "${folder[0]}/runtime.json"
}

saved_forwards() {
	settled
	jq -r '[.forwards[].name] | join(" ")' "$CONFIG"
}

# The file as it is, and the kernel without counters.
everything() {
	settled
	cat "$CONFIG" "$(runtime_file)" 2> /dev/null || true
	find "$BATS_TEST_TMPDIR/etc" "$RUN_DIR" | sort
	nft_only in_ns gw nft -s list ruleset
	iptables_save gw
}

refused() { # CODE SAYS ARGUMENT …
	local before code=$1 says=$2
	before=$(everything)
	shift 2
	pfw_fails "$code" "$@"
	contains "$output" "$says"
	equal "$before" "$(everything)" "portfwd $* was refused and left"
}

@test "it forwards, stands in no file of the administrator, and goes with remove" {
	serve_tcp web server "$SERVER4" 80
	serve_tcp web6 server "$SERVER6" 80
	pfw add saved 9090 "$SERVER4:80"
	local before
	settled
	before=$(cat "$CONFIG")
	run pfw add --runtime web 8080 "$SERVER4:80,[$SERVER6]:80"
	contains "$output" "added \"web\": 8080/tcp -> $SERVER4:80,[$SERVER6]:80 (until the next boot or flush)"
	reaches tcp client "$WAN4" 8080 web
	reaches tcp client "$WAN6" 8080 web6
	equal "$before" "$(cat "$CONFIG")"
	equal "644 0" "$(stat -c '%a %u' "$(runtime_file)")"
	equal "saved web" "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	equal "active $(runtime_file)" "$(pfw_json '.forwards[1] | "\(.state) \(.file)"' list)"
	run pfw show web
	contains "$output" "$(runtime_file)"
	pfw diff
	equal "2 2 true" "$(pfw_json '"\(.forwards.configured) \(.forwards.active) \(.in_sync)"' status)"
	pfw disable web
	unreachable tcp client "$WAN4" 8080
	equal disabled "$(pfw_json '.forwards[1].state' list)"
	pfw enable web
	reaches tcp client "$WAN6" 8080 web6
	run pfw add --runtime web 8080 "$SERVER4:80,[$SERVER6]:80"
	equal '"web" stands already' "$output"
	refused 4 "stands already in $(runtime_file) with other content: listen is 8080/tcp there, 8081/tcp here; target is" add --runtime web 8081 "$SERVER4:80"
	pfw add --runtime --replace web 8081 "$SERVER4:80"
	reaches tcp client "$WAN4" 8081 web
	unreachable tcp client "$WAN4" 8080
	run pfw remove 8081
	equal "removed \"web\" from $(runtime_file)" "$output"
	unreachable tcp client "$WAN4" 8081
	equal "$before" "$(cat "$CONFIG")"
	pfw diff
}

@test "reload keeps it, flush forgets it" {
	pfw add saved 9090 "$SERVER4:80"
	pfw add --runtime web 8080 "$SERVER4:80"
	wipe
	without_daemon equal "missing missing" "$(pfw_json '[.forwards[].state] | join(" ")' list)"
	equal 2 "$(pfw_json .forwards reload)"
	pfw diff
	equal false "$(pfw_json .forgot --dry-run flush)"
	run pfw flush
	contains "$output" "cleared all forwards from the kernel, and forgot those added with --runtime"
	[ ! -e "$(runtime_file)" ]
	pfw reload
	equal saved "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	run pfw flush
	[[ $output != *forgot* ]]
}

@test "another boot: what was kept does not come back" {
	pfw add saved 9090 "$SERVER4:80"
	pfw add --runtime web 8080 "$SERVER4:80"
	wipe
	sed -i 's/"boot": "[^"]*"/"boot": "another"/' "$RUN_DIR"/net-*/state.json
	equal saved "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	pfw add more 9091 "$SERVER4:80"
	equal "saved more" "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	[ ! -e "$(runtime_file)" ]
	pfw diff
}

@test "without any configuration file" {
	serve_tcp web server "$SERVER4" 80
	pfw add --runtime web 8080 "$SERVER4:80"
	[ ! -e "$CONFIG" ]
	pfw diff
	equal active "$(pfw_json '.forwards[].state' list)"
	wipe
	pfw reload
	reaches tcp client "$WAN4" 8080 web
	pfw add saved 9090 "$SERVER4:80"
	equal saved "$(saved_forwards)"
	# From now on a file that is gone is lost again.
	rm "$CONFIG"
	refused 1 "the file is gone" list
	refused 1 "there is no such file" reload
	pfw flush
	pfw_fails 1 reload
}

@test "names and keys are one space: conflicts name both" {
	pfw add saved 9090 "$SERVER4:80"
	pfw add --runtime web 8080 "$SERVER4:80"
	refused 4 "\"web\" was added with --runtime and is in $(runtime_file); remove it first" add web 8081 "$SERVER4:80"
	refused 4 "\"web\" was added with --runtime and is in" add web 8080 "$SERVER4:80"
	refused 4 "\"web\" was added with --runtime and is in" add --replace web 8080 "$SERVER4:80"
	refused 4 "\"saved\" is saved in $CONFIG, so it cannot be added with --runtime" add --runtime saved 9090 "$SERVER4:80"
	refused 4 "\"saved\" is saved in $CONFIG, so it cannot" add --runtime --replace saved 9091 "$SERVER4:80"
	refused 4 '"more" and "web" both claim tcp port 8080 on any IPv4 address' add more 8080 "$SERVER4:81"
	refused 4 '"more" and "saved" both claim tcp port 9090' add --runtime more 9090 "$SERVER4:81"
}

@test "a file that was edited into a conflict: reload says it, and how to get out" {
	local advice before
	pfw add saved 9090 "$SERVER4:80"
	pfw add --runtime web 8080 "$SERVER4:80"
	advice="what was added with --runtime is in $(runtime_file): change the configuration or this file, or remove it to be without them"
	before=$(cat "$CONFIG")
	sed -i 's/saved/web/' "$CONFIG"
	refused 4 "$(runtime_file): forwards[0].name: \"web\" is the name of forwards[0] of $CONFIG already" reload
	contains "$output" "$advice"
	refused 4 "$advice" list
	sed -i 's/web/saved/; s/9090/8080/' "$CONFIG"
	refused 4 "$(runtime_file): forwards[0].listen: \"web\" and \"saved\" both claim tcp port 8080" reload
	contains "$output" "$advice"
	# The words alone are good.
	pfw check
	printf '%s\n' "$before" > "$CONFIG"
	EDITOR='sed -i s/saved/web/' run pfw edit
	equal 4 "$status"
	contains "$output" "$advice"
	equal "$before" "$(cat "$CONFIG")"
	pfw reload
	echo '{' > "$(runtime_file)"
	refused 1 "$(runtime_file): line 2, column 1: the text ends too early" list
	contains "$output" "$advice"
	chmod 666 "$(runtime_file)"
	refused 5 "$(runtime_file) belongs to somebody else, or others may write it" reload
	contains "$output" "$advice"
	rm "$(runtime_file)"
	ln -s "$CONFIG" "$(runtime_file)"
	refused 4 "$(runtime_file): forwards[0].name: " list
	rm "$(runtime_file)"
	pfw reload
	equal saved "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	pfw diff
}

# Not through a daemon: it has one configuration.
# bats test_tags=alone
@test "another configuration: reload takes it over, what was added stays" {
	pfw add saved 9090 "$SERVER4:80"
	pfw add --runtime web 8080 "$SERVER4:80"
	echo '{ "forwards": [ { "name": "other", "listen": "7070", "target": "self:80" } ] }' > "$BATS_TEST_TMPDIR/other.json"
	CONFIG=$BATS_TEST_TMPDIR/other.json
	pfw reload
	equal "other web" "$(pfw_json '[.forwards[].name] | join(" ")' list)"
	pfw diff
	equal other "$(pfw export | jq -r '[.forwards[].name] | join(" ")')" "what is saved"
	pfw check
}

@test "expired ones leave it when it is saved; dry runs leave all alone" {
	pfw add --runtime short 8080 "$SERVER4:80" --expires 1h
	sed -i 's/"expires": "[^"]*"/"expires": "2001-01-01T00:00:00Z"/' "$(runtime_file)"
	equal expired "$(pfw_json '.forwards[].state' list)"
	local before
	before=$(everything)
	run pfw --dry-run add --runtime more 8081 "$SERVER4:80"
	contains "$output" "would save $(runtime_file)"
	equal "$before" "$(everything)"
	# What goes to another file leaves this one alone.
	pfw add saved 9090 "$SERVER4:80"
	equal "short" "$(jq -r '.forwards[].name' "$(runtime_file)")"
	run pfw add --runtime more 8081 "$SERVER4:80"
	contains "$output" 'had expired and left the files: "short"'
	equal "more" "$(jq -r '.forwards[].name' "$(runtime_file)")"
	pfw flush
	pfw --dry-run add --runtime more 8081 "$SERVER4:80"
	[ ! -e "$(runtime_file)" ]
}

# Not through a daemon: the refusals are made in the command itself.
# bats test_tags=alone
@test "kernel and file together: what is refused leaves both" {
	pfw add --runtime web 8080 "$SERVER4:80"
	"${CC:-cc}" -shared -fPIC -o "$BATS_TEST_TMPDIR/refuse.so" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0
	local before refusal
	before=$(everything)
	for refusal in REFUSE_ELEMENT=more REFUSE_RENAME=/runtime.json; do
		[ "$BACKEND $refusal" != "iptables REFUSE_ELEMENT=more" ] || continue
		run ip netns exec gw env LD_PRELOAD="$BATS_TEST_TMPDIR/refuse.so" "$refusal" \
			"$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "${BACKEND_WORDS[@]}" add --runtime more 8081 "$SERVER4:80"
		equal 1 "$status" "$output"
		equal "$before" "$(everything)" "$refusal"
	done
	pfw diff
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # the variables of helpers.bash
#
# curl as a client of portfwdd, for tests that load helpers.bash and daemon.bash too.

# Asks, and leaves the answer in $code, $type, $body and $headers (a file). What was answered is kept for
# the test that compares all of it with the description of the API.
api() { # METHOD PATH [BODY|-] [ARGUMENT OF CURL …]
	local method=$1 path=$2 data=${3--} words=()
	shift 2
	[ $# = 0 ] || shift

	# Whoever asks writes there.
	headers=/run/api/headers
	[ -d /run/api ] || mkdir -m 0777 /run/api
	rm -f "$headers"
	[ "$data" = - ] || words=(-H 'Content-Type: application/json' --data-binary "$data")
	[ "$method" != HEAD ] || words+=(--head)
	body=$("${API_AS[@]}" curl -sS --max-time 60 --unix-socket "$RUN_DIR/portfwd.sock" -X "$method" \
		-D "$headers" "${words[@]}" "$@" "http://localhost$path") || return
	code=$(awk '/^HTTP/ { code = $2 } END { print code }' "$headers")
	type=$(header Content-Type)
	api_keep "$method" "$path"
}
API_AS=()

header() { # NAME
	awk -v IGNORECASE=1 -v name="$1" -F ': ' 'tolower($1) == tolower(name) { sub(/\r$/, "", $2); print $2 }' "$headers"
}

api_keep() { # METHOD PATH
	mkdir -p "$BATS_FILE_TMPDIR/answers"
	printf '%s' "$body" > "$BATS_TEST_TMPDIR/body"
	jq -n --arg method "$1" --arg path "$2" --argjson status "$code" --arg type "$type" \
		--arg tag "$(header ETag)" --rawfile body "$BATS_TEST_TMPDIR/body" \
		'$ARGS.named' > "$(mktemp "$BATS_FILE_TMPDIR/answers/XXXXXX.json")"
}

# The same, and what it must answer with.
answers() { # CODE METHOD PATH [BODY|-] [ARGUMENT OF CURL …]
	local expected=$1
	shift
	api "$@"
	if [ "$code" != "$expected" ]; then
		echo "$1 $2: expected $expected, got $code: $body" >&2
		return 1
	fi
}

# A refusal with these words, at this place.
refuses() { # CODE WORDS PLACE METHOD PATH [BODY|-] [ARGUMENT OF CURL …]
	local what=$2 place=$3 expected=$1
	shift 3
	answers "$expected" "$@"
	equal application/problem+json "$type" "type"
	equal "$expected" "$(field .status)" "status"
	contains "$(field '.errors[].message')" "$what"
	equal "$place" "$(field '.errors[0].path // ""')" "path"
}

# A value of the answer.
field() { # FILTER
	jq -r "$1" <<< "$body"
}

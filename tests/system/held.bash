# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # the descriptors are set by name
#
# Connections that stay open while something else happens. Load it behind helpers.

# Opens a connection that stays, for talk and talks. Address as of socat.
hold() { # NAME HOST SOCAT-ADDRESS
	local name=$1 host=$2 address=$3 dir=$BATS_TEST_TMPDIR
	local -n to=to_$name from=from_$name

	mkfifo "$dir/$name.to" "$dir/$name.from"
	setsid nsenter --net="/run/netns/$host" socat - "$address" 3>&- \
		< "$dir/$name.to" > "$dir/$name.from" 2> "$dir/$name.log" &
	PIDS+=("$!")
	exec {to}> "$dir/$name.to" {from}<> "$dir/$name.from"
}

# Says a line over the connection; the answer is printed. Fails if there is none.
talk() { # NAME LINE
	local name=$1 answer
	local -n to=to_$name from=from_$name

	# A closed connection is no answer either, and must not end the test.
	(trap '' PIPE && printf '%s\n' "$2" >&"$to") 2> /dev/null || return 1
	IFS= read -r -t "${TALK_SECONDS:-$ASK_SECONDS}" answer <&"$from" || return 1
	printf '%s\n' "$answer"
}

# The connection carries data to the server, which answers just this line.
carries() { # NAME SERVER LINE
	local answer

	if ! answer=$(talk "$1" "$3") || [[ $answer != "$2 "*"heard=$3" ]]; then
		echo "connection $1: expected $2 to answer to $3, got: ${answer:-nothing}" >&2
		in_ns gw conntrack -L 2>&1 | sed 's/^/  | /' >&2
		show_gateway >&2
		return 1
	fi
}

carries_nothing() { # NAME
	local answer

	if answer=$(TALK_SECONDS=$DROP_SECONDS talk "$1" "still there?"); then
		echo "connection $1: expected no answer, got: $answer" >&2
		in_ns gw conntrack -L 2>&1 | sed 's/^/  | /' >&2
		return 1
	fi
}

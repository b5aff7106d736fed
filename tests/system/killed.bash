# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # names are set by helpers.bash and bats
#
# For commands that are killed: where their files are, and what they ask the kernel for. Load it
# behind helpers.

# In memory: hundreds of saved files wait for no disk.
killed_setup() {
	local etc=/run/etc-killed
	CONFIG=$etc/portfwd.json RUN_DIR=/run/portfwd
	rm -rf "$etc" "$RUN_DIR"
	mkdir -p "$etc"
}

# With the backend that the file says.
pfw() {
	nsenter --net=/run/netns/gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "$@"
}

# The table in a host, so that equal ones are equal: rules in their order, all else sorted.
table() { # HOST
	nsenter --net="/run/netns/$1" nft -s list ruleset | awk '
		/^[ \t]*}?$/ { next }
		$1 == "map" || $1 == "set" || $1 == "chain" { name = $2; rules = $1 == "chain"; n = 0 }
		rules { print name, n++, $0; next }
		name ~ /^(hairpin|straight)$/ && /"/ { next } # learned from packets
		{ sub(/elements = {/, ""); gsub(/[{},]|^[ \t]+|[ \t]+$/, "") }
		$0 != "" { print name, $0 }
	' | sort
}

# Some sanitizers do not work where somebody traces.
traced() { # STRACE-OPTION … -- ARGUMENT …
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 nsenter --net=/run/netns/gw \
		strace -qq -f -o /run/calls "${options[@]}" "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" "$@"
}

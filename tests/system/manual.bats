#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# portfwd-nftables(7) tells the table line by line. If this fails, it tells another one.
#
# Backends: nftables

load helpers

MANUAL=$BATS_TEST_DIRNAME/../../man/portfwd-nftables.7
EXAMPLE=$BATS_TEST_DIRNAME/../../examples/twenty.json

# The displays of the page that are compared, one behind the other. What is indented by eight
# blanks or more belongs to the line above.
displays() {
	awk '
		/^\.Bd -literal$/ { open = 1; next }
		/^\.Ed/ { open = 0 }
		open && /^        / { printf " " }
		open && !/^        / { printf "\n" }
		open { printf "%s", $0 }
		END { print "" }
	' "$MANUAL"
}

# A listing with all elements of a map in one line, like the page has them.
unbroken() {
	awk '/elements = \{/ && !/\}$/ { open = 1 } { printf "%s", $0 } /\}$/ { open = 0 } !open { print "" }'
}

# What is the same on every machine and at each time, a line each. The kernel has its own order
# of elements; the stamp and the numbers of limits are hashes of numbers as they lie in memory.
comparable() {
	sed -E 's/[[:space:]]+/ /g; s/^ //; s/ $//; /^$/d
		s/packets [0-9]+ bytes [0-9]+/packets N bytes N/g
		s/(timeout|expires) [0-9]+d[0-9hms]+/\1 TIME/g
		s/0x[0-9a-f]{8} \. 0x[0-9a-f]{8}/STAMP/g' | awk '
		match($0, /^elements = \{ .* \}$/) {
			n = split(substr($0, 14, length($0) - 15), element, /, /)
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && element[j] < element[j - 1]; j--) {
					swap = element[j]
					element[j] = element[j - 1]
					element[j - 1] = swap
				}
			print "elements = {"
			for (i = 1; i <= n; i++)
				print "  " element[i]
			next
		}
		{ print }'
}

@test "each line of the listing stands in portfwd-nftables(7), in order, and no other" {
	local what=$BATS_TEST_TMPDIR
	[[ $(nft --version) == *"v1.0.6 "* ]] || skip "the page has the spelling of nft 1.0.6"
	cp "$EXAMPLE" "$CONFIG"
	pfw reload
	{
		pfw list -o name,listen,target
		in_ns gw env TZ=UTC nft list table inet portfwd | unbroken
	} > "$what/printed"
	comparable < "$what/printed" > "$what/listing"
	displays | comparable > "$what/page"
	[ "$(grep -c . "$what/page")" -gt 200 ]
	diff -u "$what/page" "$what/listing"
}

@test "the table of the page is saved and loaded by nft, and is no difference" {
	cp "$EXAMPLE" "$CONFIG"
	pfw reload
	saved_and_loaded
	pfw diff
}

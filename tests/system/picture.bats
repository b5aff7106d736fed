#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a reload of many forwards leaves for the next one spares reading, and hides nothing.

load helpers

setup() {
	sandbox_check
	portfwd_setup
	host_add gw
	link_add gw wan0 gw lan0
}

# A configuration of enough forwards, and one more as given.
many() { # [FORWARD]
	jq -n --argjson more "[${1-}]" '{ forwards: ([range(1100) | {
		name: "n\(.)", listen: "198.51.\(. / 200 | floor).\(. % 200 + 1):80", target: "10.0.0.2"
	}] + $more) }' | config
}

picture() {
	local folder=("$RUN_DIR"/net-*)
	echo "${folder[0]}/picture"
}

# A picture that counts stays; otherwise a new one is made.
which_picture() {
	stat -c '%i %y' "$(picture)"
}

reload_takes_it() {
	local before
	before=$(which_picture)
	pfw reload
	equal "$before" "$(which_picture)" "the picture"
}

# Reads the kernel, and mends it.
reload_mends() { # WHAT
	pfw reload
	if ! pfw diff; then
		echo "not mended: $1" >&2
		return 1
	fi
}

@test "the next reload takes it, and nobody else may read it" {
	many
	pfw reload
	equal "600 0" "$(stat -c '%a %u' "$(picture)")"
	reload_takes_it
	reload_takes_it
	many '{ "name": "more", "listen": "8080", "target": "10.0.0.2" }'
	pfw reload
	pfw diff
	reload_takes_it
	pfw flush
	[ ! -e "$(picture)" ]
}

@test "it does not count once anybody has changed the kernel, portfwd too" {
	local old=$BATS_TEST_TMPDIR/old change
	many
	pfw reload
	cp -p "$(picture)" "$old"
	for change in "delete element inet portfwd dnat4_addr { 198.51.0.7 . tcp . 80 }" \
		"flush chain inet portfwd prerouting" "delete table inet portfwd" "flush ruleset"; do
		in_ns gw nft "$change"
		reload_mends "$change"
		reload_takes_it
	done
	pfw add more 8080 10.0.0.2
	pfw remove n3
	reload_mends "add and remove"
	in_ns gw nft delete element inet portfwd dnat4_addr '{ 198.51.0.7 . tcp . 80 }'
	cp -p "$old" "$(picture)"
	reload_mends "with an old picture"
}

@test "one that is damaged, cut off or none at all does not count" {
	local file damage size before
	many
	pfw reload
	file=$(picture)
	size=$(stat -c %s "$file")
	for damage in "printf x | dd of=$file bs=1 seek=$((size - 9)) conv=notrunc status=none" \
		"printf x | dd of=$file bs=1 seek=3 conv=notrunc status=none" \
		"truncate -s -1 $file" "truncate -s 20 $file" "truncate -s 0 $file" "echo x >> $file" \
		"rm $file" "rm $file && mkfifo $file" "rm $file && ln -s /dev/zero $file"; do
		sh -c "$damage"
		before=$(which_picture 2>&1 || true)
		timeout 60 ip netns exec gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" reload
		pfw diff
		[ -f "$file" ] && [ ! -L "$file" ]
		[ "$before" != "$(which_picture)" ]
		equal "$size" "$(stat -c %s "$file")" "$damage"
	done
	# As if the kernel had what the configuration says now.
	jq '.forwards[7].name = "m7"' "$CONFIG" > "$CONFIG.new"
	mv "$CONFIG.new" "$CONFIG"
	sed -i 's/\(\W\)n7\x00/\1m7\x00/g' "$file"
	reload_mends forged
}

# The kernel drops it by a clock of its own, and counts no generation for that.
@test "there is none where something goes by itself in time" {
	many
	pfw reload
	[ -e "$(picture)" ]
	many '{ "name": "brief", "listen": "8080", "target": "10.0.0.2", "expires": "2200-01-01T00:00:00Z" }'
	pfw reload
	[ ! -e "$(picture)" ]
	pfw remove brief
	pfw reload
	reload_takes_it
}

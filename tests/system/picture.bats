#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of a large configuration a reload leaves a picture of the kernel to the next one.
# It saves a read where nothing happened in between, and never hides that something did.
#
# As long as 20 tests.
#
# Backends: nftables

load helpers
load language

setup() {
	sandbox_check
	portfwd_setup
	# In memory, like /run/portfwd.
	RUN_DIR=/run/portfwd
	rm -rf "$RUN_DIR"
	topology
	peer_serve server web tcp "$SERVER4" 80 web tcp "$SERVER6" 80
	peer_serve second web tcp "$SECOND4" 80 web tcp "$SECOND6" 80
	large 750 | config
	pfw -q reload
	PICTURE=$(echo "$RUN_DIR"/net-*/picture)
}

# N forwards of each family and one with two targets, and MORE, objects with a comma behind.
large() { # N [MORE]
	echo '{ "forwards": ['
	awk -v n="$1" -v wan4="$WAN4" -v wan6="$WAN6" -v server4="$SERVER4" -v server6="$SERVER6" 'BEGIN {
		for (i = 1; i <= n; i++) {
			printf "{\"name\": \"a%d\", \"listen\": \"%s:%d\", \"target\": \"%s:80\"},\n",
				i, wan4, i + 10000, server4
			printf "{\"name\": \"b%d\", \"listen\": \"[%s]:%d\", \"target\": \"[%s]:80\"},\n",
				i, wan6, i + 10000, server6
		}
	}'
	printf '%s\n' "${2-}"
	echo '{ "name": "pool", "listen": "8082", "target": ["'"$SERVER4:80\", \"$SECOND4:80"'",
	  "'"[$SERVER6]:80\", \"[$SECOND6]:80"'"] } ] }'
}

# One connection in each family to these ports.
visit() { # PORT …
	local port answers

	answers=$(for port in "$@"; do
		echo "ask tcp $WAN4 $port"
		echo "ask tcp $WAN6 $port"
	done | peer_ask client | cut -d' ' -f1)
	equal "$(for port in "$@"; do printf 'web\nweb\n'; done)" "$answers" "ports $*"
}

counts() {
	pfw_json '[.forwards[] | select(.connections > 0) | "\(.name)=\(.connections)"] | join(" ")' list
}

# How many sets were asked for their elements by "reload"; what it says is in $output.
asks() {
	local calls=$BATS_TEST_TMPDIR/calls

	output=$(ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 in_ns gw strace -f -o "$calls" \
		-e trace=sendto,sendmsg,write "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" reload)
	# As a number or in words, whatever strace knows of the socket.
	asked=$(grep -c 'nlmsg_type=0xa0d[ ,]\|GETSETELEM' "$calls" || true)
}

nothing="reloaded 1501 forwards, nothing changed"

@test "two reloads in a row: the second one reads no map, and is right" {
	command -v strace > /dev/null || skip "needs strace"
	local asked output
	visit 10001 10750 8082
	asks
	equal "0 $nothing" "$asked $output"
	asks
	equal "0 $nothing" "$asked $output"
	in_sync
	# Somebody else's table: the picture may be as good as ever, but who knows.
	in_ns gw nft add table inet theirs
	asks
	[ "$asked" -gt 2 ]
	equal "$nothing" "$output"
	asks
	equal "0 $nothing" "$asked $output"
	# A change is made from the picture alone.
	large 749 '{"name": "more", "listen": "9000", "target": "self:22"},' | config
	asks
	equal "0 reloaded 1500 forwards" "$asked $output"
	in_sync
	unreachable tcp client "$WAN4" 10750
	equal "a1=1 b1=1 pool=2" "$(counts)"
	asks
	equal "0 reloaded 1500 forwards, nothing changed" "$asked $output"
	visit 10001 10749 8082
}

@test "few forwards leave no picture, and take away what many left" {
	[ -s "$PICTURE" ]
	equal 600 "$(stat -c %a "$PICTURE")"
	large 20 | config
	pfw -q reload
	[ ! -e "$PICTURE" ]
	in_sync
	large 750 | config
	pfw -q reload
	[ -s "$PICTURE" ]
	pfw -q flush
	[ ! -e "$PICTURE" ]
	pfw -q reload
	in_sync
}

@test "what others do behind a picture is put back, and the rest goes on counting" {
	local commands before
	visit 10002 10003 10750 8082
	before=$(counts)
	equal "a2=1 b2=1 a3=1 b3=1 a750=1 b750=1 pool=2" "$before"
	while IFS= read -r commands; do
		pfw -q reload
		in_ns gw nft "$commands"
		pfw_fails 7 diff
		pfw -q reload
		in_sync || {
			echo "after: $commands" >&2
			return 1
		}
		equal "$before" "$(counts)" "$commands"
	done <<-END
		delete element inet portfwd dnat4_addr { $WAN4 . tcp . 10001 }
		delete element inet portfwd dnat6_addr { $WAN6 . tcp . 10001 }; add element inet portfwd dnat6_addr { $WAN6 . tcp . 10001 : $SECOND6 . 80 }
		add element inet portfwd dnat4_addr { $WAN4 . tcp . 9999 : $SECOND4 . 80 }
		insert rule inet portfwd prerouting accept
		flush chain inet portfwd output
		add chain inet portfwd forward { policy drop; }
		add table inet portfwd { flags dormant; }
		flush set inet portfwd revision
		add chain inet portfwd theirs { type filter hook input priority 0; policy drop; }
		add map inet portfwd theirs { type ipv4_addr : verdict; }
	END
	visit 10001 10002
	for commands in 'flush map inet portfwd dnat4_addr' 'flush map inet portfwd dnat6_addr' \
		'flush chain inet portfwd to-pool' 'flush table inet portfwd' \
		'delete table inet portfwd' 'flush ruleset'; do
		pfw -q reload
		in_ns gw nft "$commands"
		pfw_fails 7 diff
		pfw -q reload
		in_sync
		visit 10001 10002 10750 8082
	done
	equal "a1=2 b1=2 a2=2 b2=2 a750=2 b750=2 pool=4" "$(
		pfw -q reload
		visit 10001 10002 10750 8082
		counts
	)"
}

# Changes one byte of the picture.
flip() { # OFFSET
	local byte
	byte=$(od -An -tu1 -j "$1" -N 1 "$PICTURE")
	# shellcheck disable=SC2059 # the byte
	printf "\\x$(printf %x $((byte ^ 0x11)))" |
		dd of="$PICTURE" bs=1 seek="$1" conv=notrunc status=none
}

# Others delete an element, and somebody makes the picture say that it is younger than that.
forge() {
	local now=96 byte
	pfw -q reload
	byte=$(od -An -tu1 -j "$now" -N 1 "$PICTURE")
	[ "$byte" -lt 255 ] || {
		in_ns gw nft add table inet theirs
		pfw -q reload
		byte=$(od -An -tu1 -j "$now" -N 1 "$PICTURE")
	}
	in_ns gw nft delete element inet portfwd dnat4_addr "{ $WAN4 . tcp . 10001 }"
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((byte + 1)))" |
		dd of="$PICTURE" bs=1 seek="$now" conv=notrunc status=none
}

# Spoils a picture that would be believed, and expects that it is not.
spoiled() { # WHAT COMMAND …
	local what=$1
	shift
	forge
	"$@"
	"${AS[@]}" ip netns exec gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" -q reload
	in_sync || {
		echo "after a picture was spoiled: $what" >&2
		return 1
	}
	rm -rf "$PICTURE"
}

by_link() {
	mv "$PICTURE" "$PICTURE.other"
	ln "$1" "$PICTURE.other" "$PICTURE"
}

pipe_in_place() {
	rm "$PICTURE"
	mkfifo "$PICTURE"
}

folder_in_place() {
	rm "$PICTURE"
	mkdir -p "$PICTURE/sub"
}

socket_in_place() {
	rm "$PICTURE"
	socat "UNIX-LISTEN:$PICTURE,unlink-close=0" EXEC:true 3>&- &
	until [ -S "$PICTURE" ]; do :; done
	kill "$!"
}

@test "a picture that is spoiled is none" {
	local size AS=() at
	# Else nothing below is tried: unspoiled, this one is believed.
	forge
	pfw -q reload
	pfw_fails 7 diff
	in_ns gw nft add table inet theirs
	pfw -q reload
	in_sync

	size=$(stat -c %s "$PICTURE")
	for at in 0 1 95 119 120 121 $((size / 2)) $((size - 1)); do
		spoiled "cut to $at bytes" truncate -s "$at" "$PICTURE"
	done
	spoiled "a byte more" truncate -s +1 "$PICTURE"
	spoiled "ten MB more" truncate -s +10M "$PICTURE"
	# The program, the boot, the generation, the length, the hash; then the items.
	for at in 0 32 95 97 100 104 111 112 119 120 124 126 127 128 $((size - 1)); do
		spoiled "byte $at" flip "$at"
	done
	RANDOM=${SEED:-1}
	for ((at = 0; at < ${CHANGES:-200} / 20; at++)); do
		spoiled "a byte of SEED ${SEED:-1}, change $at" flip $((120 + RANDOM * 32768 % (size - 120)))
	done
	spoiled "a symbolic link" by_link -s
	spoiled "a pipe" pipe_in_place
	spoiled "a folder" folder_in_place
	spoiled "a socket" socket_in_place
}

@test "a picture that belongs to others, or that cannot be read, is none" {
	local AS=()
	spoiled "gone" rm "$PICTURE"
	if [ "$(wc -l < /proc/self/uid_map)" = 1 ] && grep -q ' 4294967295$' /proc/self/uid_map; then
		spoiled "somebody else's" chown 65534 "$PICTURE"
	fi
	local rights=-dac_override,-dac_read_search
	AS=(setpriv "--bounding-set=$rights" "--inh-caps=$rights")
	spoiled "unreadable" chmod 0 "$PICTURE"
}

@test "what the kernel refuses changes neither table nor picture" {
	local before table library=$BATS_TEST_TMPDIR/refuse.so
	"${CC:-cc}" -shared -fPIC -o "$library" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	visit 10001
	cp "$CONFIG" "$BATS_TEST_TMPDIR/good.json"
	# Of what was learned from packets, the time goes on.
	table=$(in_ns gw nft list ruleset | sed 's/ expires [0-9a-z]*//')
	before=$(sha256sum < "$PICTURE")
	large 740 '{"name": "bad", "listen": "9000", "target": "self:22"},' | config
	run env LD_PRELOAD="$library" REFUSE_ELEMENT=bad \
		ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0" \
		ip netns exec gw "$PORTFWD" -c "$CONFIG" --run-dir "$RUN_DIR" reload
	equal 1 "$status" "$output"
	contains "$output" 'the kernel refused forward "bad", "element self'
	contains "$output" 'nothing was changed'
	equal "$before" "$(sha256sum < "$PICTURE")"
	equal "$table" "$(in_ns gw nft list ruleset | sed 's/ expires [0-9a-z]*//')"
	cp "$BATS_TEST_TMPDIR/good.json" "$CONFIG"
	pfw -q reload
	in_sync
	visit 10001 10750
	large 740 '{"name": "bad", "listen": "9000", "target": "self:22"},' | config
	pfw -q reload
	in_sync
}

# The element of a forward that expires is there.
stands() { # FAMILY PORT
	in_ns gw nft list map inet portfwd "chain$1_any" | grep -q "tcp . $2 "
}

expiring() { # TIME NAME …
	local time=$1 port=9001 name
	shift
	for name in "$@"; do
		printf '{"name": "%s", "listen": "%d", "target": ["%s:80", "[%s]:80"], "expires": "%s"},\n' \
			"$name" "$port" "$SERVER4" "$SERVER6" "$time"
		port=$((port + 1))
	done
}

@test "what expired between two reloads" {
	local soon late before
	visit 10001
	before=$(counts)
	soon=$(date -u -d '+2 seconds' +%FT%TZ)
	late=$(date -u -d '+1 hour' +%FT%TZ)
	large 750 "$(expiring "$soon" leaves stays-on turns)" | config
	pfw -q reload
	while stands 4 9001 || stands 6 9002 || stands 6 9003; do :; done
	# One is as it was, one lives longer, of one nothing is left.
	large 750 "$(expiring "$soon" leaves
		expiring "$late" stays-on | sed s/9001/9002/)" | config
	pfw -q reload
	in_sync
	visit 9002 10001
	unreachable tcp client "$WAN4" 9001
	unreachable tcp client "$WAN6" 9003
	pfw -q reload
	in_sync
	equal "$before" "$(counts | sed 's/=2/=1/g; s/ stays-on.*//')"
	equal expired "$(pfw_json '.forwards[] | select(.name == "leaves").state' list)"
}

@test "reload after add, remove and disable" {
	local i
	visit 10001
	for i in 1 2; do
		pfw -q add "x$i" "9000" "$SERVER4:80,[$SERVER6]:80"
		pfw -q reload
		in_sync
		visit 9000
		pfw -q disable a1
		pfw -q reload
		in_sync
		unreachable tcp client "$WAN4" 10001
		pfw -q remove "x$i"
		pfw -q enable a1
		pfw -q reload
		in_sync
		pfw -q reload
		in_sync
		visit 10001
	done
	equal "a1=1 b1=3" "$(counts)"
}

@test "a map that outgrows its size: nothing is lost, nothing counts anew" {
	local before="a1=1 b1=1 a750=1 b750=1 pool=2"
	pfw -q flush
	large 4096 | config
	pfw -q reload
	# So that there is room for as many again.
	contains "$(in_ns gw nft list map inet portfwd dnat4_addr | head -n 5)" "size 8192"
	visit 10001 10750 8082
	equal "$before" "$(counts)"
	large 8192 | config
	pfw -q reload
	contains "$(in_ns gw nft list map inet portfwd dnat4_addr | head -n 5)" "size 8192"
	pfw -q add one "$WAN4:9000" "$SERVER4:80"
	contains "$(in_ns gw nft list map inet portfwd dnat4_addr | head -n 5)" "size 32768"
	contains "$(in_ns gw nft list map inet portfwd dnat6_addr | head -n 5)" "size 16384"
	in_sync
	equal "$before" "$(counts)"
	large 16500 | config
	pfw -q reload
	contains "$(in_ns gw nft list map inet portfwd dnat6_addr | head -n 5)" "size 65536"
	equal "$before" "$(counts)"
	visit 10001 10750 8082 26384
	pfw -q reload
	in_sync
	equal "a1=2 b1=2 a750=2 b750=2 a16384=1 b16384=1 pool=4" "$(counts)"
}

# The kernel drops it by a clock of its own, and counts no generation for that.
@test "there is none where something goes by itself in time" {
	[ -e "$PICTURE" ]
	large 750 '{"name": "brief", "listen": "9000", "target": "10.0.0.2", "expires": "2200-01-01T00:00:00Z"},' | config
	pfw -q reload
	[ ! -e "$PICTURE" ]
	large 750 | config
	pfw -q reload
	[ -e "$PICTURE" ]
}

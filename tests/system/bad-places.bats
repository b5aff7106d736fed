#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2030,SC2031,SC2034
#
# Good commands in bad places: files, folders, rights, host or kernel do not let them.
#
# Backends: nftables

load helpers
load bad-input

@test "something else in place of the file" {
	rm "$CONFIG"
	for_reading missing 1 'cannot read @FILE@: there is no such file; "portfwd add" makes it'
	mkdir "$CONFIG"
	for_all folder 1 'cannot read @FILE@: it is a directory, not a file'
	rmdir "$CONFIG"
	mkfifo "$CONFIG"
	for_all pipe 1 'cannot read @FILE@: it is a pipe, not a file'
	rm "$CONFIG"
	socat "UNIX-LISTEN:$CONFIG,unlink-close=0" EXEC:true 3>&- &
	PIDS+=("$!")
	until [ -S "$CONFIG" ]; do :; done
	for_all socket 1 'cannot read @FILE@: it is a socket, not a file'
	kill "${PIDS[0]}"
	rm -f "$CONFIG"
	: > "$CONFIG"
	mount --bind /dev/null "$CONFIG"
	for_all device 1 'cannot read @FILE@: it is a device, not a file'
	umount "$CONFIG"
	rm "$CONFIG"
	ln -s nowhere.json "$CONFIG"
	for_reading dangling 1 'cannot read @TMP@/etc/nowhere.json: there is no such file; "portfwd add" makes it'
	ln -sf portfwd.json "$CONFIG"
	for_all loop 1 'cannot use @FILE@: Too many levels of symbolic links'
	ln -sf other.json "$CONFIG"
	ln -s portfwd.json "${CONFIG%/*}/other.json"
	for_all loop-of-two 1 'cannot use @FILE@: Too many levels of symbolic links'
	rm "$CONFIG" "${CONFIG%/*}/other.json"
	settle
}

for_reading() { # ID CODE TEXT
	typed "$@" reload
	typed "$@" --json check
}

for_all() { # ID CODE TEXT
	for_reading "$@"
	typed "$@" add extra 9999 10.0.0.9:80
	typed "$@" remove web
}

@test "something else in place of the drop-ins" {
	: > "${DROP_IN%/*}"
	for_all drop-ins-file 1 'cannot read @TMP@/etc/portfwd.d: Not a directory'
	rm "${DROP_IN%/*}"
	mkdir -p "$DROP_IN"
	for_all drop-in-folder 1 'cannot read @DROP_IN@: it is a directory, not a file'
	rmdir "$DROP_IN"
	mkfifo "$DROP_IN"
	for_all drop-in-pipe 1 'cannot read @DROP_IN@: it is a pipe, not a file'
	rm "$DROP_IN"
	ln -s nowhere "$DROP_IN"
	for_all drop-in-dangling 1 'cannot read @TMP@/etc/portfwd.d/nowhere: No such file or directory'
	ln -sf 10-more.json "$DROP_IN"
	for_all drop-in-loop 1 'cannot use @DROP_IN@: Too many levels of symbolic links'
	rm "$DROP_IN"
	settle
}

for_saving() { # ID CODE TEXT
	typed "$@" add extra 9999 10.0.0.9:80
	typed "$@" --json add extra 9999 self:80
	typed "$@" add web 198.51.100.1:8080 10.0.0.3:80 --replace
	typed "$@" remove web
	typed "$@" disable web
	typed "$@" enable dns
}

@test "a file that cannot be written" {
	mount --bind "$BATS_TEST_TMPDIR/etc" "$BATS_TEST_TMPDIR/etc"
	mount -o remount,bind,ro "$BATS_TEST_TMPDIR/etc"
	for_saving read-only 1 'cannot save @FILE@: Read-only file system'
	umount "$BATS_TEST_TMPDIR/etc"
	mount -t tmpfs -o size=16k tmpfs "$BATS_TEST_TMPDIR/etc"
	good > "$CONFIG"
	: > "${CONFIG%/*}/.portfwd.lock"
	head -c 100k /dev/zero > "$BATS_TEST_TMPDIR/etc/filler" 2> /dev/null || true
	for_saving disk-full 1 'cannot save @FILE@: No space left on device'
	umount "$BATS_TEST_TMPDIR/etc"
	mount -t tmpfs -o nr_inodes=3 tmpfs "$BATS_TEST_TMPDIR/etc"
	good > "$CONFIG"
	: > "$BATS_TEST_TMPDIR/etc/filler"
	for_saving no-inodes 1 'cannot save @FILE@: No space left on device'
	umount "$BATS_TEST_TMPDIR/etc"
	CONFIG=$BATS_TEST_TMPDIR/good.json/portfwd.json
	typed below-a-file 1 'cannot read @TMP@/good.json/portfwd.d: Not a directory' reload
	typed below-a-file-check 1 'cannot read @TMP@/good.json/portfwd.d: Not a directory' --json check
	settle
}

@test "a file that everybody may write is told of" {
	pfw -q reload
	chmod o+w "$CONFIG"
	run pfw reload
	equal 0 "$status"
	contains "$output" "warning: everybody may write $CONFIG"
	chmod o-w "$CONFIG"
	run pfw reload
	[[ $output != *warning* ]]
}

@test "something else in place of the lock" {
	rm "${CONFIG%/*}/.portfwd.lock"
	ln -s "$BATS_TEST_TMPDIR/victim" "${CONFIG%/*}/.portfwd.lock"
	for_saving lock-link 1 'cannot lock @TMP@/etc: @TMP@/etc/.portfwd.lock is not a file; remove it'
	[ ! -e "$BATS_TEST_TMPDIR/victim" ]
	rm "${CONFIG%/*}/.portfwd.lock"
	mkfifo "${CONFIG%/*}/.portfwd.lock"
	for_saving lock-pipe 1 'cannot lock @TMP@/etc: @TMP@/etc/.portfwd.lock is not a file; remove it'
	rm "${CONFIG%/*}/.portfwd.lock"
	settle
}

@test "a folder that is read-only is good enough for reload, with a lock in it or without" {
	local lock
	for lock in with without; do
		[ "$lock" = with ] || rm "${CONFIG%/*}/.portfwd.lock"
		mount --bind "$BATS_TEST_TMPDIR/etc" "$BATS_TEST_TMPDIR/etc"
		mount -o remount,bind,ro "$BATS_TEST_TMPDIR/etc"
		pfw flush
		pfw reload
		pfw diff
		umount "$BATS_TEST_TMPDIR/etc"
	done
}

@test "a run directory that cannot be used" {
	pfw -q flush
	RUN_DIR=$CONFIG/run
	typed run-dir-below-a-file 1 'cannot use @FILE@/run: Not a directory' add extra 9999 10.0.0.9:80
	typed run-dir-below-a-file 1 'cannot use @FILE@/run: Not a directory' reload
	RUN_DIR=$BATS_TEST_TMPDIR/run
	mount --bind "$RUN_DIR" "$RUN_DIR"
	mount -o remount,bind,ro "$RUN_DIR"
	typed run-dir-read-only 1 'cannot make @NET@: Read-only file system' add extra 9999 10.0.0.9:80
	typed run-dir-read-only 1 'cannot make @NET@: Read-only file system' reload
	umount "$RUN_DIR"
	mount -t tmpfs -o size=4k tmpfs "$RUN_DIR"
	pfw -q flush
	head -c 10k /dev/zero > "$RUN_DIR/filler" 2> /dev/null || true
	for_applying run-dir-full 1 'cannot save @NET@/state.json: No space left on device'
	umount "$RUN_DIR"
	pfw -q reload
	echo '{ "boot"' > "$NET/state.json"
	for_applying state-damaged 1 "@NET@/state.json is damaged (line 2: ':' expected near end of file); set net.ipv4.ip_forward and net.ipv6.conf.all.forwarding to what they are without portfwd, remove the file, then \"portfwd reload\""
	settle
}

# From nothing: the table, the switch for routing and what is recorded of it.
for_applying() { # ID CODE TEXT
	typed "$@" reload
	typed "$@" add extra 9999 10.0.0.9:80
	typed "$@" add extra 9999 '[fd00::9]:80'
	typed "$@" enable dns
}

@test "a host that cannot be changed" {
	pfw -q flush
	mount --bind /proc/sys /proc/sys
	mount -o remount,bind,ro /proc/sys
	for_applying sysctl-read-only 1 'cannot open sysctl net/ipv4/ip_forward: Read-only file system'
	umount /proc/sys
	settle
}

@test "without the right to change the network" {
	AS=(setpriv --bounding-set=-net_admin --inh-caps=-net_admin)
	for_saving no-net-admin 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root'
	typed no-net-admin-reload 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root' reload
	typed no-net-admin-diff 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root' diff
	typed no-net-admin-list 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root' --json list
	typed no-net-admin-status 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root' status
	typed no-net-admin-flush 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root' flush
	typed no-net-admin-netns 5 'cannot read nf_tables: Operation not permitted; it takes CAP_NET_ADMIN, so run as root' --netns gw list
	settle
}

@test "without any right" {
	AS=(setpriv --bounding-set=-all --inh-caps=-all)
	chmod 000 "$CONFIG"
	typed file-unreadable 5 'cannot read @FILE@: Permission denied' --json check
	typed file-unreadable 5 'cannot read @FILE@: Permission denied' reload
	chmod 644 "$CONFIG"
	chmod 500 "$NET"
	chmod 500 "$BATS_TEST_TMPDIR/etc"
	rm "$NET/lock"
	typed lock-unwritable 5 'cannot open @NET@/lock: Permission denied; run as root' add extra 9999 10.0.0.9:80
	settle
}

# ---- Refusals in the middle

refusing() { # NAME=VALUE
	local library=$BATS_TEST_TMPDIR/refuse.so
	[ -e "$library" ] || "${CC:-cc}" -shared -fPIC -o "$library" "$BATS_TEST_DIRNAME/refuse.c" -ldl
	AS=(env "LD_PRELOAD=$library" "ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0" "$1")
}

@test "the kernel refuses one of many: it is named, and nothing changes" {
	local i
	refusing REFUSE_ELEMENT=bad
	typed refused-add 1 'the kernel refused forward "bad", "element dnat4_any { tcp . 9999 comment "bad" : 10.0.0.9 . 80 }": Invalid argument; nothing was changed' add bad 9999 10.0.0.9:80
	typed refused-add-second 1 'the kernel refused forward "bad", "element dnat4_addr { 198.51.100.1 . tcp . 9990 comment "bad" : 10.0.0.9 . 80 }": Invalid argument; nothing was changed' --json add bad 198.51.100.1:9990,9991 10.0.0.9:80
	typed refused-new-set 1 'the kernel refused forward "bad", "element dnat6_addr { 2001:db8::1 . tcp . 9999 comment "bad" : fd00::9 . 80 }": Invalid argument; nothing was changed' add bad '[2001:db8::1]:9999' '[fd00::9]:80'
	typed refused-dry-run 1 'the kernel refused forward "bad", "element dnat4_any { tcp . 9999 comment "bad" : 10.0.0.9 . 80 }": Invalid argument; nothing was changed' --dry-run add bad 9999 10.0.0.9:80
	refusing REFUSE_ELEMENT=dns
	typed refused-enable 1 'the kernel refused forward "dns", "element dnat4_any { tcp . 53 comment "dns" : 10.0.0.53 . 53 }": Invalid argument; nothing was changed' enable dns
	refusing REFUSE_ELEMENT=web
	typed refused-replace 1 'the kernel refused forward "web", "element dnat4_addr { 198.51.100.1 . tcp . 8081 comment "web" : 10.0.0.2 . 80 }": Invalid argument; nothing was changed' add --replace web 198.51.100.1:8081 10.0.0.2:80
	refusing REFUSE_ELEMENT=n700
	{
		echo '{ "forwards": ['
		for i in {1..1000}; do
			printf '{ "name": "n%d", "listen": "198.51.100.1:%d", "target": "10.0.0.2" },\n' "$i" "$i"
		done
		echo '{ "name": "last", "listen": "7", "target": "fd00::2" } ] }'
	} > "$CONFIG"
	typed refused-reload 1 'the kernel refused forward "n700", "element dnat4_addr { 198.51.100.1 . tcp . 700 comment "n700" : 10.0.0.2 . 700 }": Invalid argument; nothing was changed' reload
	AS=()
	pfw -q flush
	refusing REFUSE_ELEMENT=n700
	typed refused-first-reload 1 'the kernel refused forward "n700", "element dnat4_addr { 198.51.100.1 . tcp . 700 comment "n700" : 10.0.0.2 . 700 }": Invalid argument; nothing was changed' reload
	typed refused-first-add 1 'the kernel refused forward "n700", "element dnat4_addr { 198.51.100.1 . tcp . 700 comment "n700" : 10.0.0.2 . 700 }": Invalid argument; nothing was changed' add extra 9999 10.0.0.9:80
	settle
}

@test "the file cannot take its place after the kernel was changed: both go back" {
	# It keeps the maps: what is made anew comes last in a listing.
	pfw -q add keeps 198.51.100.1:4000 10.0.0.9
	refusing REFUSE_RENAME=/portfwd.json
	for_saving rename 1 'cannot save @FILE@: Input/output error'
	refusing REFUSE_SYNC=1
	for_saving sync 1 'cannot save @FILE@: Input/output error'
	AS=()
	pfw -q flush
	refusing REFUSE_RENAME=/portfwd.json
	typed rename-from-nothing 1 'cannot save @FILE@: Input/output error' add extra 9999 10.0.0.9:80
	AS=()
	pfw -q flush
	refusing REFUSE_RENAME=/state.json
	for_applying state-rename 1 'cannot save @NET@/state.json: Input/output error'
	settle
}

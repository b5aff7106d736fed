# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests/run and examples/demo share: the packages of Debian that are needed,
# and a build outside of the sources.

TREE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

PACKAGES_BUILD=(
	gcc libc6-dev make autoconf automake pkg-config
	libcap-ng-dev libip4tc-dev libip6tc-dev libjansson-dev libmicrohttpd-dev libmnl-dev
	libnftnl-dev libseccomp-dev libsmartcols-dev libuv1-dev libxxhash-dev
)
# netbase has the names of protocols, without which nft lists numbers.
PACKAGES_HOSTS=(iproute2 iptables netbase nftables socat util-linux)
PACKAGES_TEST=(
	bats check clang conntrack curl jq libc6-dbg mandoc python3-jsonschema python3-yaml strace systemd
	valgrind xz-utils
)
export PACKAGES_BUILD PACKAGES_HOSTS PACKAGES_TEST

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

package_missing() { # PACKAGE
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null || true)" != installed ]
}

# Installs those of the packages that are not there.
packages_install() { # PACKAGE …
	local package missing=() as=()

	if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
		echo "This is no Debian: install what these packages hold, if the build stops for it: $*"
		return 0
	fi
	for package in "$@"; do
		if package_missing "$package"; then
			missing+=("$package")
		fi
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo > /dev/null || ! sudo -n true 2> /dev/null; then
			die "these packages are missing, and only root can install them: apt-get install ${missing[*]}"
		fi
		as=(sudo -n)
	fi
	echo "Installing ${missing[*]}"
	# An old list of packages may do; without any, the second line tells.
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update < /dev/null || true
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 install "${missing[@]}" < /dev/null > /dev/null ||
		die "cannot install ${missing[*]}"
}

# Unpacks Prometheus of Debian into a folder, where it is not yet. Installed, it would serve at once.
prometheus_unpack() { # FOLDER
	[ ! -x "$1/usr/bin/promtool" ] || return 0
	rm -rf -- "$1"
	mkdir -p -- "$1"
	(cd -- "$1" && apt-get -qq -o APT::Sandbox::User=root download prometheus && dpkg-deb -x prometheus_*.deb . &&
		rm -f -- prometheus_*.deb)
}

# Packages of npm, in their folder below FOLDER.
npm_install() { # FOLDER PACKAGE@VERSION …
	local package missing=() folder=$1
	shift

	for package in "$@"; do
		[ -e "$folder/node_modules/${package%@*}/package.json" ] || missing+=("$package")
	done
	[ "${#missing[@]}" = 0 ] ||
		npm install --silent --no-audit --no-fund --prefix "$folder" "${missing[@]}"
}

# Makes configure, where it is missing or older than what it is made from.
autotools_run() {
	local made=$TREE/configure

	if [ -e "$made" ] && [ -e "$TREE/Makefile.in" ] && [ -e "$TREE/build-aux/tap-driver.sh" ] &&
		[ ! "$TREE/configure.ac" -nt "$made" ] && [ ! "$TREE/Makefile.am" -nt "$TREE/Makefile.in" ]; then
		return 0
	fi
	(cd -- "$TREE" && autoreconf -fi) || return
	# What did not change keeps its time; the next run shall not make it again.
	touch -- "$made" "$TREE/Makefile.in"
}

# Builds in FOLDER, with these words for configure. A folder that was configured
# with the same words before is used again.
build_in() { # FOLDER [WORD …]
	local folder=$1
	shift

	mkdir -p -- "$folder" || return
	( # Callers ask for the status, so set -e does not work in here.
		cd -- "$folder" || exit
		if [ ! -e config.status ] || [ "$TREE/configure" -nt config.status ] ||
			[ "$(cat configured 2> /dev/null)" != "$*" ]; then
			rm -f configured
			"$TREE/configure" "$@" || exit
			printf '%s\n' "$*" > configured
			touch config.status
		fi
		make -j"$(nproc)"
	)
}

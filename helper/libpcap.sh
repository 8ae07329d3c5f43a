#!/usr/bin/env bash
# Builds the static libpcap that the helper links, from Debian's source package, into the cache.
# Debian's own libpcap.a can't be linked statically: it pulls in D-Bus, which has no static library.
# What we use of libpcap is its filter compiler, so every capture back end but Linux's is left out.
# To it we add one function, packet_trail_as_live(): without it `vlan` would look for a tag in the
# frame alone, as in a file, while Linux keeps the tag beside the packet.
#
#   libpcap.sh ARCH           build it for ARCH (x86_64, aarch64) if it isn't there
#   libpcap.sh --path ARCH    print the folder that holds include/ and lib/libpcap.a, built or not
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
debian=$here/../test/setup/debian.sh
cache=${PACKET_TRAIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/packet-trail}/libpcap
# Where the source package is looked for, first to last.
suites=(trixie sid)

die() {
	echo "packet-trail: libpcap: $1" >&2
	exit "${2:-1}"
}

# Prints the folder for ARCH: the newest that was built, so that no network is needed then, else
# the one that a build would make.
prefix() {
	local built suite version
	built=$(find "$cache" -mindepth 1 -maxdepth 1 -type d -name "[0-9]*-live-$1" 2>/dev/null | sort -V | tail -n 1)
	if [ -n "$built" ]; then
		echo "$built"
		return
	fi
	for suite in "${suites[@]}"; do
		version=$("$debian" version "$suite" libpcap) || continue
		echo "$cache/$version-live-$1"
		return
	done
	die "Debian's archive gave no source package: see the messages above"
}

# build ARCH PREFIX
build() {
	local arch=$1 target=$2 work suite configure=() compiler=${CC:-cc}
	if [ "$arch" != "$(uname -m)" ]; then
		compiler=$arch-linux-gnu-gcc
		command -v "$compiler" >/dev/null ||
			die "the cross compiler $compiler is missing: install the package gcc-${arch//_/-}-linux-gnu"
		configure=("--host=$arch-linux-gnu")
	fi
	mkdir -p "$cache"
	# A name that prefix() never takes for a finished build.
	work=$(mktemp -d "$cache/.build-XXXXXXXX")
	# shellcheck disable=SC2064 # the folder of now is meant
	trap "rm -rf '$work'" EXIT
	for suite in "${suites[@]}"; do
		"$debian" source "$suite" libpcap "$work" >"$work/files" && break
	done
	[ -s "$work/files" ] || die "Debian's archive gave no source package: see the messages above"
	# apt has checked the files' signatures and sums; this machine needn't hold the uploader's key.
	dpkg-source --no-check --extract "$work"/libpcap_*.dsc "$work/source" >"$work/log" 2>&1 ||
		die "can't unpack the source package: $(tail -n 1 "$work/log")"
	if ! (
		cd "$work/source"
		cat >>pcap.c <<-'C'

			void packet_trail_as_live(pcap_t *p);
			void packet_trail_as_live(pcap_t *p)
			{
				p->bpf_codegen_flags |= BPF_SPECIAL_VLAN_HANDLING;
			}
		C
		./configure CC="$compiler" CFLAGS="-O2 -ffile-prefix-map=$work=." "${configure[@]}" \
			--disable-dbus --disable-usb --disable-bluetooth --disable-rdma --without-libnl --disable-shared
		make -j "$(nproc)" libpcap.a
	) >"$work/log" 2>&1; then
		tail -n 20 "$work/log" >&2
		die "the build for $arch failed: its last lines are above; flex, bison, make and $compiler are needed"
	fi
	install -D -m 644 -t "$work/out/lib" "$work/source/libpcap.a"
	install -D -m 644 -t "$work/out/include" "$work/source/pcap.h"
	install -D -m 644 -t "$work/out/include/pcap" "$work/source/pcap/"*.h
	# Of two builds at once the second's result is thrown away: the first may be in use already.
	mv -T "$work/out" "$target" 2>/dev/null || [ -f "$target/lib/libpcap.a" ] ||
		die "can't put the result in $target: check the folder's permissions and the space left"
}

path_only=
if [ "${1:-}" = --path ]; then
	path_only=1
	shift
fi
case "$#:${1:-}" in
1:x86_64 | 1:aarch64) ;;
*) die "usage: libpcap.sh [--path] x86_64|aarch64" 2 ;;
esac
target=$(prefix "$1")
if [ -n "$path_only" ]; then
	echo "$target"
elif [ ! -f "$target/lib/libpcap.a" ]; then
	build "$1" "$target"
fi

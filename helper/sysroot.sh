#!/usr/bin/env bash
# Puts the static libraries that the helper links into the cache, for another processor than this machine's: libbpf, libelf
# and zlib of Debian. So nothing foreign is installed on this machine, and no root is needed.
#
#   sysroot.sh ARCH           fetch them for ARCH (x86_64, aarch64) if they aren't there
#   sysroot.sh --path ARCH    print the folder that holds usr/include and usr/lib, there or not
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
debian=$here/../test/setup/debian.sh
cache=${PACKET_TRAIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/packet-trail}/sysroot
# The release whose libraries are linked, whatever this machine runs: the helper's least libbpf.
suite=bookworm
packages=(libbpf-dev libelf-dev zlib1g-dev)

die() {
	echo "packet-trail: sysroot: $1" >&2
	exit "${2:-1}"
}

path_only=
if [ "${1:-}" = --path ]; then
	path_only=1
	shift
fi
case "$#:${1:-}" in
1:x86_64) architecture=amd64 ;;
1:aarch64) architecture=arm64 ;;
*) die "usage: sysroot.sh [--path] x86_64|aarch64" 2 ;;
esac
target=$cache/$suite-$1
if [ -n "$path_only" ]; then
	echo "$target"
	exit 0
fi
[ ! -d "$target" ] || exit 0
mkdir -p "$cache"
work=$(mktemp -d "$cache/.unpack-XXXXXXXX")
trap 'rm -rf "$work"' EXIT
"$debian" download "$suite" "$architecture" "$work/packages" "${packages[@]}" >"$work/files" ||
	die "Debian's archive gave no libraries: see the messages above"
while read -r file; do
	dpkg-deb -x "$work/packages/$file" "$work/out" || die "can't unpack $file"
done <"$work/files"
# Of two at once the second's result is thrown away: the first may be in use already.
mv -T "$work/out" "$target" 2>/dev/null || [ -d "$target" ] ||
	die "can't put the result in $target: check the folder's permissions and the space left"

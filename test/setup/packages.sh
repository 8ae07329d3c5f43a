#!/usr/bin/env bash
# Installs the system packages that building and testing need, and only those that are missing.
# Usage: test/setup/packages.sh [build] [test]   (default: both)
# Debian and Ubuntu; root or sudo is needed only where something is missing.
set -euo pipefail

# What it takes to build the helper and the extension.
build=(make gcc clang llvm clang-format libc6-dev libbpf-dev libelf-dev zlib1g-dev flex bison dpkg-dev
	debian-archive-keyring)
# The helper is built for both processors that nodes have.
case "$(uname -m)" in
aarch64) build+=(gcc-x86-64-linux-gnu libc6-dev-amd64-cross) ;;
*) build+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
esac
# What it takes to boot the test node, run VS Code in Chromium and run the suites.
test=(qemu-system-x86 qemu-system-arm cpio kmod busybox-static openssh-client openssh-server openssh-sftp-server
	chromium fonts-dejavu-core clangd universal-ctags xz-utils zstd valgrind sudo iproute2 procps
	g++ python3 ripgrep)

. /etc/os-release
case "${ID:-} ${ID_LIKE:-}" in
*ubuntu*)
	build+=(linux-tools-common linux-tools-generic)
	# Ubuntu's "chromium" is a snap shim; the browser is taken from the snap where there is one.
	;;
*debian*) build+=(bpftool) ;;
*)
	echo "packet-trail: this set-up knows Debian and Ubuntu, and this is '${PRETTY_NAME:-unknown}'." >&2
	echo "Install the equivalents of these packages, then run the command again with PACKET_TRAIL_SKIP_PACKAGES=1:" >&2
	echo "  ${build[*]} bpftool ${test[*]}" >&2
	[ -n "${PACKET_TRAIL_SKIP_PACKAGES:-}" ] || exit 1
	;;
esac
[ -z "${PACKET_TRAIL_SKIP_PACKAGES:-}" ] || exit 0

wanted=()
[ $# -gt 0 ] || set -- build test
for group in "$@"; do
	case "$group" in
	build) wanted+=("${build[@]}") ;;
	test) wanted+=("${test[@]}") ;;
	*) echo "packet-trail: unknown package group '$group'; use build or test." >&2; exit 2 ;;
	esac
done

missing=()
for package in "${wanted[@]}"; do
	# "installed" alone counts: a removed package keeps its configuration files.
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

needs_root() {
	echo "packet-trail: these system packages are missing and installing them needs root:" >&2
	echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
	echo "Run that command as root, then try again." >&2
	exit 1
}

sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || needs_root
	echo "packet-trail: installing system packages needs root; sudo may ask for your password." >&2
	sudo true || needs_root
	sudo=(sudo)
fi
echo "== system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
# Services of the packages must not start on this machine: the tests run their own sshd on loopback.
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"

#!/usr/bin/env bash
# Fetches Debian packages and sources of any suite, checked by apt's signatures, without root and
# without touching the system's own apt sources.
#
#   debian.sh mirror [SUITE]                      print the archive's address (the suite's, when given)
#   debian.sh list SUITE ARCH PATTERN…            print "NAME VERSION" of the newest version of every package
#                                                 whose name matches a glob, oldest version first
#   debian.sh download SUITE ARCH DIR PACKAGE…    put the newest version (or NAME=VERSION) of each package into
#                                                 DIR, print one file name a line, in the order of names
#   debian.sh source SUITE PACKAGE DIR            put a source package's files into DIR, print their names
#   debian.sh version SUITE PACKAGE               print the newest version of a source package
#
# SUITE is a code name (bookworm, bookworm-security, trixie, sid), ARCH a Debian one (amd64, arm64).
# Set PACKET_TRAIL_DEBIAN_MIRROR to use another mirror than the one found in apt's own configuration.
# Indexes are kept in the cache for 12 hours, and fetched anew when a file they name has gone.
set -euo pipefail
# apt's messages are read below, and lists are sorted.
export LC_ALL=C

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cache=${PACKET_TRAIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/packet-trail}/debian
index_age_minutes=$((12 * 60))
tries=4

die() {
	echo "packet-trail: $1" >&2
	exit "${2:-1}"
}

usage() {
	sed -n '5,12s/^# *//p' "$0" >&2
	exit 2
}

# Prints "ADDRESS SUITE ORIGIN" for every package index the system's own apt knows.
system_indexes() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null || true
}

# Prints the addresses that the system's own packages name as Debian's default mirror, best first.
known_mirrors() {
	local templates=/usr/share/python-apt/templates/Debian.info scripts=/usr/share/debootstrap/scripts/sid
	[ ! -r "$templates" ] || sed -n 's/^BaseURI: *\(.*\/debian\/*\)$/\1/p' "$templates"
	[ ! -r "$scripts" ] || sed -n 's/^ *default_mirror *\([^ ]*\).*/\1/p' "$scripts"
}

# mirror [SUITE]: prints the address of the archive that holds the suite.
mirror() {
	local suite=${1:-} main='' security='' id=''
	id=$(. /etc/os-release && echo "${ID:-}")
	if [ -n "${PACKET_TRAIL_DEBIAN_MIRROR:-}" ]; then
		main=$PACKET_TRAIL_DEBIAN_MIRROR
	else
		local address release origin
		while read -r address release origin; do
			# Before the first "apt-get update" apt doesn't know the origin yet; on Debian the
			# folder's name tells enough.
			[ "$origin" = Debian ] || { [ -z "$origin" ] && [ "$id" = debian ]; } || continue
			case "$release" in
			*-security | */updates) [ -n "$security" ] || security=$address ;;
			*) case "${address%/}" in */debian) [ -n "$main" ] || main=$address ;; esac ;;
			esac
		done < <(system_indexes)
		[ -n "$main" ] || main=$(known_mirrors | head -n 1)
	fi
	[ -n "$main" ] || die "no Debian mirror is known on this machine: set PACKET_TRAIL_DEBIAN_MIRROR to one (an address that ends in /debian), or install debootstrap, which names the default one"
	main=${main%/}
	case "$suite" in
	*-security) security=${security%/} && echo "${security:-${main%/debian}/debian-security}" ;;
	*) echo "$main" ;;
	esac
}

# prepare SUITE ARCH: makes the private apt configuration of one suite and architecture ("source" for
# source packages), sets $root and $apt_options, and fetches the indexes when they are missing or old.
prepare() {
	local suite=$1 arch=$2 kind=deb target=Packages address
	[[ $suite =~ ^[a-z][a-z0-9-]*$ ]] || die "not a suite's name: '$suite'" 2
	[[ $arch =~ ^[a-z0-9]+$ ]] || die "not an architecture's name: '$arch'" 2
	[ -r "$keyring" ] || die "Debian's archive keys are missing: install the package debian-archive-keyring"
	if [ "$arch" = source ]; then
		kind=deb-src target=Sources arch=$(dpkg --print-architecture)
	fi
	address=$(mirror "$suite")
	root=$cache/$suite-$2
	mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
	# apt takes no lock that a second run would wait for, so we take one for the whole folder.
	exec {lock}>"$root/lock"
	flock --timeout 900 "$lock" || die "another run has held $root/lock for 15 minutes: end it, then try again"
	local line="$kind [arch=$arch signed-by=$keyring targets=$target] $address $suite main"
	if [ "$line" != "$(cat "$root/sources.list" 2>/dev/null)" ]; then
		rm -f "$root/fresh"
		echo "$line" >"$root/sources.list"
	fi
	: >"$root/status"
	# The system's configuration stays in force (proxies, credentials) but for what is named here.
	cat >"$root/apt.conf" <<-END
		APT::Architecture "$arch";
		#clear APT::Architectures;
		APT::Architectures { "$arch"; };
		#clear APT::Default-Release;
		#clear APT::Update;
		#clear DPkg::Post-Invoke;
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Dir::State "$root";
		Dir::State::lists "$root/lists";
		Dir::State::status "$root/status";
		Dir::Cache "$root/cache";
		Dir::Cache::pkgcache "pkgcache.bin";
		Dir::Cache::srcpkgcache "srcpkgcache.bin";
		Dir::Etc::sourcelist "$root/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
	END
	apt_options=(-q=2 -c "$root/apt.conf")
	[ -n "$(find "$root/fresh" -mmin "-$index_age_minutes" 2>/dev/null)" ] || refresh
}

# retry COMMAND…: runs it until it succeeds, a few times, with a pause that grows; then shows its messages.
# A name that the index doesn't have is an answer, not a fault to retry.
retry() {
	local try
	for ((try = 1; ; try++)); do
		"$@" 2>"$root/messages" && return 0
		[ "$try" -lt "$tries" ] && ! grep -q '^E: Unable to ' "$root/messages" || break
		sleep $((try * 2))
	done
	cat "$root/messages" >&2
	return 1
}

update() {
	# A warning that some index could not be fetched is a failure here.
	apt-get "${apt_options[@]}" -o APT::Update::Error-Mode=any update >/dev/null
}

refresh() {
	rm -f "$root/fresh"
	retry update || die "can't fetch Debian's package index of ${root##*/} from $(mirror): check the network, or set PACKET_TRAIL_DEBIAN_MIRROR to another mirror"
	touch "$root/fresh"
}

# files COMMAND…: prints "NAME SHA256" for each file that an apt-get command downloads.
files() {
	apt-get "${apt_options[@]}" --print-uris "$@" 2>/dev/null |
		sed -n "s/^'[^']*' \([^ ]*\) [0-9]* SHA256:\([0-9a-f]*\).*/\1 \2/p"
}

# whole DIR NAME SHA256: whether the file is in DIR with that content.
whole() {
	[ -f "$1/$2" ] && sha256sum --check --status <<<"$3  $1/$2"
}

# fetch_once DIR COMMAND…: runs an apt-get command that downloads into DIR and prints the files' names.
# apt takes a file that lies there already for good by its size alone, so content is checked here.
fetch_once() {
	local dir=$1 name sum wanted missing=0
	shift
	wanted=$(files "$@")
	while read -r name sum; do
		[ -z "$name" ] || whole "$dir" "$name" "$sum" || { rm -f "${dir:?}/$name" && missing=1; }
	done <<<"$wanted"
	# With nothing to fetch apt is asked only for its reason.
	if [ -z "$wanted" ] || [ "$missing" = 1 ]; then
		(cd "$dir" && retry apt-get "${apt_options[@]}" "$@" >/dev/null) || return 1
	fi
	while read -r name sum; do
		whole "$dir" "$name" "$sum" || return 1
		echo "$name"
	done <<<"$wanted"
}

# fetch DIR COMMAND…: as fetch_once, and on failure once more with new indexes: the archive may have moved on.
fetch() {
	fetch_once "$@" 2>/dev/null || { refresh && fetch_once "$@"; }
}

# newest NAME…: prints "NAME VERSION" for each package that the index has.
newest() {
	apt-cache -c "$root/apt.conf" --no-all-versions show "$@" 2>/dev/null |
		awk '$1 == "Package:" { name = $2 } $1 == "Version:" { print name, $2 }'
}

# list PATTERN…
list() {
	local names pattern name version found=()
	names=$(apt-cache -c "$root/apt.conf" pkgnames)
	while read -r name; do
		for pattern in "$@"; do
			# shellcheck disable=SC2053 # the right side is meant as a glob
			if [[ $name == $pattern ]]; then
				found+=("$name")
				break
			fi
		done
	done <<<"$names"
	[ ${#found[@]} -gt 0 ] || return 0
	newest "${found[@]}" | sort -k2,2V -k1,1
}

# download DIR PACKAGE…
download() {
	local dir=$1
	shift
	mkdir -p "$dir"
	fetch "$dir" download "$@" || die "can't download from Debian's ${root##*/}: $*"
}

# source_package PACKAGE DIR
source_package() {
	local package=$1 dir=$2
	mkdir -p "$dir"
	fetch "$dir" source --download-only "$package" ||
		die "can't download the source of $package from Debian's ${root##*/}"
}

# source_version PACKAGE
source_version() {
	local version
	version=$(apt-cache -c "$root/apt.conf" showsrc --only-source "$1" 2>/dev/null |
		sed -n 's/^Version: *//p' | sort -V | tail -n 1)
	[ -n "$version" ] || die "Debian's ${root##*/} has no source package $1"
	echo "$version"
}

command=${1:-}
[ $# -eq 0 ] || shift
case "$command" in
mirror)
	[ $# -le 1 ] || usage
	mirror "$@"
	;;
list)
	[ $# -ge 3 ] || usage
	prepare "$1" "$2"
	list "${@:3}"
	;;
download)
	[ $# -ge 4 ] || usage
	prepare "$1" "$2"
	download "${@:3}"
	;;
source)
	[ $# -eq 3 ] || usage
	prepare "$1" source
	source_package "$2" "$3"
	;;
version)
	[ $# -eq 2 ] || usage
	prepare "$1" source
	source_version "$2"
	;;
*) usage ;;
esac

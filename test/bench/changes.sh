#!/bin/sh
# Runs in the node: measures how soon a running trace has taken in what changes, and prints KEY=VALUE lines.
# Usage: changes.sh HELPER
#   FILTER_MS  from the control line with a new filter until the stream says that it is in force, the best of five
#   MODULE_MS  from the end of modprobe until the module's functions are hooked; nothing where the kernel has no BTF of modules
set -eu
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf "$work"' EXIT
hooked=/sys/kernel/tracing/enabled_functions
kprobes=/sys/kernel/debug/kprobes/list # those behind ftrace's call are no functions of ftrace's

# Milliseconds since boot: a file, because starting a program takes its time here.
now() {
	read -r up rest </proc/uptime
	echo "${up%.*}${up#*.}0"
}
wait_for() { # seconds between looks, which take time themselves; condition…: a few hundred looks at most
	n=0 between=$1
	shift
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "changes.sh: no luck waiting for: $*" >&2; cat "$work/err" >&2; exit 1; }
		sleep "$between"
	done
}
module_hooked() { grep -q '\[dummy\]' $hooked || grep -q ' dummy ' $kprobes; }
told() { grep -qa "$1" "$work/out"; }
least() { # so far, now
	if [ -z "$1" ] || [ "$2" -lt "$1" ]; then echo "$2"; else echo "$1"; fi
}

mkfifo "$work/in"
"$1" --stream icmp <"$work/in" >"$work/out" 2>"$work/err" &
tool=$!
exec 9>"$work/in"
wait_for 0.1 told "$(printf '\004live')"

best=
for port in 40001 40002 40003 40004 40005; do
	start=$(now)
	echo "{\"cmd\":\"filter\",\"filter\":\"udp port $port\"}" >&9
	wait_for 0.01 told "udp port $port"
	best=$(least "$best" $(($(now) - start)))
done
echo "FILTER_MS=$best"

modprobe dummy
start=$(now)
if [ -e /sys/kernel/btf/dummy ]; then
	wait_for 0.1 module_hooked
	echo "MODULE_MS=$(($(now) - start))"
fi
echo '{"cmd":"stop"}' >&9
wait $tool

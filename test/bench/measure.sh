#!/bin/sh
# Runs in the node: measures one tracing tool, ours or the peer, in the same way, and prints KEY=VALUE lines.
# Usage: measure.sh FUNCTIONS TOOL [ARGUMENT...]
#   FUNCTIONS  file with names of functions: if it exists, "--function NAME" is added for each of them; else the names of
#              the functions that the tool hooks are written into it
#   TOOL       a program that prints a line an event on standard output and says on standard error when all is attached
# Needs scenario "pair", with nothing else going on. With QUICK=1 in the environment all is done once and short: to see that it works.
set -eu
rounds='1 2 3 4 5' flood=3000 idle=20
[ -z "${QUICK:-}" ] || rounds=1 flood=300 idle=2
functions=$1
shift
if [ -s "$functions" ]; then
	while read -r name; do set -- "$@" --function "$name"; done <"$functions"
fi
set -- "$@" icmp
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf "$work"' EXIT
tracing=/sys/kernel/tracing
kprobes=/sys/kernel/debug/kprobes/list

# Milliseconds since boot: a file, because starting a program takes its time here.
now() {
	read -r up rest </proc/uptime
	echo "${up%.*}${up#*.}0"
}
say() { echo "measure.sh: $*" >&2; }
# Sum of nanoseconds and runs over all programs: only the tool's are loaded.
stats() { bpftool prog show | awk '{for (i = 1; i < NF; i++) { if ($i == "run_time_ns") t += $(i + 1); if ($i == "run_cnt") c += $(i + 1) }} END {print t + 0, c + 0}'; }
# Functions with something attached: by ftrace (kprobe.multi, fentry, most kprobes), or by a breakpoint.
hooked() { { cut -d ' ' -f 1 $tracing/enabled_functions; awk '{sub(/\+.*/, "", $3); print $3}' $kprobes; } | sort -u; }
attached() { cat $tracing/enabled_functions $kprobes | wc -l; }
wait_for() { # condition…: looks fifty times a second, for at most ten minutes
	n=0
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 30000 ] || { say "no luck waiting for: $*"; cat "$work/err" >&2; exit 1; }
		kill -0 "$tool" 2>/dev/null || { say "the tool ended"; cat "$work/err" >&2; exit 1; }
		sleep 0.02
	done
}
listening() { grep -qiE 'listening for events|live: ' "$work/err"; }
first_event() { grep -q '10\.10\.0\.2' "$work/out"; } # not a headline

before=$(attached)
hooked >"$work/before"

# Start to first event, with a packet every 50 ms.
ip netns exec client ping -q -i 0.05 10.10.0.2 >/dev/null 2>&1 &
pinger=$!
start=$(now)
"$@" >"$work/out" 2>"$work/err" &
tool=$!
wait_for first_event
echo "FIRST_EVENT_MS=$(($(now) - start))"
wait_for listening
quiet=0 last=-1
while [ $quiet -lt 10 ]; do # hooks may still come in the background; the ten looks themselves are not counted
	is=$(attached)
	if [ "$is" = "$last" ]; then quiet=$((quiet + 1)); else quiet=0 all=$(now); fi
	last=$is
	sleep 0.2
done
echo "ATTACH_MS=$((all - start))"
kill $pinger
wait $pinger 2>/dev/null || true
hooked | sort - "$work/before" "$work/before" | uniq -u >"$work/hooked"
echo "HOOKED=$(wc -l <"$work/hooked")"
[ -s "$functions" ] || cp "$work/hooked" "$functions"

# Nanoseconds a hit, matching and not.
ip netns exec server socat -u UDP4-RECV:9999 OPEN:/dev/null &
sink=$!
hits() { # name, command…: runs of the tool's programs meanwhile, and what they took
	shift
	sysctl -q -w kernel.bpf_stats_enabled=1
	old=$(stats)
	"$@" >/dev/null 2>&1 || true
	new=$(stats)
	sysctl -q -w kernel.bpf_stats_enabled=0
	ns=$((${new% *} - ${old% *}))
	runs=$((${new#* } - ${old#* }))
}
best() { # name, command…: the round with the fewest nanoseconds a run; the others were disturbed
	best=
	for round in $rounds; do
		hits "$@"
		[ "$runs" -gt 0 ] || continue
		if [ -z "$best" ] || [ $((ns / runs)) -lt "$best" ]; then best=$((ns / runs)) best_ns=$ns best_runs=$runs; fi
	done
	echo "$1_NS=${best_ns:-0}"
	echo "$1_HITS=${best_runs:-0}"
}
# One processor: the node's clock counts the instructions of all, and only the tool's programs are to be counted here.
second=/sys/devices/system/cpu/cpu1/online
echo 0 >$second
best OTHER ip netns exec client sh -c 'dd if=/dev/zero bs=64 count=1000 2>/dev/null | socat -u -b 64 STDIN UDP4-SENDTO:10.10.0.2:9999'
best MATCHING ip netns exec client ping -q -f -c 300 10.10.0.2
kill $sink
echo 1 >$second

# The flood: until the tool has printed what it has.
printed() { wc -lc <"$work/out"; }
settle() {
	quiet=0 last=
	while [ $quiet -lt 3 ]; do
		sleep 1
		is=$(printed)
		if [ "$is" = "$last" ]; then quiet=$((quiet + 1)); else quiet=0; fi
		last=$is
	done
}
settle
set -- $last
lines=$1 bytes=$2
hits FLOOD ip netns exec client ping -q -f -c $flood 10.10.0.2
echo "FLOOD_HITS=$runs"
settle
set -- $last
echo "FLOOD_LINES=$(($1 - lines))"
echo "FLOOD_BYTES=$(($2 - bytes))"
awk '/VmHWM/ {print "RSS_KIB=" $2}' "/proc/$tool/status"

# Idle: a while of doing nothing, in ticks of 10 ms.
ticks() { awk '{print $14 + $15}' "/proc/$tool/stat"; }
old=$(ticks)
sleep $idle
echo "IDLE_TICKS=$(($(ticks) - old))"
echo "IDLE_SECONDS=$idle"

# Stop to no probe left.
start=$(now)
kill -TERM "$tool"
while kill -0 "$tool" 2>/dev/null && ! grep -q 'ended (' "$work/err"; do sleep 0.01; done
echo "END_MS=$(($(now) - start))"
wait "$tool" || true
echo "EXIT_MS=$(($(now) - start))"
n=0
while [ "$(attached)" -gt "$before" ]; do
	n=$((n + 1))
	[ $n -lt 6000 ] || { say "probes are left: $(attached) instead of $before"; exit 1; }
	sleep 0.05
done
echo "DETACH_MS=$(($(now) - start))"

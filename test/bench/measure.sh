#!/bin/sh
# Runs in the node: measures one tracing tool, ours or the peer, in the same way, and prints KEY=VALUE lines.
# Usage: measure.sh BACKEND TOOL [ARGUMENT...]
#   BACKEND  multi or kprobe: where to look for probes that are left
#   TOOL     a program that prints a line an event on standard output and says on standard error when it listens
# Needs namespaces "client" and "server" that can ping 10.10.0.2, with nothing else going on.
set -eu
backend=$1
shift
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT

now() { date +%s%N; }
ms() { echo $((($2 - $1) / 1000000)); }
# Sum of runs and nanoseconds over all programs: only the tool's and the scenario's are loaded, and the latter don't run.
stats() { /usr/sbin/bpftool prog show | awk '{for (i = 1; i < NF; i++) { if ($i == "run_time_ns") t += $(i + 1); if ($i == "run_cnt") c += $(i + 1) }} END {print t + 0, c + 0}'; }
probes() {
	if [ "$backend" = multi ]; then wc -l </sys/kernel/tracing/enabled_functions
	else wc -l </sys/kernel/debug/kprobes/list; fi
}
listening() { grep -qiE 'listening|tracing|live' "$work/err"; }
wait_for() { # condition…: polls ten times a second, for at most two minutes
	n=0
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 1200 ] || { echo "measure.sh: no luck waiting for: $*" >&2; cat "$work/err" >&2; exit 1; }
		kill -0 "$tool" 2>/dev/null || { echo "measure.sh: the tool ended" >&2; cat "$work/err" >&2; exit 1; }
		sleep 0.1
	done
}
first_line() { [ -s "$work/out" ]; }

before=$(probes)

# Start to first event, with a packet every 50 ms.
ip netns exec client /usr/bin/ping -q -i 0.05 10.10.0.2 >/dev/null 2>&1 &
pinger=$!
start=$(now)
"$@" >"$work/out" 2>"$work/err" &
tool=$!
wait_for first_line
echo "FIRST_EVENT_MS=$(ms "$start" "$(now)")"
wait_for listening
echo "ATTACH_MS=$(ms "$start" "$(now)")"
kill $pinger
wait $pinger 2>/dev/null || true

# Nanoseconds a hit, matching and not.
sysctl -q -w kernel.bpf_stats_enabled=1
hits() { # name, command…
	name=$1
	shift
	set -- "$@"
	old=$(stats)
	"$@" >/dev/null 2>&1 || true
	new=$(stats)
	echo "${name}_NS=$((${new% *} - ${old% *}))"
	echo "${name}_HITS=$((${new#* } - ${old#* }))"
}
hits MATCHING ip netns exec client /usr/bin/ping -q -f -c 300 10.10.0.2
hits OTHER ip netns exec client sh -c 'n=0; while [ $n -lt 300 ]; do echo x; n=$((n + 1)); done | socat -u STDIN UDP4-SENDTO:10.10.0.2:9999'
sysctl -q -w kernel.bpf_stats_enabled=0

# The flood.
lines=$(wc -l <"$work/out")
sysctl -q -w kernel.bpf_stats_enabled=1
old=$(stats)
ip netns exec client /usr/bin/ping -q -f -c 3000 10.10.0.2 >/dev/null 2>&1 || true
new=$(stats)
sysctl -q -w kernel.bpf_stats_enabled=0
quiet=0 last=-1
while [ $quiet -lt 3 ]; do # until it has printed what it has
	sleep 1
	is=$(wc -l <"$work/out")
	[ "$is" = "$last" ] && quiet=$((quiet + 1)) || quiet=0
	last=$is
done
echo "FLOOD_HITS=$((${new#* } - ${old#* }))"
echo "FLOOD_LINES=$((last - lines))"
awk '/VmHWM/ {print "RSS_KIB=" $2}' "/proc/$tool/status"

# Idle: a second of doing nothing.
ticks() { awk '{print $14 + $15}' "/proc/$tool/stat"; }
old=$(ticks)
sleep 5
echo "IDLE_TICKS=$(($(ticks) - old))"

# Stop to no probe left.
start=$(now)
kill -INT "$tool"
while kill -0 "$tool" 2>/dev/null; do sleep 0.02; done
echo "EXIT_MS=$(ms "$start" "$(now)")"
n=0
while [ "$(probes)" -gt "$before" ] && [ $n -lt 6000 ]; do
	n=$((n + 1))
	sleep 0.05
done
echo "DETACH_MS=$(ms "$start" "$(now)")"
tail -n 5 "$work/err" | sed 's/^/ERR: /' >&2

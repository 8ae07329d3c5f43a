#!/bin/sh
# tc.sh [build|send] [pass|mark|drop_icmp] [COUNT]: a BPF program of /programs/tc.bpf.o on the server's ingress (clsact)
# lets pings pass, marks them (0x7a11) or drops them. SENT, RECEIVED.
. /scenarios/lib/net.sh
program=${1:-pass} count=${2:-5}
if building; then
	build_pair
	tc -n server qdisc add dev eth-server clsact
	tc -n server filter add dev eth-server ingress bpf direct-action \
		object-file /programs/tc.bpf.o section "tc/$program"
fi
facts_pair
echo "PROGRAM=trail_$program"
echo "PROGRAM_ID=$(tc -n server filter show dev eth-server ingress | sed -n 's/.* id \([0-9]*\) .*/\1/p')"
[ "$program" != mark ] || echo MARK=0x7a11
! sending || ping_count client 10.10.0.2 "$count" 0.2

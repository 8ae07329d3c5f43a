#!/bin/sh
# vxlan.sh [build|send] [COUNT]: pings between addresses of VXLAN interfaces (10.50.0.1, 10.50.0.2), whose packets client and
# server carry to each other in UDP. SENT, RECEIVED.
. /scenarios/lib/net.sh
count=${1:-5}
if building; then
	build_pair
	ip -n client link add overlay type vxlan id 42 dstport 4789 local 10.10.0.1 remote 10.10.0.2 dev eth-client
	ip -n server link add overlay type vxlan id 42 dstport 4789 local 10.10.0.2 remote 10.10.0.1 dev eth-server
	for end in client:1 server:2; do
		ip -n "${end%:*}" address add "10.50.0.${end#*:}/24" dev overlay
		ip -n "${end%:*}" link set overlay up
	done
	neighbours client overlay server overlay 10.50.0.1 10.50.0.2
fi
facts_pair
echo OVERLAY_ADDRESS=10.50.0.2
! sending || ping_count client 10.50.0.2 "$count" 0.2

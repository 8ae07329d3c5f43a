#!/bin/sh
# vlan.sh [build|send] [COUNT]: pings between VLAN interfaces (id 100) on top of the veth pair. SENT, RECEIVED.
. /scenarios/lib/net.sh
count=${1:-5}
if building; then
	build_pair
	for end in client server; do
		ip -n "$end" link add link "eth-$end" name vlan100 type vlan id 100
		ip -n "$end" link set vlan100 up
	done
	ip -n client address add 10.100.0.1/24 dev vlan100
	ip -n server address add 10.100.0.2/24 dev vlan100
	neighbours client vlan100 server vlan100 10.100.0.1 10.100.0.2
fi
facts_pair
fact_interface CLIENT_VLAN client vlan100
fact_interface SERVER_VLAN server vlan100
echo VLAN=100
! sending || ping_count client 10.100.0.2 "$count" 0.2

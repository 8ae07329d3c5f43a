#!/bin/sh
# fragments.sh [build|send] [COUNT]: pings of 1,400 bytes through a router whose link to the server takes packets of 600, so that
# the router cuts each, and the server puts it together. SENT, RECEIVED.
. /scenarios/lib/net.sh
count=${1:-1}
if building; then
	build_routed
	ip -n router link set eth-to-server mtu 600
	ip -n server link set eth-server mtu 600
fi
facts_routed
if sending; then
	summary=$(ip netns exec client ping -n -M dont -c "$count" -i 0.2 -W 2 -s 1372 10.30.0.1) || :
	echo "SENT=$(transmitted "$summary")"
	echo "RECEIVED=$(received "$summary")"
fi

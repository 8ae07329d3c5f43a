#!/bin/sh
# flood.sh [build|send] [COUNT]: pings as fast as they are answered. SENT, RECEIVED.
. /scenarios/lib/net.sh
count=${1:-3000}
! building || build_pair
facts_pair
if sending; then
	summary=$(ip netns exec client ping -n -f -q -c "$count" 10.10.0.2) || :
	echo "SENT=$(transmitted "$summary")"
	echo "RECEIVED=$(received "$summary")"
fi

#!/bin/sh
# tcp.sh [build|send] [BYTES]: one connection to the server's port 8080, which sends back what it gets.
# SENT connections (1), SENT_BYTES, RECEIVED_BYTES.
. /scenarios/lib/net.sh
bytes=${1:-1000}
if building; then
	build_pair
	listen server TCP 8080 PIPE
fi
facts_pair
echo SERVER_PORT=8080
if sending; then
	got=$(head -c "$bytes" /dev/zero | ip netns exec client socat -t 20 - TCP:10.10.0.2:8080 | wc -c)
	echo SENT=1
	echo "SENT_BYTES=$bytes"
	echo "RECEIVED_BYTES=$got"
fi

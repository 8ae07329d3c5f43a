#!/bin/sh
# udp.sh [build|send] [COUNT]: datagrams of 4 bytes to the server's port 9000. SENT, RECEIVED.
. /scenarios/lib/net.sh
count=${1:-5} file=/run/udp-received
if building; then
	build_pair
	rm -f "$file"
	ip netns exec server setsid socat -u UDP-RECV:9000 "CREATE:$file" >/dev/null 2>&1 </dev/null &
	until ip netns exec server ss --no-header --udp --listening --numeric 'sport = 9000' | grep -q .; do sleep 0.1; done
fi
facts_pair
echo SERVER_PORT=9000
if sending; then
	before=$(stat -c %s "$file" 2>/dev/null || echo 0)
	sent=0
	while [ "$sent" -lt "$count" ]; do
		printf pkt. | ip netns exec client socat -u - UDP:10.10.0.2:9000,sourceport=9001,reuseaddr
		sent=$((sent + 1))
	done
	tries=0
	until [ "$(stat -c %s "$file" 2>/dev/null || echo 0)" -ge $((before + 4 * count)) ] || [ "$tries" -ge 50 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	echo "SENT=$sent"
	echo "RECEIVED=$((($(stat -c %s "$file") - before) / 4))"
fi

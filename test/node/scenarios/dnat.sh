#!/bin/sh
# dnat.sh [build|send] [COUNT]: a router turns connections to 10.40.0.80 port 80 to the server's 10.30.0.1 port 8080.
# SENT connections, RECEIVED those that were answered.
. /scenarios/lib/net.sh
count=${1:-1}
if building; then
	build_routed
	ip netns exec router nft -f - <<-END
		table ip trail {
			chain prerouting {
				type nat hook prerouting priority dstnat; policy accept;
				ip daddr 10.40.0.80 tcp dport 80 counter dnat to 10.30.0.1:8080 comment "dnat"
			}
		}
	END
	listen server TCP 8080 PIPE
fi
facts_routed
echo VIRTUAL_ADDRESS=10.40.0.80
echo VIRTUAL_PORT=80
echo SERVER_PORT=8080
if sending; then
	sent=0 answered=0
	while [ "$sent" -lt "$count" ]; do
		reply=$(echo hello | ip netns exec client socat -t 10 - TCP:10.40.0.80:80,connect-timeout=10) || :
		[ "$reply" != hello ] || answered=$((answered + 1))
		sent=$((sent + 1))
	done
	echo "SENT=$sent"
	echo "RECEIVED=$answered"
	echo "TRANSLATED=$(nft_packets router dnat)"
fi

#!/bin/sh
# sctp.sh [build|send] [COUNT]: SCTP associations to the server's port 9000, which sends back what it gets.
# SENT associations, RECEIVED those that were answered.
. /scenarios/lib/net.sh
count=${1:-1}
if building; then
	modprobe sctp
	build_pair
	listen server SCTP 9000 PIPE
fi
facts_pair
echo SERVER_PORT=9000
if sending; then
	sent=0 answered=0
	while [ "$sent" -lt "$count" ]; do
		# SCTP can't be closed half-way: the association stays open until the answer has come.
		reply=$({ echo hello && sleep 1; } | ip netns exec client socat -t 5 - SCTP:10.10.0.2:9000) || :
		[ "$reply" != hello ] || answered=$((answered + 1))
		sent=$((sent + 1))
	done
	echo "SENT=$sent"
	echo "RECEIVED=$answered"
fi

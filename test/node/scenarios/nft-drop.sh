#!/bin/sh
# nft-drop.sh [build|send] [icmp|tcp] [COUNT]: a rule in the server drops pings, or connections to port 8080.
# SENT packets (SYNs for tcp, one each), DROPPED as the rule counted since it was made.
. /scenarios/lib/net.sh
protocol=${1:-icmp} count=${2:-5}
case "$protocol" in
icmp) match='icmp type echo-request' ;;
tcp) match='tcp dport 8080' ;;
*) echo "nft-drop: icmp or tcp, not '$protocol'" >&2; exit 2 ;;
esac
if building; then
	build_pair
	ip netns exec server nft -f - <<-END
		table inet trail {
			chain input {
				type filter hook input priority filter; policy accept;
				$match counter drop comment "drop"
			}
		}
	END
fi
facts_pair
if sending; then
	if [ "$protocol" = icmp ]; then
		ping_count client 10.10.0.2 "$count" 0.2
	else
		sent=0
		while [ "$sent" -lt "$count" ]; do
			# Given up before the first SYN would be sent again, after 1 s.
			ip netns exec client socat -u /dev/null TCP:10.10.0.2:8080,connect-timeout=0.5 2>/dev/null || :
			sent=$((sent + 1))
		done
		echo "SENT=$sent"
		echo RECEIVED=0
	fi
	echo "DROPPED=$(nft_packets server drop)"
fi

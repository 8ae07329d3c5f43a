#!/bin/sh
# mark.sh [build|send] [MARK] [COUNT]: pings get a mark as they leave the client; nothing else does.
# A mark doesn't survive the way into another namespace, so only the client's hooks see it. SENT, RECEIVED, MARKED.
. /scenarios/lib/net.sh
mark=${1:-0x2a} count=${2:-5}
if building; then
	build_pair
	ip netns exec client nft -f - <<-END
		table inet trail {
			chain output {
				type filter hook output priority mangle; policy accept;
				icmp type echo-request counter meta mark set $mark comment "mark"
			}
		}
	END
fi
facts_pair
echo "MARK=$mark"
if sending; then
	ping_count client 10.10.0.2 "$count" 0.2
	echo "MARKED=$(nft_packets client mark)"
fi

#!/bin/sh
# ipv6.sh [build|send] [COUNT]: pings over IPv6. SENT, RECEIVED.
. /scenarios/lib/net.sh
count=${1:-5}
! building || build_pair
facts_pair
! sending || ping_count client fd10::2 "$count" 0.2

#!/bin/sh
# Two namespaces joined by a veth pair: client 10.10.0.1 and server 10.10.0.2, IPv6 too. The base of other scenarios.
. /scenarios/lib/net.sh
build_pair
facts_pair
ip netns exec client ping -c 1 -W 5 10.10.0.2 >/dev/null
echo PING=ok

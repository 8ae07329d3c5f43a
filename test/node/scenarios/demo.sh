#!/bin/sh
# demo.sh [start|stop]: steady traffic to look at, until it is stopped, from a client through a router to a server:
#   ping to the server, once a second: a tc program on the server's ingress marks it, and it is answered
#   TCP to the server's port 8080, every two seconds: an nft rule in the server drops it
#   TCP to 10.40.0.80 port 80, every two seconds: the router turns it to the server's port 8000 (DNAT), and it is answered
. /scenarios/lib/net.sh
case "${1:-start}" in
start) ;;
stop)
	remove client router server
	echo RUNNING=no
	exit 0
	;;
*) echo "demo: start or stop, not '$1'" >&2; exit 2 ;;
esac
build_routed
ip netns exec router nft -f - <<-END
	table ip trail {
		chain prerouting {
			type nat hook prerouting priority dstnat; policy accept;
			ip daddr 10.40.0.80 tcp dport 80 counter dnat to 10.30.0.1:8000 comment "dnat"
		}
	}
END
ip netns exec server nft -f - <<-END
	table inet trail {
		chain input {
			type filter hook input priority filter; policy accept;
			tcp dport 8080 counter drop comment "drop"
		}
	}
END
tc -n server qdisc add dev eth-server clsact
tc -n server filter add dev eth-server ingress bpf direct-action object-file /programs/tc.bpf.o section tc/mark
listen server TCP 8000 PIPE
# A session of its own, so that one signal to its group ends all of it.
setsid sh /scenarios/lib/demo-traffic.sh >/dev/null 2>&1 </dev/null &
until [ -s /run/demo.pid ]; do sleep 0.1; done
facts_routed
echo RUNNING=yes
echo DROPPED_PORT=8080
echo VIRTUAL_ADDRESS=10.40.0.80
echo VIRTUAL_PORT=80
echo MARK=0x7a11

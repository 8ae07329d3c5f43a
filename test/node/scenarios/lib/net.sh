# What the scenarios share: namespaces that are named after their part, and facts printed as KEY=VALUE.
# Sourced. Stops the scenario at the first command that fails.
set -eu

# Ends the demo's traffic, which would run into whatever is built next.
stop_demo() {
	[ -e /run/demo.pid ] || return 0
	kill -- "-$(cat /run/demo.pid)" 2>/dev/null || :
	rm -f /run/demo.pid
}

# remove NAME…: removes the namespaces that there are of these, with everything that runs in them.
remove() {
	stop_demo
	for name in "$@"; do
		[ -e "/run/netns/$name" ] || continue
		for pid in $(ip netns pids "$name"); do kill -9 "$pid" 2>/dev/null || :; done
		ip netns delete "$name"
	done
}

# namespace NAME…: makes fresh namespaces; what had that name before is gone.
namespace() {
	remove "$@"
	for name in "$@"; do
		ip netns add "$name"
		ip -n "$name" link set lo up
	done
}

# link NETNS1 IF1 ADDRESS1 NETNS2 IF2 ADDRESS2: a veth pair with an IPv4 address ("-": none) at each end.
# Both know the other's hardware address beforehand, so that no ARP is among the counted packets.
link() {
	pairs=$((${pairs:-0} + 1))
	mac1=02:00:00:00:$(printf %02x "$pairs"):01
	mac2=02:00:00:00:$(printf %02x "$pairs"):02
	ip link add "$2" netns "$1" address "$mac1" type veth peer name "$5" netns "$4" address "$mac2"
	set_up "$1" "$2" "$3" "${6%/*}" "$mac2"
	set_up "$4" "$5" "$6" "${3%/*}" "$mac1"
}

# set_up NETNS INTERFACE ADDRESS NEIGHBOUR MAC
set_up() {
	{
		echo "link set $2 up"
		[ "$3" = - ] || echo "address add $3 dev $2"
		[ "$3" = - ] || [ "$4" = - ] || echo "neighbour replace $4 lladdr $5 dev $2 nud permanent"
	} | ip -n "$1" -batch -
}

# client (10.10.0.1, fd10::1, eth-client) -- server (10.10.0.2, fd10::2, eth-server)
build_pair() {
	namespace client server
	link client eth-client 10.10.0.1/24 server eth-server 10.10.0.2/24
	ip -n client address add fd10::1/64 dev eth-client nodad
	ip -n server address add fd10::2/64 dev eth-server nodad
}

# neighbours NETNS1 IF1 NETNS2 IF2 ADDRESS1 ADDRESS2: fixed ARP entries, so that traffic is the scenario's own only.
neighbours() {
	mac1=$(ip -n "$1" -oneline link show dev "$2" | sed 's/.*ether \([^ ]*\).*/\1/')
	mac2=$(ip -n "$3" -oneline link show dev "$4" | sed 's/.*ether \([^ ]*\).*/\1/')
	ip -n "$1" neighbour replace "$6" lladdr "$mac2" dev "$2" nud permanent
	ip -n "$3" neighbour replace "$5" lladdr "$mac1" dev "$4" nud permanent
}

# fact_netns KEY NETNS: KEY_NETNS=inode number
fact_netns() {
	echo "$1_NETNS=$(stat -L -c %i "/run/netns/$2")"
}

# fact_interface KEY NETNS INTERFACE: KEY_INTERFACE, KEY_IFINDEX
fact_interface() {
	echo "$1_INTERFACE=$3"
	echo "$1_IFINDEX=$(ip -n "$2" -oneline link show dev "$3" | cut -d : -f 1)"
}

facts_pair() {
	fact_netns CLIENT client
	fact_interface CLIENT client eth-client
	echo CLIENT_ADDRESS=10.10.0.1
	echo CLIENT_ADDRESS6=fd10::1
	fact_netns SERVER server
	fact_interface SERVER server eth-server
	echo SERVER_ADDRESS=10.10.0.2
	echo SERVER_ADDRESS6=fd10::2
}

# listen NETNS PROTOCOL PORT SOCAT-ADDRESS: a background listener that runs on after the scenario; waits until it listens.
# PROTOCOL is socat's (TCP, TCP6, UDP, SCTP); what comes goes to SOCAT-ADDRESS, "PIPE" sends it back.
listen() {
	ip netns exec "$1" setsid socat "$2-LISTEN:$3,fork,reuseaddr" "$4" >/dev/null 2>&1 </dev/null &
	tries=0
	until ip netns exec "$1" ss --no-header --listening --tcp --udp --sctp --numeric "sport = $3" | grep -q .; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || { echo "nothing listens on port $3 in $1" >&2; exit 1; }
		sleep 0.1
	done
}

# received TEXT: packets that a ping's summary says came back
received() {
	echo "$1" | sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p'
}
transmitted() {
	echo "$1" | sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p'
}

# Every scenario can be run in two halves, so that a trace may start in between: "NAME.sh build ARGUMENTS" makes the
# network, "NAME.sh send ARGUMENTS" sends the traffic. Without either word it does both.
phase=both
case "${1:-}" in
build | send)
	phase=$1
	shift
	;;
esac
building() { [ "$phase" != send ]; }
sending() { [ "$phase" != build ]; }

# nft_packets NETNS COMMENT: what the counter of the rule with this comment says
nft_packets() {
	ip netns exec "$1" nft list ruleset | sed -n "s/.*counter packets \([0-9]*\) .*comment \"$2\".*/\1/p"
}

# ping_count NETNS ADDRESS COUNT INTERVAL: pings and prints SENT and RECEIVED; replies needn't come.
ping_count() {
	summary=$(ip netns exec "$1" ping -n -c "$3" -i "$4" -W 1 -s 56 "$2") || :
	echo "SENT=$(transmitted "$summary")"
	echo "RECEIVED=$(received "$summary")"
}

# client (10.20.0.1) -- router (10.20.0.254, 10.30.0.254) -- server (10.30.0.1)
build_routed() {
	namespace client router server
	link client eth-client 10.20.0.1/24 router eth-to-client 10.20.0.254/24
	link router eth-to-server 10.30.0.254/24 server eth-server 10.30.0.1/24
	ip netns exec router sysctl -q -w net.ipv4.ip_forward=1
	ip -n client route add default via 10.20.0.254
	ip -n server route add default via 10.30.0.254
}

facts_routed() {
	fact_netns CLIENT client
	fact_interface CLIENT client eth-client
	echo CLIENT_ADDRESS=10.20.0.1
	fact_netns ROUTER router
	fact_interface ROUTER_CLIENT router eth-to-client
	fact_interface ROUTER_SERVER router eth-to-server
	fact_netns SERVER server
	fact_interface SERVER server eth-server
	echo SERVER_ADDRESS=10.30.0.1
}

#!/bin/sh
# bridge.sh [build|send] [COUNT]: client and server are ports of a bridge in the namespace "switch". SENT pings.
. /scenarios/lib/net.sh
count=${1:-5}
if building; then
	namespace client switch server
	ip -n switch link add bridge0 type bridge mcast_snooping 0
	ip -n switch link set bridge0 up
	link client eth-client 10.10.0.1/24 switch port-client -
	link server eth-server 10.10.0.2/24 switch port-server -
	ip -n switch link set port-client master bridge0
	ip -n switch link set port-server master bridge0
	neighbours client eth-client server eth-server 10.10.0.1 10.10.0.2
fi
fact_netns CLIENT client
fact_interface CLIENT client eth-client
echo CLIENT_ADDRESS=10.10.0.1
fact_netns SWITCH switch
fact_interface SWITCH switch bridge0
fact_interface SWITCH_CLIENT switch port-client
fact_interface SWITCH_SERVER switch port-server
fact_netns SERVER server
fact_interface SERVER server eth-server
echo SERVER_ADDRESS=10.10.0.2
! sending || ping_count client 10.10.0.2 "$count" 0.2

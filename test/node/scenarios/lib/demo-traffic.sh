# The demo's senders (demo.sh says what they send); runs until its process group is killed.
echo $$ >/run/demo.pid
ip netns exec client ping -n -q -i 1 10.30.0.1 &
while :; do
	ip netns exec client socat -u /dev/null TCP:10.30.0.1:8080,connect-timeout=0.5
	sleep 0.5
	echo hello | ip netns exec client socat -t 1 - TCP:10.40.0.80:80,connect-timeout=1
	sleep 1
done

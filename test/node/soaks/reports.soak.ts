// What people reported of their networks, told right: the answers are what the kernel's source says of each case.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endsOf } from '../suites/ends.ts';
import { installHelper, traceDuring } from '../tracing.ts';
import { bootNode, type TestNode } from '../vm.ts';

/** Each "REASON at function", of a discard with where the data went, once. */
interface Answer {
  readonly drops?: readonly string[];
  readonly discards?: readonly string[];
}

interface Report {
  readonly what: string;
  readonly filter: string;
  /** Of the scenarios' (scenarios/lib/net.sh). */
  readonly network: 'pair' | 'routed';
  /** Shell: what is done to it before the trace, and during it. Either may fail: packets are lost. */
  readonly build?: string;
  readonly act: string;
  readonly answer: Answer;
  /** On 6.1, where that differs. */
  readonly on61?: Answer;
}

const [client, router, server] = ['client', 'router', 'server'].map((name) => `ip netns exec ${name}`);
const ping = `${client} ping -n -c 1 -W 1`;

/** A listener of socat in the server that goes on after the script, once it listens. */
const listen = (table: 'tcp' | 'udp', port: number, ...words: string[]): string =>
  `(exec ${server} socat ${words.join(' ')} >/dev/null 2>&1 </dev/null) &
   until ${server} grep -q :${port.toString(16).toUpperCase().padStart(4, '0')} /proc/net/${table}; do sleep 0.1; done`;

const routed6 = `
  ${router} sysctl -q -w net.ipv6.conf.all.forwarding=1
  ip -n client address add fd20::1/64 dev eth-client nodad; ip -n router address add fd20::ff/64 dev eth-to-client nodad
  ip -n router address add fd30::ff/64 dev eth-to-server nodad; ip -n server address add fd30::1/64 dev eth-server nodad
  ip -n client route add default via fd20::ff; ip -n server route add default via fd30::ff`;
/** Before 6.2 neighbour discovery ends as echo requests that nobody answers do. */
const ipv6 = 'ip6 and not (icmp6 and (ip6[40] = 135 or ip6[40] = 136))';
/** So that fragments pass each other. */
const shuffled = `${client} tc qdisc add dev eth-client root netem delay 30ms 25ms`;
const conntrack = (family: 'ip' | 'ip6'): string =>
  `${server} nft 'table ${family} t { chain c { type filter hook input priority 0; ct state established accept; }; }'`;
const stranger = 'ip -n client neighbour replace 10.10.0.2 lladdr 02:00:00:00:99:99 dev eth-client nud permanent';

const copied = (at: string): string => `NO_SOCKET at ${at}: the raw socket of ping got a copy of it`;
const handled = 'NOT_SPECIFIED at icmpv6_rcv: the kernel took it in';
const joined = 'NOT_SPECIFIED at skb_release_data: its data went on in packet N';
const repeated = (reason: string, at: string): string => `${reason} at ${at}: TCP got its data in other segments`;

const reports: readonly Report[] = [
  {
    what: 'a source that would be answered elsewhere, with rp_filter',
    filter: 'icmp',
    network: 'routed',
    build: `${router} sysctl -q -w net.ipv4.conf.all.rp_filter=1; ip -n client address add 192.0.2.1/32 dev eth-client`,
    act: `${ping} -I 192.0.2.1 10.30.0.1`,
    answer: { drops: ['IP_RPFILTER at ip_rcv_finish_core.constprop.0'] },
  },
  {
    what: 'a source that is the router’s own',
    filter: 'icmp',
    network: 'routed',
    build: 'ip -n client address add 10.30.0.254/32 dev eth-client',
    act: `${ping} -I 10.30.0.254 10.30.0.1`,
    answer: { drops: ['NOT_SPECIFIED at ip_rcv_finish_core.constprop.0'] },
  },
  {
    what: 'no fragments allowed, and a smaller MTU behind the router',
    filter: 'icmp[0] = 8',
    network: 'routed',
    build: 'ip -n router link set eth-to-server mtu 1400',
    act: `${ping} -M do -s 1450 10.30.0.1`,
    answer: { drops: ['PKT_TOO_BIG at ip_forward'] },
  },
  {
    what: 'hops used up',
    filter: 'icmp[0] = 8',
    network: 'routed',
    act: `${ping} -t 1 10.30.0.1`,
    answer: { drops: ['IP_INHDR at ip_forward'] },
  },
  {
    what: 'hops used up, over IPv6',
    filter: ipv6,
    network: 'routed',
    build: routed6,
    act: `${ping} -t 1 fd30::1`,
    answer: { drops: ['IP_INHDR at ip6_forward'] },
    on61: {
      drops: ['IP_INHDR at ip6_forward'],
      discards: [handled],
    },
  },
  {
    what: 'no forwarding',
    filter: 'icmp',
    network: 'routed',
    build: `${router} sysctl -q -w net.ipv4.ip_forward=0`,
    act: `${ping} 10.30.0.1`,
    answer: { drops: ['IP_INADDRERRORS at ip_error'] },
  },
  {
    what: 'a blackhole route',
    filter: 'icmp',
    network: 'routed',
    build: 'ip -n router route add blackhole 10.31.0.0/24',
    act: `${ping} 10.31.0.1`,
    answer: { drops: ['NOT_SPECIFIED at ip_error'] },
  },
  {
    what: 'no route, over IPv6',
    filter: `${ipv6} and host fd44::1`,
    network: 'routed',
    build: routed6,
    act: `${ping} fd44::1`,
    answer: { drops: ['IP_INNOROUTES at ip6_pkt_drop'] },
  },
  {
    what: 'an address that nobody has',
    filter: 'icmp[0] = 8',
    network: 'pair',
    act: `${client} ping -n -c 1 -W 5 10.10.0.77`,
    answer: { drops: ['NEIGH_FAILED at neigh_invalidate'] },
  },
  {
    what: 'somebody else’s hardware address',
    filter: 'icmp',
    network: 'pair',
    build: `${stranger}; ip -n server link set eth-server promisc on`,
    act: `${ping} 10.10.0.2`,
    answer: { drops: ['OTHERHOST at ip_rcv_core'] },
  },
  {
    what: 'a bridge that has no other port',
    filter: 'icmp',
    network: 'pair',
    build: `ip -n server link add br0 type bridge; ip -n server link set br0 up
      ip -n server link set eth-server master br0; ${stranger}`,
    act: `${ping} 10.10.0.2`,
    answer: { drops: ['NOT_SPECIFIED at br_handle_frame_finish'] },
  },
  {
    what: 'an interface at the other end with a smaller MTU',
    filter: 'icmp',
    network: 'pair',
    build: 'ip -n server link set eth-server mtu 1200',
    act: `${ping} -s 1400 10.10.0.2`,
    answer: { drops: ['NOT_SPECIFIED at __dev_forward_skb2'] },
  },
  {
    what: 'a VXLAN of another number',
    filter: 'udp port 4789 or icmp',
    network: 'pair',
    build: `for end in 1:client 2:server; do
        ip -n \${end#*:} link add vx type vxlan id \${end%:*} remote 10.10.0.$((3 - \${end%:*})) dstport 4789 dev eth-\${end#*:}
        ip -n \${end#*:} address add 10.50.0.\${end%:*}/24 dev vx; ip -n \${end#*:} link set vx up
      done
      ip -n client neighbour replace 10.50.0.2 lladdr 02:00:00:00:55:55 dev vx nud permanent`,
    act: `${ping} 10.50.0.2`,
    answer: { drops: ['VXLAN_VNI_NOT_FOUND at vxlan_rcv'] },
    on61: { drops: ['NOT_SPECIFIED at vxlan_rcv'] },
  },
  {
    what: 'a queue that loses all',
    filter: 'icmp',
    network: 'pair',
    build: `${client} tc qdisc add dev eth-client root netem loss 100%`,
    act: `${ping} 10.10.0.2`,
    answer: { drops: ['QDISC_DROP at __dev_queue_xmit'] },
    on61: { drops: ['QDISC_DROP at kfree_skb_list_reason'] },
  },
  {
    what: 'a queue that is full',
    filter: 'udp port 9',
    network: 'pair',
    build: `${client} tc qdisc add dev eth-client root tbf rate 8kbit burst 1600 limit 3000
      ${listen('udp', 9, '-u', 'UDP4-RECV:9', 'OPEN:/dev/null')}`,
    act: `for i in 1 2 3 4 5 6; do head -c 1000 /dev/zero | ${client} socat -u - UDP4-SENDTO:10.10.0.2:9; done`,
    answer: { drops: ['QDISC_DROP at __dev_queue_xmit'] },
    on61: { drops: ['QDISC_DROP at kfree_skb_list_reason'] },
  },
  {
    what: 'a rule that rejects',
    filter: 'udp port 7785',
    network: 'pair',
    build: `${server} nft 'table ip t { chain c { type filter hook input priority 0; udp dport 7785 reject; }; }'`,
    act: `echo x | ${client} socat -u - UDP4-SENDTO:10.10.0.2:7785`,
    answer: { drops: ['NETFILTER_DROP at nft_do_chain'] },
  },
  {
    what: 'a port that nobody has',
    filter: 'udp port 7777',
    network: 'pair',
    act: `echo x | ${client} socat -u - UDP4-SENDTO:10.10.0.2:7777`,
    answer: { drops: ['NO_SOCKET at __udp4_lib_rcv'] },
  },
  {
    what: 'a port that nobody listens at',
    filter: 'tcp port 7779',
    network: 'pair',
    act: `${client} socat -u /dev/null TCP4:10.10.0.2:7779`,
    answer: { drops: ['NO_SOCKET at tcp_v4_rcv'] },
  },
  {
    what: 'a socket that nobody reads',
    filter: 'udp port 7778',
    network: 'pair',
    build: `${listen('udp', 7778, '-u', 'UDP4-RECV:7778,rcvbuf=2304', 'OPEN:/dev/null')}; killall -STOP socat`,
    act: `for i in 1 2 3 4 5 6 7 8; do head -c 1000 /dev/zero | ${client} socat -u - UDP4-SENDTO:10.10.0.2:7778; done`,
    answer: { drops: ['SOCKET_RCVBUFF at udp_queue_rcv_one_skb'] },
  },
  {
    what: 'a group that nobody is in',
    filter: 'udp port 5353',
    network: 'pair',
    build: 'ip -n client route add 224.0.0.0/4 dev eth-client',
    act: `echo x | ${client} socat -u - UDP4-SENDTO:224.0.0.251:5353`,
    answer: { drops: ['NOT_SPECIFIED at ip_rcv_finish_core.constprop.0'] },
  },
  {
    what: 'pings that are ignored',
    filter: 'icmp',
    network: 'pair',
    build: `${server} sysctl -q -w net.ipv4.icmp_echo_ignore_all=1`,
    act: `${ping} 10.10.0.2`,
    // The kernel takes it in, and says no more (icmp_echo, net/ipv4/icmp.c).
    answer: {},
  },
  {
    what: 'pings that are ignored, over IPv6',
    filter: ipv6,
    network: 'pair',
    build: `${server} sysctl -q -w net.ipv6.icmp.echo_ignore_all=1`,
    act: `${ping} fd10::2`,
    answer: { drops: ['NOT_SPECIFIED at icmpv6_rcv'] },
  },
  {
    what: 'a ping that came twice',
    filter: 'icmp',
    network: 'pair',
    build: `${client} tc qdisc add dev eth-client root netem duplicate 100%`,
    act: `${ping} 10.10.0.2; sleep 1`,
    answer: { discards: [copied('icmp_rcv')] },
  },
  ...(['ip', 'ip6'] as const).flatMap((family): readonly Report[] => {
    const [address, filter] = family === 'ip' ? ['10.10.0.2', 'icmp'] : ['fd10::2', ipv6];
    const answer = { discards: [joined, copied(family === 'ip' ? 'icmp_rcv' : 'icmpv6_rcv')] };
    const on61 = family === 'ip' ? answer : { discards: [...answer.discards, handled] };
    const big = (count: number): string => `${client} ping -n -c ${count} -W 2 -i 0.3 -s 6000 ${address}`;
    return [
      {
        what: `fragments that conntrack puts together (${family})`,
        filter,
        network: 'pair',
        build: conntrack(family),
        act: big(1),
        answer,
        on61,
      },
      {
        what: `fragments out of order (${family})`,
        filter,
        network: 'pair',
        build: shuffled,
        act: big(3),
        answer,
        on61,
      },
    ];
  }),
  {
    what: 'a connection whose client has closed for good before its server closes',
    filter: 'tcp port 7780',
    network: 'pair',
    build: listen('tcp', 7780, 'TCP4-LISTEN:7780', `SYSTEM:'cat >/dev/null; sleep 1'`),
    act: `echo x | ${client} socat -t 0 -u - TCP4:10.10.0.2:7780; sleep 2`,
    answer: { discards: ['NOT_SPECIFIED at tcp_v4_rcv: its connection in TIME-WAIT acknowledged it'] },
  },
  {
    what: 'probes that keep a connection alive',
    filter: 'tcp port 7781',
    network: 'pair',
    build: listen('tcp', 7781, 'TCP4-LISTEN:7781', `SYSTEM:'sleep 5'`),
    act: `sleep 4 | ${client} socat -t 0 - TCP4:10.10.0.2:7781,keepalive,keepidle=1,keepintvl=1`,
    answer: { discards: [repeated('TCP_OLD_SEQUENCE', 'tcp_validate_incoming')] },
    // Which means out of the window, too: not certain.
    on61: { drops: ['TCP_INVALID_SEQUENCE at tcp_validate_incoming'] },
  },
  {
    what: 'a connection that its client resets',
    filter: 'tcp port 7782',
    network: 'pair',
    build: listen('tcp', 7782, 'TCP4-LISTEN:7782', `SYSTEM:'sleep 3'`),
    act: `echo x | ${client} socat -t 0 -u - TCP4:10.10.0.2:7782,linger=0; sleep 1`,
    answer: {},
  },
  {
    what: 'a message over SCTP',
    filter: 'sctp',
    network: 'pair',
    build: `modprobe sctp; (exec ${server} socat SCTP4-LISTEN:7786 PIPE >/dev/null 2>&1 </dev/null) &
      until ${server} grep -q 7786 /proc/net/sctp/eps; do sleep 0.1; done`,
    act: `echo x | ${client} socat -t 1 - SCTP4:10.10.0.2:7786`,
    answer: { discards: ['NOT_SPECIFIED at sctp_recvmsg: a process read it'] },
  },
];

describe.each(['6.12', '6.1'] as const)('Linux %s', (kernel) => {
  let node: TestNode;
  beforeAll(async () => {
    node = await bootNode({ kernel, log: (line) => console.log(line) });
    await installHelper(node);
  }, 600_000);
  afterAll(() => node.stop());

  test.each(reports)('$what', { timeout: 120_000 }, async ({ filter, network, build = ':', act, answer, on61 }) => {
    const made = await node.exec(`. /scenarios/lib/net.sh; build_${network}; set +e\n${build}`, { timeoutMs: 60_000 });
    expect(made.code, made.stderr).toBe(0);
    const { store } = await traceDuring(node, [...(kernel === '6.1' ? ['--telling'] : []), filter], () =>
      node.exec(act, { timeoutMs: 60_000 }),
    );
    await node.exec('killall -9 socat; true');
    const { drops, discards } = endsOf(store);
    // What a socket still had to read when it was closed depends on how fast its process was.
    const lost = drops.filter((drop) => !drop.endsWith(' at inet_sock_destruct'));
    const told = discards.map((text) =>
      text.replace(/packet \d+/, 'packet N').replace('a raw socket', 'the raw socket of ping'),
    );
    const right = kernel === '6.1' && on61 ? on61 : answer;
    expect({ drops: new Set(lost), discards: new Set(told) }).toEqual({
      drops: new Set(right.drops),
      discards: new Set(right.discards),
    });
    expect(store.packetCount).toBeGreaterThan(0);
  });
});

// What became of each packet: a drop is told where data was lost, and nowhere else.
import { beforeAll, expect, test } from 'vitest';
import type { TrailRow } from '../../../extension/protocol/timeline.ts';
import { traceAll, traceDuring, trails } from '../tracing.ts';
import type { TestNode } from '../vm.ts';
import { endsOf } from './ends.ts';
import type { Suite } from './suite.ts';

export const fates: Suite = (kernel, booted, whole) => {
  let node: TestNode;
  beforeAll(async () => {
    node = booted();
    await node.scenario('pair', 'build');
    // Kernels before 6.2 free what told a neighbour's address as a drop without a reason, and what was wrong with it likewise
    // (icmpv6_rcv(), net/ipv6/icmp.c). A node that stalls sends again what was late, and has then too much of it.
    const { code, stderr } = await node.exec(
      `ip -n client neighbour replace fd10::2 lladdr $(ip netns exec server cat /sys/class/net/eth-server/address) dev eth-client nud permanent
       ip -n server neighbour replace fd10::1 lladdr $(ip netns exec client cat /sys/class/net/eth-client/address) dev eth-server nud permanent
       for end in client server; do
         ip -n $end route change 10.10.0.0/24 dev eth-$end rto_min 30s
         ip netns exec $end sysctl -q -w net.ipv4.tcp_early_retrans=0
       done`,
    );
    expect(code, stderr).toBe(0);
  });

  /** Where functions are hooked one by one, those that tell most of a packet's way are all that is needed. */
  const quick = ['5.10', '6.1'].includes(kernel) ? ['--telling'] : [];
  const during = async (filter: string, script: string) => {
    const act = async (): Promise<void> => {
      const { code, stdout, stderr } = await node.exec(script, { timeoutMs: 60_000 });
      expect(code, stdout + stderr).toBe(0);
    };
    const { store } = await traceDuring(node, [...quick, filter], act);
    expect(store.packetCount).toBeGreaterThan(0);
    const ends = endsOf(store);
    expect(store.droppedPackets).toBe(ends.drops.length);
    return { store, ...ends };
  };
  const inClient = 'ip netns exec client';
  const reasonless = kernel === '5.10';
  const noSocket = `${reasonless ? 'no reason given' : 'NO_SOCKET'} at ${kernel === '7.2' ? 'ping_rcv' : 'icmp_rcv'}`;

  test('a ping that was answered is no drop: whose socket got the answer is told', async () => {
    const { drops, discards } = await during('icmp', `${inClient} ping -n -c 2 -i 0.3 -W 5 10.10.0.2`);
    expect(drops).toEqual([]);
    expect(discards).toEqual(Array(2).fill(`${noSocket}: the raw socket of ping got a copy of it`));
  });

  test('an answer that nobody waits for is a drop, though somebody listens at the interface', async () => {
    // Echo reply, id 0x1234, sequence 1.
    const reply = String.raw`\000\000\277\321\022\064\000\001heard!`;
    const { drops, discards } = await during(
      'icmp',
      `${inClient} socat -u INTERFACE:eth-client CREATE:/tmp/heard & listener=$!
       trap 'kill $listener' EXIT
       until ${inClient} grep -q ' 0003 ' /proc/net/packet; do sleep 0.1; done
       printf '${reply}' | ip netns exec server socat -u - IP4-SENDTO:10.10.0.1:1
       # What a socket hasn't read when it is closed is a drop of its own.
       until grep -q 'heard!' /tmp/heard; do sleep 0.1; done`,
    );
    expect(drops).toEqual([noSocket]);
    expect(discards).toEqual([]);
  });

  const families = [
    ['IPv4', 'icmp', '10.10.0.2'],
    ['IPv6', 'ip6', 'fd10::2'],
  ] as const;
  test.each(whole ? families : families.slice(0, 1))(
    'a datagram that was cut and put together is no drop, and one family: %s',
    async (_family, filter, address) => {
      const { store, drops, discards } = await during(
        `${filter} and host ${address}`,
        `${inClient} ping -n -c 2 -i 0.3 -W 5 -s 3000 ${address}`,
      );
      expect(drops).toEqual([]);
      const { lanes } = store.lanes('', 0, 1000);
      // Requests and answers: each is cut into three, itself the first of them, and put together.
      const wholes = lanes.filter(({ joins }) => joins.length > 0);
      expect(wholes).toHaveLength(4);
      for (const { index, parent, joins } of wholes) {
        expect(joins).toHaveLength(2);
        for (const { lane } of joins) expect(lanes[lane]?.parent).toBe(parent);
        const { relatives } = store.trail(index, 0, 0);
        expect(relatives.filter(({ side }) => side === 'parent').map(({ edge }) => edge)).toEqual(
          Array(3).fill('reassembled'),
        );
        expect(trails(store)[index]?.map((row) => row.function)).toContain(
          filter === 'icmp' ? 'icmp_rcv' : 'icmpv6_rcv',
        );
      }
      // What hangs in the whole is freed with it.
      const went = discards.filter((each) => / its data went on in packet \d+$/.test(each));
      expect(went).toHaveLength(discards.filter((each) => !/raw socket|took it in/.test(each)).length);
      expect(went.length).toBeGreaterThan(0);
    },
  );

  if (whole)
    test('of a datagram that lost its second fragment both fates are told, whatever the filter can match', async () => {
      const { code, stderr } = await node.exec(
        `ip netns exec server sysctl -q -w net.ipv4.ipfrag_time=2
         ip netns exec server nft 'table ip raw {
           chain pre {
             type filter hook prerouting priority -500; policy accept;
             ip frag-off & 0x1fff != 0 drop
           }
         }'`,
      );
      expect(code, stderr).toBe(0);
      const stores = await traceAll(
        node,
        ['udp port 9000', 'ip proto 17 and host 10.10.0.2'].map((filter) => [...quick, filter]),
        () =>
          node.exec(
            `timedOut() { ip netns exec server awk '$1 == "Ip:" && $2 + 0 { print $14 }' /proc/net/snmp; }
             before=$(timedOut)
             head -c 2500 /dev/zero | ${inClient} socat -u -b 2500 - UDP4-SENDTO:10.10.0.2:9000
             until [ "$(timedOut)" -gt "$before" ]; do sleep 0.1; done`,
            { timeoutMs: 60_000 },
          ),
      );
      const [timeout, dropped] = reasonless
        ? ['no reason given', 'no reason given']
        : [kernel === '6.1' ? 'NOT_SPECIFIED' : 'FRAG_REASM_TIMEOUT', 'NETFILTER_DROP'];
      for (const store of stores) {
        const [first, second, ...others] = trails(store);
        expect(others).toEqual([]);
        const endOf = (rows: readonly TrailRow[] | undefined): string =>
          (rows ?? [])
            .flatMap(({ drop }) => (drop ? [`${drop.reason} at ${drop.where.split('+')[0] ?? ''}`] : []))
            .join();
        expect(endOf(first)).toBe(`${timeout} at ip_expire`);
        expect(endOf(second)).toMatch(new RegExp(`^${dropped} at (nft_do_chain|nf_hook_slow)$`));
        expect(store.lanes('', 1, 1).lanes[0]?.parent).toBe(0);
        expect(store.trail(0, 0, 0).relatives).toMatchObject([{ lane: 1, edge: 'fragment', side: 'child' }]);
      }
      await node.exec('ip netns exec server nft delete table ip raw');
    });

  if (whole)
    test.each([
      ['a ping over IPv6', 'host fd10::2', `${inClient} ping -n -c 2 -i 0.3 -W 5 fd10::2`],
      [
        'a TCP connection, both ways and closed by its client',
        'tcp port 7070',
        // On one CPU: two may hand segments over the wrong way round, of which the kernel does drop the one that is late.
        `taskset -c 0 ip netns exec server socat TCP4-LISTEN:7070 PIPE & echo=$!
         trap 'kill $echo 2>/dev/null || true' EXIT
         until ip netns exec server grep -q :1B9E /proc/net/tcp; do sleep 0.1; done
         head -c 200000 /dev/zero | taskset -c 0 ${inClient} socat -t 5 - TCP4:10.10.0.2:7070 | wc -c | grep -x 200000
         wait $echo`,
      ],
      [
        'a datagram and its answer',
        'udp port 7071',
        `ip netns exec server socat UDP4-RECVFROM:7071 PIPE & echo=$!
         trap 'kill $echo 2>/dev/null || true' EXIT
         until ip netns exec server grep -q :1B9F /proc/net/udp; do sleep 0.1; done
         echo question | ${inClient} socat -t 1 - UDP4:10.10.0.2:7071 | grep -x question`,
      ],
      [
        'an address that is asked for and told',
        'arp',
        `ip -n client neighbour del 10.10.0.2 dev eth-client || true
         ${inClient} ping -n -c 1 -W 5 10.10.0.2`,
      ],
    ])('nothing of %s is a drop', async (_what, filter, script) => {
      expect((await during(filter, script)).drops).toEqual([]);
    });
};

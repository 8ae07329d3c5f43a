// A packet's way has the same shape on every kernel: dropped, translated, bridged, tunnelled, handled by a tc program.
import { expect, test } from 'vitest';
import type { TrailRow } from '../../../extension/protocol/timeline.ts';
import { trace, trails } from '../tracing.ts';
import type { Suite } from './suite.ts';

/** Functions of the kernel proper that mark a packet's way; all kernels have them, and modules' have no BTF on 5.10. */
const milestones = [
  'ip_output',
  '__dev_queue_xmit',
  'ip_rcv',
  'ip_forward',
  'ip_local_deliver',
  'icmp_rcv',
  'tcp_v4_rcv',
];

/** Scenario and its arguments, filter, and the way of the first packet that the client sends: "NETNS FUNCTION", "NETNS drop". */
const expected: readonly (readonly [scenario: readonly string[], filter: string, way: readonly string[]])[] = [
  [
    ['nft-drop', 'icmp'],
    'icmp',
    ['client ip_output', 'client __dev_queue_xmit', 'server ip_rcv', 'server ip_local_deliver', 'server drop'],
  ],
  [
    ['dnat'],
    'tcp dst port 80',
    [
      ...['client ip_output', 'client __dev_queue_xmit'],
      ...['router ip_rcv', 'router ip_forward', 'router ip_output', 'router __dev_queue_xmit'],
      ...['server ip_rcv', 'server ip_local_deliver', 'server tcp_v4_rcv'],
    ],
  ],
  [
    ['bridge'],
    'icmp',
    [
      ...['client ip_output', 'client __dev_queue_xmit', 'switch __dev_queue_xmit'],
      ...['server ip_rcv', 'server ip_local_deliver', 'server icmp_rcv'],
    ],
  ],
  [
    ['vxlan'],
    'icmp',
    [
      ...['client ip_output', 'client __dev_queue_xmit', 'client ip_output', 'client __dev_queue_xmit'],
      // The inner packet comes in a list (ip_list_rcv), as GRO hands packets on.
      ...['server ip_rcv', 'server ip_local_deliver', 'server ip_local_deliver', 'server icmp_rcv'],
    ],
  ],
  [
    ['tc', 'mark'],
    'icmp',
    [
      ...['client ip_output', 'client __dev_queue_xmit', 'server trail_mark', 'server trail_mark'],
      ...['server ip_rcv', 'server ip_local_deliver', 'server icmp_rcv'],
    ],
  ],
];

export const shapes: Suite = (_kernel, booted, whole) => {
  /** Trails by packet, and each packet's parent as its first event tells it: "EDGE of LANE", "" for none. */
  const family = async (args: readonly string[], act: () => Promise<unknown>) => {
    const running = await trace(booted(), args);
    await act();
    await running.stop();
    const { store } = running;
    const lanes = store.lanes('', 0, 1000).lanes;
    return lanes.map(({ index, parent }) => {
      const rows = trails(store)[index] ?? [];
      const born = rows[0]
        ? store.detail(rows[0].event).fields.find(({ name }) => name === 'Parent packet')
        : undefined;
      return { index, parent, edge: /\((.+)\)/.exec(born?.value ?? '')?.[1] ?? '', rows };
    });
  };
  const hooks = [...milestones, 'ip6_output'].flatMap((name) => ['--function', name]);

  test('a packet that a router cuts and the server puts together is one family from the ping to its answer', async () => {
    const node = booted();
    await node.scenario('fragments', 'build');
    const packets = await family([...hooks, 'icmp[icmptype] == icmp-echo'], async () => {
      expect(await node.scenario('fragments', 'send', 1)).toMatchObject({ SENT: '1', RECEIVED: '1' });
    });
    const fragments = packets.filter(({ edge }) => edge === 'fragment');
    // 20 + 1,380 bytes to an MTU of 600: 576 of the payload in each.
    expect(fragments).toHaveLength(3);
    expect(new Set(fragments.map(({ parent }) => parent)).size).toBe(1);
    const joined = packets.filter(({ edge }) => edge === 'reassembled');
    expect(joined).toHaveLength(1);
    expect(fragments.map(({ index }) => index)).toContain(joined[0]?.parent);
    expect(joined[0]?.rows.map((row) => `${row.netns} ${row.function}`)).toContain('server icmp_rcv');
  });

  if (whole)
    test('what is put together of fragments is one family with the first, even when the filter takes no other', async () => {
      const node = booted();
      await node.scenario('fragments', 'build');
      // Only the first has an ICMP header, and none is followed before it comes to the server.
      const packets = await family(['--netns', 'server', ...hooks, 'icmp[icmptype] == icmp-echo'], async () => {
        expect(await node.scenario('fragments', 'send', 1)).toMatchObject({ SENT: '1', RECEIVED: '1' });
      });
      expect(packets.map(({ edge }) => edge)).toEqual(['', 'reassembled']);
      expect(packets[1]?.parent).toBe(packets[0]?.index);
    });

  if (whole)
    test('a packet that its sender cuts passes on what it is to each fragment', async () => {
      const node = booted();
      await node.scenario('pair', 'build');
      for (const [address, filter] of [
        ['10.10.0.2', 'icmp[icmptype] == icmp-echo'],
        ['fd10::2', 'icmp6 and ip6[40] == 128'],
      ] as const) {
        const packets = await family([...hooks, filter], () =>
          node.exec(`ip netns exec client /usr/bin/ping -n -q -c 1 -s 4000 -W 5 ${address}`),
        );
        // 4,008 bytes to an MTU of 1,500: the packet itself is the first of three.
        expect(
          packets.filter(({ edge }) => edge === 'fragment'),
          address,
        ).toHaveLength(2);
        expect(
          packets.filter(({ edge }) => edge === 'reassembled'),
          address,
        ).toHaveLength(1);
      }
    });

  test('a packet that is cut into segments passes on what it is to each', async () => {
    const node = booted();
    await node.scenario('pair', 'build');
    const packets = await family([...hooks, 'udp port 9998'], async () => {
      // UDP_SEGMENT (include/uapi/linux/udp.h): 5,000 bytes as one packet, for who cuts it to send five of 1,000.
      const { code, stderr } = await node.exec(
        `ip netns exec server socat -u UDP4-RECV:9998 CREATE:/tmp/segments & listener=$!
         trap 'kill $listener; rm -f /tmp/segments' EXIT
         until ip netns exec server grep -q :270E /proc/net/udp; do sleep 0.1; done
         head -c 5000 /dev/zero |
           ip netns exec client socat -u -b 5000 STDIN UDP4-SENDTO:10.10.0.2:9998,setsockopt-int=17:103:1000 || exit
         until [ "$(wc -c </tmp/segments)" = 5000 ]; do sleep 0.1; done`,
        { timeoutMs: 30_000 },
      );
      expect(code, stderr).toBe(0);
    });
    const segments = packets.filter(({ edge }) => edge === 'segment');
    expect(segments).toHaveLength(5);
    expect(new Set(segments.map(({ parent }) => parent)).size).toBe(1);
  });

  if (whole)
    test('a clone for somebody who listens is told as one', async () => {
      const node = booted();
      await node.scenario('pair', 'build');
      const packets = await family([...hooks, 'icmp[icmptype] == icmp-echoreply'], () =>
        node.exec('ip netns exec client /usr/bin/ping -n -q -c 1 10.10.0.2'),
      );
      // What the raw socket of ping gets (raw_v4_input, net/ipv4/raw.c), or its ping socket.
      expect(packets.map(({ edge }) => edge)).toEqual(['', 'clone']);
    });

  if (whole)
    test.each(expected)('the way of a packet through %j', async ([scenario = '', ...args], filter, way) => {
      const node = booted();
      await node.scenario(scenario, 'build', ...args);
      const running = await trace(node, [...milestones.flatMap((name) => ['--function', name]), filter]);
      await node.scenario(scenario, 'send', ...args, 1);
      await running.stop();
      const named = [...milestones, 'trail_mark'];
      const dropped = (row: TrailRow): boolean => row.drop?.discard === '';
      const ways = trails(running.store).map((rows) =>
        rows
          .filter((row) => dropped(row) || named.includes(row.function))
          .map((row) => `${row.netns} ${dropped(row) ? 'drop' : row.function}`),
      );
      expect(ways.find(([first]) => first === way[0])).toEqual(way);
    });
};

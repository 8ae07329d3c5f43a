// Packets that can be told apart by themselves, for ten minutes at full speed: no two are taken for one, and none falls apart.
import { afterAll, describe, expect, test } from 'vitest';
import type { Lane } from '../../../extension/protocol/timeline.ts';
import type { TraceStore } from '../../../extension/trace/store.ts';
import { readEvent } from '../../../extension/trace/trail.ts';
import { nodeTool } from '../programs.ts';
import { installHelper, trace, trailOf } from '../tracing.ts';
import { bootNode, type TestNode } from '../vm.ts';

const minutes = 10;

/** What is traced in turn: a few functions at full speed, and all of them while somebody gets a clone of each packet. */
const rounds = [
  {
    packets: 20_000,
    args: ['ip_output', '__dev_queue_xmit', 'veth_xmit', 'ip_rcv', 'udp_rcv', 'skb_consume_udp'].flatMap((name) => [
      '--function',
      name,
    ]),
    around: (send: string) => send,
  },
  {
    packets: 5_000,
    args: [],
    around: (send: string) =>
      `ip netns exec server socat -u INTERFACE:eth-server OPEN:/dev/null & listener=$!
       trap 'kill $listener' EXIT
       until ip netns exec server grep -q ' 0003 ' /proc/net/packet; do sleep 0.1; done
       ${send}`,
  },
] as const;

/** Source ports that a packet's events have. */
function portsOf(store: TraceStore, lane: number): readonly number[] {
  const ports = new Set<number>();
  for (let event = store.packets.head(lane), left = store.packets.count(lane); left > 0; left--) {
    const chunk = store.columns.chunk(event);
    const row = store.columns.row(event);
    const tuple = store.tuples.get(chunk.tuple[row] ?? 0);
    if (tuple !== undefined) ports.add(tuple.sourcePort);
    event = (chunk.next[row] ?? 1) - 1;
  }
  return [...ports];
}

function* lanesOf(store: TraceStore): Generator<Lane> {
  const page = 1000;
  for (let from = 0; from < store.packetCount; from += page) yield* store.lanes('', from, page).lanes;
}

/** A packet's hops, to see what happened to it. */
function trailText(store: TraceStore, lane: number): string {
  const rows = trailOf(store, lane).map(({ event, function: name, cpu, timeNs, changes }) => {
    const skb = store.addresses.big(readEvent(store, event).skb).toString(16);
    return `  ${timeNs} CPU ${cpu} ${name} skb ${skb} ${changes.join(', ')}`;
  });
  return [`packet ${lane}`, ...rows].join('\n');
}

describe.each(['6.12', '6.1'] as const)('Linux %s', (kernel) => {
  let node: TestNode | undefined;
  afterAll(() => node?.stop());

  test(
    `numbered packets keep their trails apart for ${minutes} minutes`,
    async () => {
      node = await bootNode({ kernel, log: (line) => console.log(line) });
      await installHelper(node);
      await node.upload(await nodeTool('numbers', console.log), '/root/numbers', '755');
      await node.scenario('pair', 'build');
      await node.exec(
        'ip netns exec server setsid socat -u UDP4-RECV:9,rcvbuf=4000000 /dev/null >/dev/null 2>&1 </dev/null &',
      );
      const until = Date.now() + minutes * 60_000;
      let [sent, joined, split, lost] = [0, 0, 0, 0];
      for (let turn = 0; Date.now() < until; turn++) {
        const { packets, args, around } = rounds[turn % 2] ?? rounds[0];
        const running = await trace(node, [...args, 'udp dst port 9']);
        const { code, stderr } = await node.exec(
          around(`ip netns exec client /root/numbers 10.10.0.1 10.10.0.2 9 ${sent} ${packets}`),
          { timeoutMs: 300_000 },
        );
        expect(code, stderr).toBe(0);
        await expect.poll(() => running.counters.at(-1)?.following, { timeout: 60_000 }).toBe(0);
        await running.stop();
        const { store } = running;
        const lanes = [...lanesOf(store)];
        const seen = new Set<number>();
        for (const { index, parent } of lanes) {
          const [port, ...others] = portsOf(store, index);
          // A clone is a packet of its own, with its parent's port.
          const again = parent === undefined && port !== undefined && seen.has(port);
          if (port !== undefined) seen.add(port);
          if (others.length > 0) joined++;
          if (again) split++;
          if (others.length > 0 || again) console.log(trailText(store, index));
        }
        lost += store.lost;
        // Each packet has its trail, unless all of its events were lost.
        if (store.lost === 0) expect(lanes.filter(({ parent }) => parent === undefined)).toHaveLength(packets);
        sent += packets;
        console.log(
          `${kernel}: ${sent} packets sent, ${lanes.length} trails in this turn, ${joined} joined, ${split} split, ${lost} events lost`,
        );
      }
      expect({ joined, split }).toEqual({ joined: 0, split: 0 });
    },
    (minutes + 10) * 60_000,
  );
});

// Traces for the timeline's tests, written as the stream that a helper would send and read by the extension's own decoder.
import { encodeFrame, frameType } from '../../../extension/trace/frames.ts';
import { MessageWriter } from '../../../extension/trace/message.ts';

/** One event to write. What is left out is 0 or none. */
export interface Event {
  readonly ns: number;
  readonly packet: number;
  /** Name of one of {@link functions}. */
  readonly function: string;
  readonly cpu?: number;
  readonly netns?: number;
  readonly ifindex?: number;
  readonly len?: number;
  readonly tuple?: Tuple;
  /** Value of a drop reason. */
  readonly drop?: number;
  readonly verdict?: number;
  /** Ifindex; with a verdict. */
  readonly redirect?: number;
  /** Called from the code of this program. */
  readonly calledFrom?: number;
  readonly parent?: number;
  /** Number of the edge from the parent; a clone's unless it is given. */
  readonly edge?: number;
  readonly free?: boolean;
}

export interface Tuple {
  readonly protocol: number;
  readonly source: readonly [number, number, number, number];
  readonly destination: readonly [number, number, number, number];
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** BPF programs, by id. */
export const program = { xdp: 40, tc: 41, lookup: 42, deliver: 43, broken: 44 } as const;

/** Function, module, hook kind, BPF program. */
const functions: readonly (readonly [string, string, number, number?])[] = [
  ['ip_send_skb', '', 1],
  ['__ip_local_out', '', 1],
  ['nf_hook_slow', '', 1],
  ['ip_output', '', 1],
  ['ip_finish_output2', '', 1],
  ['neigh_resolve_output', '', 1],
  ['__dev_queue_xmit', '', 1],
  ['dev_hard_start_xmit', '', 1],
  ['veth_xmit', 'veth', 1],
  ['br_handle_frame', 'bridge', 1],
  ['br_forward', 'bridge', 1],
  ['__netif_receive_skb_core', '', 1],
  ['tc_ingress_policy', '', 4, program.tc],
  ['skb_ensure_writable', '', 1],
  ['ip_rcv', '', 1],
  ['nf_nat_manip_pkt', 'nf_nat', 1],
  ['ip_rcv_finish', '', 1],
  ['ip_local_deliver', '', 1],
  ['icmp_rcv', '', 1],
  ['tcp_v4_rcv', '', 1],
  ['skb_clone', '', 1],
  ['sock_queue_rcv_skb_reason', '', 1],
  ['consume_skb', '', 1],
  ['skb:kfree_skb', '', 2],
  ['enter tc_ingress_policy', '', 3, program.tc],
  ['enter xdp_filter', '', 3, program.xdp],
  ['xdp_filter', '', 4, program.xdp],
  ['bpf_skb_store_bytes', '', 6],
  ['bpf_redirect', '', 6],
  ['ping_rcv', '', 1],
  ['raw_rcv', '', 1],
];

/** Hooks in the table. */
export const hookCount = functions.length;

export const netfilterDrop = 6;
const notSpecified = 2;
const reasons = [
  [notSpecified, 'NOT_SPECIFIED'],
  [netfilterDrop, 'NETFILTER_DROP'],
  [3, 'NO_SOCKET'],
  [30, 'TC_INGRESS'],
] as const;
export const noSocket = 3;
export const tcIngress = 30;

const textBase = 0xffff_ffff_8100_0000n;
/** CLOCK_MONOTONIC of the first event. */
const mono = 5_000_000_000_000n;
/** 2026-03-04 09:05:06.789 UTC. */
const wall = 1_772_615_106_789_000_000n;

const part = {
  packet: 1,
  cpu: 2,
  task: 4,
  skb: 8,
  netns: 16,
  ifindex: 32,
  len: 128,
  protocol: 256,
  tuple: 512,
  caller: 1024,
  drop: 4096,
};
const tail = { verdict: 8192, parent: 16384, free: 32768, redirect: 131072 };

class Bytes {
  private readonly bytes: number[] = [];

  varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.bytes.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.bytes.push(rest);
  }

  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  fixed64(value: bigint): void {
    for (let at = 0n; at < 64n; at += 8n) this.bytes.push(Number((value >> at) & 255n));
  }

  raw(...bytes: readonly number[]): void {
    this.bytes.push(...bytes);
  }

  append(other: Bytes): void {
    for (const byte of other.bytes) this.bytes.push(byte);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

function frame(type: number, fill: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  fill(writer);
  return encodeFrame(type, writer.finish());
}

/** Everything that stands before the first event. */
export function preamble(): readonly Uint8Array[] {
  const hello = frame(frameType.hello, (w) =>
    w
      .uint(1, 1)
      .string(2, '0.1.0')
      .string(4, 'demo')
      .string(6, '6.12.48')
      .string(7, 'x86_64')
      .uint(8, 4)
      .message(9, (clock) => clock.fixed64(1, mono).fixed64(2, wall))
      .fixed64(10, textBase),
  );
  const hooks = frame(frameType.hooks, (w) =>
    functions.forEach(([name, module, kind, id], at) =>
      w.message(1, (hook) =>
        hook
          .uint(1, at + 1)
          .uint(2, kind)
          .string(3, name)
          .string(4, module)
          .fixed64(5, textBase + BigInt(4096 * (at + 1)))
          .string(6, `int ${name}(struct sk_buff *skb)`)
          .uint(7, 1)
          .uint(8, id ?? 0),
      ),
    ),
  );
  const status = frame(frameType.status, (w) =>
    functions.forEach(([name], at) => w.message(1, (hook) => hook.uint(1, at + 1).string(4, name))),
  );
  const names = frame(frameType.names, (w) =>
    w
      .message(1, (netns) => netns.uint(1, 4026531840).string(2, 'init'))
      .message(1, (netns) => netns.uint(1, 4026532200).string(2, 'web'))
      .message(2, (iface) => iface.uint(1, 4026531840).uint(2, 3).string(3, 'veth-web'))
      .message(2, (iface) => iface.uint(1, 4026532200).uint(2, 2).string(3, 'eth0')),
  );
  const table = frame(frameType.reasons, (w) =>
    reasons.forEach(([value, name]) => w.message(1, (reason) => reason.uint(1, value).string(2, name))),
  );
  const symbols = frame(frameType.symbols, (w) =>
    w
      .message(1, (symbol) =>
        symbol
          .fixed64(1, textBase + 4096n)
          .uint(2, 4096)
          .string(3, 'nft_do_chain')
          .string(4, 'nf_tables'),
      )
      .message(1, (symbol) =>
        symbol
          .fixed64(1, textBase + BigInt(icmpRcv))
          .uint(2, 4096)
          .string(3, 'icmp_rcv'),
      ),
  );
  return [hello, hooks, status, names, table, symbols, programs()];
}

/** Where icmp_rcv is, from the kernel's text. */
const icmpRcv = 0x20_0000;
/** Where a program's code is, from the kernel's text. */
const imageOf = (id: number): number => 0x1000_0000 + 0x1000 * id;
const web = 4026532200;

function programs(): Uint8Array {
  return frame(frameType.programs, (w) => {
    const add = (id: number, type: number, name: string, fill: (p: MessageWriter) => void): void => {
      w.message(1, (p) => {
        p.uint(1, id).uint(2, type).string(3, name).string(4, 'a04f5eef06a7f555');
        fill(p);
        p.message(12, (image) => image.fixed64(1, textBase + BigInt(imageOf(id))).uint(2, 0x800));
      });
    };
    const hook = (name: string): number => functions.findIndex(([each]) => each === name) + 1;
    const call = (p: MessageWriter, index: number, id: number): MessageWriter =>
      p.message(11, (slot) => slot.string(1, 'policy_calls').uint(2, index).uint(3, id));
    add(program.xdp, 6, 'xdp_filter', (p) =>
      p
        .message(8, (a) => a.string(1, 'xdp').uint(2, 1).uint(3, web).uint(4, 2).uint(7, 9))
        .uint(13, hook('enter xdp_filter'))
        .uint(14, hook('xdp_filter')),
    );
    add(program.tc, 3, 'tc_ingress_policy', (p) =>
      call(
        p
          .message(8, (a) =>
            a
              .string(1, 'tc')
              .uint(2, 1)
              .uint(3, web)
              .uint(4, 2)
              .uint(5, 1)
              .uint(6, 1)
              .string(9, 'policy.o:[tc]')
              .uint(10, 1),
          )
          .string(9, 'policy_calls')
          .string(9, 'policy_rules')
          .uint(13, hook('enter tc_ingress_policy'))
          .uint(14, hook('tc_ingress_policy'))
          .string(16, 'bpf/policy.c')
          .uint(17, 42),
        1,
        program.lookup,
      ),
    );
    add(program.lookup, 3, 'policy_lookup', (p) => call(p, 2, program.deliver));
    add(program.deliver, 3, 'policy_deliver', () => undefined);
  });
}

/** One batch of events. Throws when a function is not in the table. */
export function batch(events: readonly Event[]): Uint8Array {
  const out = new Bytes();
  out.varint(events.length);
  out.fixed64(mono);
  let before = 0;
  for (const event of events) {
    const hook = functions.findIndex(([name]) => name === event.function) + 1;
    if (hook === 0) throw new Error(`traffic: no function ${event.function}`);
    const { packet, cpu, netns, ifindex, len, protocol, tuple, drop } = part;
    let parts = packet | cpu | netns | ifindex | len | protocol;
    if (event.tuple !== undefined) parts |= tuple;
    if (event.drop !== undefined) parts |= drop;
    if (event.verdict !== undefined) parts |= tail.verdict;
    if (event.parent !== undefined) parts |= tail.parent;
    if (event.free === true) parts |= tail.free;
    if (event.redirect !== undefined) parts |= tail.redirect;
    if (event.calledFrom !== undefined) parts |= part.caller;
    out.varint(parts);
    out.zigzag(event.ns - before);
    before = event.ns;
    out.varint(hook);
    out.varint(event.packet);
    out.varint(event.cpu ?? 0);
    out.varint(event.netns ?? 4026531840);
    out.varint(event.ifindex ?? 3);
    out.varint(event.len ?? 84);
    out.varint(0x0800);
    if (event.tuple !== undefined) {
      const { protocol: l4, source, destination, sourcePort, destinationPort } = event.tuple;
      out.raw(4, l4, ...source, ...destination);
      out.raw(sourcePort & 255, sourcePort >> 8, destinationPort & 255, destinationPort >> 8);
    }
    if (event.calledFrom !== undefined) out.zigzag(imageOf(event.calledFrom) + 0x40);
    if (event.drop !== undefined) {
      out.varint(event.drop);
      out.zigzag((event.drop === noSocket ? icmpRcv : 4096) + 0x1b3);
    }
    if (event.verdict !== undefined) out.zigzag(event.verdict);
    if (event.parent !== undefined) {
      out.varint(event.parent);
      out.raw(event.edge ?? 1);
    }
    if (event.redirect !== undefined) out.varint(event.redirect);
  }
  return encodeFrame(frameType.events, out.done());
}

/** A loss of `lost` events on a CPU between two times. */
export function gap(lost: number, cpu: number, fromNs: number, toNs: number): Uint8Array {
  return frame(frameType.gap, (w) =>
    w
      .uint(1, lost)
      .uint(2, cpu)
      .fixed64(3, mono + BigInt(fromNs))
      .fixed64(4, mono + BigInt(toNs)),
  );
}

/** The first `count` hooks were shed. */
export function shed(count: number): Uint8Array {
  return frame(frameType.status, (w) => {
    for (let at = 0; at < count; at++) w.message(1, (hook) => hook.uint(1, at + 1).uint(2, 3));
  });
}

/** `count` functions more to hook, of which nothing is said yet. */
export function moreHooks(count: number): Uint8Array {
  return frame(frameType.hooks, (w) => {
    for (let at = 1; at <= count; at++)
      w.message(1, (hook) =>
        hook
          .uint(1, hookCount + at)
          .string(3, `function_${at}`)
          .uint(7, 1),
      );
  });
}

/** The first `count` of {@link moreHooks} are attached. */
export function moreAttached(count: number): Uint8Array {
  return frame(frameType.status, (w) => {
    for (let at = 1; at <= count; at++) w.message(1, (hook) => hook.uint(1, hookCount + at));
  });
}

/** BPF run time up to a time. */
export function counters(ns: number, runNs: number): Uint8Array {
  return frame(frameType.counters, (w) => w.fixed64(1, mono + BigInt(ns)).uint(8, runNs));
}

const ping: Tuple = {
  protocol: 1,
  source: [10, 0, 0, 1],
  destination: [10, 0, 0, 2],
  sourcePort: 0x0800,
  destinationPort: 77,
};
const request = (port: number): Tuple => ({
  protocol: 6,
  source: [10, 0, 0, 1],
  destination: [10, 0, 0, 2],
  sourcePort: port,
  destinationPort: 8080,
});

/** Function, ns after the previous hop. */
const wayOut: readonly (readonly [string, number])[] = [
  ['ip_send_skb', 0],
  ['__ip_local_out', 310],
  ['nf_hook_slow', 120],
  ['ip_output', 900],
  ['nf_hook_slow', 150],
  ['ip_finish_output2', 640],
  ['neigh_resolve_output', 210],
  ['__dev_queue_xmit', 330],
  ['dev_hard_start_xmit', 1200],
  ['veth_xmit', 240],
];
const wayIn: readonly (readonly [string, number])[] = [
  ['__netif_receive_skb_core', 5200],
  ['tc_ingress_policy', 380],
  ['ip_rcv', 450],
  ['nf_hook_slow', 160],
  ['ip_rcv_finish', 700],
  ['ip_local_deliver', 420],
];

/** One ping of 12 hops that netfilter drops. */
export function oneDroppedPing(): readonly Event[] {
  let ns = 0;
  const hops: Event[] = [...wayOut, ['ip_rcv', 5600] as const].map(([name, since], at) => {
    ns += since;
    return {
      ns,
      packet: 1,
      function: name,
      ...(at === 0 ? { tuple: ping } : {}),
      ...(at > 9 ? { netns: 4026532200, ifindex: 2 } : {}),
    };
  });
  return [
    ...hops,
    {
      ns: ns + 820,
      packet: 1,
      function: 'skb:kfree_skb',
      netns: 4026532200,
      ifindex: 2,
      drop: netfilterDrop,
      free: true,
    },
  ];
}

/** Sixty packets over two seconds: pings, NATed TCP with a tc verdict, clones, drops. */
export function mixedTraffic(): readonly Event[] {
  const events: Event[] = [];
  let packet = 0;
  for (let at = 0; at < 40; at++) {
    packet++;
    const tcp = at % 3 !== 0;
    const dropped = at % 7 === 3;
    let ns = at * 48_000_000 + (at % 5) * 1_300_000;
    const start = packet;
    const tuple = tcp ? request(40_000 + at) : ping;
    wayOut.forEach(([name, since], hop) => {
      ns += since + ((at * 37 + hop * 11) % 90);
      events.push({
        ns,
        packet: start,
        function: name,
        cpu: at % 4,
        ...(hop === 0 ? { tuple, len: tcp ? 60 : 84 } : { len: tcp ? 60 : 84 }),
      });
    });
    if (at % 4 === 1) {
      packet++;
      events.push({ ns: ns + 400, packet, function: 'skb_clone', parent: start, tuple, cpu: at % 4 });
      events.push({ ns: ns + 2600, packet, function: 'sock_queue_rcv_skb_reason', tuple, cpu: at % 4 });
      events.push({ ns: ns + 9800, packet, function: 'consume_skb', free: true, cpu: at % 4 });
    }
    for (const [hop, [name, since]] of wayIn.entries()) {
      ns += since + ((at * 13 + hop * 29) % 120);
      const inside = { packet: start, netns: 4026532200, ifindex: 2, cpu: (at + 1) % 4 };
      if (dropped && hop === 4) {
        events.push({ ns, ...inside, function: 'skb:kfree_skb', drop: netfilterDrop, free: true });
        break;
      }
      const nat =
        tcp && hop === 4 ? { tuple: { ...tuple, destination: [10, 1, 0, 2] as const, destinationPort: 80 } } : {};
      events.push({ ns, ...inside, function: name, ...nat, ...(name === 'tc_ingress_policy' ? { verdict: 0 } : {}) });
    }
    if (!dropped) {
      events.push({
        ns: ns + 500,
        packet: start,
        function: tcp ? 'tcp_v4_rcv' : 'icmp_rcv',
        netns: 4026532200,
        ifindex: 2,
      });
      events.push({ ns: ns + 2500, packet: start, function: 'consume_skb', free: true, netns: 4026532200, ifindex: 2 });
    }
  }
  return events.sort((a, b) => a.ns - b.ns);
}

/**
 * Four packets through BPF programs: one that XDP passes and tc redirects at the end of a chain of tail calls, one that tc drops, one
 * that XDP drops, and the answer to a ping, of which the raw socket of whoever pings gets a clone, the fifth.
 */
export function programTraffic(): readonly Event[] {
  const events: Event[] = [];
  const packet = (
    id: number,
    start: number,
    tuple: Tuple,
    hops: readonly (readonly [string, number, Partial<Event>?])[],
  ): void => {
    let ns = start;
    hops.forEach(([name, since, more], at) => {
      ns += since;
      const place = { netns: web, ifindex: 2, ...(at === 0 ? { tuple } : {}) };
      events.push({ ns, packet: id, function: name, cpu: id % 4, ...place, ...more });
    });
  };
  const xdp = (verdict: number): readonly (readonly [string, number, Partial<Event>?])[] => [
    ['enter xdp_filter', 0],
    ['xdp_filter', 900, { verdict }],
  ];
  packet(1, 0, request(40_001), [
    ...xdp(2),
    ['__netif_receive_skb_core', 1400],
    ['enter tc_ingress_policy', 600],
    ['bpf_skb_store_bytes', 700, { calledFrom: program.tc }],
    ['bpf_redirect', 900, { calledFrom: program.deliver }],
    ['tc_ingress_policy', 500, { verdict: 7, redirect: 3 }],
    ['__dev_queue_xmit', 700],
    ['veth_xmit', 900],
    ['consume_skb', 2500, { free: true }],
  ]);
  packet(2, 40_000, request(40_002), [
    ...xdp(2),
    ['__netif_receive_skb_core', 1300],
    ['enter tc_ingress_policy', 500],
    ['tc_ingress_policy', 1800, { verdict: 2 }],
    ['skb:kfree_skb', 700, { drop: tcIngress, free: true }],
  ]);
  packet(3, 80_000, request(40_003), [...xdp(1).slice(0, 1), ['xdp_filter', 1100, { verdict: 1, free: true }]]);
  packet(4, 120_000, { ...ping, sourcePort: 0 }, [
    ...xdp(2),
    ['__netif_receive_skb_core', 1300],
    ['enter tc_ingress_policy', 500],
    ['tc_ingress_policy', 700, { verdict: 0 }],
    ['ip_rcv', 900],
    ['ip_local_deliver', 800],
    ['icmp_rcv', 700],
    ['ping_rcv', 600],
    ['skb:kfree_skb', 900, { drop: noSocket, free: true }],
  ]);
  // raw_local_deliver() is called between ip_local_deliver() and icmp_rcv().
  packet(5, 125_300, { ...ping, sourcePort: 0 }, [
    ['raw_rcv', 0, { parent: 4 }],
    ['consume_skb', 9_000, { free: true }],
  ]);
  return events.sort((a, b) => a.ns - b.ns);
}

/** A datagram (packet 1) that is cut into itself and two fragments (2, 3), which are put together to packet 4. */
export function fragmentTraffic(): readonly Event[] {
  const [fragment, reassembled] = [4, 5];
  const at = (ns: number, packet: number, name: string, more: Partial<Event> = {}): Event => ({
    ns,
    packet,
    function: name,
    tuple: ping,
    ...more,
  });
  return [
    at(0, 1, 'ip_send_skb'),
    at(4_000, 1, 'ip_output'),
    at(8_000, 2, 'ip_finish_output2', { parent: 1, edge: fragment }),
    at(12_000, 3, 'ip_finish_output2', { parent: 1, edge: fragment }),
    at(16_000, 1, 'ip_rcv'),
    at(20_000, 2, 'ip_rcv'),
    at(24_000, 3, 'ip_rcv'),
    at(28_000, 4, 'ip_local_deliver', { parent: 1, edge: reassembled }),
    at(29_000, 4, 'ip_local_deliver', { parent: 2, edge: reassembled }),
    at(30_000, 4, 'ip_local_deliver', { parent: 3, edge: reassembled }),
    at(36_000, 4, 'icmp_rcv'),
    at(44_000, 2, 'skb:kfree_skb', { drop: notSpecified, free: true }),
    at(48_000, 3, 'skb:kfree_skb', { drop: notSpecified, free: true }),
    at(52_000, 4, 'consume_skb', { free: true }),
  ];
}

/** `packets` pings of `hops` hops each, `everyNs` apart from id `first` on; every hundredth is dropped. */
export function flood(packets: number, hops: number, everyNs: number, first = 1): readonly Event[] {
  const way = [...wayOut, ...wayIn];
  const events: Event[] = [];
  for (let at = 0; at < packets; at++) {
    let ns = (first - 1 + at) * everyNs;
    for (let hop = 0; hop < hops; hop++) {
      const [name, since] = way[hop % way.length] ?? ['ip_rcv', 100];
      ns += since + ((at * 31 + hop * 17) % 200);
      const last = hop === hops - 1;
      const dropped = last && (first + at) % 100 === 0;
      events.push({
        ns,
        packet: first + at,
        function: dropped ? 'skb:kfree_skb' : last ? 'consume_skb' : name,
        cpu: at % 4,
        ...(hop === 0 ? { tuple: { ...ping, destinationPort: at % 65_536 } } : {}),
        ...(dropped ? { drop: netfilterDrop } : {}),
        ...(last ? { free: true } : {}),
      });
    }
  }
  return events;
}

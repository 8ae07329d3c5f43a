// A stream encoder for tests: writes what the helper writes, event by event, so that decoding can be compared with intent.
import { encodeFrame, frameType } from '../../../extension/trace/frames.ts';
import { MessageWriter } from '../../../extension/trace/message.ts';
import type { TraceBytes } from '../../../extension/trace/reader.ts';

export interface FakeTuple {
  family: 0 | 4 | 6;
  l4?: number;
  source?: number[];
  destination?: number[];
  sourcePort?: number;
  destinationPort?: number;
}

/** One event; a part that is undefined is left out of the record. */
export interface FakeEvent {
  /** CLOCK_MONOTONIC ns. */
  time: bigint;
  hook: number;
  packet?: bigint | number;
  cpu?: number;
  task?: number;
  skb?: bigint;
  netns?: number;
  ifindex?: number;
  mark?: number;
  len?: number;
  protocol?: number;
  tuple?: FakeTuple;
  /** Relative to text_base. */
  caller?: bigint;
  stack?: number;
  drop?: { reason: number; location: bigint };
  verdict?: bigint;
  parent?: { id: bigint | number; edge: number };
  free?: boolean;
  tcpFlags?: number;
  /** Ifindex. */
  redirect?: number;
  /** 1 ingress, 2 egress. */
  direction?: number;
}

class Bytes {
  readonly list: number[] = [];
  varint(value: bigint | number): this {
    let rest = BigInt(value);
    while (rest > 0x7fn) {
      this.list.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.list.push(Number(rest));
    return this;
  }
  zigzag(value: bigint): this {
    return this.varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }
  fixed64(value: bigint): this {
    for (let i = 0n; i < 8n; i++) this.list.push(Number((value >> (8n * i)) & 0xffn));
    return this;
  }
  raw(...bytes: number[]): this {
    this.list.push(...bytes);
    return this;
  }
}

/** An events payload. */
export function encodeBatch(events: readonly FakeEvent[], base = events[0]?.time ?? 0n): Uint8Array {
  const bytes = new Bytes().varint(events.length).fixed64(base);
  let previous = base;
  for (const event of events) {
    const parts: [boolean, () => void][] = [
      [event.packet !== undefined, () => bytes.varint(event.packet ?? 0)],
      [event.cpu !== undefined, () => bytes.varint(event.cpu ?? 0)],
      [event.task !== undefined, () => bytes.varint(event.task ?? 0)],
      [event.skb !== undefined, () => bytes.fixed64(event.skb ?? 0n)],
      [event.netns !== undefined, () => bytes.varint(event.netns ?? 0)],
      [event.ifindex !== undefined, () => bytes.varint(event.ifindex ?? 0)],
      [event.mark !== undefined, () => bytes.varint(event.mark ?? 0)],
      [event.len !== undefined, () => bytes.varint(event.len ?? 0)],
      [event.protocol !== undefined, () => bytes.varint(event.protocol ?? 0)],
      [event.tuple !== undefined, () => event.tuple && encodeTuple(bytes, event.tuple)],
      [event.caller !== undefined, () => bytes.zigzag(event.caller ?? 0n)],
      [event.stack !== undefined, () => bytes.varint(event.stack ?? 0)],
      [event.drop !== undefined, () => bytes.varint(event.drop?.reason ?? 0).zigzag(event.drop?.location ?? 0n)],
      [event.verdict !== undefined, () => bytes.zigzag(event.verdict ?? 0n)],
      [event.parent !== undefined, () => bytes.varint(event.parent?.id ?? 0).raw(event.parent?.edge ?? 0)],
      [event.free === true, () => undefined],
      [event.tcpFlags !== undefined, () => bytes.raw(event.tcpFlags ?? 0)],
      [event.redirect !== undefined, () => bytes.varint(event.redirect ?? 0)],
      [event.direction !== undefined, () => bytes.raw(event.direction ?? 0)],
    ];
    bytes.varint(parts.reduce((mask, [has], bit) => (has ? mask | (1 << bit) : mask), 0));
    bytes.zigzag(event.time - previous).varint(event.hook);
    previous = event.time;
    for (const [has, write] of parts) if (has) write();
  }
  return Uint8Array.from(bytes.list);
}

function encodeTuple(bytes: Bytes, tuple: FakeTuple): void {
  bytes.raw(tuple.family);
  if (tuple.family === 0) return;
  const zero = Array<number>(tuple.family === 4 ? 4 : 16).fill(0);
  const { sourcePort = 0, destinationPort = 0 } = tuple;
  bytes.raw(tuple.l4 ?? 0, ...(tuple.source ?? zero), ...(tuple.destination ?? zero));
  bytes.raw(sourcePort & 0xff, sourcePort >> 8, destinationPort & 0xff, destinationPort >> 8);
}

/** An events frame. */
export function events(...list: FakeEvent[]): Uint8Array {
  return encodeFrame(frameType.events, encodeBatch(list));
}

/** A message frame. */
export function message(type: number, fill: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  fill(writer);
  return encodeFrame(type, writer.finish());
}

export const textBase = 0xffffffff81000000n;
/** CLOCK_MONOTONIC of the hello's clock pair: an uptime of more than 104 days, which a plain number couldn't hold exactly. */
export const bootMono = 12_345_678_901_234_567n;
export const bootWall = 1_789_000_000_123_456_789n;

export function hello(fill: (writer: MessageWriter) => void = () => undefined): Uint8Array {
  return message(frameType.hello, (w) => {
    w.uint(1, 1).string(2, '0.1.0').string(4, 'fakenode').string(6, '6.12.0-fake').string(7, 'x86_64').uint(8, 2);
    w.message(9, (clock) => clock.fixed64(1, bootMono).fixed64(2, bootWall));
    w.fixed64(10, textBase).string(11, 'icmp').string(13, '#1 SMP');
    fill(w);
  });
}

export function hooks(
  ...list: {
    id: number;
    name: string;
    kind?: number;
    module?: string;
    address?: bigint;
    prototype?: string;
    program?: number;
  }[]
): Uint8Array {
  return message(frameType.hooks, (w) => {
    for (const hook of list) {
      w.message(1, (h) => {
        h.uint(1, hook.id)
          .uint(2, hook.kind ?? 1)
          .string(3, hook.name)
          .string(4, hook.module ?? '')
          .fixed64(5, hook.address ?? 0n)
          .string(6, hook.prototype ?? '')
          .uint(7, 1)
          .uint(8, hook.program ?? 0);
      });
    }
  });
}

export interface FakeAttachment {
  kind: string;
  /** 0 none, 1 ingress, 2 egress. */
  direction?: number;
  netns?: number;
  ifindex?: number;
  priority?: number;
  handle?: number;
  link?: number;
  target?: number;
  label?: string;
  direct?: boolean;
  chain?: number;
  peer?: number;
  block?: number;
}

/** A BPF program as the helper tells of it; what is left out is zero, empty, or (type) sched_cls. */
export interface FakeProgram {
  id: number;
  type?: number;
  name?: string;
  tag?: string;
  /** 0 hooked, 1 reported, 2 gone. */
  state?: number;
  reason?: string;
  log?: string;
  attachments?: FakeAttachment[];
  maps?: string[];
  pins?: string[];
  tailCalls?: { map: string; index: number; program: number }[];
  images?: { address: bigint; size: number; name?: string }[];
  entryHook?: number;
  verdictHook?: number;
  goneNs?: bigint;
  file?: string;
  line?: number;
}

export function programs(...list: FakeProgram[]): Uint8Array {
  return message(frameType.programs, (w) => {
    for (const program of list) w.message(1, (p) => writeProgram(p, program));
  });
}

function writeProgram(p: MessageWriter, program: FakeProgram): void {
  p.uint(1, program.id)
    .uint(2, program.type ?? 3)
    .string(3, program.name ?? '')
    .string(4, program.tag ?? '')
    .uint(5, program.state ?? 0)
    .string(6, program.reason ?? '')
    .string(7, program.log ?? '');
  for (const a of program.attachments ?? []) {
    p.message(8, (m) => {
      m.string(1, a.kind)
        .uint(2, a.direction ?? 0)
        .uint(3, a.netns ?? 0)
        .uint(4, a.ifindex ?? 0)
        .uint(5, a.priority ?? 0)
        .uint(6, a.handle ?? 0)
        .uint(7, a.link ?? 0)
        .uint(8, a.target ?? 0)
        .string(9, a.label ?? '')
        .uint(10, a.direct === true ? 1 : 0)
        .uint(11, a.chain ?? 0)
        .uint(12, a.peer ?? 0)
        .uint(13, a.block ?? 0);
    });
  }
  for (const map of program.maps ?? []) p.string(9, map);
  for (const pin of program.pins ?? []) p.string(10, pin);
  for (const call of program.tailCalls ?? []) {
    p.message(11, (m) => {
      m.string(1, call.map).uint(2, call.index).uint(3, call.program);
    });
  }
  for (const image of program.images ?? []) {
    p.message(12, (m) => {
      m.fixed64(1, image.address)
        .uint(2, image.size)
        .string(3, image.name ?? '');
    });
  }
  p.uint(13, program.entryHook ?? 0)
    .uint(14, program.verdictHook ?? 0)
    .fixed64(15, program.goneNs ?? 0n)
    .string(16, program.file ?? '')
    .uint(17, program.line ?? 0);
}

export function source(
  program: number,
  ...lines: { file: string; line: number; column?: number; text: string; function?: string }[]
): Uint8Array {
  return message(frameType.source, (w) => {
    w.uint(1, program);
    for (const line of lines) {
      w.message(2, (m) => {
        m.string(1, line.file)
          .uint(2, line.line)
          .uint(3, line.column ?? 0)
          .string(4, line.text)
          .string(5, line.function ?? '');
      });
    }
  });
}

export function names(list: {
  netns?: { inum: number; name: string; cookie?: bigint; pod?: string }[];
  iface?: { netns: number; ifindex: number; name: string }[];
  task?: { pid: number; comm: string }[];
}): Uint8Array {
  return message(frameType.names, (w) => {
    for (const n of list.netns ?? []) {
      w.message(1, (m) => {
        m.uint(1, n.inum)
          .string(2, n.name)
          .fixed64(3, n.cookie ?? 0n)
          .string(4, n.pod ?? '');
      });
    }
    for (const i of list.iface ?? []) {
      w.message(2, (m) => {
        m.uint(1, i.netns).uint(2, i.ifindex).string(3, i.name);
      });
    }
    for (const t of list.task ?? []) {
      w.message(3, (m) => {
        m.uint(1, t.pid).string(2, t.comm);
      });
    }
  });
}

export function symbols(...list: { address: bigint; size?: number; name: string; module?: string }[]): Uint8Array {
  return message(frameType.symbols, (w) => {
    for (const s of list) {
      w.message(1, (m) => {
        m.fixed64(1, s.address)
          .uint(2, s.size ?? 0)
          .string(3, s.name)
          .string(4, s.module ?? '');
      });
    }
  });
}

export function reasons(...list: [number, string][]): Uint8Array {
  return message(frameType.reasons, (w) => {
    for (const [value, name] of list) {
      w.message(1, (m) => {
        m.uint(1, value).string(2, name);
      });
    }
  });
}

export function stacks(...list: [number, bigint[]][]): Uint8Array {
  return message(frameType.stacks, (w) => {
    for (const [id, addresses] of list) {
      w.message(1, (m) => {
        m.uint(1, id).bytes(2, Uint8Array.from(addresses.flatMap((address) => new Bytes().fixed64(address).list)));
      });
    }
  });
}

export function gap(lost: number, cpu: number, from: bigint, to: bigint, cause = 0, missed = 0): Uint8Array {
  return message(frameType.gap, (w) => {
    w.uint(1, lost).uint(2, cpu).fixed64(3, from).fixed64(4, to).uint(5, cause).uint(6, missed);
  });
}

export function end(sent: number, delivered: number, lost: number, cause = 'stop'): Uint8Array {
  return message(frameType.end, (w) => {
    w.string(1, cause).message(2, (m) => {
      m.fixed64(1, bootMono + 1_000_000_000n)
        .uint(2, sent)
        .uint(3, delivered)
        .uint(4, lost);
    });
  });
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A seeded generator of numbers in [0, 1): the same tests every run. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

export const tcp = (
  source: number[],
  sourcePort: number,
  destination: number[],
  destinationPort: number,
): FakeTuple => ({
  family: 4,
  l4: 6,
  source,
  sourcePort,
  destination,
  destinationPort,
});

/** A small trace that has everything: four packets, NAT, a drop, an IPv6 one, a child, a gap, an unknown frame. */
export function sampleStream(): Uint8Array {
  const t = (ns: number): bigint => bootMono + BigInt(ns);
  return join(
    hello(),
    hooks(
      { id: 1, name: 'ip_rcv', address: textBase + 0x1000n, prototype: 'int ip_rcv(struct sk_buff *skb)' },
      { id: 2, name: 'nf_nat_manip_pkt', module: 'nf_nat' },
      { id: 3, name: 'kfree_skb_reason' },
      { id: 4, name: 'tcp_v4_rcv' },
      { id: 5, name: 'cls_demo', kind: 4, prototype: 'int cls_demo(struct __sk_buff *skb)' },
    ),
    names({
      netns: [
        { inum: 4026531840, name: 'host' },
        { inum: 4026532000, name: 'web', pod: 'shop/web-1' },
      ],
      iface: [
        { netns: 4026531840, ifindex: 2, name: 'eth0' },
        { netns: 4026532000, ifindex: 3, name: 'veth9' },
      ],
      task: [{ pid: 77, comm: 'curl' }],
    }),
    reasons([2, 'NOT_SPECIFIED'], [8, 'NETFILTER_DROP']),
    symbols(
      { address: textBase + 0x2000n, size: 0x100, name: 'nf_hook_slow' },
      { address: 0xffffffffc0100000n, size: 0x400, name: 'nft_do_chain', module: 'nf_tables' },
    ),
    stacks([9, [textBase + 0x2010n, 0xffffffffc0100020n, 0x10n]]),
    encodeFrame(99, Uint8Array.of(1, 2, 3)),
    message(frameType.progress, (w) => {
      w.string(1, 'live');
    }),
    message(frameType.status, (w) => {
      w.message(1, (s) => {
        s.uint(1, 1);
      });
      w.message(1, (s) => {
        s.uint(2, 1).string(3, 'no such symbol').string(4, 'gone_function');
      });
    }),
    events(
      {
        time: t(1000),
        hook: 1,
        packet: 1,
        cpu: 1,
        task: 77,
        skb: 0xffff888003a2b400n,
        netns: 4026531840,
        ifindex: 2,
        len: 60,
        protocol: 0x0800,
        tuple: tcp([10, 0, 0, 1], 43210, [10, 0, 0, 2], 80),
        caller: 0x2020n,
        stack: 9,
        tcpFlags: 2,
      },
      {
        time: t(1500),
        hook: 2,
        tuple: tcp([10, 0, 0, 1], 43210, [10, 1, 0, 2], 8080),
        mark: 0x10,
      },
      {
        time: t(1400),
        hook: 1,
        packet: 0x1_0000_0005n,
        cpu: 0,
        netns: 4026532000,
        ifindex: 3,
        len: 104,
        protocol: 0x86dd,
        tuple: {
          family: 6,
          l4: 58,
          source: [0xfd, ...Array<number>(14).fill(0), 1],
          destination: [0xfd, ...Array<number>(14).fill(0), 2],
          sourcePort: 128 << 8,
          destinationPort: 4711,
        },
      },
      { time: t(2500), hook: 3, packet: 1, drop: { reason: 8, location: 0xffffffffc0100030n - textBase }, free: true },
    ),
    gap(5, 1, t(2600), t(2700)),
    events(
      {
        time: t(2400),
        hook: 5,
        packet: 3,
        netns: 4026531840,
        ifindex: 2,
        protocol: 0x0806,
        verdict: 2n,
        skb: 0xffff888003a2b500n,
      },
      { time: t(3000), hook: 4, packet: 4, parent: { id: 1, edge: 1 }, protocol: 0x0800, verdict: -1n },
      { time: t(900), hook: 4, packet: 0x1_0000_0005n, netns: 4026531840, ifindex: 2, skb: 0xffff888003a2b600n },
    ),
    message(frameType.clock, (w) => {
      w.fixed64(1, bootMono + 10_000_000_000n).fixed64(2, bootWall + 10_000_000_777n);
    }),
    end(12, 7, 5),
  );
}

/** A file in memory. */
export function memoryBytes(bytes: Uint8Array): TraceBytes {
  return {
    size: bytes.length,
    read: async (offset, length) => await Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

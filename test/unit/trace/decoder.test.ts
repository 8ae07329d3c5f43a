// What decoding a stream promises: every value arrives, wherever chunks end, and damage costs only what is damaged.
import { describe, expect, test } from 'vitest';
import { bytesPerEvent } from '../../../extension/trace/columns.ts';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { FormatError } from '../../../extension/trace/error.ts';
import { encodeFrame, frameType, maxFrameLength } from '../../../extension/trace/frames.ts';
import { MessageReader, MessageWriter } from '../../../extension/trace/message.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { readEvent } from '../../../extension/trace/trail.ts';
import {
  bootMono,
  encodeBatch,
  end,
  events,
  gap,
  hello,
  hooks,
  join,
  message,
  names,
  random,
  sampleStream,
} from './encode.ts';

function decode(...chunks: Uint8Array[]): TraceStore {
  const store = new TraceStore();
  const decoder = new StreamDecoder(store);
  for (const chunk of chunks) decoder.feed(chunk);
  return store;
}

/** Everything that views can see. */
function seen(store: TraceStore): unknown {
  const lanes = store.lanes('', 0, 1000);
  return {
    lanes,
    trails: lanes.lanes.map(({ index }) => store.trail(index, 0, 1000)),
    details: Array.from({ length: store.eventCount }, (_, event) => store.detail(event)),
    gaps: store.gapMarks(),
    statuses: store.hooks.statuses(),
    end: store.end,
    lost: store.lost,
  };
}

/** The error that the bytes end in, and the store up to there. Fails on anything that is no FormatError. */
function decodeBad(bytes: Uint8Array, store = new TraceStore(200_000)): { store: TraceStore; error?: FormatError } {
  try {
    new StreamDecoder(store).feed(bytes);
    return { store };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { store, error };
  }
}

describe('a stream', () => {
  test('arrives value by value', () => {
    const store = decode(sampleStream());
    expect(store.eventCount).toBe(7);
    expect(store.packetCount).toBe(4);
    expect(store.droppedPackets).toBe(1);
    const first = readEvent(store, 0);
    expect(first).toMatchObject({ task: 77, netns: 4026531840, ifindex: 2, len: 60, cpu: 1, stack: 9, tcpFlags: 2 });
    expect(store.addresses.big(first.skb)).toBe(0xffff888003a2b400n);
    expect(readEvent(store, 1)).toMatchObject({
      len: 60,
      mark: 0x10,
      cpu: 1,
      task: 77,
      stack: 0,
      caller: 0,
      tcpFlags: 2,
    });
    // A record without its packet part belongs to the packet of the record before.
    expect(store.laneOf(1)).toBe(0);
    // "Same as before" starts anew in each batch.
    expect(readEvent(store, 6)).toMatchObject({ len: 0, tuple: 0, protocol: 0, cpu: 0 });
    expect(store.hooks.countOf('attached')).toBe(1);
    expect(store.hooks.countOf('skipped')).toBe(1);
    expect(store.kernel()).toEqual({ release: '6.12.0-fake', machine: 'x86_64', version: '#1 SMP' });
  });

  test('shows what things are called and obeys none of it', () => {
    const evil = '\x1b[2J\n\u202e';
    const store = decode(
      hello((w) => w.string(4, evil)),
      hooks({ id: 1, name: evil, module: evil, prototype: evil }),
      names({
        netns: [{ inum: 1, name: evil, pod: evil }],
        iface: [
          { netns: 1, ifindex: 2, name: evil },
          { netns: 1, ifindex: 3, name: '\ufeffeth0' },
        ],
        task: [{ pid: 7, comm: evil }],
      }),
    );
    const shown = String.raw`\x1b[2J\n\u202e`;
    expect(store.hello?.host).toBe(shown);
    expect([...store.hooks.all()]).toMatchObject([{ function: shown, module: shown, prototype: shown }]);
    expect(store.names.iface(1, 2)).toBe(shown);
    // It is another interface than eth0.
    expect(store.names.iface(1, 3)).toBe(String.raw`\ufeffeth0`);
    expect(store.names.comm(7)).toBe(shown);
  });

  test('keeps as it is what goes back to a node, or is compared with a file', () => {
    const store = decode(
      hello((w) => w.string(11, 'tcp\tport 80')),
      message(frameType.filter, (w) => w.string(1, 'ether proto \\ip\tor arp').fixed64(3, 1n)),
      message(frameType.source, (w) =>
        w.uint(1, 5).message(2, (l) => l.string(1, 'a.c').uint(2, 1).string(4, '\treturn 1; /* ❤️ */\r')),
      ),
    );
    expect(store.hello?.filter).toBe('tcp\tport 80');
    expect(store.newFilter).toBe('ether proto \\ip\tor arp');
    expect(store.programs.source(5).map(({ text }) => text)).toEqual(['\treturn 1; /* ❤️ */\r']);
  });

  test('gives the same trace when it is split at every byte', () => {
    const bytes = sampleStream();
    const whole = seen(decode(bytes));
    for (let at = 1; at < bytes.length; at++) {
      expect(seen(decode(bytes.subarray(0, at), bytes.subarray(at)))).toEqual(whole);
    }
    expect(seen(decode(...Array.from(bytes, (byte) => Uint8Array.of(byte))))).toEqual(whole);
  });

  test('respects the byteOffset of its chunks', () => {
    const bytes = sampleStream();
    const wide = new Uint8Array(bytes.length + 7).fill(0xee);
    wide.set(bytes, 7);
    expect(seen(decode(wide.subarray(7)))).toEqual(seen(decode(bytes)));
  });

  test('cut at any byte keeps every whole frame and never throws', () => {
    const bytes = sampleStream();
    for (let at = 0; at <= bytes.length; at++) {
      const store = new TraceStore();
      const decoder = new StreamDecoder(store);
      decoder.feed(bytes.subarray(0, at));
      expect(decoder.offset + decoder.pendingBytes).toBe(at);
      seen(store);
    }
  });

  test('with random damage throws nothing but FormatError, and what is decoded can be shown', () => {
    const bytes = sampleStream();
    const next = random(42);
    for (let round = 0; round < 1_500; round++) {
      const bad = bytes.slice();
      const hits = 1 + Math.floor(next() * 4);
      for (let i = 0; i < hits; i++) bad[Math.floor(next() * bad.length)] = Math.floor(next() * 256);
      const { store } = decodeBad(bad);
      seen(store);
      const page = store.page([0, 1, 2, 3], -1e9, 1e15, 100);
      expect(page.byteLength).toBeLessThan(100_000);
      // Hardly any input: hardly any memory.
      expect(store.bytes).toBeLessThan(1_000_000);
    }
  });

  test('of random bytes is refused', () => {
    const next = random(7);
    for (let round = 0; round < 500; round++) {
      const { store } = decodeBad(Uint8Array.from({ length: 300 }, () => Math.floor(next() * 256)));
      expect(store.eventCount).toBe(0);
    }
  });

  test('that does not begin with hello is refused', () => {
    expect(decodeBad(hooks({ id: 1, name: 'a' })).error?.message).toMatch(
      /begins with a frame of type 2 instead of hello/,
    );
  });

  test('of another version is refused with the version', () => {
    const bytes = message(frameType.hello, (w) => {
      w.uint(1, 2);
    });
    expect(decodeBad(bytes).error?.message).toMatch(/version 2/);
  });

  test('with a frame of length 0 or beyond 16 MiB is refused at its place', () => {
    const start = hello();
    for (const length of [0, maxFrameLength + 1, 0xffff_ffff]) {
      const bad = new Uint8Array(4);
      new DataView(bad.buffer).setUint32(0, length, true);
      expect(decodeBad(join(start, bad, Uint8Array.of(1))).error?.offset).toBe(start.length);
    }
  });

  test('keeps unknown frames and unknown fields from mattering', () => {
    const odd = message(frameType.hooks, (w) => {
      w.uint(77, 5).fixed64(78, 9n).string(79, 'new').fixed32(80, 1);
      w.message(1, (h) => {
        h.uint(1, 6).string(3, 'known').string(40, 'unknown');
      });
    });
    const store = decode(hello(), encodeFrame(200, Uint8Array.of(9)), odd);
    expect(store.hooks.name(6)).toBe('known');
  });

  test('with a message that promises more bytes than it has is refused', () => {
    const { error } = decodeBad(join(hello(), encodeFrame(frameType.hooks, Uint8Array.of(0x0a, 0xff, 0xff, 0x03, 1))));
    expect(error?.message).toMatch(/cut short/);
  });
});

describe('an events batch', () => {
  const start = join(hello(), hooks({ id: 1, name: 'ip_rcv' }));
  const two = [
    { time: bootMono, hook: 1, packet: 1 },
    { time: bootMono + 5n, hook: 1, packet: 2 },
  ];

  test('that is cut keeps the events before the cut and names the byte', () => {
    const payload = encodeBatch(two);
    for (let length = 0; length < payload.length; length++) {
      const { store, error } = decodeBad(join(start, encodeFrame(frameType.events, payload.subarray(0, length))));
      expect(error?.offset).toBeGreaterThanOrEqual(start.length + 5);
      expect(error?.offset).toBeLessThanOrEqual(start.length + 5 + length);
      expect(store.eventCount).toBe(length >= 13 ? 1 : 0);
      expect(store.packetCount).toBe(store.eventCount);
    }
  });

  test('with a hostile count takes what is there and no memory for the rest', () => {
    const payload = encodeBatch(two).slice();
    const bad = join(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f), payload.subarray(1));
    const { store, error } = decodeBad(join(start, encodeFrame(frameType.events, bad)));
    expect(store.eventCount).toBe(2);
    expect(error?.message).toMatch(/cut short/);
    expect(store.bytes).toBeLessThan(200_000);
  });

  test('with an overlong varint is refused', () => {
    const long = Uint8Array.of(...Array<number>(11).fill(0x80), 0);
    const { error } = decodeBad(join(start, encodeFrame(frameType.events, long)));
    expect(error?.message).toMatch(/longer than 64 bits/);
  });

  test('with bytes after its last event is refused, its events are kept', () => {
    const bad = join(encodeBatch(two), Uint8Array.of(0));
    const { store, error } = decodeBad(join(start, encodeFrame(frameType.events, bad)));
    expect(store.eventCount).toBe(2);
    expect(error?.message).toMatch(/1 bytes after the last event/);
  });

  test('with values beyond their range is refused, not cut to fit', () => {
    const bad = [
      { packet: 0 },
      { packet: 1, cpu: 70_000 },
      { packet: 1, mark: 2 ** 32 },
      { packet: 1, protocol: 0x1_0000 },
      { packet: 1, tuple: { family: 5 as 4 } },
    ];
    for (const parts of bad) {
      const { store, error } = decodeBad(join(start, events({ time: bootMono, hook: 1, ...parts })));
      expect(error).toBeInstanceOf(FormatError);
      expect(store.eventCount).toBe(0);
    }
  });

  test('beyond what the store takes are counted, and what follows is read', () => {
    const many = (from: number) =>
      Array.from({ length: 8 }, (_, i) => ({ time: bootMono + BigInt(from + i), hook: 1, packet: 1 }));
    const ending = end(20, 20, 0);
    const { store, error } = decodeBad(join(start, events(...many(0)), events(...many(8)), ending), new TraceStore(10));
    expect(error).toBeUndefined();
    expect(store.eventCount).toBe(10);
    expect(store.beyond).toBe(6);
    // The four that neither came nor are counted as lost.
    expect(store.unaccounted).toBe(4);
  });

  test('a count that lies doesn’t count more than there are bytes for', () => {
    const batch = encodeBatch([
      { time: bootMono, hook: 1, packet: 1 },
      { time: bootMono, hook: 1, packet: 1 },
    ]);
    const liar = new Uint8Array([0xff, 0xff, 0xff, 0x7f, ...batch.subarray(1)]);
    const { store } = decodeBad(join(start, encodeFrame(frameType.events, liar)), new TraceStore(1));
    expect(store.eventCount).toBe(1);
    expect(store.beyond).toBeLessThan(batch.length);
  });

  test('keeps packet ids beyond 32 and 53 bits apart', () => {
    const ids = [1n, 0x1_0000_0001n, 0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn];
    const store = decode(start, events(...ids.map((packet) => ({ time: bootMono, hook: 1, packet }))));
    expect(store.lanes('', 0, 10).lanes.map(({ id }) => id)).toEqual(ids.map(String));
  });

  test('may run backwards in time and before the first clock', () => {
    const store = decode(
      start,
      events({ time: bootMono - 7n, hook: 1, packet: 1 }, { time: bootMono - 9n, hook: 2, packet: 1 }),
      events({ time: bootMono - 12n, hook: 3, packet: 1 }),
    );
    // Time 0 is the earliest event of the first batch; what comes later may be before it.
    expect(store.trail(0, 0, 9).rows.map(({ timeNs, sinceNs, event }) => [timeNs, sinceNs, event])).toEqual([
      [-3, 0, 2],
      [0, 3, 1],
      [2, 2, 0],
    ]);
    expect(store.monotonic(readEvent(store, 0).time)).toBe(bootMono - 7n);
  });

  test('is exact to the nanosecond after months of uptime', () => {
    const mono = 2n ** 60n + 1n;
    const clock = message(frameType.hello, (w) => {
      w.uint(1, 1).message(9, (c) => c.fixed64(1, mono).fixed64(2, 10n ** 18n));
    });
    const store = decode(
      clock,
      events({ time: mono + 1n, hook: 1, packet: 1 }, { time: mono + 2n, hook: 1, packet: 1 }),
    );
    expect(store.trail(0, 0, 2).rows.map(({ timeNs }) => timeNs)).toEqual([0, 1]);
    expect(store.wall(readEvent(store, 1).time)).toBe(10n ** 18n + 2n);
  });

  test('takes at most 64 bytes an event in the columns, and little more in all', () => {
    expect(bytesPerEvent).toBeLessThanOrEqual(64);
    const store = decode(start);
    const decoder = new StreamDecoder(store);
    decoder.feed(hello());
    for (let batch = 0; batch < 1024; batch++) {
      const list = Array.from({ length: 256 }, (_, i) => ({
        time: bootMono + BigInt(batch * 256 + i),
        hook: 1 + (i % 50),
        packet: 1 + Math.floor((batch * 256 + i) / 100),
        skb: 0xffff888000000000n + BigInt(256 * (batch % 64)),
        len: 100,
      }));
      decoder.feed(events(...list));
    }
    expect(store.eventCount).toBe(262_144);
    expect(store.bytes / store.eventCount).toBeLessThanOrEqual(64);
  });
});

describe('losses', () => {
  test('are summed and placed in time, and nothing is unaccounted when sent = delivered + lost', () => {
    const store = decode(sampleStream());
    expect(store.lost).toBe(5);
    expect(store.gapMarks()).toEqual([
      { fromNs: 1600, toNs: 1700, lost: 5, missed: 0, cpu: 1, cause: 'ring buffer full' },
    ]);
    expect(store.end?.total).toMatchObject({ sent: 12, delivered: 7, lost: 5 });
    expect(store.unaccounted).toBe(0);
  });

  test('hits that the kernel ran no program for are told apart from lost events', () => {
    const store = decode(hello(), gap(0, 0, bootMono, bootMono + 100n, 2, 40), gap(2, 0, bootMono, bootMono));
    expect(store).toMatchObject({ lost: 2, missed: 40 });
    expect(store.gapMarks()).toMatchObject([
      { lost: 0, missed: 40, cause: 'in an interrupt of a BPF program' },
      { lost: 2, missed: 0, cause: 'ring buffer full' },
    ]);
  });

  test('that no gap tells of show as unaccounted', () => {
    const sent = message(frameType.end, (w) => {
      w.message(2, (m) => {
        m.uint(2, 10).uint(3, 7).uint(4, 3);
      });
    });
    const store = decode(hello(), events({ time: bootMono, hook: 1, packet: 1 }), gap(3, 0, bootMono, bootMono), sent);
    expect(store.unaccounted).toBe(6);
  });

  test('of an unknown cause keep its number', () => {
    expect(decode(hello(), gap(1, 0, bootMono, bootMono, 42)).gapMarks()[0]?.cause).toBe('cause 42');
  });
});

describe('a message', () => {
  test('comes back as it was written', () => {
    const bytes = new MessageWriter()
      .uint(1, 0xffff_ffff)
      .uint(2, 2 ** 53 - 1)
      .fixed64(3, 0xffff_ffff_ffff_ffffn)
      .string(4, 'ü→')
      .finish();
    const reader = new MessageReader(bytes, 0);
    const values: unknown[] = [];
    while (reader.next()) {
      if (reader.field === 1) values.push(reader.uint32());
      else if (reader.field === 2) values.push(reader.count());
      else if (reader.field === 3) values.push(reader.bigFixed64());
      else values.push(reader.string());
    }
    expect(values).toEqual([0xffff_ffff, 2 ** 53 - 1, 0xffff_ffff_ffff_ffffn, 'ü→']);
  });

  test('with a number too big for its field is refused', () => {
    const reader = new MessageReader(new MessageWriter().uint(1, 2n ** 63n).finish(), 0);
    reader.next();
    expect(() => reader.count()).toThrow(FormatError);
  });
});

// What a hostile helper or file can't do: take more memory than it may, more work than its size is worth, or not be cancelled. Whatever is
// left out of a trace is said, and the rest of it is there.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pack } from '../../../extension/trace/codec.ts';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { TraceRecorder, fileHead, writeIndex } from '../../../extension/trace/file.ts';
import { FrameSplitter, encodeFrame, frameType } from '../../../extension/trace/frames.ts';
import { readTrace, type TraceBytes } from '../../../extension/trace/reader.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import {
  bootMono,
  events,
  hello,
  hooks,
  join,
  memoryBytes,
  message,
  names,
  programs,
  reasons,
  source,
  stacks,
  symbols,
} from './encode.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path(tmpdir(), 'packet-trail-hostile-test-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const MB = 2 ** 20;

function storeOf(memory: { events?: number; tables?: number }, ...frames: Uint8Array[]): TraceStore {
  const store = new TraceStore(undefined, memory);
  const decoder = new StreamDecoder(store);
  for (const frame of [hello(), ...frames]) decoder.feed(frame);
  return store;
}

const long = 'x'.repeat(MB);

describe('what is said about the events', () => {
  test('is cut where it is longer than any kernel’s', () => {
    const store = storeOf({}, hooks({ id: 1, name: `f${long}`, module: long, prototype: long }));
    const cut = store.hooks.get(1);
    expect(cut?.function).toMatch(/^fx+…$/);
    expect([cut?.function, cut?.module, cut?.prototype].map((text) => text?.length)).toEqual([4096, 4096, 4096]);
    expect(store.ceiling.message).toBe('');
  });

  const status = (id: number): Uint8Array =>
    message(frameType.status, (w) =>
      w.message(1, (s) => s.uint(1, id).uint(2, 1).string(3, 'why').string(4, `f${id}`)),
    );
  const tables: readonly [string, (i: number) => Uint8Array, (store: TraceStore, i: number) => unknown][] = [
    ['hooks', (i) => hooks({ id: i, name: `f${i}` }), (store, i) => store.hooks.get(i)?.function],
    ['hook statuses', status, (store, i) => store.hooks.statuses()[i - 1]?.function],
    ['skipped hooks', () => status(0), (store, i) => store.hooks.statuses()[i - 1]?.function],
    [
      'namespaces',
      (i) => names({ netns: [{ inum: i, name: `f${i}` }] }),
      (store, i) => store.names.netnsEntry(i)?.name,
    ],
    [
      'interfaces',
      (i) => names({ iface: [{ netns: 1, ifindex: i, name: `f${i}` }] }),
      (store, i) => store.names.ifaceEntry(1, i)?.name,
    ],
    ['tasks', (i) => names({ task: [{ pid: i, comm: `f${i}` }] }), (store, i) => store.names.comm(i) || undefined],
    [
      'a task that is renamed without end',
      (i) => names({ task: [{ pid: 1, comm: `f${i}` }] }),
      (store, i) => [store.names.comm(1, i - 1)].find((name) => name === `f${i}`),
    ],
    [
      'symbols',
      (i) => symbols({ address: BigInt(i * 16), name: `f${i}` }),
      (store, i) => store.symbols.find(BigInt(i * 16)),
    ],
    [
      'drop reasons',
      (i) => reasons([i, `f${i}`]),
      (store, i) => [store.reasons.name(i)].find((name) => name === `f${i}`),
    ],
    ['stacks', (i) => stacks([i, [1n]]), (store, i) => store.stacks.get(i)[0]],
    ['programs', (i) => programs({ id: i, name: `f${i}` }), (store, i) => store.programs.get(i)],
    [
      'programs’ lines',
      (i) => source(i, { file: 'a.c', line: 1, text: 'x' }),
      (store, i) => store.programs.source(i)[0],
    ],
  ];
  test.each(tables)('%s take no more than their ceiling; what is beyond is left out and said', (_, frame, get) => {
    const most = 8_000;
    const store = storeOf({ tables: MB }, ...Array.from({ length: most }, (_, i) => frame(i + 1)));
    expect(get(store, 1)).toBeDefined();
    expect(get(store, most)).toBeUndefined();
    expect(store.ceiling.message).toMatch(
      /^More is said about the events than is kept in memory \(1 MB\): [\d,]+ names/,
    );
  });

  test.each([
    ['a hook', hooks({ id: 1, name: 'f' })],
    ['a status', status(1)],
    ['a namespace', names({ netns: [{ inum: 1, name: 'n' }] })],
    ['a symbol', symbols({ address: 16n, name: 'f' })],
    ['a drop reason', reasons([1, 'f'])],
    ['a stack', stacks([1, [1n]])],
    ['a program', programs({ id: 1, name: 'f' })],
    ['a program’s lines', source(1, { file: 'a.c', line: 1, text: 'x' })],
  ])('%s that is told again and again takes its room once', (_, frame) => {
    const store = storeOf({ tables: 8192 }, ...Array.from({ length: 1_000 }, () => frame));
    expect(store.ceiling.message).toBe('');
  });

  test('is said with a file’s other faults, which it isn’t one of', async () => {
    const file = join(fileHead, hello(), ...Array.from({ length: 8_000 }, (_, i) => hooks({ id: i + 1, name: 'f' })));
    const { damage, message: said } = await readTrace(memoryBytes(file), {
      store: new TraceStore(undefined, { tables: MB }),
    });
    expect(damage).toEqual([]);
    expect(said).toContain('More is said about the events than is kept in memory');
  });
});

test('events take no more memory than they may, however many packets they are of', () => {
  const one = (i: number): Uint8Array => {
    const source = [10, 0, i >> 8, i & 255];
    const tuple = { family: 4 as const, l4: 6, source, destination: source, sourcePort: i & 0xffff };
    const skb = BigInt(i + 1) << 8n;
    return events({ time: bootMono, hook: 1, packet: i + 1, skb, caller: skb, tuple, parent: { id: i, edge: 1 } });
  };
  const store = storeOf({ events: 4 * MB }, ...Array.from({ length: 30_000 }, (_, i) => one(i)));
  expect(store.bytes).toBeLessThan(8 * MB);
  expect(store.eventCount).toBeGreaterThan(4_000);
  expect(store.eventCount + store.beyond).toBe(30_000);
});

/** A file in memory that counts the bytes that are read of it. */
class CountedBytes implements TraceBytes {
  readonly size: number;
  taken = 0;
  constructor(private readonly file: Uint8Array) {
    this.size = file.length;
  }
  read(offset: number, length: number): Promise<Uint8Array> {
    const part = this.file.subarray(offset, offset + length);
    this.taken += part.length;
    return Promise.resolve(part);
  }
}

describe('a hostile file', () => {
  /** A batch of a packet’s equal events, packed: a few bytes to thousands of them. */
  const bomb = (count: number): Uint8Array => {
    const bytes = [...varint(count), ...Buffer.from(new BigUint64Array([bootMono]).buffer), 1, 0, 0, 1];
    const payload = join(Uint8Array.from(bytes), new Uint8Array((count - 1) * 3));
    const { codec, data } = pack(payload);
    const head = Buffer.from([codec, 0, 0, 0, 0]);
    head.writeUInt32LE(payload.length, 1);
    return encodeFrame(frameType.packed, join(head, data));
  };
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);

  test('of many damaged frames is read in one pass', async () => {
    const recorder = await TraceRecorder.create(path(folder, 'damaged.pkttrail'), { node: '', filter: '', title: '' });
    const counters = message(frameType.counters, (w) => w.uint(2, 1));
    const frames = [hello(), ...Array.from({ length: 60_000 }, () => counters)];
    new FrameSplitter().push(join(...frames), (frame) => recorder.append(frame));
    await recorder.close();
    const file = new Uint8Array(await readFile(recorder.path));
    new FrameSplitter().push(file.subarray(16), ({ type, offset }) => {
      if (type === frameType.counters) file[16 + offset + 6] = 9;
    });
    const { damage, message: said } = await readTrace(memoryBytes(file));
    expect(damage.length).toBe(1_000);
    // Beyond so many the rest is one more.
    expect(said).toMatch(/\(the checksum is wrong\) and 20,000 more places/);
  });

  test('of many indexes is read over once for them, and once for its frames', async () => {
    let at = fileHead.length;
    const frames: Uint8Array[] = [fileHead];
    const add = (frame: Uint8Array): number => {
      frames.push(frame);
      return (at += frame.length) - frame.length;
    };
    add(hello());
    let previous = 0;
    for (let i = 0; i < 20_000; i++) {
      add(message(frameType.counters, (w) => w.string(99, 'x'.repeat(300))));
      previous = add(encodeFrame(frameType.index, writeIndex([], previous)));
    }
    const trailer = Buffer.alloc(16);
    trailer.writeBigUInt64LE(BigInt(previous));
    trailer.write('PKTTRAIL', 8);
    add(encodeFrame(frameType.trailer, trailer));
    const file = join(...frames);
    const bytes = new CountedBytes(file);
    const { message: said } = await readTrace(bytes);
    expect(said).toBe('');
    expect(bytes.taken).toBeLessThan(3 * file.length);
  });

  test('that unpacks to more events than a trace has is not unpacked on and on', async () => {
    const frame = bomb(5_000_000);
    const file = join(fileHead, hello(), ...Array.from({ length: 2_000 }, () => frame));
    const { store, message: said } = await readTrace(memoryBytes(file), { store: new TraceStore(1_000) });
    expect(store.eventCount).toBe(1_000);
    expect(said).toMatch(/^The trace has at least [\d,]+ events, more than can be shown: the first 1,000 are\./);
  });

  test('that is small has no more events than a file of its size can have', async () => {
    const file = join(fileHead, hello(), bomb(5_000_000));
    const { store, message: said } = await readTrace(memoryBytes(file));
    expect(store.eventCount).toBe(1_000_000 + 4 * file.length);
    expect(said).toMatch(/^The trace has 5,000,000 events, more than can be shown/);
  });

  test('can be cancelled while it is read, also from memory', async () => {
    const frame = bomb(100_000);
    const file = join(fileHead, hello(), ...Array.from({ length: 150 }, () => frame));
    const abort = new AbortController();
    const store = new TraceStore();
    const reading = readTrace(memoryBytes(file), { store, signal: abort.signal });
    const soon = sleep(0).then(() => abort.abort());
    await expect(reading).rejects.toThrow(/abort/i);
    await soon;
    expect(store.eventCount).toBeLessThan(15_000_000);
  });
});

test('a recording becomes no longer than it may; the trace goes on, and what was recorded is whole', async () => {
  const recorder = await TraceRecorder.create(
    path(folder, 'long.pkttrail'),
    { node: '', filter: '', title: '' },
    undefined,
    100_000,
  );
  const unknown = message(99, (w) => w.string(1, 'x'.repeat(1_000)));
  const frames = [hello(), ...Array.from({ length: 1_000 }, () => unknown)];
  new FrameSplitter().push(join(...frames), (frame) => recorder.append(frame));
  await recorder.close();
  expect(recorder.failure?.message).toMatch(
    /^the recording has stopped, since it has .* GB: .*: what was recorded up to here can be saved$/,
  );
  const file = new Uint8Array(await readFile(recorder.path));
  expect(file.length).toBeLessThan(120_000);
  expect((await readTrace(memoryBytes(file))).message).toBe('');
});

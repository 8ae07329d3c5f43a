// What trace files promise: saving loses nothing, a cut or damaged file keeps all that is whole, a full disk is said, not suffered.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codec, pack, unpack } from '../../../extension/trace/codec.ts';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { FormatError, LimitError } from '../../../extension/trace/error.ts';
import { TraceRecorder, fileHead, writeIndex, readIndex, type RecordingFile } from '../../../extension/trace/file.ts';
import { openTraceFile } from '../../../extension/trace/fileSource.ts';
import { FrameSplitter, encodeFrame, frameType, openFrame, type Frame } from '../../../extension/trace/frames.ts';
import { readTrace } from '../../../extension/trace/reader.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { bootMono, encodeBatch, end, events, hello, hooks, join, memoryBytes, random, sampleStream } from './encode.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'packet-trail-file-test-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const about = { node: 'demo', filter: 'tcp', title: 'demo: tcp' };
const newPath = (): string => joinPath(folder, `${randomUUID()}.pkttrail`);

function framesOf(stream: Uint8Array): Frame[] {
  const list: Frame[] = [];
  new FrameSplitter().push(stream, (frame) => list.push(frame));
  return list;
}

/** Many batches: several indexes. */
function longStream(batches: number): Uint8Array {
  const t = (i: number): bigint => bootMono + BigInt(i);
  const list = Array.from({ length: batches }, (_, batch) =>
    events(
      ...Array.from({ length: 20 }, (_, i) => ({
        time: t(batch * 1000 + i * 7),
        hook: 1 + ((batch * i) % 5),
        packet: 1 + (batch % 9),
        len: 64 + ((batch * 31 + i * 17) % 1400),
      })),
    ),
  );
  return join(hello(), hooks({ id: 1, name: 'ip_rcv' }), ...list, end(batches * 20, batches * 20, 0));
}

async function record(stream: Uint8Array, path = newPath()): Promise<string> {
  const recorder = await TraceRecorder.create(path, about);
  for (const frame of framesOf(stream)) recorder.append(frame);
  await recorder.close();
  return path;
}

function live(stream: Uint8Array): TraceStore {
  const store = new TraceStore();
  new StreamDecoder(store).feed(stream);
  return store;
}

function seen(store: TraceStore): unknown {
  const lanes = store.lanes('', 0, 1000);
  return {
    lanes,
    trails: lanes.lanes.map(({ index }) => store.trail(index, 0, 1e6)),
    gaps: store.gapMarks(),
    end: store.end,
  };
}

describe('a recorded trace', () => {
  test('opens again with the same events, names, gaps and end', async () => {
    const source = await openTraceFile(await record(sampleStream()));
    expect(seen(source.store)).toEqual(seen(live(sampleStream())));
    expect(source).toMatchObject({ status: 'file', node: 'demo', filter: 'tcp', message: '' });
    await source.stop();
    await source.pause();
  });

  test('is packed, and keeps frames that nobody knows as they were', async () => {
    const stream = longStream(200);
    const file = new Uint8Array(await readFile(await record(stream)));
    expect(file.length).toBeLessThan(stream.length);
    const types = framesOf(file.subarray(16)).map(({ type }) => type);
    expect(types[0]).toBe(frameType.hello);
    expect(types.filter((type) => type === frameType.index).length).toBe(4);
    expect(types.at(-1)).toBe(frameType.trailer);
    const odd = new Uint8Array(await readFile(await record(sampleStream())));
    expect(framesOf(odd.subarray(16)).find(({ type }) => type === 99)?.payload).toEqual(Uint8Array.of(1, 2, 3));
  });

  test('is whole at every flush, while it goes on', async () => {
    const path = newPath();
    const frames = framesOf(longStream(150));
    const recorder = await TraceRecorder.create(path, about);
    let fed = 0;
    for (const [i, frame] of frames.entries()) {
      recorder.append(frame);
      if (frame.type === frameType.events) fed += 20;
      if (i % 40 !== 39) continue;
      await recorder.flush();
      const { store, message } = await readTrace(memoryBytes(new Uint8Array(await readFile(path))));
      expect(message).toBe('');
      expect(store.eventCount).toBe(fed);
    }
    await recorder.close();
    expect((await openTraceFile(path)).store.eventCount).toBe(3_000);
  });

  test('is saved elsewhere whole or not at all, and the recording goes on', async () => {
    const recorder = await TraceRecorder.create(newPath(), about);
    const frames = framesOf(longStream(30));
    for (const frame of frames.slice(0, 20)) recorder.append(frame);
    const target = newPath();
    await writeFile(target, 'old');
    await recorder.saveTo(target);
    expect((await openTraceFile(target)).store.eventCount).toBe(18 * 20);
    const nowhere = joinPath(folder, 'missing', 'x.pkttrail');
    await expect(recorder.saveTo(nowhere)).rejects.toThrow(/the folder does not exist: .*: make it or save elsewhere/);
    for (const frame of frames.slice(20)) recorder.append(frame);
    await recorder.close();
    expect((await openTraceFile(recorder.path)).store.eventCount).toBe(600);
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});

/** A disk with `room` bytes, that writes what it can and then says that it is full. */
class FakeFullDisk implements RecordingFile {
  data = new Uint8Array(0);
  constructor(public room: number) {}
  async write(data: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }> {
    await Promise.resolve();
    const fits = Math.min(length, this.room - position);
    if (fits <= 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const wider = new Uint8Array(Math.max(this.data.length, position + fits));
    wider.set(this.data);
    wider.set(data.subarray(offset, offset + fits), position);
    this.data = wider;
    return { bytesWritten: fits };
  }
  async truncate(length: number): Promise<void> {
    await Promise.resolve();
    this.data = this.data.slice(0, length);
  }
  async sync(): Promise<void> {
    await Promise.resolve();
  }
  async close(): Promise<void> {
    await Promise.resolve();
  }
}

describe('a full disk', () => {
  test('is named with the mend, leaves what is there readable, and loses nothing', async () => {
    const disk = new FakeFullDisk(900);
    const path = newPath();
    await writeFile(path, '');
    const recorder = await TraceRecorder.create(path, about, async () => await Promise.resolve(disk));
    for (const frame of framesOf(longStream(100))) recorder.append(frame);
    await expect(recorder.flush()).rejects.toThrow(`the disk is full: ${path}: free some space or save elsewhere`);
    expect(recorder.failure?.message).toMatch(/disk is full/);
    const rest = await readTrace(memoryBytes(disk.data.length < 20 ? fileHead : disk.data)).catch(
      (error: unknown) => error,
    );
    expect(rest instanceof FormatError || (rest as { damage: unknown[] }).damage.length === 0).toBe(true);
    // Space was freed: everything that came meanwhile is there.
    disk.room = Infinity;
    await recorder.close();
    expect(recorder.failure).toBeUndefined();
    const { store, message } = await readTrace(memoryBytes(disk.data));
    expect(message).toBe('');
    expect(store.eventCount).toBe(2_000);
  });
});

describe('a cut file', () => {
  test('keeps every whole frame wherever it is cut, and says after how many events', async () => {
    const file = new Uint8Array(await readFile(await record(sampleStream())));
    let last = 0;
    for (let at = 0; at < file.length; at++) {
      const result = await readTrace(memoryBytes(file.subarray(0, at))).catch((error: unknown) => error);
      if (result instanceof FormatError) {
        expect(at).toBeLessThan(200); // within the head or the hello
        continue;
      }
      const { store, message, damage, cutAt } = result as Awaited<ReturnType<typeof readTrace>>;
      expect(damage).toEqual([]);
      expect(cutAt).toBeLessThanOrEqual(at);
      expect(message).toContain(`cut after ${store.eventCount} events at byte ${cutAt ?? 0}`);
      expect(store.eventCount).toBeGreaterThanOrEqual(last);
      last = store.eventCount;
    }
    expect(last).toBe(7);
  });
});

describe('a damaged file', () => {
  test('loses only the batch that is damaged, says where and how much, and draws it as a gap', async () => {
    const file = new Uint8Array(await readFile(await record(longStream(200))));
    const frames = framesOf(file.subarray(16));
    const packed = frames.filter(({ type }) => type === frameType.packed);
    const victim = packed[100];
    if (victim === undefined) throw new Error('the file has no hundredth batch');
    for (const within of [0, 2, 4, 8, 20]) {
      const bad = file.slice();
      const at = 16 + victim.offset + within;
      bad[at] = (bad[at] ?? 0) ^ 0x41;
      const { store, damage, message } = await readTrace(memoryBytes(bad));
      expect(store.eventCount).toBe(199 * 20);
      expect(damage).toMatchObject([{ from: 16 + victim.offset, lost: 20 }]);
      expect(message).toMatch(
        /^The file is damaged at byte \d+ to \d+ \(.+\): 20 events lost; the other 3,980 events are shown\.$/,
      );
      expect(store.lost).toBe(20);
      expect(store.gapMarks()).toMatchObject([{ fromNs: 100_000, toNs: 101_000, cause: 'damaged file' }]);
    }
  });

  test('without its index loses nothing', async () => {
    const file = new Uint8Array(await readFile(await record(sampleStream())));
    const index = framesOf(file.subarray(16)).findLast(({ type }) => type === frameType.index);
    const bad = file.slice();
    bad[16 + (index?.offset ?? 0) + 9] = 0xff;
    const { store, message } = await readTrace(memoryBytes(bad));
    expect(store.eventCount).toBe(7);
    expect(message).toMatch(/index is damaged.*nothing is lost/);
  });

  test('with more events than can be shown shows the first ones and says so, with an index or without, and nothing is damaged', async () => {
    const file = new Uint8Array(await readFile(await record(longStream(70))));
    const whole = await readTrace(memoryBytes(file));
    const most = whole.store.eventCount - 1_001;
    for (const bytes of [file, file.subarray(0, file.length - 16)]) {
      const { store, damage, message } = await readTrace(memoryBytes(bytes), { store: new TraceStore(most) });
      expect(store.eventCount).toBe(most);
      expect(store.beyond).toBe(1_001);
      expect(damage).toEqual([]);
      expect(message).toContain(
        `The trace has ${(most + 1_001).toLocaleString('en')} events, more than can be shown: the first ${most.toLocaleString('en')} are.`,
      );
      expect(message).not.toContain('damaged');
    }
  });

  test('at any one byte never crashes and never loses more than one frame’s events', async () => {
    const file = new Uint8Array(await readFile(await record(sampleStream())));
    for (let at = 0; at < file.length; at++) {
      const bad = file.slice();
      bad[at] = (bad[at] ?? 0) ^ 0xff;
      const result = await readTrace(memoryBytes(bad)).catch((error: unknown) => error);
      if (result instanceof FormatError) continue;
      const { store } = result as Awaited<ReturnType<typeof readTrace>>;
      expect(store.eventCount).toBeGreaterThanOrEqual(3);
      seen(store);
    }
  });

  test('with random damage and cuts throws nothing but FormatError', async () => {
    const file = new Uint8Array(await readFile(await record(longStream(70))));
    const next = random(5);
    for (let round = 0; round < 400; round++) {
      const bad = file.slice(0, next() < 0.5 ? file.length : Math.floor(next() * file.length));
      for (let i = 0; i < 1 + next() * 5; i++) bad[Math.floor(next() * bad.length)] = Math.floor(next() * 256);
      const result = await readTrace(memoryBytes(bad), { store: new TraceStore(50_000) }).catch(
        (error: unknown) => error,
      );
      if (result instanceof Error) expect(result).toBeInstanceOf(FormatError);
    }
  });

  test('that is no trace says so in one sentence', async () => {
    const path = newPath();
    await writeFile(path, 'hello world, this is text');
    await expect(openTraceFile(path)).rejects.toThrow(`${path} can't be shown: this is no Packet Trail trace`);
    await writeFile(path, '');
    await expect(openTraceFile(path)).rejects.toThrow(/no Packet Trail trace/);
    await writeFile(path, fileHead);
    await expect(openTraceFile(path)).rejects.toThrow(/cut before its first frame/);
    await writeFile(path, join(fileHead.subarray(0, 14), Uint8Array.of(9, 0)));
    await expect(openTraceFile(path)).rejects.toThrow(/version 9.*update/);
    await expect(openTraceFile(joinPath(folder, 'nothing.pkttrail'))).rejects.toThrow(/can't be opened: ENOENT/);
  });

  test('stops reading when asked to', async () => {
    const path = await record(sampleStream());
    await expect(openTraceFile(path, AbortSignal.abort())).rejects.toThrow(/abort/i);
  });
});

describe('packed batches', () => {
  const packedFile = (kind: number, rawLength: number, data: Uint8Array): Uint8Array => {
    const payload = new Uint8Array(5 + data.length);
    payload[0] = kind;
    new DataView(payload.buffer).setUint32(1, rawLength, true);
    payload.set(data, 5);
    return join(fileHead, hello(), encodeFrame(frameType.packed, payload));
  };

  test('come back as they were', () => {
    const raw = encodeBatch(Array.from({ length: 50 }, (_, i) => ({ time: bootMono + BigInt(i), hook: 1, packet: 1 })));
    const { codec: kind, data } = pack(raw);
    expect(kind).not.toBe(codec.stored);
    expect(unpack(kind, data, raw.length)).toEqual(Buffer.from(raw));
    const tiny = Uint8Array.of(1, 2);
    expect(unpack(pack(tiny).codec, pack(tiny).data, 2)).toEqual(tiny);
  });

  test('that are bombs are refused within their promised length', async () => {
    const bomb = deflateRawSync(new Uint8Array(50_000_000));
    for (const promised of [100, 16_000_000, 0xffff_ffff]) {
      const { store, message } = await readTrace(memoryBytes(packedFile(codec.deflate, promised, bomb)));
      expect(store.eventCount).toBe(0);
      expect(message).toMatch(/damaged/);
    }
  });

  test('of an unknown codec are named', async () => {
    const { message } = await readTrace(memoryBytes(packedFile(77, 10, Uint8Array.of(1))));
    expect(message).toMatch(/unknown codec 77/);
  });

  test('in zstd are read, also where Node.js has no zstd', async () => {
    // zstd -c --no-check of the batch below, as one raw block: magic, single segment, size, last raw block.
    const raw = encodeBatch([{ time: bootMono, hook: 1, packet: 1 }]);
    const head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, raw.length, (raw.length << 3) | 1, 0, 0];
    const zstd = join(Uint8Array.from(head), raw);
    expect((await readTrace(memoryBytes(packedFile(codec.zstd, raw.length, zstd)))).store.eventCount).toBe(1);
    expect(() => unpack(codec.zstd, zstd, raw.length + 1)).toThrow(LimitError);
    expect(() => unpack(codec.zstd, zstd.subarray(0, 12), raw.length)).toThrow(LimitError);
    const next = random(9);
    for (let round = 0; round < 500; round++) {
      const bad = zstd.slice();
      bad[Math.floor(next() * bad.length)] = Math.floor(next() * 256);
      try {
        unpack(codec.zstd, bad, raw.length);
      } catch (error) {
        expect(error).toBeInstanceOf(LimitError);
      }
    }
  });
});

describe('an index', () => {
  test('comes back as it was written, and damage in it shows', () => {
    const spans = [
      { offset: 16, type: 1, events: 0, from: 0n, crc: 0 },
      { offset: 70, type: 32, events: 512, from: bootMono, crc: 0xdead_beef },
    ];
    const payload = writeIndex(spans, 40);
    expect(readIndex(payload, 1000, 2)).toEqual({ spans, previous: 40 });
    for (let at = 0; at < payload.length; at++) {
      const bad = payload.slice();
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      expect(() => readIndex(bad, 1000, 2)).toThrow(FormatError);
    }
  });

  test('that points outside the file is refused', () => {
    const beyond = writeIndex([{ offset: 2000, type: 1, events: 0, from: 0n, crc: 0 }], 0);
    expect(() => readIndex(beyond, 1000, 2)).toThrow(FormatError);
    expect(() => readIndex(writeIndex([], 1000), 1000, 2)).toThrow(FormatError);
  });

  test('that names more frames than a trace has is refused', () => {
    const spans = [16, 70, 90].map((offset) => ({ offset, type: 1, events: 0, from: 0n, crc: 0 }));
    expect(readIndex(writeIndex(spans, 0), 1000, 3).spans.length).toBe(3);
    expect(() => readIndex(writeIndex(spans, 0), 1000, 2)).toThrow(/too many frames/);
  });

  test('is no frame of the live link’s decoder', () => {
    const store = live(join(hello(), encodeFrame(frameType.index, writeIndex([], 0))));
    expect(store.eventCount).toBe(0);
    expect(openFrame(encodeFrame(frameType.index, new Uint8Array(0)), 0).type).toBe(33);
  });
});

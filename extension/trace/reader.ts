// Reads a `.pkttrail` file into a store: whole, cut or damaged. Whatever is whole is kept, and what was lost is said.
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ByteReader } from './bytes.ts';
import { unpack } from './codec.ts';
import { FrameDecoder } from './decoder.ts';
import { FormatError, LimitError } from './error.ts';
import { checkHead, fileHead, readIndex, readTrailer, trailerLength, type Span } from './file.ts';
import { frameType, maxFrameLength, openFrame, type Frame } from './frames.ts';
import { TraceStore } from './store.ts';
import { mostEvents } from './traceData.ts';

/** A file's bytes, wherever they are. */
export interface TraceBytes {
  readonly size: number;
  /** Bytes from `offset`; fewer than `length` only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes that hold something open until they are closed. */
export interface OpenBytes extends TraceBytes {
  close(): Promise<void>;
}

/** A file on disk. Rejects with Node's error when it can't be opened. */
export async function openBytes(path: string): Promise<OpenBytes> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return {
      size,
      read: async (offset, length) => {
        const buffer = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
        let done = 0;
        while (done < buffer.length) {
          const { bytesRead } = await file.read(buffer, done, buffer.length - done, offset + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return buffer.subarray(0, done);
      },
      close: async () => await file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A place of the file that can't be read. */
export interface Damage {
  readonly from: number;
  /** First byte after it. */
  readonly to: number;
  readonly what: string;
  /** Events lost there; undefined when nobody knows. */
  readonly lost: number | undefined;
}

export interface ReadResult {
  readonly store: TraceStore;
  readonly damage: readonly Damage[];
  /** Byte after which the file was cut; undefined for a whole one. */
  readonly cutAt: number | undefined;
  /** All of that in words for a person; empty for a whole, sound file. */
  readonly message: string;
}

export interface ReadOptions {
  readonly store?: TraceStore;
  readonly signal?: AbortSignal;
  /** Bytes read so far, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Reads a trace file. Memory is bounded by the store's limit and one frame, whatever the file claims.
 * @throws FormatError when it is no trace file, of another version, or its hello is damaged: then there is nothing to show
 */
export async function readTrace(bytes: TraceBytes, options: ReadOptions = {}): Promise<ReadResult> {
  return await new TraceReader(bytes, options).read();
}

const windowBytes = 4 * 1024 * 1024;
/** What is read with an index, before it and of it: the indexes are small, lie apart, and are read from the last to the first. */
const indexWindow = { before: 48 * 1024, after: 16 * 1024 };
const maxSpans = 1 << 20;
/** Work between two looks whether somebody has cancelled it, ms: what comes from a window never waits for anything. */
const turnMs = 50;
/** Events that a file of this many bytes may have. Recorded ones take several bytes each; a kilobyte can be packed to unpack to millions. */
const plausibleEvents = (bytes: number): number => Math.min(mostEvents, 1_000_000 + 4 * bytes);
/** Bytes of batches that are unpacked only to count events that aren't shown. */
const maxCounted = 1 << 28;
/** Damaged places that are told one by one; and those after which the rest of the file is one. */
const maxDamages = 1_000;
const hopeless = 20_000;

class TraceReader {
  readonly #store: TraceStore;
  readonly #decoder: FrameDecoder;
  readonly #damage: Damage[] = [];
  /** Of these places, however many there are. */
  #places = 0;
  /** What the index says of the frames, by offset; ascending. */
  readonly #spans = new Map<number, Span>();
  #fences: number[] = [];
  /** By fence, and one more: the first fence from there on that has a time. */
  #timed = new Uint32Array(1);
  #nextFence = 0;
  /** When the event loop last had its turn. */
  #turned = performance.now();
  #counted = 0;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  /** Bytes that are read with what is asked for. */
  #ahead = { before: 0, after: windowBytes };
  #hello = false;

  constructor(
    private readonly bytes: TraceBytes,
    private readonly options: ReadOptions,
  ) {
    this.#store = options.store ?? new TraceStore(plausibleEvents(bytes.size));
    this.#decoder = new FrameDecoder(this.#store);
  }

  async read(): Promise<ReadResult> {
    const { size } = this.bytes;
    checkHead(await this.#take(0, fileHead.length));
    const tail = await this.bytes.read(Math.max(0, size - trailerLength), trailerLength);
    const lastIndex = readTrailer(tail);
    this.#ahead = indexWindow;
    const indexed = lastIndex !== undefined && (await this.#readIndexes(lastIndex));
    this.#ahead = { before: 0, after: windowBytes };
    const cutAt = await this.#frames(lastIndex === undefined ? size : size - trailerLength, lastIndex !== undefined);
    if (!this.#hello) throw new FormatError(fileHead.length, 'the trace is cut before its first frame is whole');
    return {
      store: this.#store,
      damage: this.#damage,
      cutAt,
      message: this.#message(cutAt, lastIndex !== undefined && !indexed),
    };
  }

  /** Collects the chain of indexes from the last to the first; false when one is damaged, then none is used. */
  async #readIndexes(last: number): Promise<boolean> {
    const spans: Span[] = [];
    try {
      for (let at = last; at !== 0;) {
        const raw = await this.#rawFrame(at, this.bytes.size);
        if (raw?.[4] !== frameType.index) return false;
        const index = readIndex(raw.subarray(5), at, maxSpans - spans.length);
        for (const span of index.spans.reverse()) spans.push(span);
        await this.#turn();
        // Each index points further back, so this ends.
        at = index.previous;
      }
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
    this.#fences = spans.map(({ offset }) => offset).sort((a, b) => a - b);
    for (const span of spans) this.#spans.set(span.offset, span);
    this.#timed = new Uint32Array(this.#fences.length + 1).fill(this.#fences.length);
    for (let i = this.#fences.length - 1; i >= 0; i--)
      this.#timed[i] = this.#spanOf(i)?.from === 0n ? (this.#timed[i + 1] ?? 0) : i;
    return true;
  }

  #spanOf(fence: number): Span | undefined {
    return this.#spans.get(this.#fences[fence] ?? 0);
  }

  /** Lets the event loop run now and then. Throws the signal's reason when it is aborted. */
  async #turn(): Promise<void> {
    if (performance.now() - this.#turned >= turnMs) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#turned = performance.now();
    }
    this.options.signal?.throwIfAborted();
  }

  /** Decodes frame after frame up to `end`; returns where the file was cut, undefined when it is whole. */
  async #frames(end: number, whole: boolean): Promise<number | undefined> {
    let at = fileHead.length;
    let shown = 0;
    while (at < end) {
      if (this.#places === hopeless) {
        this.#damaged(at, end, 'too much before it is damaged');
        at = end;
        break;
      }
      await this.#turn();
      if (at - shown >= windowBytes) {
        shown = at;
        this.options.onProgress?.(at, end);
      }
      const fence = this.#fenceAfter(at);
      const raw = await this.#rawFrame(at, fence ?? end);
      if (raw === undefined) {
        if (fence === undefined && !whole && (await this.#isCut(at, end))) return at;
        this.#damaged(at, fence ?? end, 'a frame with an impossible length');
        at = fence ?? end;
        continue;
      }
      const span = this.#spans.get(at);
      if (span?.crc !== undefined && span.crc !== crc32(raw)) {
        // Its length may be what is wrong: go on where the index says that a frame begins. Who writes checksums indexes every frame.
        const next = fence ?? at + raw.length;
        this.#damaged(at, next, 'the checksum is wrong');
        at = next;
        continue;
      }
      const known = span !== undefined && span.events > 0;
      if (this.#store.isFull && known) this.#store.addBeyond(span.events);
      else if (this.#counted < maxCounted || raw[4] !== frameType.packed) this.#decode(openFrame(raw, at));
      at += raw.length;
    }
    this.options.onProgress?.(end, end);
    return whole ? undefined : at;
  }

  /** The whole frame at an offset, if it ends by `limit`. */
  async #rawFrame(at: number, limit: number): Promise<Uint8Array | undefined> {
    if (limit - at < 5) return undefined;
    const head = await this.#take(at, 4);
    if (head.length < 4) return undefined;
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
    if (length === 0 || length > maxFrameLength || at + 4 + length > limit) return undefined;
    const raw = await this.#take(at, 4 + length);
    return raw.length === 4 + length ? raw : undefined;
  }

  /** Whether what stands at the end of a file is the beginning of a frame, not rubbish. */
  async #isCut(at: number, end: number): Promise<boolean> {
    if (end - at < 5) return true;
    const head = await this.#take(at, 4);
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
    return length > 0 && length <= maxFrameLength;
  }

  #decode(frame: Frame): void {
    const { offset, type, raw } = frame;
    const before = this.#store.eventCount;
    let promised: number | undefined;
    try {
      if (type === frameType.packed) {
        const payload = unpackFrame(frame);
        if (this.#store.isFull) this.#counted += payload.length;
        promised = countOf(payload);
        this.#unpacked(payload, offset);
      } else {
        if (type === frameType.events) promised = countOf(frame.payload);
        this.#decoder.decode(frame);
      }
      this.#hello = true;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      // Without its hello nothing in the file means anything.
      if (!this.#hello) throw error;
      const taken = this.#store.eventCount - before;
      const events = this.#spans.get(offset)?.events ?? promised;
      const lost = events === undefined ? undefined : Math.max(0, events - taken);
      this.#damaged(offset, offset + raw.length, error.what, { lost });
    }
  }

  #unpacked(payload: Uint8Array, offset: number): void {
    try {
      this.#decoder.events(payload, 0);
    } catch (error) {
      if (error instanceof FormatError)
        throw new FormatError(offset, `${error.what}, byte ${error.offset} of the batch`);
      if (error instanceof LimitError) throw new FormatError(offset, error.message);
      throw error;
    }
  }

  /** Notes a damaged range, and the events that the index says were there as a gap. */
  #damaged(from: number, to: number, what: string, known?: { readonly lost: number | undefined }): void {
    let lost = known?.lost;
    let time: bigint | undefined;
    let until: bigint | undefined;
    if (known === undefined && this.#fences.length > 0) lost = 0;
    // Each fence is passed once for the range that it lies in, so that many damaged places take no longer than one big one.
    for (let i = this.#timed[this.#firstFence(from)] ?? 0; i < this.#fences.length; i = this.#timed[i + 1] ?? i) {
      const span = this.#spanOf(i);
      if (span === undefined) break;
      until = span.from;
      if (span.offset >= to) break;
      time ??= span.from;
      if (known === undefined) lost = (lost ?? 0) + span.events;
    }
    if (!this.#hello && what !== '') {
      if (from === fileHead.length) throw new FormatError(from, `the first frame is damaged: ${what}`);
    }
    this.#places++;
    if (this.#damage.length < maxDamages) this.#damage.push({ from, to, what, lost });
    if (lost === undefined || lost === 0 || time === undefined) return;
    try {
      this.#store.addGap({ lost, missed: 0, cpu: 0, from: time, to: until ?? time, cause: 'damaged file' });
    } catch (error) {
      if (!(error instanceof LimitError)) throw error; // a time that makes no sense is no gap to draw
    }
  }

  #firstFence(from: number): number {
    let low = 0;
    let high = this.#fences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#fences[middle] ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The next offset at which the index says that a frame begins; offsets are asked for in ascending order. */
  #fenceAfter(at: number): number | undefined {
    while (this.#nextFence < this.#fences.length && (this.#fences[this.#nextFence] ?? 0) <= at) this.#nextFence++;
    return this.#fences[this.#nextFence];
  }

  /** Bytes of the file through a window that is read ahead. */
  async #take(offset: number, length: number): Promise<Uint8Array> {
    const end = this.#windowStart + this.#window.length;
    if (offset < this.#windowStart || offset + length > end) {
      const { before, after } = this.#ahead;
      const start = Math.max(0, offset - before);
      this.#window = await this.bytes.read(start, offset - start + Math.max(length, after));
      this.#windowStart = start;
    }
    const at = offset - this.#windowStart;
    return this.#window.subarray(at, at + length);
  }

  #message(cutAt: number | undefined, noIndex: boolean): string {
    const number = (value: number): string => value.toLocaleString('en');
    const events = number(this.#store.eventCount);
    const parts: string[] = [];
    const [first] = this.#damage;
    if (first !== undefined) {
      const lost = this.#damage.reduce((sum, damage) => sum + (damage.lost ?? 0), 0);
      const unknown = this.#places > this.#damage.length || this.#damage.some((damage) => damage.lost === undefined);
      const more = this.#places === 1 ? '' : ` and ${number(this.#places - 1)} more places`;
      const count =
        lost > 0 ? `${number(lost)}${unknown ? ' or more' : ''} events` : unknown ? 'what was there' : 'no events';
      parts.push(
        `The file is damaged at byte ${first.from} to ${first.to} (${first.what})${more}: ${count} lost; the other ${events} events are shown.`,
      );
    }
    const { beyond, ceiling, eventCount } = this.#store;
    if (beyond > 0) {
      const least = this.#counted < maxCounted ? '' : 'at least ';
      parts.push(
        `The trace has ${least}${number(eventCount + beyond)} events, more than can be shown: the first ${events} are. Trace less at a time, or with a narrower filter.`,
      );
    }
    if (ceiling.message !== '') parts.push(ceiling.message);
    if (cutAt !== undefined) {
      parts.push(`The file was cut after ${events} events at byte ${cutAt}; everything before is shown.`);
    }
    if (noIndex && parts.length === 0)
      parts.push('The index is damaged; the file was read without it, nothing is lost.');
    return parts.join(' ');
  }
}

function countOf(payload: Uint8Array): number | undefined {
  try {
    return new ByteReader(payload, 0).varint53('the number of events');
  } catch {
    return undefined;
  }
}

function unpackFrame({ payload, offset }: Frame): Uint8Array {
  const reader = new ByteReader(payload, offset + 5);
  const codec = reader.u8('a packed frame');
  const length = reader.u32('a packed frame');
  try {
    return unpack(codec, reader.take(reader.left, 'a packed frame'), length);
  } catch (error) {
    if (error instanceof LimitError) throw new FormatError(offset, error.message);
    throw error;
  }
}

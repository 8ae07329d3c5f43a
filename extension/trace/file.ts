// `.pkttrail` files: their head, index and trailer, and the recorder that writes one as frames come from a live link.
import { constants, copyFile, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { pack } from './codec.ts';
import { FormatError } from './error.ts';
import { encodeFrame, frameType, maxFrameLength, type Frame } from './frames.ts';
import { ByteReader } from './bytes.ts';
import { MessageReader, MessageWriter } from './message.ts';
import type { Context } from './metadata.ts';
import { writeContext } from './readMetadata.ts';
import { TraceWriteError, writeError, writeWhole } from './wholeFile.ts';

/** The first 16 bytes of a file: magic and version 1. */
export const fileHead = Uint8Array.of(
  ...[0x89, 0x50, 0x4b, 0x54, 0x54, 0x52, 0x41, 0x49, 0x4c, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x01, 0x00],
);
const magicLength = 14;
/** Bytes of the trailer frame. */
export const trailerLength = 21;
const trailerMark = new TextEncoder().encode('PKTTRAIL');

/** Checks a file's first bytes; throws a FormatError that says what the file is instead. */
export function checkHead(head: Uint8Array): void {
  for (let i = 0; i < magicLength; i++) {
    if (head[i] !== fileHead[i]) throw new FormatError(i, 'this is no Packet Trail trace');
  }
  if (head.length < fileHead.length) throw new FormatError(head.length, 'the file is cut within its first 16 bytes');
  const version = (head[14] ?? 0) | ((head[15] ?? 0) << 8);
  if (version !== 1) {
    throw new FormatError(14, `the file has version ${version}, this version of Packet Trail reads 1: update it`);
  }
}

/** What the index knows of one frame. */
export interface Span {
  readonly offset: number;
  readonly type: number;
  readonly events: number;
  /** CLOCK_MONOTONIC ns of a batch's base; 0 for other frames. */
  readonly from: bigint;
  /** CRC-32 of the whole frame; undefined when the writer didn't say. */
  readonly crc: number | undefined;
}

/** An index frame's payload; `previous` is the file offset of the index before, 0 for none. */
export function writeIndex(spans: readonly Span[], previous: number): Uint8Array {
  const writer = new MessageWriter();
  for (const span of spans) {
    writer.message(1, (item) => {
      item.uint(1, span.offset).uint(2, span.type).uint(3, span.events).fixed64(4, span.from);
      if (span.crc !== undefined) item.fixed32(6, span.crc);
    });
  }
  writer.uint(2, previous);
  return writer.fixed32(3, crc32(writer.finish())).finish();
}

/** Reads an index that stands at `origin` in the file. Throws a FormatError when it is damaged, impossible, or names more than `most` frames. */
export function readIndex(payload: Uint8Array, origin: number, most: number): { spans: Span[]; previous: number } {
  const reader = new MessageReader(payload, origin + 5);
  const spans: Span[] = [];
  let previous = 0;
  while (reader.next()) {
    if (reader.field === 1) {
      const span = readSpan(reader.message());
      const last = spans[spans.length - 1]?.offset ?? fileHead.length - 5;
      // A frame is at least 5 bytes long and comes before the index that names it.
      if (span.offset < last + 5 || span.offset >= origin) reader.fail('an index with an impossible offset');
      if (spans.push(span) > most) reader.fail('an index of too many frames');
    } else if (reader.field === 2) {
      previous = reader.count();
      if (previous >= origin) reader.fail('an index that points forward');
    } else if (reader.field === 3) {
      const checked = payload.subarray(0, payload.length - 5);
      if (reader.left !== 4 || reader.fixed32() !== crc32(checked)) reader.fail('a damaged index');
    } else {
      reader.skip();
    }
  }
  return { spans, previous };
}

function readSpan(reader: MessageReader): Span {
  let offset = 0;
  let type = 0;
  let events = 0;
  let from = 0n;
  let crc: number | undefined;
  while (reader.next()) {
    if (reader.field === 1) offset = reader.count();
    else if (reader.field === 2) type = reader.uint32();
    else if (reader.field === 3) events = reader.count();
    else if (reader.field === 4) from = reader.bigFixed64();
    else if (reader.field === 6) crc = reader.fixed32();
    else reader.skip();
  }
  return { offset, type, events, from, crc };
}

/** The trailer: points to the last index. */
function writeTrailer(index: number): Uint8Array {
  const payload = new Uint8Array(16);
  new DataView(payload.buffer).setBigUint64(0, BigInt(index), true);
  payload.set(trailerMark, 8);
  return encodeFrame(frameType.trailer, payload);
}

/** The offset of the last index, from a file's last bytes; undefined when they are no trailer. */
export function readTrailer(tail: Uint8Array): number | undefined {
  const at = tail.length - trailerLength;
  if (at < 0) return undefined;
  const view = new DataView(tail.buffer, tail.byteOffset + at, trailerLength);
  if (view.getUint32(0, true) !== 17 || view.getUint8(4) !== frameType.trailer) return undefined;
  if (trailerMark.some((byte, i) => view.getUint8(13 + i) !== byte)) return undefined;
  const index = view.getBigUint64(5, true);
  return index <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(index) : undefined;
}

/** Where the recorder writes: as much of a file handle as it needs, so that tests can stand a full disk in. */
export interface RecordingFile {
  write(data: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Packed frames between two index frames. */
const indexEvery = 64;
/** Bytes that may wait in memory for a disk that is slow or full. */
const maxWaiting = 256 * 1024 * 1024;
/** Bytes of a recording: more than as many events as a trace takes ever need, so that no helper can fill the disk. */
const maxRecording = 4 * 1024 ** 3;

/**
 * Writes a live trace into a file as its frames come: the frames as they are, unknown ones too, events packed. The file is
 * readable at every moment up to its last whole frame. When the disk is full, frames wait in memory: the trace goes on,
 * `flush`, `close` and `saveTo` say what is wrong, and each of them tries again.
 */
export class TraceRecorder {
  /** Frames that aren't on disk yet. What the trace is: the file's first `#written` bytes, then these. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #written = 0;
  /** Where the next frame goes. */
  #end = 0;
  /** Whether the file has an index and a trailer after `#written`, or half a frame. */
  #tail = false;
  #spans: Span[] = [];
  #previousIndex = 0;
  #packed = 0;
  #failure: TraceWriteError | undefined;
  #full = false;
  #pumping = false;
  #closed = false;
  /** One thing after the other on the file. */
  #work: Promise<void> = Promise.resolve();

  private constructor(
    readonly path: string,
    private readonly file: RecordingFile,
    private readonly context: Context,
    private readonly maxBytes: number,
  ) {
    this.#put(fileHead);
  }

  /**
   * Begins a recording; a file with that name is replaced.
   * @param maxBytes how long it may become; the trace goes on without it then
   * @throws TraceWriteError when it can't be made
   */
  static async create(
    path: string,
    about: { readonly node: string; readonly filter: string; readonly title: string; readonly tool?: string },
    openFile: (path: string) => Promise<RecordingFile> = async (at) => await open(at, 'w+', 0o600),
    maxBytes = maxRecording,
  ): Promise<TraceRecorder> {
    const { node, filter, title, tool = 'Packet Trail' } = about;
    const context = { node, filter, title, tool, savedNs: BigInt(Date.now()) * 1_000_000n };
    try {
      return new TraceRecorder(path, await openFile(path), context, maxBytes);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Why the disk doesn't take the trace; undefined while all is well. */
  get failure(): TraceWriteError | undefined {
    return this.#failure;
  }

  /** Takes a frame as it came. Never throws: a failing disk shows in {@link failure} and when one flushes, closes or saves. */
  append(frame: Frame): void {
    if (this.#full || this.#closed) return;
    if (frame.type === frameType.events) this.#packEvents(frame);
    else this.#frame(frame.type, frame.raw, 0, 0n);
    if (frame.type === frameType.hello) {
      this.#frame(frameType.context, encodeFrame(frameType.context, writeContext(this.context)), 0, 0n);
    }
    if (this.#packed >= indexEvery) {
      const index = encodeFrame(frameType.index, writeIndex(this.#spans, this.#previousIndex));
      this.#previousIndex = this.#end;
      this.#spans = [];
      this.#packed = 0;
      this.#frame(frameType.index, index, 0, 0n);
    }
    if (this.#waitingBytes > maxWaiting)
      this.#stop('more waits for the disk than memory should hold', 'free some space; ');
    else if (this.#end > this.maxBytes) this.#stop(`it has ${(this.#end / 1e9).toFixed(1)} GB`, '');
    if (this.#failure === undefined && !this.#pumping) {
      this.#pumping = true;
      // Its failure is in #failure, and given to whoever flushes.
      this.#do(async () => await this.#pump()).catch(() => undefined);
    }
  }

  /** Takes nothing more. */
  #stop(why: string, mend: string): void {
    this.#full = true;
    const rest = 'what was recorded up to here can be saved';
    this.#failure = new TraceWriteError(this.path, `the recording has stopped, since ${why}`, `${mend}${rest}`);
  }

  /**
   * Brings everything to disk with an index and a trailer, so that the file is whole as it is.
   * @throws TraceWriteError when the disk doesn't take it; nothing that came is lost then
   */
  async flush(): Promise<void> {
    await this.#do(async () => {
      if (this.#closed) return;
      await this.#pump();
      if (this.#tail) return;
      this.#tail = true;
      await this.#writeAt(this.#endPieces(), this.#written);
      await this.file.sync();
      this.#failure = this.#full ? this.#failure : undefined;
    });
  }

  /**
   * Flushes and closes the file.
   * @throws TraceWriteError as {@link flush} does; the recorder stays open then, so that it can be saved elsewhere
   */
  async close(): Promise<void> {
    await this.flush();
    await this.#do(async () => {
      if (this.#closed) return;
      this.#closed = true;
      await this.file.close();
    });
  }

  /**
   * Writes the trace up to now to another file, which is whole or untouched; also when the recording's own disk is full.
   * @throws TraceWriteError when the target can't be written
   */
  async saveTo(target: string): Promise<void> {
    await this.#do(async () => {
      await writeWhole(target, async (partial) => {
        await copyFile(this.path, partial, constants.COPYFILE_FICLONE);
        const into = await open(partial, 'r+');
        try {
          await into.truncate(this.#written);
          await writeAll(into, [...this.#waiting, ...this.#endPieces()], this.#written);
          await into.sync();
        } finally {
          await into.close();
        }
      });
    });
  }

  #packEvents({ payload, raw }: Frame): void {
    const head = batchHead(payload);
    if (head === undefined) {
      // Not for the recorder to judge: it goes into the file as it is.
      this.#frame(frameType.events, raw, 0, 0n);
      return;
    }
    const { events, from } = head;
    const { codec, data } = pack(payload);
    if (data.length + 6 > maxFrameLength) {
      this.#frame(frameType.events, raw, events, from);
      return;
    }
    const packed = new Uint8Array(5 + data.length);
    packed[0] = codec;
    new DataView(packed.buffer).setUint32(1, payload.length, true);
    packed.set(data, 5);
    this.#packed++;
    this.#frame(frameType.packed, encodeFrame(frameType.packed, packed), events, from);
  }

  #frame(type: number, raw: Uint8Array, events: number, from: bigint): void {
    this.#spans.push({ offset: this.#end, type, events, from, crc: crc32(raw) });
    this.#put(raw);
  }

  #put(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#end += bytes.length;
  }

  /** Index and trailer of the trace up to now. */
  #endPieces(): Uint8Array[] {
    const index = encodeFrame(frameType.index, writeIndex(this.#spans, this.#previousIndex));
    return [index, writeTrailer(this.#end)];
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#waiting.length > 0) {
        if (this.#tail) {
          await this.#guard(async () => await this.file.truncate(this.#written));
          this.#tail = false;
        }
        const pieces = this.#waiting.slice(0, 256);
        const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
        await this.#writeAt(pieces, this.#written);
        this.#waiting.splice(0, pieces.length);
        this.#waitingBytes -= bytes;
        this.#written += bytes;
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Writes pieces; when that fails the file is cut back to what is whole. */
  async #writeAt(pieces: readonly Uint8Array[], position: number): Promise<void> {
    await this.#guard(async () => {
      try {
        await writeAll(this.file, pieces, position);
      } catch (error) {
        this.#tail = false;
        // Best effort: half a frame at the end doesn't make the file unreadable either.
        await this.file.truncate(position).catch(() => (this.#tail = true));
        throw error;
      }
    });
  }

  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#failure = writeError(this.path, error);
      throw this.#failure;
    }
  }

  #do(action: () => Promise<void>): Promise<void> {
    const done = this.#work.then(action);
    this.#work = done.catch(() => undefined);
    return done;
  }
}

/** A batch's number of events and its base time; undefined when it doesn't even have these. */
function batchHead(payload: Uint8Array): { readonly events: number; readonly from: bigint } | undefined {
  try {
    const reader = new ByteReader(payload, 0);
    const events = reader.varint53('the number of events');
    reader.fixed64('the base time');
    return { events, from: reader.big() };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

async function writeAll(
  file: Pick<RecordingFile, 'write'>,
  pieces: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let at = position;
  // Small frames are put together: one call to the system for many.
  const data = Buffer.concat(pieces);
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, at);
    if (bytesWritten === 0) throw new Error('the file takes no more bytes');
    done += bytesWritten;
    at += bytesWritten;
  }
}

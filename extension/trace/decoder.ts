// Frames in, a trace's data filled: the one decoder for the live link and for files.
import { FormatError, LimitError } from './error.ts';
import { FrameSplitter, frameType, type Frame } from './frames.ts';
import { MessageReader } from './message.ts';
import type { Counters, End, FilterChange, Hello, HookStatus, Progress } from './metadata.ts';
import { readPrograms, readSource } from './programMessages.ts';
import {
  readClock,
  readContext,
  readCounters,
  readEnd,
  readFilterChange,
  readGap,
  readHello,
  readHooks,
  readNames,
  readProgress,
  readReasons,
  readStacks,
  readStatus,
  readSymbols,
} from './readMetadata.ts';
import { decodeBatch } from './records.ts';
import type { TraceData } from './traceData.ts';

/** Version of the format that this decoder reads. */
const streamVersion = 1;

/** What a session wants to hear while the data comes. Called from inside {@link StreamDecoder.feed}. */
export interface DecoderListener {
  onHello?(hello: Hello): void;
  onHookStatus?(status: HookStatus): void;
  onProgress?(progress: Progress): void;
  onCounters?(counters: Counters): void;
  onEnd?(end: End): void;
  onFilter?(change: FilterChange): void;
  /** Every whole frame before it is decoded, as it stands in the stream: for a recorder. */
  onFrame?(frame: Frame): void;
}

/** Decodes frames into a trace's data. Frame types that it doesn't know are passed over. */
export class FrameDecoder {
  #hello = false;

  constructor(
    readonly data: TraceData,
    private readonly listener: DecoderListener = {},
  ) {}

  /** Decodes one frame. Throws only FormatError; what came before the fault stays. */
  decode(frame: Frame): void {
    this.listener.onFrame?.(frame);
    try {
      this.#decode(frame);
    } catch (error) {
      if (error instanceof LimitError) throw new FormatError(frame.offset, error.message);
      throw error;
    }
  }

  #decode(frame: Frame): void {
    const { data, listener } = this;
    const { type, payload, offset } = frame;
    const reader = new MessageReader(payload, offset + 5);
    if (!this.#hello && type !== frameType.hello) {
      throw new FormatError(offset, `the stream begins with a frame of type ${type} instead of hello`);
    }
    switch (type) {
      case frameType.hello: {
        if (this.#hello) throw new FormatError(offset, 'a second hello');
        const hello = readHello(reader);
        if (hello.version !== streamVersion) {
          throw new FormatError(offset, `the stream has version ${hello.version}, this reader knows ${streamVersion}`);
        }
        this.#hello = true;
        data.setHello(hello);
        listener.onHello?.(hello);
        break;
      }
      case frameType.hooks:
        data.hooks.add(readHooks(reader));
        break;
      case frameType.names:
        for (const name of readNames(reader)) data.addName(name);
        break;
      case frameType.events:
        this.events(payload, offset + 5);
        break;
      case frameType.gap:
        data.addGap(readGap(reader));
        break;
      case frameType.status:
        for (const status of readStatus(reader)) {
          data.hooks.setStatus(status);
          listener.onHookStatus?.(status);
        }
        break;
      case frameType.progress:
        listener.onProgress?.(readProgress(reader));
        break;
      case frameType.counters: {
        const counters = readCounters(reader);
        data.setCounters(counters);
        listener.onCounters?.(counters);
        break;
      }
      case frameType.end: {
        const end = readEnd(reader);
        data.setEnd(end);
        listener.onEnd?.(end);
        break;
      }
      case frameType.symbols:
        data.symbols.add(readSymbols(reader));
        break;
      case frameType.stacks:
        data.stacks.add(readStacks(reader));
        break;
      case frameType.clock:
        data.addClock(readClock(reader));
        break;
      case frameType.reasons:
        data.reasons.add(readReasons(reader));
        break;
      case frameType.context:
        data.setContext(readContext(reader));
        break;
      case frameType.programs:
        data.programs.add(readPrograms(reader));
        break;
      case frameType.source:
        data.programs.addSource(readSource(reader));
        break;
      case frameType.filter: {
        const change = readFilterChange(reader);
        data.addFilter(change);
        listener.onFilter?.(change);
        break;
      }
      default:
        break;
    }
  }

  /** Decodes an events payload. */
  events(payload: Uint8Array, origin: number): void {
    try {
      decodeBatch(this.data, payload, origin);
    } finally {
      this.data.endBatch();
    }
  }
}

/** Decodes a live stream, chunk by chunk. */
export class StreamDecoder {
  readonly #splitter = new FrameSplitter();
  readonly #frames: FrameDecoder;

  constructor(data: TraceData, listener: DecoderListener = {}) {
    this.#frames = new FrameDecoder(data, listener);
  }

  /** Takes the next bytes. Throws a FormatError when they are no sound stream; don't feed on after that. */
  feed(chunk: Uint8Array): void {
    this.#splitter.push(chunk, (frame) => this.#frames.decode(frame));
  }

  /** Bytes of a frame that has begun and is not whole: at the end of a stream, what was cut off. */
  get pendingBytes(): number {
    return this.#splitter.pendingBytes;
  }

  /** Bytes of whole frames so far. */
  get offset(): number {
    return this.#splitter.offset;
  }
}

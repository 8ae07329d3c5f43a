// Cuts a byte stream into frames, wherever the chunks of the transport happen to end.
import { FormatError } from './error.ts';

/** Frame types of docs/stream-format.md. */
export const frameType = {
  hello: 1,
  hooks: 2,
  names: 3,
  events: 4,
  gap: 5,
  status: 6,
  progress: 7,
  counters: 8,
  end: 9,
  symbols: 10,
  stacks: 11,
  clock: 12,
  reasons: 13,
  context: 14,
  programs: 15,
  source: 16,
  filter: 17,
  packed: 32,
  index: 33,
  trailer: 34,
} as const;

/** Largest value of a frame's length field: type byte and payload. */
export const maxFrameLength = 16_777_216;

/** One frame. The views stay valid: nothing overwrites them later. */
export interface Frame {
  readonly type: number;
  readonly payload: Uint8Array;
  /** Where the frame's length field stands in the stream, in bytes. */
  readonly offset: number;
  /** The whole frame: length, type, payload. */
  readonly raw: Uint8Array;
}

/** Checks a length field. */
function checkLength(length: number, offset: number): void {
  if (length === 0) throw new FormatError(offset, 'a frame of length 0');
  if (length > maxFrameLength)
    throw new FormatError(offset, `a frame of ${length} bytes, more than the ${maxFrameLength} allowed`);
}

/** A frame from its raw bytes, whose length the caller has checked. */
export function openFrame(raw: Uint8Array, offset: number): Frame {
  return { type: raw[4] ?? 0, payload: raw.subarray(5), offset, raw };
}

/** Puts a frame together. Throws a RangeError when the payload is too long for one. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  if (payload.length + 1 > maxFrameLength) throw new RangeError(`frame: ${payload.length} bytes are too many for one`);
  const raw = new Uint8Array(5 + payload.length);
  new DataView(raw.buffer).setUint32(0, payload.length + 1, true);
  raw[4] = type;
  raw.set(payload, 5);
  return raw;
}

const noBytes = new Uint8Array(0);

/**
 * Incremental frame splitter. A frame that lies in one chunk is a view on it, one that spans chunks is copied once, into a
 * buffer that grows with what has come, never with what a length field merely promises.
 */
export class FrameSplitter {
  #pending = noBytes;
  #length = 0;
  #offset: number;

  /** `offset`: where the first byte pushed stands in the stream. */
  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** Bytes of a frame that has begun and is not whole yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** Where the next frame begins in the stream. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Takes a chunk and hands over each frame that is whole. Throws a FormatError on an impossible length, after the frames
   * before it were handed over; there is no way on after that.
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length === 0 && chunk.length - at >= 5) {
        const size = this.#frameSize(chunk, at);
        if (chunk.length - at >= size) {
          this.#deliver(chunk.subarray(at, at + size), onFrame);
          at += size;
          continue;
        }
      }
      at += this.#collect(chunk, at, onFrame);
    }
  }

  /** Moves bytes into the pending frame; returns how many. */
  #collect(chunk: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const target = this.#length < 4 ? 4 : this.#frameSize(this.#pending, 0);
    const take = Math.min(target - this.#length, chunk.length - at);
    const needed = this.#length + take;
    if (needed > this.#pending.length) {
      const wider = new Uint8Array(Math.max(needed, Math.min(2 * this.#pending.length, target), 64));
      wider.set(this.#pending.subarray(0, this.#length));
      this.#pending = wider;
    }
    this.#pending.set(chunk.subarray(at, at + take), this.#length);
    this.#length = needed;
    if (needed >= 4 && needed === this.#frameSize(this.#pending, 0)) {
      const raw = this.#pending.subarray(0, needed);
      this.#pending = noBytes;
      this.#length = 0;
      this.#deliver(raw, onFrame);
    }
    return take;
  }

  #deliver(raw: Uint8Array, onFrame: (frame: Frame) => void): void {
    const frame = openFrame(raw, this.#offset);
    this.#offset += raw.length;
    onFrame(frame);
  }

  /** Bytes of the whole frame whose length field is at `at`. */
  #frameSize(bytes: Uint8Array, at: number): number {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
    checkLength(length, this.#offset);
    return 4 + length;
  }
}

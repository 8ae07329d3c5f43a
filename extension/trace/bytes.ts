// Bounds-checked little-endian reading of one payload: the base of the message reader and of the batch decoder.
import { FormatError } from './error.ts';

const two32 = 0x1_0000_0000;

/**
 * A cursor over bytes. 64-bit numbers come as two unsigned halves in {@link lo} and {@link hi}, so that the hot path needs
 * no bigint. Every read past the end throws a {@link FormatError} that names the place in the stream.
 */
export class ByteReader {
  protected pos: number;
  protected readonly end: number;
  /** Low half of the last 64-bit read, unsigned. */
  lo = 0;
  /** High half of the last 64-bit read, unsigned. */
  hi = 0;

  /** Reads `bytes[start … end)`; `origin` is where `bytes[0]` stands in the stream. */
  constructor(
    protected readonly bytes: Uint8Array,
    protected readonly origin: number,
    start = 0,
    end = bytes.length,
  ) {
    this.pos = start;
    this.end = Math.min(end, bytes.length);
  }

  /** Bytes that are left. */
  get left(): number {
    return this.end - this.pos;
  }

  /** Place of the next byte in the stream. */
  get offset(): number {
    return this.origin + this.pos;
  }

  fail(what: string): never {
    throw new FormatError(this.offset, what);
  }

  /** Checks that `count` bytes follow. */
  need(count: number, what: string): void {
    if (count > this.end - this.pos) this.fail(`${what} is cut short`);
  }

  u8(what: string): number {
    this.need(1, what);
    return this.bytes[this.pos++] ?? 0;
  }

  u16(what: string): number {
    this.need(2, what);
    const value = (this.bytes[this.pos] ?? 0) | ((this.bytes[this.pos + 1] ?? 0) << 8);
    this.pos += 2;
    return value;
  }

  u32(what: string): number {
    this.need(4, what);
    const { bytes, pos } = this;
    this.pos += 4;
    return (
      ((bytes[pos] ?? 0) |
        ((bytes[pos + 1] ?? 0) << 8) |
        ((bytes[pos + 2] ?? 0) << 16) |
        ((bytes[pos + 3] ?? 0) << 24)) >>>
      0
    );
  }

  /** Eight bytes into {@link lo} and {@link hi}. */
  fixed64(what: string): void {
    this.need(8, what);
    const lo = this.u32(what);
    this.hi = this.u32(what);
    this.lo = lo;
  }

  /** A varint of at most 64 bits into {@link lo} and {@link hi}. */
  varint(what: string): void {
    const { bytes, end } = this;
    let pos = this.pos;
    let lo = 0;
    let hi = 0;
    for (let shift = 0; ; shift += 7) {
      if (pos >= end) this.fail(`${what} is cut short`);
      const byte = bytes[pos++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 28) {
        lo |= bits << shift;
      } else if (shift === 28) {
        lo |= bits << 28;
        hi = bits >>> 4;
      } else if (shift < 63) {
        hi |= bits << (shift - 32);
      } else {
        if (byte > 1) this.fail(`${what} is longer than 64 bits`);
        hi |= bits << 31;
      }
      if (byte < 0x80) break;
    }
    this.pos = pos;
    this.lo = lo >>> 0;
    this.hi = hi >>> 0;
  }

  /** A varint that fits 32 bits. */
  varint32(what: string): number {
    const byte = this.bytes[this.pos] ?? 0x80;
    if (byte < 0x80 && this.pos < this.end) {
      this.pos++;
      return byte;
    }
    this.varint(what);
    if (this.hi !== 0) this.fail(`${what} is beyond 32 bits`);
    return this.lo;
  }

  /** A varint as an exact number. */
  varint53(what: string): number {
    this.varint(what);
    if (this.hi > 0x1f_ffff) this.fail(`${what} is beyond 53 bits`);
    return this.hi * two32 + this.lo;
  }

  /** A zigzag varint as an exact number. */
  zigzag53(what: string): number {
    const n = this.varint53(what);
    return n % 2 === 0 ? n / 2 : -(n + 1) / 2;
  }

  /** A zigzag varint as two's complement in {@link lo} and {@link hi}. */
  zigzag64(what: string): void {
    this.varint(what);
    const { lo, hi } = this;
    const sign = -(lo & 1);
    this.lo = (((lo >>> 1) | (hi << 31)) ^ sign) >>> 0;
    this.hi = ((hi >>> 1) ^ sign) >>> 0;
  }

  /** The last 64-bit read as an unsigned bigint. */
  big(): bigint {
    return join64(this.lo, this.hi);
  }

  /** The next `count` bytes as a view. */
  take(count: number, what: string): Uint8Array {
    this.need(count, what);
    return this.bytes.subarray(this.pos, (this.pos += count));
  }
}

/** Two unsigned halves as one unsigned bigint. */
export function join64(lo: number, hi: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo);
}

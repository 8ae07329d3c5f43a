// Protobuf wire encoding: what the stream's message frames are written in. Reads and writes fields, knows no schema.
import { visible } from '../protocol/plainText.ts';
import { ByteReader } from './bytes.ts';

/** Bytes that are no UTF-8 become U+FFFD; a byte order mark is a part of a name like any other character. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
/** Bytes of a text to be shown: far more than any name or reason of a kernel has (KSYM_NAME_LEN is 512). */
const mostTextBytes = 4096;
/** Bytes of a text that is read again: filters, of which the helper takes 8 KiB. */
const mostReadBytes = 65_536;

/** Wire types that the stream uses. */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/**
 * Reads a message field by field: `while (reader.next()) switch (reader.field) { case 1: … reader.uint32() …; default: reader.skip(); }`.
 * Each field is read or skipped exactly once. Throws only FormatError.
 */
export class MessageReader extends ByteReader {
  field = 0;
  #wire = 0;

  /** Goes to the next field; false at the end of the message. */
  next(): boolean {
    if (this.left === 0) return false;
    const key = this.varint32('a field key');
    this.field = key >>> 3;
    this.#wire = key & 7;
    if (this.field === 0) this.fail('field number 0');
    return true;
  }

  #expect(type: number): void {
    if (this.#wire !== type) this.fail(`field ${this.field} has wire type ${this.#wire} instead of ${type}`);
  }

  uint32(): number {
    this.#expect(wire.varint);
    return this.varint32(`field ${this.field}`);
  }

  /** A uint64 that is exact as a number: counts and sizes. */
  count(): number {
    this.#expect(wire.varint);
    return this.varint53(`field ${this.field}`);
  }

  bigFixed64(): bigint {
    this.#expect(wire.fixed64);
    this.fixed64(`field ${this.field}`);
    return this.big();
  }

  fixed32(): number {
    this.#expect(wire.fixed32);
    return this.u32(`field ${this.field}`);
  }

  /** Text to be shown: one line that hides and moves nothing. Of what is longer than `most` bytes, the beginning. */
  string(most = mostTextBytes): string {
    return visible(this.verbatim(most));
  }

  /** Text as it was written, for what is read again. Of what is longer than `most` bytes, the beginning. */
  verbatim(most = mostReadBytes): string {
    const bytes = this.#content();
    return bytes.length <= most ? utf8.decode(bytes) : `${utf8.decode(bytes.subarray(0, most - 1))}…`;
  }

  /** The same; of what is longer, the end. */
  verbatimEnd(most: number): string {
    return utf8.decode(this.#content().subarray(-most));
  }

  message(): MessageReader {
    const length = this.#length();
    const start = this.pos;
    this.pos += length;
    return new MessageReader(this.bytes, this.origin, start, start + length);
  }

  /** Adds a packed list of fixed64, or one unpacked element of it, to a list that takes `most`. */
  fixed64List(values: bigint[], most: number): void {
    if (this.#wire === wire.fixed64) {
      const value = this.bigFixed64();
      if (values.length < most) values.push(value);
      return;
    }
    const list = this.message();
    if (list.left % 8 !== 0) this.fail(`field ${this.field} is no list of 64-bit numbers`);
    while (list.left > 0 && values.length < most) {
      list.fixed64(`field ${this.field}`);
      values.push(list.big());
    }
  }

  /** Passes over a field that this reader doesn't know. */
  skip(): void {
    const what = `field ${this.field}`;
    switch (this.#wire) {
      case wire.varint:
        this.varint(what);
        break;
      case wire.fixed64:
        this.take(8, what);
        break;
      case wire.bytes:
        this.take(this.#length(), what);
        break;
      case wire.fixed32:
        this.take(4, what);
        break;
      default:
        this.fail(`${what} has the unknown wire type ${this.#wire}`);
    }
  }

  /** The bytes of a text. Only as many are decoded as are kept: a string that was cut keeps all that it was cut from. */
  #content(): Uint8Array {
    return this.take(this.#length(), `field ${this.field}`);
  }

  #length(): number {
    this.#expect(wire.bytes);
    const length = this.varint32(`the length of field ${this.field}`);
    this.need(length, `field ${this.field}`);
    return length;
  }
}

/** Reads every field of a message: `take(field)` returns false for one that it doesn't know. */
export function each(reader: MessageReader, take: (field: number) => boolean): void {
  while (reader.next()) if (!take(reader.field)) reader.skip();
}

/** The items of one repeated sub-message of a frame, one after the other: a frame may hold millions. */
export function* repeated<T>(reader: MessageReader, field: number, read: (item: MessageReader) => T): Generator<T> {
  while (reader.next()) {
    if (reader.field === field) yield read(reader.message());
    else reader.skip();
  }
}

/** Writes a message. Fields that are zero or empty are left out, as proto3 does. */
export class MessageWriter {
  #bytes = new Uint8Array(64);
  #length = 0;

  uint(field: number, value: number | bigint): this {
    if (value === 0 || value === 0n) return this;
    this.#key(field, wire.varint);
    this.#varint(BigInt(value));
    return this;
  }

  fixed64(field: number, value: bigint): this {
    if (value === 0n) return this;
    this.#key(field, wire.fixed64);
    const at = this.#room(8);
    new DataView(this.#bytes.buffer).setBigUint64(at, value, true);
    return this;
  }

  /** Written even when it is zero: the index's check must always stand at the end. */
  fixed32(field: number, value: number): this {
    this.#key(field, wire.fixed32);
    const at = this.#room(4);
    new DataView(this.#bytes.buffer).setUint32(at, value, true);
    return this;
  }

  string(field: number, value: string): this {
    return value === '' ? this : this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#key(field, wire.bytes);
    this.#varint(BigInt(value.length));
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  message(field: number, fill: (writer: MessageWriter) => void): this {
    const writer = new MessageWriter();
    fill(writer);
    return this.bytes(field, writer.finish());
  }

  /** The message so far; more may follow. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #key(field: number, type: number): void {
    this.#varint(BigInt(field * 8 + type));
  }

  #varint(value: bigint): void {
    let rest = value;
    while (rest > 0x7fn) {
      const at = this.#room(1);
      this.#bytes[at] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    const at = this.#room(1);
    this.#bytes[at] = Number(rest);
  }

  /** Makes room for `count` more bytes and returns where they begin. Call before touching `#bytes`, which may move. */
  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const wider = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      wider.set(this.#bytes.subarray(0, at));
      this.#bytes = wider;
    }
    return at;
  }
}

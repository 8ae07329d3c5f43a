// The events as columns: typed arrays in chunks, so that growing never copies more than one chunk and ten million events fit.

const chunkBits = 16;
/** Events in a full chunk. */
const chunkRows = 1 << chunkBits;
const rowMask = chunkRows - 1;
const firstRows = 1024;

/** Bits of the flags column; they are those of a page's marks (protocol/pages.ts). `record`: see drops.ts; `discard`: discards.ts. */
export const eventFlag = { drop: 1, verdict: 2, free: 4, parent: 8, program: 16, record: 32, discard: 64 } as const;

/** Bytes that one event takes in the columns, without and with a stack id. */
const plainBytes = 8 + 10 * 4 + 2 * 2 + 2 * 1;
export const bytesPerEvent = plainBytes + 4;

const noStacks = new Uint32Array(0);

/** The columns of up to {@link chunkRows} events. Index columns hold 0 for "none". */
export class Chunk {
  /** ns since the first clock. */
  readonly time: Float64Array;
  /** Lane: index of the packet. */
  readonly packet: Uint32Array;
  readonly hook: Uint32Array;
  /** Index of the task. */
  readonly task: Uint32Array;
  /** Index of the skb's address. */
  readonly skb: Uint32Array;
  /** Index of (netns, ifindex). */
  readonly place: Uint32Array;
  readonly mark: Uint32Array;
  readonly len: Uint32Array;
  /** Index of the tuple. */
  readonly tuple: Uint32Array;
  /** Index of the caller's address. */
  readonly caller: Uint32Array;
  /** Stack id; empty while no event of the chunk has one. */
  stack: Uint32Array = noStacks;
  /** The packet's next event in order of arrival, plus one. */
  readonly next: Uint32Array;
  readonly cpu: Uint16Array;
  /** EtherType. */
  readonly protocol: Uint16Array;
  readonly flags: Uint8Array;
  readonly tcpFlags: Uint8Array;

  constructor(rows: number, from?: Chunk) {
    this.time = new Float64Array(rows);
    this.packet = new Uint32Array(rows);
    this.hook = new Uint32Array(rows);
    this.task = new Uint32Array(rows);
    this.skb = new Uint32Array(rows);
    this.place = new Uint32Array(rows);
    this.mark = new Uint32Array(rows);
    this.len = new Uint32Array(rows);
    this.tuple = new Uint32Array(rows);
    this.caller = new Uint32Array(rows);
    this.next = new Uint32Array(rows);
    this.cpu = new Uint16Array(rows);
    this.protocol = new Uint16Array(rows);
    this.flags = new Uint8Array(rows);
    this.tcpFlags = new Uint8Array(rows);
    if (from !== undefined) {
      this.time.set(from.time);
      this.packet.set(from.packet);
      this.hook.set(from.hook);
      this.task.set(from.task);
      this.skb.set(from.skb);
      this.place.set(from.place);
      this.mark.set(from.mark);
      this.len.set(from.len);
      this.tuple.set(from.tuple);
      this.caller.set(from.caller);
      if (from.stack.length > 0) this.reserveStacks().set(from.stack);
      this.next.set(from.next);
      this.cpu.set(from.cpu);
      this.protocol.set(from.protocol);
      this.flags.set(from.flags);
      this.tcpFlags.set(from.tcpFlags);
    }
  }

  /** The stack column, made when the first stack comes. */
  reserveStacks(): Uint32Array {
    if (this.stack.length === 0) this.stack = new Uint32Array(this.time.length);
    return this.stack;
  }
}

/** All events, in order of arrival. */
export class EventColumns {
  readonly #chunks: Chunk[] = [new Chunk(firstRows)];
  #capacity = firstRows;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes that the columns hold, with the room to grow. */
  get bytes(): number {
    return this.#chunks.reduce((sum, { time, stack }) => sum + time.length * plainBytes + 4 * stack.length, 0);
  }

  /** The chunk of an event; its row there is {@link row}. Throws a RangeError for an event that isn't there. */
  chunk(event: number): Chunk {
    const chunk = this.#chunks[event >>> chunkBits];
    if (chunk === undefined || !(event < this.#length)) throw new RangeError(`no event ${event}`);
    return chunk;
  }

  row(event: number): number {
    return event & rowMask;
  }

  time(event: number): number {
    return this.#chunks[event >>> chunkBits]?.time[event & rowMask] ?? 0;
  }

  /** Appends a zeroed event and returns its index. */
  push(): number {
    if (this.#length === this.#capacity) this.#grow();
    return this.#length++;
  }

  #grow(): void {
    const last = this.#chunks[this.#chunks.length - 1];
    if (this.#chunks.length === 1 && this.#capacity < chunkRows) {
      this.#capacity *= 4;
      this.#chunks[0] = new Chunk(this.#capacity, last);
    } else {
      this.#chunks.push(new Chunk(chunkRows));
      this.#capacity += chunkRows;
    }
  }
}

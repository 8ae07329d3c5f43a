// The packets, one lane each, as columns: id, first and last event, count, drop, parent. And the rare parts of events.
import { PairTable } from './intern.ts';

const startRows = 64;

/** Values of the few events that have a part which most don't: (event, a, b, c) rows in order of arrival. */
export class SideTable {
  #rows = new Uint32Array(4 * startRows);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return 4 * this.#rows.length;
  }

  /** Appends; events must come in ascending order. Returns the row. */
  push(event: number, a: number, b: number, c: number): number {
    const row = this.#length++;
    if (4 * this.#length > this.#rows.length) {
      const wider = new Uint32Array(2 * this.#rows.length);
      wider.set(this.#rows);
      this.#rows = wider;
    }
    this.#rows.set([event, a, b, c], 4 * row);
    return row;
  }

  /** One of a row's values: 0 the event, 1 a, 2 b, 3 c. */
  value(row: number, column: 0 | 1 | 2 | 3): number {
    return this.#rows[4 * row + column] ?? 0;
  }

  /** Sets one of a row's values after the fact. */
  set(row: number, column: 1 | 2 | 3, value: number): void {
    this.#rows[4 * row + column] = value;
  }

  /** The event's row, −1 when it has none. Binary search. */
  find(event: number): number {
    let low = 0;
    let high = this.#length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const at = this.#rows[4 * middle] ?? 0;
      if (at === event) return middle;
      if (at < event) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

/** The packets in order of appearance. A lane is a packet's index here. */
export class PacketTable {
  readonly #ids = new PairTable();
  #first = new Float64Array(startRows);
  #last = new Float64Array(startRows);
  #head = new Uint32Array(startRows);
  #tail = new Uint32Array(startRows);
  #count = new Uint32Array(startRows);
  #label = new Uint32Array(startRows);
  #drop = new Uint32Array(startRows);
  #parent = new Uint32Array(startRows);

  /** How many packets there are. */
  get length(): number {
    return this.#ids.length - 1;
  }

  get bytes(): number {
    return this.#ids.bytes + this.#first.length * (2 * 8 + 6 * 4);
  }

  /** The lane of a packet id, a new one if need be. */
  lane(idLo: number, idHi: number): number {
    const lane = this.#ids.intern(idLo, idHi) - 1;
    if (lane >= this.#first.length) this.#grow();
    return lane;
  }

  /** The lane of a packet id that was seen; undefined otherwise. */
  find(idLo: number, idHi: number): number | undefined {
    const index = this.#ids.find(idLo, idHi);
    return index === 0 ? undefined : index - 1;
  }

  idLo(lane: number): number {
    return this.#ids.lo(lane + 1);
  }
  idHi(lane: number): number {
    return this.#ids.hi(lane + 1);
  }
  /** The packet's id in the stream. */
  id(lane: number): string {
    return String(this.#ids.big(lane + 1));
  }
  /** Events. */
  count(lane: number): number {
    return this.#count[lane] ?? 0;
  }
  /** First event that arrived. */
  head(lane: number): number {
    return this.#head[lane] ?? 0;
  }
  /** Last event that arrived. */
  tail(lane: number): number {
    return this.#tail[lane] ?? 0;
  }
  /** Earliest time, ns since the first clock. */
  first(lane: number): number {
    return this.#first[lane] ?? 0;
  }
  /** Latest time, ns since the first clock. */
  last(lane: number): number {
    return this.#last[lane] ?? 0;
  }
  /** The first event that had a tuple, undefined while there is none. */
  labelEvent(lane: number): number | undefined {
    const event = this.#label[lane] ?? 0;
    return event === 0 ? undefined : event - 1;
  }
  /** The row of the packet's last drop in the drops table, undefined when it wasn't dropped. */
  dropRow(lane: number): number | undefined {
    const row = this.#drop[lane] ?? 0;
    return row === 0 ? undefined : row - 1;
  }
  /** The row of the packet's first parent edge, undefined when it has none. */
  parentRow(lane: number): number | undefined {
    const row = this.#parent[lane] ?? 0;
    return row === 0 ? undefined : row - 1;
  }

  /** Notes a new event; returns the packet's previous one, undefined for the first. */
  append(lane: number, event: number, time: number): number | undefined {
    const count = this.#count[lane] ?? 0;
    this.#count[lane] = count + 1;
    const previous = this.#tail[lane] ?? 0;
    this.#tail[lane] = event;
    if (count === 0) {
      this.#head[lane] = event;
      this.#first[lane] = time;
      this.#last[lane] = time;
      return undefined;
    }
    if (time < (this.#first[lane] ?? 0)) this.#first[lane] = time;
    if (time > (this.#last[lane] ?? 0)) this.#last[lane] = time;
    return previous;
  }

  setLabelEvent(lane: number, event: number): void {
    if (this.#label[lane] === 0) this.#label[lane] = event + 1;
  }
  setDropRow(lane: number, row: number): void {
    this.#drop[lane] = row + 1;
  }
  setParentRow(lane: number, row: number): void {
    if (this.#parent[lane] === 0) this.#parent[lane] = row + 1;
  }

  #grow(): void {
    const rows = 2 * this.#first.length;
    const wider = (column: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
      const copy = new Uint32Array(rows);
      copy.set(column);
      return copy;
    };
    const first = new Float64Array(rows);
    const last = new Float64Array(rows);
    first.set(this.#first);
    last.set(this.#last);
    this.#first = first;
    this.#last = last;
    this.#head = wider(this.#head);
    this.#tail = wider(this.#tail);
    this.#count = wider(this.#count);
    this.#label = wider(this.#label);
    this.#drop = wider(this.#drop);
    this.#parent = wider(this.#parent);
  }
}

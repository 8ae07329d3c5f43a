// Tables that give equal values one small number: 64-bit addresses, (netns, ifindex) pairs, packet ids and tuples.
// Hash tables over typed arrays: no object a value, and a random seed so that a hostile stream can't choose collisions.

const startRows = 64;

function mix(hash: number, value: number): number {
  const h = Math.imul(hash ^ value, 0x9e37_79b1);
  return h ^ (h >>> 15);
}

function randomSeed(): number {
  return (Math.random() * 0x1_0000_0000) >>> 0;
}

/** Pairs of unsigned 32-bit numbers ↔ dense indexes. Index 0 is (0, 0): "none". */
export class PairTable {
  readonly #seed = randomSeed();
  #slots = new Uint32Array(2 * startRows);
  #lo = new Uint32Array(startRows);
  #hi = new Uint32Array(startRows);
  #length = 1;
  /** Indexes below are of before the last {@link renew}, and aren't found any more. */
  #first = 1;

  /** Indexes given out, the 0 included. */
  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return 4 * (this.#slots.length + this.#lo.length + this.#hi.length);
  }

  lo(index: number): number {
    return this.#lo[index] ?? 0;
  }

  hi(index: number): number {
    return this.#hi[index] ?? 0;
  }

  big(index: number): bigint {
    return (BigInt(this.hi(index)) << 32n) | BigInt(this.lo(index));
  }

  /** The pair's index, a new one if need be. */
  intern(lo: number, hi: number): number {
    if (lo === 0 && hi === 0) return 0;
    const slot = this.#slot(lo, hi);
    const known = this.#slots[slot] ?? 0;
    if (known >= this.#first) return known;
    const index = this.#length++;
    if (index >= this.#lo.length) this.#grow();
    this.#lo[index] = lo;
    this.#hi[index] = hi;
    if (2 * this.#length > this.#slots.length) this.#rehash();
    else this.#slots[slot] = index;
    return index;
  }

  /** The pair's index, 0 when it isn't in the table. */
  find(lo: number, hi: number): number {
    const index = this.#slots[this.#slot(lo, hi)] ?? 0;
    return index >= this.#first ? index : 0;
  }

  /** Pairs get new indexes from now on; the old ones keep theirs. */
  renew(): void {
    this.#first = this.#length;
  }

  #slot(lo: number, hi: number): number {
    const mask = this.#slots.length - 1;
    let slot = mix(mix(this.#seed, lo), hi) & mask;
    for (;;) {
      const index = this.#slots[slot] ?? 0;
      if (index < this.#first || (this.#lo[index] === lo && this.#hi[index] === hi)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const lo = new Uint32Array(2 * this.#lo.length);
    const hi = new Uint32Array(2 * this.#hi.length);
    lo.set(this.#lo);
    hi.set(this.#hi);
    this.#lo = lo;
    this.#hi = hi;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let index = this.#first; index < this.#length; index++) {
      this.#slots[this.#slot(this.lo(index), this.hi(index))] = index;
    }
  }
}

/** An IP tuple. Addresses are 4 or 16 bytes in network order. */
export interface Tuple {
  readonly family: 4 | 6;
  /** IANA protocol number. */
  readonly l4: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** ICMP: type << 8 | code. */
  readonly sourcePort: number;
  /** ICMP echo: identifier. */
  readonly destinationPort: number;
}

const tupleBytes = 38;

/** Tuples ↔ dense indexes; 0 is "no tuple". A tuple is 38 bytes: family, L4 protocol, 16 + 16 address bytes, two ports. */
export class TupleTable {
  readonly #seed = randomSeed();
  #slots = new Uint32Array(2 * startRows);
  #data = new Uint8Array(startRows * tupleBytes);
  #length = 1;
  readonly #scratch = new Uint8Array(tupleBytes);

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return 4 * this.#slots.length + this.#data.length;
  }

  /** The tuple's index, a new one if need be. `addresses` holds source then destination. */
  intern(family: 4 | 6, l4: number, addresses: Uint8Array, sourcePort: number, destinationPort: number): number {
    const size = family === 4 ? 4 : 16;
    const key = this.#scratch;
    key.fill(0);
    key[0] = family;
    key[1] = l4;
    key.set(addresses.subarray(0, size), 2);
    key.set(addresses.subarray(size, 2 * size), 18);
    key[34] = sourcePort;
    key[35] = sourcePort >>> 8;
    key[36] = destinationPort;
    key[37] = destinationPort >>> 8;
    const slot = this.#slot(key, 0);
    const known = this.#slots[slot] ?? 0;
    if (known !== 0) return known;
    const index = this.#length++;
    if (this.#length * tupleBytes > this.#data.length) {
      const wider = new Uint8Array(2 * this.#data.length);
      wider.set(this.#data);
      this.#data = wider;
    }
    this.#data.set(key, index * tupleBytes);
    if (2 * this.#length > this.#slots.length) this.#rehash();
    else this.#slots[slot] = index;
    return index;
  }

  /** The tuple with this index; undefined for 0. */
  get(index: number): Tuple | undefined {
    if (index <= 0 || index >= this.#length) return undefined;
    const data = this.#data.subarray(index * tupleBytes, (index + 1) * tupleBytes);
    const family = data[0] === 6 ? 6 : 4;
    const size = family === 4 ? 4 : 16;
    return {
      family,
      l4: data[1] ?? 0,
      source: data.slice(2, 2 + size),
      destination: data.slice(18, 18 + size),
      sourcePort: (data[34] ?? 0) | ((data[35] ?? 0) << 8),
      destinationPort: (data[36] ?? 0) | ((data[37] ?? 0) << 8),
    };
  }

  #slot(bytes: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1;
    let hash = this.#seed;
    for (let i = 0; i < tupleBytes; i++) hash = mix(hash, bytes[at + i] ?? 0);
    let slot = hash & mask;
    for (;;) {
      const index = this.#slots[slot] ?? 0;
      if (index === 0 || this.#same(index, bytes, at)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #same(index: number, bytes: Uint8Array, at: number): boolean {
    const base = index * tupleBytes;
    for (let i = 0; i < tupleBytes; i++) if (this.#data[base + i] !== bytes[at + i]) return false;
    return true;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let index = 1; index < this.#length; index++) this.#slots[this.#slot(this.#data, index * tupleBytes)] = index;
  }
}

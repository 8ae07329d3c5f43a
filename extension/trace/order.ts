// A packet's events in time order, with what a page needs of them side by side. Built when a lane is first looked at and
// extended as events come; CPUs interleave, so events arrive only nearly sorted.
import type { EventColumns } from './columns.ts';
import type { HookTable } from './tables.ts';
import type { PacketTable } from './packets.ts';

/** Events that one summary of {@link LaneOrder.blocks} covers. */
export const blockRows = 64;
/** Where the page flags stand in a mask; the layer bits are below. */
export const maskFlagShift = 9;

/** One lane's events, ordered by time, then arrival. Only the first `count` entries count. */
export interface LaneOrder {
  readonly count: number;
  readonly events: Uint32Array;
  /** ns since the first clock. */
  readonly times: Float64Array;
  /** Per event: 1 << layer | flags << {@link maskFlagShift}. */
  readonly masks: Uint16Array;
  /** The masks of {@link blockRows} events each, or-ed. */
  readonly blocks: Uint16Array;
}

class Order implements LaneOrder {
  count = 0;
  /** Last event of the arrival list that was taken in. */
  last = -1;
  generation = -1;
  events = new Uint32Array(16);
  times = new Float64Array(16);
  masks = new Uint16Array(16);
  blocks = new Uint16Array(1);

  reserve(rows: number): void {
    if (rows <= this.events.length) return;
    const size = Math.max(rows, 2 * this.events.length);
    const { events, times, masks, blocks } = this;
    this.events = new Uint32Array(size);
    this.times = new Float64Array(size);
    this.masks = new Uint16Array(size);
    this.blocks = new Uint16Array(Math.ceil(size / blockRows));
    this.events.set(events);
    this.times.set(times);
    this.masks.set(masks);
    this.blocks.set(blocks);
  }
}

/** How far a late event is moved by hand before the whole lane is sorted anew. */
const maxShift = 256;

/**
 * The orders of the lanes that were looked at last. Building one costs O(events of the lane), extending it O(new events);
 * a lane in wild disorder is sorted in O(n log n).
 */
export class LaneOrders {
  readonly #cache = new Map<number, Order>();
  #rows = 0;

  constructor(
    private readonly columns: EventColumns,
    private readonly packets: PacketTable,
    private readonly hooks: HookTable,
    /** Events that may be held over all lanes before the least used lanes are let go. */
    private readonly limit = 8_000_000,
  ) {}

  get(lane: number): LaneOrder {
    let order = this.#cache.get(lane);
    if (order?.generation !== this.hooks.generation) {
      if (order !== undefined) this.#rows -= order.events.length;
      order = new Order();
      order.generation = this.hooks.generation;
    } else {
      this.#rows -= order.events.length;
    }
    this.#extend(order, lane);
    this.#rows += order.events.length;
    // Newest last, so that the first key is the least used.
    this.#cache.delete(lane);
    this.#cache.set(lane, order);
    for (const [old, { events }] of this.#cache) {
      if (this.#rows <= this.limit || old === lane) break;
      this.#cache.delete(old);
      this.#rows -= events.length;
    }
    return order;
  }

  #extend(order: Order, lane: number): void {
    const total = this.packets.count(lane);
    if (order.count === total) return;
    order.reserve(total);
    const { columns, hooks } = this;
    let event = order.last < 0 ? this.packets.head(lane) : this.#next(order.last);
    let touched = order.count;
    let wild = false;
    for (let at = order.count; at < total; at++) {
      const chunk = columns.chunk(event);
      const row = columns.row(event);
      const time = chunk.time[row] ?? 0;
      const mask = (1 << hooks.layer(chunk.hook[row] ?? 0)) | ((chunk.flags[row] ?? 0) << maskFlagShift);
      let slot = at;
      const stop = wild ? at : Math.max(0, at - maxShift);
      while (slot > stop && (order.times[slot - 1] ?? 0) > time) slot--;
      if (slot < at) {
        order.events.copyWithin(slot + 1, slot, at);
        order.times.copyWithin(slot + 1, slot, at);
        order.masks.copyWithin(slot + 1, slot, at);
        touched = Math.min(touched, slot);
      }
      if (slot > 0 && (order.times[slot - 1] ?? 0) > time) wild = true;
      order.events[slot] = event;
      order.times[slot] = time;
      order.masks[slot] = mask;
      order.last = event;
      event = (chunk.next[row] ?? 0) - 1;
    }
    order.count = total;
    if (wild) {
      sortWhole(order);
      touched = 0;
    }
    for (let block = Math.floor(touched / blockRows); block * blockRows < total; block++) {
      let all = 0;
      const end = Math.min(total, (block + 1) * blockRows);
      for (let i = block * blockRows; i < end; i++) all |= order.masks[i] ?? 0;
      order.blocks[block] = all;
    }
  }

  #next(event: number): number {
    return (this.columns.chunk(event).next[this.columns.row(event)] ?? 0) - 1;
  }
}

function sortWhole(order: Order): void {
  const { count, events, times, masks } = order;
  const rows = Uint32Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => (times[a] ?? 0) - (times[b] ?? 0) || (events[a] ?? 0) - (events[b] ?? 0),
  );
  const from = { events: events.slice(0, count), times: times.slice(0, count), masks: masks.slice(0, count) };
  rows.forEach((row, i) => {
    events[i] = from.events[row] ?? 0;
    times[i] = from.times[row] ?? 0;
    masks[i] = from.masks[row] ?? 0;
  });
}

/** The first place in [low, count) whose time is ≥ `time`. */
export function lowerBound(order: LaneOrder, time: number, low = 0): number {
  let high = order.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((order.times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** An event's place in its lane's order. */
export function placeOf(order: LaneOrder, event: number, time: number): number {
  let at = lowerBound(order, time);
  while (at < order.count && order.events[at] !== event && order.times[at] === time) at++;
  return at;
}

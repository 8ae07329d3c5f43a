// Timeline pages: the hops of some lanes in a time range, at most one mark a lane and bucket (layout: protocol/pages.ts).
import { layers } from '../protocol/timeline.ts';
import { createPage, type Page } from '../protocol/pages.ts';
import { blockRows, lowerBound, maskFlagShift, type LaneOrder } from './order.ts';

const layerBits = (1 << layers.length) - 1;
const other = 1 << (layers.length - 1);

/** The topmost layer of a mask: the highest bit, "other" only when nothing else is there. */
function topLayer(mask: number): number {
  const known = mask & layerBits & ~other;
  return known === 0 ? layers.length - 1 : 31 - Math.clz32(known);
}

/** The or-ed masks of places [from, to), by whole blocks where they fit. */
function maskOf(order: LaneOrder, from: number, to: number): number {
  let mask = 0;
  let at = from;
  while (at < to) {
    if (at % blockRows === 0 && at + blockRows <= to) {
      mask |= order.blocks[at / blockRows] ?? 0;
      at += blockRows;
    } else {
      mask |= order.masks[at++] ?? 0;
    }
  }
  return mask;
}

/** The first place ≥ `low` whose time is ≥ `time`, found by galloping: neighbours are the usual case. */
function gallop(order: LaneOrder, time: number, low: number): number {
  let step = 1;
  let from = low;
  while (from + step < order.count && (order.times[from + step] ?? 0) < time) {
    from += step;
    step *= 2;
  }
  return lowerBound(order, time, from);
}

/** The page's mark columns while they grow. */
class Marks {
  length = 0;
  time = new Float32Array(0);
  width = new Float32Array(0);
  event = new Uint32Array(0);
  count = new Uint32Array(0);
  layer = new Uint8Array(0);
  flags = new Uint8Array(0);

  /** Makes room for `rows` more marks. */
  reserve(rows: number): void {
    const need = this.length + rows;
    if (need <= this.time.length) return;
    const size = Math.max(need, 2 * this.time.length);
    const { time, width, event, count, layer, flags } = this;
    (this.time = new Float32Array(size)).set(time);
    (this.width = new Float32Array(size)).set(width);
    (this.event = new Uint32Array(size)).set(event);
    (this.count = new Uint32Array(size)).set(count);
    (this.layer = new Uint8Array(size)).set(layer);
    (this.flags = new Uint8Array(size)).set(flags);
  }

  fill(page: Page): void {
    const rows = this.length;
    page.time.set(this.time.subarray(0, rows));
    page.width.set(this.width.subarray(0, rows));
    page.event.set(this.event.subarray(0, rows));
    page.count.set(this.count.subarray(0, rows));
    page.layer.set(this.layer.subarray(0, rows));
    page.flags.set(this.flags.subarray(0, rows));
  }
}

/** Reused from page to page: packing is synchronous, and this spares the garbage collector megabytes a frame. */
const scratch = new Marks();

/** Most marks a page holds: beyond it the buckets are made coarser. */
const maxMarks = 1_000_000;

/**
 * Packs the page of these lanes' orders (undefined: a lane that isn't there) for [from, to], ns since the first clock.
 * O(lanes × buckets × log(events of the lane) + events / 64).
 */
export function packPage(
  orders: readonly (LaneOrder | undefined)[],
  from: number,
  to: number,
  buckets: number,
): ArrayBuffer {
  const most = Math.max(1, Math.floor(maxMarks / Math.max(1, orders.length)));
  const cuts = Math.min(Math.max(1, Math.floor(buckets) || 1), most);
  const step = (to - from) / cuts;
  const marks = scratch;
  marks.length = 0;
  const first = new Uint32Array(orders.length + 1);
  orders.forEach((order, lane) => {
    if (order !== undefined && to >= from) markLane(marks, order, from, to, step, cuts);
    first[lane + 1] = marks.length;
  });
  const { buffer, page } = createPage(orders.length, marks.length);
  page.first.set(first);
  marks.fill(page);
  return buffer;
}

function markLane(marks: Marks, order: LaneOrder, from: number, to: number, step: number, cuts: number): void {
  const { times, events, masks } = order;
  const last = afterEnd(order, to);
  let at = lowerBound(order, from);
  marks.reserve(Math.min(cuts, Math.max(0, last - at)));
  const { time, width, event, count, layer, flags } = marks;
  let row = marks.length;
  while (at < last) {
    const start = times[at] ?? 0;
    const bucket = step > 0 ? Math.min(cuts - 1, Math.floor((start - from) / step)) : 0;
    // The last bucket takes the right end in; at least this event always goes into the mark, which is the usual case too.
    const border = bucket === cuts - 1 ? Infinity : from + (bucket + 1) * step;
    let end = at + 1;
    if (end < last && (times[end] ?? 0) < border) end = Math.min(last, gallop(order, border, end));
    const mask = end === at + 1 ? (masks[at] ?? 0) : maskOf(order, at, end);
    time[row] = start - from;
    width[row] = (times[end - 1] ?? start) - start;
    event[row] = events[at] ?? 0;
    count[row] = end - at;
    layer[row] = topLayer(mask);
    flags[row] = mask >>> maskFlagShift;
    row++;
    at = end;
  }
  marks.length = row;
}

/** The first place whose time is > `to`. Times are whole ns. */
function afterEnd(order: LaneOrder, to: number): number {
  return lowerBound(order, Math.floor(to) + 1);
}

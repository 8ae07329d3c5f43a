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

/** Growing list of marks; becomes the page's columns at the end. */
class Marks {
  #rows = 0;
  #numbers = new Float64Array(4 * 256);
  #masks = new Uint16Array(256);

  get length(): number {
    return this.#rows;
  }

  push(time: number, width: number, event: number, count: number, mask: number): void {
    const row = this.#rows++;
    if (row >= this.#masks.length) {
      const numbers = new Float64Array(2 * this.#numbers.length);
      const masks = new Uint16Array(2 * this.#masks.length);
      numbers.set(this.#numbers);
      masks.set(this.#masks);
      this.#numbers = numbers;
      this.#masks = masks;
    }
    this.#numbers[4 * row] = time;
    this.#numbers[4 * row + 1] = width;
    this.#numbers[4 * row + 2] = event;
    this.#numbers[4 * row + 3] = count;
    this.#masks[row] = mask;
  }

  fill(page: Page): void {
    for (let row = 0; row < this.#rows; row++) {
      page.time[row] = this.#numbers[4 * row] ?? 0;
      page.width[row] = this.#numbers[4 * row + 1] ?? 0;
      page.event[row] = this.#numbers[4 * row + 2] ?? 0;
      page.count[row] = this.#numbers[4 * row + 3] ?? 0;
      const mask = this.#masks[row] ?? 0;
      page.layer[row] = topLayer(mask);
      page.flags[row] = mask >>> maskFlagShift;
    }
  }
}

/** Most marks a page holds: beyond it the buckets are made coarser. */
const maxMarks = 1_000_000;

/**
 * Packs the page of these lanes' orders (undefined: a lane that isn't there) for [from, to], ns since the store's first clock.
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
  const marks = new Marks();
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
  let at = lowerBound(order, from);
  while (at < order.count) {
    const time = order.times[at] ?? 0;
    if (time > to) return;
    const bucket = step > 0 ? Math.min(cuts - 1, Math.floor((time - from) / step)) : 0;
    // The last bucket takes the right end in; at least this event always goes into the mark.
    const end =
      bucket === cuts - 1 ? afterEnd(order, to, at) : Math.max(at + 1, gallop(order, from + (bucket + 1) * step, at));
    marks.push(
      time - from,
      (order.times[end - 1] ?? time) - time,
      order.events[at] ?? 0,
      end - at,
      maskOf(order, at, end),
    );
    at = end;
  }
}

/** The first place whose time is > `to`. Times are whole ns. */
function afterEnd(order: LaneOrder, to: number, low: number): number {
  return lowerBound(order, Math.floor(to) + 1, low);
}

// Searching a page: where a time falls among a lane's marks, and which mark the pointer is on. Pure.
import { markDrop, type Page } from '../extension/protocol/pages.ts';
import type { Lane } from '../extension/protocol/timeline.ts';
import { xOf, type Viewport } from './viewport.ts';

/** A page with the request that it answers. */
export interface LoadedPage {
  readonly page: Page;
  readonly fromNs: number;
  readonly toNs: number;
  /** Lane index → its place in the page. */
  readonly slots: ReadonlyMap<number, number>;
}

/** What the pointer is on. */
export interface Pointed {
  /** Where the pointer is on the page, px. */
  readonly x: number;
  readonly y: number;
  /** The time there, and how far beside it a thin thing is hit as well. */
  readonly ns: number;
  readonly slackNs: number;
  /** Whether it is on the ruler. */
  readonly ruler: boolean;
  readonly lane: Lane | undefined;
  /** A mark of that lane in the loaded page. */
  readonly mark: number | undefined;
}

/** The first of marks [low, high) whose time is at least `relative` ns after the page's start. */
export function lowerBound(time: Float32Array, low: number, high: number, relative: number): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((time[middle] ?? 0) < relative) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Marks of a lane as [first, end). */
export function marksOf(page: Page, slot: number): readonly [number, number] {
  return [page.first[slot] ?? 0, page.first[slot + 1] ?? 0];
}

/**
 * The mark under pixel `x` in a lane: the nearest whose tick is within `tolerance` px, a drop before others at that
 * distance; else the one whose block, which lasts until the next hop, covers `x`; else undefined.
 */
export function hitMark(
  loaded: LoadedPage,
  slot: number,
  viewport: Viewport,
  x: number,
  tolerance = 6,
): number | undefined {
  const { page, fromNs } = loaded;
  const [first, end] = marksOf(page, slot);
  const at = (mark: number): number => xOf(viewport, fromNs + (page.time[mark] ?? 0));
  const relative = viewport.startNs + x * viewport.nsPerPx - fromNs;
  const near = lowerBound(page.time, first, end, relative);
  let best: number | undefined;
  let bestScore = tolerance;
  for (const step of [-1, 1]) {
    for (let mark = step < 0 ? near - 1 : near; mark >= first && mark < end; mark += step) {
      const left = at(mark);
      const right = left + (page.width[mark] ?? 0) / viewport.nsPerPx;
      const distance = x < left ? left - x : x > right ? x - right : 0;
      if (distance > tolerance) break;
      const score = distance - ((page.flags[mark] ?? 0) & markDrop ? tolerance / 2 : 0);
      if (best === undefined || score < bestScore) [best, bestScore] = [mark, score];
    }
  }
  if (best !== undefined) return best;
  return near > first && near < end ? near - 1 : undefined;
}

/** The mark of a lane that is nearest in time to `ns`; undefined when the page has none of it. */
export function nearestMark(loaded: LoadedPage, slot: number, ns: number): number | undefined {
  const { page, fromNs } = loaded;
  const [first, end] = marksOf(page, slot);
  if (first === end) return undefined;
  const after = lowerBound(page.time, first, end, ns - fromNs);
  if (after === first) return first;
  if (after === end) return end - 1;
  const before = ns - fromNs - (page.time[after - 1] ?? 0);
  return before <= (page.time[after] ?? 0) - (ns - fromNs) ? after - 1 : after;
}

/** The mark that an event at `ns` is part of: its own, or the bucket that covers its time. */
export function markOfEvent(loaded: LoadedPage, slot: number, event: number, ns: number): number | undefined {
  const { page, fromNs } = loaded;
  const [first, end] = marksOf(page, slot);
  const relative = ns - fromNs;
  // Page times are f32: the event's own mark may have been rounded to either side of its exact time.
  const after = lowerBound(page.time, first, end, relative);
  for (const mark of [after, after - 1, after + 1]) {
    if (mark >= first && mark < end && page.event[mark] === event) return mark;
  }
  const before = after < end && page.time[after] === Math.fround(relative) ? after : after - 1;
  if (before < first) return undefined;
  const last = (page.time[before] ?? 0) + (page.width[before] ?? 0);
  return (page.count[before] ?? 0) > 1 && relative <= last * (1 + 2 ** -22) + 1 ? before : undefined;
}

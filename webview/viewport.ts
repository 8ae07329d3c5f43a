// Time ↔ pixels: the part of the trace that is in view, how it zooms and pans, and which page it needs. Pure.

/** What is in view: the time at the left edge and the scale. Times are ns since the trace's first event. */
export interface Viewport {
  readonly startNs: number;
  readonly nsPerPx: number;
}

/** A request for marks, quantised so that small moves need no new one. */
export interface PageWindow {
  readonly fromNs: number;
  readonly toNs: number;
  readonly buckets: number;
}

/** Height of a lane's row, px; styles/base.css has it, too. */
export const rowHeight = 22;
/** Height of the ruler above the lanes, px; likewise. */
export const rulerHeight = 24;
/** Closest zoom: 1,000 px show 50 ns. */
export const minNsPerPx = 0.05;
/** A bucket is one to two CSS pixels wide: finer can't be told apart. */
const bucketPx = 2;
/** Windows start and end at multiples of this many buckets. */
const windowStep = 256;

/** The pixel at which a time is. */
export function xOf(viewport: Viewport, ns: number): number {
  return (ns - viewport.startNs) / viewport.nsPerPx;
}

/** The time at a pixel. */
export function nsAt(viewport: Viewport, x: number): number {
  return viewport.startNs + x * viewport.nsPerPx;
}

/** Shows [fromNs, toNs] in `width` pixels with px of margin left and right, as far as there is room for them. */
export function fit(fromNs: number, toNs: number, width: number, left = 0, right = left): Viewport {
  const shrink = Math.min(1, (0.4 * width) / Math.max(1, left + right));
  const usable = Math.max(1, width - (left + right) * shrink);
  const nsPerPx = Math.max(minNsPerPx, Math.max(toNs - fromNs, 1) / usable);
  return { startNs: fromNs - left * shrink * nsPerPx, nsPerPx };
}

/** Scales by `factor` (< 1 zooms in) and keeps the time under pixel `x` where it is. */
export function zoomAt(viewport: Viewport, x: number, factor: number): Viewport {
  const nsPerPx = Math.max(minNsPerPx, viewport.nsPerPx * factor);
  return { startNs: nsAt(viewport, x) - x * nsPerPx, nsPerPx };
}

/** Moves by pixels and keeps the scale. */
export function pan(viewport: Viewport, dx: number): Viewport {
  return { ...viewport, startNs: viewport.startNs + dx * viewport.nsPerPx };
}

/** Keeps the trace reachable: not wider than twice its length, and never wholly out of sight. */
export function clamp(viewport: Viewport, width: number, durationNs: number): Viewport {
  const longest = Math.max((2 * Math.max(durationNs, 1)) / Math.max(width, 1), minNsPerPx * 20);
  const nsPerPx = Math.min(Math.max(viewport.nsPerPx, minNsPerPx), longest);
  const span = nsPerPx * width;
  const lowest = -span * 0.9;
  const highest = durationNs - span * 0.1;
  const startNs = Math.min(Math.max(viewport.startNs, Math.min(lowest, highest)), Math.max(lowest, highest));
  return { startNs, nsPerPx };
}

/** Moves the viewport no more than needed so that `ns` is in view, away from its edges. */
export function ensureVisible(viewport: Viewport, width: number, ns: number): Viewport {
  const x = xOf(viewport, ns);
  const edge = Math.min(60, width / 4);
  if (x >= edge && x <= width - edge) return viewport;
  // Far away: centre it, so that what is around can be seen; near: scroll.
  if (x < -width || x > 2 * width) return { ...viewport, startNs: ns - (width / 2) * viewport.nsPerPx };
  return pan(viewport, x < edge ? x - edge : x - (width - edge));
}

/** The window of marks for a viewport: one width more on each side, bucket size floored to a power of two ns. */
export function pageWindow(viewport: Viewport, width: number, durationNs: number): PageWindow {
  const bucket = Math.max(1, 2 ** Math.floor(Math.log2(viewport.nsPerPx * bucketPx)));
  const step = bucket * windowStep;
  const span = width * viewport.nsPerPx;
  const last = Math.ceil((Math.max(durationNs, 0) + 1) / step) * step;
  const fromNs = Math.min(Math.max(Math.floor((viewport.startNs - span) / step) * step, 0), last - step);
  const toNs = Math.max(Math.min(Math.ceil((viewport.startNs + 2 * span) / step) * step, last), fromNs + step);
  return { fromNs, toNs, buckets: Math.round((toNs - fromNs) / bucket) };
}

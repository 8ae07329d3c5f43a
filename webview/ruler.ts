// Where the ruler's ticks stand and what they say. Pure.
import { formatTime } from './format.ts';
import { xOf, type Viewport } from './viewport.ts';

/** A tick at pixel `x`, `ns` after the beginning of the trace. */
export interface Tick {
  readonly x: number;
  readonly ns: number;
  /** "250 µs" after the last strong tick, or the full time at a strong one. */
  readonly label: string;
  /** A full multiple of the next larger unit. */
  readonly strong: boolean;
}

const unitOf = (step: number): readonly [number, string] =>
  step >= 1e9 ? [1e9, 's'] : step >= 1e6 ? [1e6, 'ms'] : step >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];

/** The smallest of 1, 2, 5 × 10ⁿ ns that is at least `ns`, and at least 1 ns. */
export function niceStep(ns: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(ns, 1)));
  for (const factor of [1, 2, 5, 10]) {
    if (power * factor >= Math.max(ns, 1)) return power * factor;
  }
  return power * 10;
}

/** The full time that the labels of weak ticks at `ns` count from. */
function baseOf(ns: number, step: number): number {
  const [unit] = unitOf(step);
  return unit === 1e9 ? 0 : Math.floor(ns / (unit * 1000)) * unit * 1000;
}

/** What the labels of weak ticks at the left edge count from, for a viewport whose ticks are `apart` px from each other. */
export function rulerBase(viewport: Viewport, width: number, apart = 96): number {
  return baseOf(
    Math.min(Math.max(0, viewport.startNs), viewport.startNs + width * viewport.nsPerPx),
    niceStep(viewport.nsPerPx * apart),
  );
}

/** Ticks in view, at least `apart` pixels from each other. */
export function ticks(viewport: Viewport, width: number, apart = 96): readonly Tick[] {
  const step = niceStep(viewport.nsPerPx * apart);
  const [unit, name] = unitOf(step);
  const result: Tick[] = [];
  const last = Math.floor((viewport.startNs + width * viewport.nsPerPx) / step);
  // Nothing happens before the trace's start; the first tick is at 0 or later.
  for (let at = Math.max(0, Math.ceil(viewport.startNs / step)); at <= last; at++) {
    const ns = at * step;
    const rest = ns - baseOf(ns, step);
    const strong = rest === 0;
    const relative = baseOf(ns, step) > 0 && !strong;
    const label = strong ? formatTime(ns) : `${relative ? '+' : ''}${Number((rest / unit).toFixed(3))} ${name}`;
    result.push({ x: xOf(viewport, ns), ns, label: ns === 0 ? '0' : label, strong });
  }
  return result;
}

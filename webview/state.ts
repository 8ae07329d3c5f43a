// What is kept of the view while its tab is hidden or VS Code is closed. Pure.
import type { Viewport } from './viewport.ts';

/** The state as it is kept. */
export interface SavedState {
  readonly version: 1;
  readonly viewport: Viewport | undefined;
  readonly follow: boolean;
  readonly filter: string;
  /** Scroll offset of the lanes, px. */
  readonly lanesTop: number;
  /** The selected event. */
  readonly event: number | undefined;
  /** Splitters, px; bottom 0: as the style sheet says. */
  readonly sizes: { readonly labels: number; readonly bottom: number; readonly detail: number };
  /** The host's: how it finds the trace again. */
  readonly again: string;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Reads state that an older version may have written; undefined when it can't be used. */
export function readState(state: unknown): SavedState | undefined {
  if (!isRecord(state) || state['version'] !== 1) return undefined;
  const { viewport, follow, filter, lanesTop, event, sizes, again } = state;
  if (typeof follow !== 'boolean' || typeof filter !== 'string' || !isNumber(lanesTop) || !isRecord(sizes))
    return undefined;
  const { labels, bottom, detail } = sizes;
  if (!isNumber(labels) || !isNumber(bottom) || !isNumber(detail)) return undefined;
  const isViewport =
    isRecord(viewport) && isNumber(viewport['startNs']) && isNumber(viewport['nsPerPx']) && viewport['nsPerPx'] > 0;
  return {
    version: 1,
    viewport: isViewport ? { startNs: Number(viewport['startNs']), nsPerPx: Number(viewport['nsPerPx']) } : undefined,
    follow,
    filter,
    lanesTop,
    event: isNumber(event) ? event : undefined,
    sizes: { labels, bottom, detail },
    again: typeof again === 'string' ? again : '',
  };
}

// What end-to-end tests may read of the running timeline, as `globalThis.packetTrailTimeline`. Read-only: nothing in it changes anything.
import type { GapMark, Lane, TraceSummary, TrailRow } from '../extension/protocol/timeline.ts';
import type { Viewport } from './viewport.ts';

/** A view on the timeline's own model, JSON throughout so that it can be taken out of a page. */
export interface TimelineInspection {
  /** Undefined until the host has answered `ready`. */
  readonly summary: TraceSummary | undefined;
  readonly gaps: readonly GapMark[];
  readonly viewport: Viewport;
  readonly follow: boolean;
  readonly filter: string;
  /** Lanes in view, top to bottom, as far as they are loaded. */
  readonly lanes: readonly Lane[];
  /** Lanes that match the filter. */
  readonly laneTotal: number;
  readonly selectedLane: Lane | undefined;
  /** Store index of the selected event. */
  readonly selectedEvent: number | undefined;
  /** Rows of the selected packet's trail that are loaded, in order, and how many there are in all. */
  readonly trail: readonly TrailRow[];
  readonly trailTotal: number;
  /** The page that is drawn. */
  readonly page:
    { readonly fromNs: number; readonly toNs: number; readonly lanes: number; readonly marks: number } | undefined;
  /** Frames drawn since the start, and what drawing cost, ms. */
  readonly frames: { readonly count: number; readonly lastMs: number; readonly longestMs: number };
  /** Where a loaded event of a lane in view is on the page, CSS px; undefined when it isn't in view. */
  place(lane: number, event: number): { readonly x: number; readonly y: number } | undefined;
}

declare global {
  var packetTrailTimeline: TimelineInspection | undefined;
}

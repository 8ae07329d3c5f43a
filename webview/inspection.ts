// What end-to-end tests may read of the running timeline, as `globalThis.packetTrailTimeline`: there when the page was made with
// `data-inspect`. Read-only: nothing in it changes anything.
import type { GapMark, Lane, TraceSummary, TrailRow } from '../extension/protocol/timeline.ts';
import type { Model } from './model.ts';
import type { Selection } from './selection.ts';
import type { Viewport } from './viewport.ts';
import type { ViewportController } from './viewportController.ts';

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

/** Whose public state is read. */
export interface Inspected {
  readonly model: Model;
  readonly view: ViewportController;
  readonly selection: Selection;
  readonly lanes: Pick<TimelineInspection, 'frames' | 'lanes' | 'place'>;
}

/** Offers the state to tests. */
export function inspect({ model, view, selection, lanes }: Inspected): void {
  globalThis.packetTrailTimeline = Object.freeze<TimelineInspection>({
    get summary() {
      return model.summary;
    },
    get gaps() {
      return model.gaps;
    },
    get viewport() {
      return view.viewport;
    },
    get follow() {
      return view.follow;
    },
    get filter() {
      return model.filter;
    },
    get lanes() {
      return lanes.lanes;
    },
    get laneTotal() {
      return model.lanes.total;
    },
    get selectedLane() {
      return selection.selected?.lane;
    },
    get selectedEvent() {
      return selection.selected?.event;
    },
    get trail() {
      return selection.trail.rows();
    },
    get trailTotal() {
      return selection.trail.total;
    },
    get page() {
      const { loaded } = model.pages;
      if (loaded === undefined) return undefined;
      return { fromNs: loaded.fromNs, toNs: loaded.toNs, lanes: loaded.slots.size, marks: loaded.page.time.length };
    },
    get frames() {
      return lanes.frames;
    },
    place: (lane, event) => lanes.place(lane, event),
  });
}

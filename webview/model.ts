// The trace as far as the page knows it: its summary, its losses, what the filter leaves of its packets, and the marks and labels
// that are loaded of those. Asks the host for what is wanted, and tells what has come. No DOM.
import type { Ask, GapMark, TimelineRequests, TraceSummary } from '../extension/protocol/timeline.ts';
import { Changes } from './changes.ts';
import { HopLabels } from './hopLabels.ts';
import { LaneWindow } from './laneWindow.ts';
import { NewestWins } from './newest.ts';
import { PageLoader } from './pageLoader.ts';

/** A filter is asked for when typing has paused this long. */
const typingMs = 120;

/** What changes, and what is told of it. */
export interface ModelChanges {
  /** The summary is another one; `grew`: there are more events or packets than `before`. */
  summary: [summary: TraceSummary, before: TraceSummary | undefined, grew: boolean];
  gaps: [];
  overview: [];
  /** The filter is another one; what it leaves is on its way. */
  filter: [];
  /** The filter was set by something else than its field, which has to show it. */
  filterSet: [text: string];
  /** The host can't use the filter: see `filterError`. */
  filterRefused: [];
  /** Lanes have come. */
  lanes: [];
  /** Marks of lanes have come. */
  marks: [];
  /** Labels of hops have come. */
  labels: [];
}

/** What the panes show of the trace. */
export class Model extends Changes<ModelChanges> {
  /** The lanes that match the filter. */
  readonly lanes: LaneWindow;
  /** The marks of the lanes in view. */
  readonly pages: PageLoader;
  /** What stands on and beside hops. */
  readonly hops: HopLabels;
  private readonly gapLoader: NewestWins<Record<string, never>, TimelineRequests['gaps'][1]>;
  private readonly overviewLoader: NewestWins<TimelineRequests['overview'][0], TimelineRequests['overview'][1]>;
  private known: TraceSummary | undefined;
  private losses: readonly GapMark[] = [];
  private strip: TimelineRequests['overview'][1] | undefined;
  private refusal: string | undefined;
  /** Parts that the overview shows; 0 while it has no width. */
  private buckets = 0;
  private typing: ReturnType<typeof setTimeout> | undefined;

  /** `fail` hears errors whose messages are fit to be shown. */
  constructor(
    ask: Ask,
    private readonly fail: (error: unknown) => void,
  ) {
    super();
    this.lanes = new LaneWindow(
      (request) => ask('lanes', request),
      () => {
        this.refusal = undefined;
        this.fire('lanes');
      },
      (error) => this.refuse(error),
    );
    this.pages = new PageLoader(
      (request) => ask('page', request),
      () => this.fire('marks'),
      fail,
    );
    this.hops = new HopLabels(
      (request) => ask('hops', request),
      () => this.fire('labels'),
      fail,
    );
    this.gapLoader = new NewestWins(
      (request) => ask('gaps', request),
      (_, { gaps }) => this.setGaps(gaps),
      fail,
      1,
    );
    this.overviewLoader = new NewestWins(
      (request) => ask('overview', request),
      (_, overview) => {
        this.strip = overview;
        this.fire('overview');
      },
      fail,
      1,
    );
  }

  /** Undefined until the host has answered `ready`. */
  get summary(): TraceSummary | undefined {
    return this.known;
  }

  /** ns from the first to the last event. */
  get durationNs(): number {
    return this.known?.durationNs ?? 0;
  }

  /** By their beginning. */
  get gaps(): readonly GapMark[] {
    return this.losses;
  }

  /** The newest that has come. */
  get overview(): TimelineRequests['overview'][1] | undefined {
    return this.strip;
  }

  get filter(): string {
    return this.lanes.filter;
  }

  /** Why the host can't use the filter. */
  get filterError(): string | undefined {
    return this.refusal;
  }

  setSummary(summary: TraceSummary): void {
    const before = this.known;
    this.known = summary;
    const grew = before?.events !== summary.events || before.packets !== summary.packets;
    const unseen = summary.lost + summary.missed;
    if ((before ? before.lost + before.missed : unseen) !== unseen) this.gapLoader.request({});
    if (grew) {
      // Events of other CPUs may come late: what is up to a second before the old end may still change.
      this.pages.refresh((before?.durationNs ?? 0) - 1e9);
      this.lanes.refresh();
      this.askOverview();
    }
    this.fire('summary', summary, before, grew);
  }

  setGaps(gaps: readonly GapMark[]): void {
    this.losses = [...gaps].sort((a, b) => a.fromNs - b.fromNs);
    this.fire('gaps');
  }

  /** Has the overview loaded in so many parts, now and when the trace grows; 0: it can't be seen. */
  showOverview(buckets: number): void {
    this.buckets = buckets;
    this.askOverview();
  }

  /** Filters by what is being typed, once there is a pause. */
  typeFilter(text: string): void {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.applyFilter(text.trim()), typingMs);
  }

  /** Filters for something else than the filter's field. */
  setFilter(text: string): void {
    this.fire('filterSet', text);
    this.applyFilter(text);
  }

  private applyFilter(text: string): void {
    clearTimeout(this.typing);
    if (text === this.filter) return;
    this.refusal = undefined;
    this.pages.invalidate();
    this.lanes.setFilter(text);
    this.fire('filter');
  }

  private refuse(error: unknown): void {
    this.refusal = error instanceof Error ? error.message : String(error);
    // Without a filter it isn't the filter's fault.
    if (this.filter === '') this.fail(error);
    this.fire('filterRefused');
  }

  private askOverview(): void {
    if (this.known !== undefined && this.known.events > 0 && this.buckets > 0) {
      this.overviewLoader.request({ buckets: this.buckets });
    }
  }
}

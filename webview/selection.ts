// What is selected: a hop, its packet and that packet's trail; and what the host is asked for because of it.
import { markDrop } from '../extension/protocol/pages.ts';
import type { Ask, EventDetail, Lane, TrailRow } from '../extension/protocol/timeline.ts';
import { Changes } from './changes.ts';
import { nearestMark, type LoadedPage } from './marks.ts';
import type { Model } from './model.ts';
import { NewestWins } from './newest.ts';
import { TrailModel } from './trailModel.ts';
import type { ViewportController } from './viewportController.ts';

/** The hop that is selected; parts that are still on their way are undefined. */
export interface Selected {
  readonly lane: Lane;
  readonly event: number | undefined;
  readonly timeNs: number;
  /** Place in the packet's trail. */
  readonly index: number | undefined;
}

/** What changes, and what is told of it. */
export interface SelectionChanges {
  /** Another lane or hop stands out among the lanes. */
  highlight: [];
  /** The trail is another packet's. */
  packet: [];
  /** Rows of the trail have come, or another one of them is selected. */
  trail: [];
  /** Everything that is known of the selected event has come. */
  detail: [detail: EventDetail];
  /** A hop is selected; `index` is its place in the trail. */
  hop: [row: TrailRow, index: number];
  /** Nothing is selected any more. */
  cleared: [];
}

/** What a selection acts on, and who hears of it. */
export interface SelectionOptions {
  readonly ask: Ask;
  readonly model: Model;
  readonly view: ViewportController;
  /** Hears errors whose messages are fit to be shown. */
  readonly fail: (error: unknown) => void;
  /** Hears what was done. */
  readonly note: (message: string) => void;
}

/** Selects hops and packets, and opens their sources. */
export class Selection extends Changes<SelectionChanges> {
  /** The trail of the selected packet. */
  readonly trail: TrailModel;
  private readonly details: NewestWins<{ readonly event: number }, EventDetail>;
  private current: Selected | undefined;
  /** The packet whose trail is shown. */
  private shown: Lane | undefined;
  /** Counts selections, so that an answer to an earlier one changes nothing. */
  private tickets = 0;

  constructor(private readonly options: SelectionOptions) {
    super();
    const { ask, model, fail } = options;
    this.trail = new TrailModel(
      (request) => ask('trail', request),
      () => this.fire('trail'),
      fail,
    );
    this.details = new NewestWins(
      (request) => ask('event', request),
      ({ event }, detail) => {
        if (event === this.current?.event) this.fire('detail', detail);
      },
      fail,
    );
    model.on('lanes', () => this.grow());
  }

  get selected(): Selected | undefined {
    return this.current;
  }

  /**
   * Selects an event. `reveal`: bring its lane and time into view, only its lane, or nothing. `ahead`: select the hop so many
   * places further on in the trail instead. Rejects when the host doesn't know the event.
   */
  async selectEvent(
    event: number,
    { reveal, ahead = 0 }: { readonly reveal: 'all' | 'lane' | 'none'; readonly ahead?: number },
  ): Promise<void> {
    const { ask, model, view } = this.options;
    const ticket = ++this.tickets;
    const { lane, row, index } = await ask('locate', { event, filter: model.filter });
    if (ticket !== this.tickets) return;
    if (reveal !== 'none') {
      // It was asked for by name: a filter that hides it has to give way.
      if (row < 0) model.setFilter('');
      view.setFollow(false);
      view.revealRow(row < 0 ? lane.index : row);
    }
    this.showTrail(lane);
    await this.selectIndex(index + ahead, { reveal: reveal === 'all', fallback: index, ticket });
  }

  /** Selects what a lane was pressed on: a mark of the loaded page, or the packet's first hop. */
  pick(lane: Lane, mark: number | undefined): void {
    const { loaded } = this.options.model.pages;
    if (mark === undefined || loaded === undefined) {
      void this.selectFirst(lane);
      return;
    }
    const count = loaded.page.count[mark] ?? 1;
    // A drop is what one wants to see of a crowd; it ends the events that its mark stands for.
    const last = count > 1 && ((loaded.page.flags[mark] ?? 0) & markDrop) !== 0;
    this.selectMark(lane, loaded, mark, last ? count - 1 : 0);
  }

  /** Selects a hop of the shown trail by its place. */
  async selectIndex(
    index: number,
    options: { readonly reveal?: boolean; readonly fallback?: number; readonly ticket?: number } = {},
  ): Promise<void> {
    const ticket = options.ticket ?? ++this.tickets;
    let row = await this.trail.load(index);
    if (row?.drop === undefined && options.fallback !== undefined && options.fallback !== index) {
      index = options.fallback;
      row = await this.trail.load(index);
    }
    const lane = this.shown;
    if (ticket !== this.tickets || row === undefined || lane === undefined) return;
    this.current = { lane, event: row.event, timeNs: row.timeNs, index };
    if (options.reveal !== false) this.options.view.revealTime(row.timeNs);
    this.details.request({ event: row.event });
    this.fire('trail');
    this.fire('hop', row, index);
    this.fire('highlight');
  }

  clear(): void {
    this.tickets++;
    this.current = this.shown = undefined;
    this.trail.setLane(undefined, 0);
    this.fire('cleared');
    this.fire('trail');
    this.fire('highlight');
  }

  /** Selects the hop so many rows further down that is nearest in time. */
  moveLane(by: number): void {
    const { model, view } = this.options;
    const { total } = model.lanes;
    if (total === 0) return;
    const from = this.row();
    const row = Math.min(total - 1, Math.max(0, from === undefined ? view.rows().first : from + by));
    view.setFollow(false);
    view.revealRow(row);
    const lane = model.lanes.lane(row);
    if (lane === undefined || (row === from && this.current?.event !== undefined)) return;
    const { loaded } = model.pages;
    const slot = loaded?.slots.get(lane.index);
    const near = this.current?.timeNs ?? lane.firstNs;
    const mark = loaded === undefined || slot === undefined ? undefined : nearestMark(loaded, slot, near);
    if (loaded === undefined || mark === undefined) void this.selectFirst(lane);
    else this.selectMark(lane, loaded, mark, 0);
  }

  /** Selects the hop so many places further on in the trail. */
  moveHop(by: number): void {
    if (this.current?.index === undefined) {
      if (this.current === undefined) this.moveLane(0);
      return;
    }
    const index = Math.min(this.trail.total - 1, Math.max(0, this.current.index + by));
    if (index !== this.current.index) void this.selectIndex(index);
  }

  /** Opens the source of the selected hop, `beside` the timeline or over it. */
  openSelected(beside: boolean): void {
    if (this.current?.event !== undefined) void this.openEvent(this.current.event, beside);
  }

  /** Opens the source of a hop of the shown trail. */
  async openIndex(index: number, beside: boolean): Promise<void> {
    const row = await this.trail.load(index);
    if (row !== undefined) await this.openEvent(row.event, beside);
  }

  private async openEvent(event: number, beside: boolean): Promise<void> {
    const { ask, note, fail } = this.options;
    try {
      const { message } = await ask('openSource', { event, beside });
      note(message);
    } catch (error) {
      fail(error);
    }
  }

  private async selectFirst(lane: Lane): Promise<void> {
    const { view } = this.options;
    this.current = { lane, event: undefined, timeNs: lane.firstNs, index: undefined };
    this.showTrail(lane);
    const { startNs, nsPerPx } = view.viewport;
    const inView = lane.lastNs >= startNs && lane.firstNs <= startNs + view.width * nsPerPx;
    await this.selectIndex(0, { reveal: !inView });
  }

  /** Shows the mark as selected at once; its place in the trail is asked for. */
  private selectMark(lane: Lane, { page, fromNs }: LoadedPage, mark: number, ahead: number): void {
    const event = page.event[mark] ?? 0;
    this.current = { lane, event, timeNs: fromNs + (page.time[mark] ?? 0), index: undefined };
    this.fire('highlight');
    void this.selectEvent(event, { reveal: 'none', ahead }).catch(this.options.fail);
  }

  private showTrail(lane: Lane): void {
    this.shown = lane;
    if (this.trail.lane !== lane.index) {
      this.fire('packet');
      this.trail.setLane(lane.index, lane.events);
    }
    this.fire('highlight');
  }

  /** The row of the selected lane among those that are loaded. */
  private row(): number | undefined {
    const lane = this.current?.lane.index;
    for (const [row, { index }] of this.options.model.lanes.entries()) if (index === lane) return row;
    return undefined;
  }

  /** Lanes have come: the selected packet may have more events now. */
  private grow(): void {
    const { current } = this;
    if (current === undefined) return;
    for (const [, lane] of this.options.model.lanes.entries()) {
      if (lane.index !== current.lane.index || lane.events === current.lane.events) continue;
      this.current = { ...current, lane };
      this.shown = lane;
      this.trail.grow(lane.events);
      break;
    }
  }
}

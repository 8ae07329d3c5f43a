// What part of the trace is in view: times across, lanes down. Moves by what a person does, or along with a trace that grows.
import type { Lane, TraceSummary } from '../extension/protocol/timeline.ts';
import { Changes } from './changes.ts';
import type { Model } from './model.ts';
import { clampScroll, rowsInView, scrollEnd, scrollToRow } from './scroll.ts';
import * as view from './viewport.ts';
import { rowHeight, rulerHeight } from './viewport.ts';

/** Most that Follow live shows at once unless the person zooms, ns. */
const followSpanNs = 10e9;
/** Part of the width that stays free right of the newest event. */
const followMargin = 0.04;
/** Room left of what is fitted, and right of it, where the reason of a drop stands, px. */
const fitMargins = [24, 150] as const;

/** What changes, and what is told of it. */
export interface ViewChanges {
  /** The view was moved, by a person or to what was chosen: worth keeping, and something else may be under the pointer. */
  moved: [];
  /** The view went along, with the trace or to what was chosen. */
  shifted: [];
  /** Following was switched, or was to be as it is already. */
  follow: [on: boolean];
}

/** Holds viewport and scroll offset of the lanes. Pixels are those of the lanes' canvas, whose top is the ruler. */
export class ViewportController extends Changes<ViewChanges> {
  private current: view.Viewport = { startNs: 0, nsPerPx: 1e6 };
  private chosen = false;
  private following = false;
  /** The person zoomed while following: the scale stays theirs. */
  private ownScale = false;
  private offset = 0;
  private size = { width: 0, height: 0 };

  constructor(private readonly model: Model) {
    super();
    model.on('summary', (summary, before, grew) => this.onSummary(summary, before, grew));
    model.on('lanes', () => {
      if (this.following) this.offset = this.end;
      this.offset = this.clampTop(this.offset);
    });
    model.on('filter', () => (this.offset = 0));
  }

  get viewport(): view.Viewport {
    return this.current;
  }

  /** A viewport was chosen: by the person, by kept state, or by the first fit. */
  get placed(): boolean {
    return this.chosen;
  }

  get follow(): boolean {
    return this.following;
  }

  /** How far the lanes are scrolled, px. */
  get top(): number {
    return this.offset;
  }

  /** px. */
  get width(): number {
    return this.size.width;
  }

  /** Height below the ruler, px. */
  get lanesHeight(): number {
    return Math.max(0, this.size.height - rulerHeight);
  }

  /** Rows [first, end) in view, with `over` more on each side. */
  rows(over = 0): { readonly first: number; readonly end: number } {
    return rowsInView(this.offset, this.lanesHeight, rowHeight, this.model.lanes.total, over);
  }

  /** The row at pixel `y`. */
  rowAt(y: number): number | undefined {
    if (y < rulerHeight) return undefined;
    const row = Math.floor((y - rulerHeight + this.offset) / rowHeight);
    return row >= 0 && row < this.model.lanes.total ? row : undefined;
  }

  /** The lane at pixel `y`, if it is loaded. */
  laneAt(y: number): Lane | undefined {
    const row = this.rowAt(y);
    return row === undefined ? undefined : this.model.lanes.lane(row);
  }

  /** The canvas has another size, px. */
  resize(width: number, height: number): void {
    this.size = { width, height };
    if (!this.chosen && this.model.summary !== undefined) this.place();
    this.offset = this.clampTop(this.offset);
  }

  /** Takes up kept state; without a viewport, one is chosen when there is something to see. */
  restore(viewport: view.Viewport | undefined, top: number): void {
    if (viewport !== undefined) {
      this.current = viewport;
      this.chosen = true;
    }
    this.offset = top;
  }

  setFollow(on: boolean): void {
    if (on && !this.following) this.ownScale = false;
    this.following = on;
    if (on) {
      this.offset = this.end;
      this.placeFollowing();
    }
    this.fire('follow', on);
  }

  /** Moves by pixels. */
  pan(px: number): void {
    if (px !== 0) this.setViewport(view.pan(this.current, px));
  }

  /** Scales by `factor` (< 1 zooms in) and keeps the time under pixel `x` where it is. */
  zoom(x: number, factor: number): void {
    if (!this.following) {
      this.setViewport(view.zoomAt(this.current, x, factor));
      return;
    }
    // Following goes on at another scale.
    this.ownScale = true;
    this.current = view.clamp(view.zoomAt(this.current, x, factor), this.width, this.model.durationNs);
    this.placeFollowing();
  }

  /** Shows the whole trace. */
  fitAll(): void {
    this.setViewport(this.whole);
  }

  /** Shows the whole of a packet. */
  fitLane(lane: Lane): void {
    this.setViewport(view.fit(lane.firstNs, lane.lastNs, this.width, ...fitMargins));
  }

  /** Shows what is between two pixels. */
  zoomToRange(from: number, to: number): void {
    this.setViewport(view.fit(view.nsAt(this.current, from), view.nsAt(this.current, to), this.width, 0));
  }

  /** Brings a place in the trace, 0 … 1, to the middle. */
  centre(share: number): void {
    const ns = share * this.model.durationNs;
    this.setViewport({ ...this.current, startNs: ns - (this.width / 2) * this.current.nsPerPx });
  }

  /** Brings a time into view, by the least. */
  revealTime(ns: number): void {
    const moved = view.ensureVisible(this.current, this.width, ns);
    if (moved !== this.current) this.setViewport(moved);
  }

  /** Scrolls the lanes by the least that shows a row wholly. */
  revealRow(row: number): void {
    const top = scrollToRow(row, this.offset, this.lanesHeight, rowHeight);
    // The row may be of lanes that have not come yet.
    this.offset = clampScroll(top, this.lanesHeight, rowHeight, Math.max(this.model.lanes.total, row + 1));
    this.fire('shifted');
  }

  /** Scrolls the lanes to an offset, px. */
  scrollTo(top: number): void {
    this.offset = this.clampTop(top);
    if (this.following && this.offset < this.end - rowHeight) this.setFollow(false);
    this.fire('moved');
  }

  scrollBy(px: number): void {
    this.scrollTo(this.offset + px);
  }

  private get end(): number {
    return scrollEnd(this.lanesHeight, rowHeight, this.model.lanes.total);
  }

  private get whole(): view.Viewport {
    return view.fit(0, this.model.durationNs, this.width, ...fitMargins);
  }

  private clampTop(top: number): number {
    return clampScroll(top, this.lanesHeight, rowHeight, this.model.lanes.total);
  }

  private onSummary(summary: TraceSummary, before: TraceSummary | undefined, grew: boolean): void {
    const running = summary.status === 'live' || summary.status === 'paused' || summary.status === 'starting';
    if (before === undefined && running && !this.chosen) this.setFollow(true);
    if (!this.chosen && summary.events > 0) this.place();
    if (!running && this.following) this.setFollow(false);
    if (grew && this.following) this.placeFollowing();
  }

  /** The first viewport: following, or the whole trace. */
  private place(): void {
    if (this.width === 0 || this.model.durationNs === 0) return;
    this.chosen = true;
    if (this.following) this.placeFollowing();
    else this.current = this.whole;
    this.fire('shifted');
  }

  /** Follow live: the newest event at the right edge; the span grows to ten seconds and then stays. */
  private placeFollowing(): void {
    const { width } = this;
    const { durationNs } = this.model;
    if (width === 0) return;
    const { nsPerPx } = this.ownScale
      ? this.current
      : { nsPerPx: Math.max(Math.min(durationNs, followSpanNs), 1000) / (width * (1 - 2 * followMargin)) };
    this.current = { nsPerPx, startNs: durationNs - width * (1 - followMargin) * nsPerPx };
    this.fire('shifted');
  }

  private setViewport(viewport: view.Viewport): void {
    this.setFollow(false);
    this.chosen = true;
    this.current = view.clamp(viewport, this.width, this.model.durationNs);
    this.fire('moved');
  }
}

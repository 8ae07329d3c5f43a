// What a frame of the lanes shows, put together from the trace, the part of it that is in view, and what stands out of that. Pure.
import type { Lane } from '../extension/protocol/timeline.ts';
import type { LabelRow } from './laneLabels.ts';
import type { Model } from './model.ts';
import type { Scene } from './renderer.ts';
import { rowHeight, rulerHeight, type Viewport } from './viewport.ts';

/** A place on the lanes' canvas, px. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What part of the trace is to be shown; read whenever a frame is drawn. */
export interface LanesView {
  readonly viewport: Viewport;
  /** Whether the viewport is one that was chosen; marks are loaded for no other. */
  readonly placed: boolean;
  /** How far the lanes are scrolled, px. */
  readonly top: number;
  /** Width of the canvas, and its height below the ruler, px. */
  readonly width: number;
  readonly lanesHeight: number;
  /** Rows [first, end) in view, with `over` more on each side. */
  rows(over?: number): { readonly first: number; readonly end: number };
  /** The row at pixel `y`. */
  rowAt(y: number): number | undefined;
  /** The lane at pixel `y`, if it is loaded. */
  laneAt(y: number): Lane | undefined;
}

/** What is selected. */
export interface Highlight {
  readonly lane: Lane;
  readonly event: number | undefined;
  readonly timeNs: number;
}

/** What the canvas shows. `hover` is the pointer, on a name where its `x` is negative; `range` is being dragged out, px. */
export function sceneOf(
  model: Model,
  view: LanesView,
  selected: Highlight | undefined,
  hover: Point | undefined,
  range: readonly [number, number] | undefined,
): Scene {
  const hovered = hover === undefined ? undefined : view.rowAt(hover.y);
  const { first, end } = view.rows();
  const rows = [];
  for (let row = first; row < end; row++) {
    const lane = model.lanes.lane(row);
    if (lane === undefined) continue;
    rows.push({
      lane: lane.index,
      y: rulerHeight + row * rowHeight - Math.round(view.top),
      firstNs: lane.firstNs,
      lastNs: lane.lastNs,
      drop: lane.drop,
      discarded: lane.discard !== '',
      parent: lane.parent,
      joins: lane.joins,
      selected: lane.index === selected?.lane.index,
      hovered: row === hovered,
    });
  }
  return {
    viewport: view.viewport,
    rulerHeight,
    rowHeight,
    rows,
    loaded: model.pages.loaded,
    gaps: model.gaps,
    durationNs: model.durationNs,
    empty: model.summary === undefined || model.summary.events === 0,
    selected: selected?.event === undefined ? undefined : { event: selected.event, timeNs: selected.timeNs },
    label: (event) => model.hops.get(event)?.function,
    cursor: hover === undefined || hover.x < 0 ? undefined : hover.x,
    range,
  };
}

/** What the names beside the canvas show: a row that isn't loaded yet has its place, too. */
export function labelsOf(
  model: Model,
  view: LanesView,
  selected: Highlight | undefined,
  hover: Point | undefined,
): readonly LabelRow[] {
  const hovered = hover === undefined ? undefined : view.rowAt(hover.y);
  const { first, end } = view.rows();
  const rows = [];
  for (let row = first; row < end; row++) {
    const lane = model.lanes.lane(row);
    rows.push({
      row,
      y: row * rowHeight - Math.round(view.top),
      lane,
      selected: lane !== undefined && lane.index === selected?.lane.index,
      hovered: row === hovered,
    });
  }
  return rows;
}

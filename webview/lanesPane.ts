// The lanes: names, overview, ruler and hops of the packets in view, drawn when something of them changed; and what is where on them.
import type { Lane } from '../extension/protocol/timeline.ts';
import { CanvasRenderer } from './canvasRenderer.ts';
import { el, setText } from './dom.ts';
import { formatClock, formatCount } from './format.ts';
import { LaneLabels } from './laneLabels.ts';
import { labelsOf, sceneOf, type Highlight, type LanesView, type Point } from './lanesScene.ts';
import { hitMark, type Pointed } from './marks.ts';
import type { Model } from './model.ts';
import { OverviewView } from './overviewView.ts';
import type { Palette } from './palette.ts';
import type { Renderer, Scene } from './renderer.ts';
import { Scrollbar } from './scrollbar.ts';
import { nsAt, pageWindow, rowHeight, rulerHeight, xOf } from './viewport.ts';

/** Rows beyond the view that are loaded ahead, so that scrolling finds them there. */
const overscan = 8;

/** What the pane shows, and who hears of what happens to it. */
export interface LanesPaneOptions {
  readonly model: Model;
  readonly view: LanesView;
  readonly selected: () => Highlight | undefined;
  /** The canvas has this size now, px; `buckets` is how many parts the overview can show. Called before the frame is drawn. */
  readonly resized: (width: number, height: number, buckets: number) => void;
  /** The lanes are to be scrolled to an offset, px. */
  readonly scrollTo: (top: number) => void;
  /** A place in the trace, 0 … 1, is to be in the middle. */
  readonly centre: (share: number) => void;
  /** Something else may be under the pointer. */
  readonly pointed: () => void;
}

/** The pane of the lanes. Pixels are those of its canvas, whose top is the ruler. */
export class LanesPane {
  readonly element = el('div', {
    class: 'surface',
    attributes: {
      tabindex: '0',
      role: 'application',
      'aria-label': 'Packets over time',
      'aria-roledescription': 'timeline',
      'aria-describedby': 'keys',
    },
  });
  /** Where the pointer does things with lanes: their names, and their canvas. */
  readonly names: HTMLElement;
  readonly canvas = el('div', { class: 'canvas-box' });
  private readonly renderer: Renderer = new CanvasRenderer();
  private readonly labels = new LaneLabels();
  private readonly scrollbar: Scrollbar;
  private readonly overview: OverviewView;
  private readonly started = el('div', { class: 'corner corner-start' });
  private readonly packets = el('div', { class: 'corner corner-packets', text: 'Packets' });
  private palette: Palette | undefined;
  private hover: Point | undefined;
  private range: readonly [number, number] | undefined;
  private frame: { lanes: boolean } | undefined;
  private readonly drawn = { count: 0, lastMs: 0, longestMs: 0 };

  /** `empty` is shown in place of the lanes when there are none. */
  constructor(
    private readonly options: LanesPaneOptions,
    empty: HTMLElement,
  ) {
    const { model } = options;
    this.scrollbar = new Scrollbar(options.scrollTo);
    this.overview = new OverviewView(options.centre);
    this.names = this.labels.element;
    this.canvas.append(this.renderer.element);
    const scroll = el('div', { class: 'surface-scroll' }, this.scrollbar.element);
    this.element.append(
      this.started,
      this.overview.element,
      this.packets,
      this.labels.element,
      this.canvas,
      empty,
      scroll,
    );
    model.onAny(['summary', 'lanes', 'filter'], () => this.updateCorners());
    model.onAny(['summary', 'gaps', 'overview', 'filter', 'lanes', 'marks', 'labels'], () => this.redraw());
    document.addEventListener('visibilitychange', () => this.redraw());
    this.watchSize();
  }

  focus(options?: FocusOptions): void {
    this.element.focus(options);
  }

  setPalette(palette: Palette): void {
    this.palette = palette;
    this.renderer.setPalette(palette);
    this.redraw();
  }

  /** The pointer is here; negative `x`: on a name. Undefined: it is elsewhere. */
  setHover(point: Point | undefined): void {
    const { view } = this.options;
    const before = this.hover === undefined ? undefined : view.rowAt(this.hover.y);
    const after = point === undefined ? undefined : view.rowAt(point.y);
    this.hover = point;
    this.options.pointed();
    this.redraw(before === after ? 'overlay' : 'lanes');
  }

  /** A range is being dragged out, px; undefined when it no longer is. */
  setRange(range: readonly [number, number] | undefined): void {
    this.range = range;
    this.redraw('overlay');
  }

  /** What the pointer is on; undefined when it is not over the canvas, or drags a range out. */
  pointed(): Pointed | undefined {
    const { hover } = this;
    if (hover === undefined || this.range !== undefined || hover.x < 0) return undefined;
    const { viewport } = this.options.view;
    const box = this.canvas.getBoundingClientRect();
    return {
      x: box.left + hover.x,
      y: box.top + hover.y,
      ns: nsAt(viewport, hover.x),
      slackNs: 3 * viewport.nsPerPx,
      ruler: hover.y < rulerHeight,
      lane: this.options.view.laneAt(hover.y),
      mark: this.markAt(hover.x, hover.y),
    };
  }

  /** The mark of the loaded page at a pixel of the canvas. */
  markAt(x: number, y: number): number | undefined {
    const { model, view } = this.options;
    const lane = view.laneAt(y);
    const { loaded } = model.pages;
    const slot = lane === undefined ? undefined : loaded?.slots.get(lane.index);
    if (loaded === undefined || slot === undefined || x < 0) return undefined;
    return hitMark(loaded, slot, view.viewport, x);
  }

  /** Lanes in view, top to bottom, as far as they are loaded. */
  get lanes(): readonly Lane[] {
    const { model, view } = this.options;
    const { first, end } = view.rows();
    const lanes = Array.from({ length: end - first }, (_, at) => model.lanes.lane(first + at));
    return lanes.filter((lane) => lane !== undefined);
  }

  /** Where a loaded event of a lane in view is on the page, px; undefined when it isn't in view. */
  place(lane: number, event: number): Point | undefined {
    const { model, view } = this.options;
    const row = this.scene().rows.find((each) => each.lane === lane);
    const { loaded } = model.pages;
    const slot = loaded?.slots.get(lane);
    if (row === undefined || loaded === undefined || slot === undefined) return undefined;
    const [first = 0, end = 0] = [loaded.page.first[slot], loaded.page.first[slot + 1]];
    const mark = loaded.page.event.subarray(first, end).indexOf(event) + first;
    if (mark < first || loaded.page.event[mark] !== event) return undefined;
    const box = this.canvas.getBoundingClientRect();
    const x = xOf(view.viewport, loaded.fromNs + (loaded.page.time[mark] ?? 0));
    return x < 0 || x > view.width ? undefined : { x: box.left + x, y: box.top + row.y + rowHeight / 2 };
  }

  /** Frames drawn since the start, and what drawing cost, ms. */
  get frames(): { readonly count: number; readonly lastMs: number; readonly longestMs: number } {
    return { ...this.drawn };
  }

  /** Has the next animation frame draw: all lanes, or only what lies over them. */
  redraw(what: 'lanes' | 'overlay' = 'lanes'): void {
    if (this.frame !== undefined) {
      this.frame.lanes ||= what === 'lanes';
      return;
    }
    this.frame = { lanes: what === 'lanes' };
    requestAnimationFrame(() => this.paint());
  }

  private watchSize(): void {
    const measure = (): void => {
      const ratio = window.devicePixelRatio;
      const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
      this.renderer.resize(width, height, ratio);
      const { clientWidth, clientHeight } = this.overview.element;
      this.overview.resize(clientWidth, clientHeight, ratio);
      this.options.resized(width, height, width > 0 ? this.overview.buckets : 0);
      // Drawn at once: a resized canvas is blank, and a frame without it would flicker.
      this.redraw();
      this.paint();
    };
    new ResizeObserver(measure).observe(this.canvas);
    const watchRatio = (): void => {
      matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener(
        'change',
        () => {
          measure();
          watchRatio();
        },
        { once: true },
      );
    };
    watchRatio();
  }

  private updateCorners(): void {
    const { summary, filter, lanes } = this.options.model;
    if (summary === undefined) return;
    const begun = summary.startMs > 0;
    setText(this.started, begun ? `Starts ${formatClock(summary.startMs)}` : '');
    this.started.title = begun ? `First event: ${new Date(summary.startMs).toLocaleString()}` : '';
    const all = formatCount(summary.packets);
    setText(this.packets, filter === '' ? `Packets (${all})` : `Packets (${formatCount(lanes.total)} of ${all})`);
  }

  private paint(): void {
    const { frame, palette } = this;
    const { model, view } = this.options;
    this.frame = undefined;
    if (frame === undefined || palette === undefined || view.width === 0) return;
    const began = performance.now();
    const scene = this.scene();
    if (frame.lanes) {
      this.renderer.draw(scene);
      this.labels.update(labelsOf(model, view, this.options.selected(), this.hover), model.lanes.total);
      this.overview.draw(model.overview, view.viewport, view.width, model.durationNs, palette);
      this.scrollbar.update(view.top, view.lanesHeight, rowHeight, model.lanes.total);
      this.ask(scene);
    }
    this.renderer.drawOverlay(scene);
    this.drawn.count++;
    this.drawn.lastMs = performance.now() - began;
    this.drawn.longestMs = Math.max(this.drawn.longestMs, this.drawn.lastMs);
  }

  private scene(): Scene {
    const { model, view, selected } = this.options;
    return sceneOf(model, view, selected(), this.hover, this.range);
  }

  /** Asks for what the drawn frame lacked. */
  private ask(scene: Scene): void {
    const { model, view } = this.options;
    model.hops.flush();
    const { first, end } = view.rows(overscan);
    model.lanes.show(first, end);
    if (!view.placed || scene.rows.length === 0) return;
    const wanted = [];
    // By blocks of rows, so that a small scroll needs no new page.
    for (let row = Math.floor(first / overscan) * overscan; row < Math.ceil(end / overscan) * overscan; row++) {
      const lane = model.lanes.lane(row);
      if (lane !== undefined) wanted.push(lane.index);
    }
    model.pages.show(wanted, pageWindow(view.viewport, view.width, model.durationNs));
  }
}

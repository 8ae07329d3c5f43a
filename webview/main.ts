// The timeline: the page's entry. Holds what is shown (summary, view, selection), asks the host for what that needs, and
// has it drawn. Parts that only draw or only compute are in files of their own; README.md gives a reading order.
import { markBenign, markDrop, markProgram } from '../extension/protocol/pages.ts';
import {
  layers,
  type EventDetail,
  type GapMark,
  type Lane,
  type NoticeMessage,
  type TimelineRequests,
  type TraceSummary,
  type TrailRow,
} from '../extension/protocol/timeline.ts';
import { CanvasRenderer } from './canvasRenderer.ts';
import { createButton } from './controls.ts';
import { DetailView } from './detailView.ts';
import { el, icon, setText } from './dom.ts';
import { endText, formatClock, formatCount, formatDuration, formatShare, formatTime, plural } from './format.ts';
import { HopLabels } from './hopLabels.ts';
import { Host } from './host.ts';
import type { TimelineInspection } from './inspection.ts';
import { listen } from './interaction.ts';
import { LaneLabels } from './laneLabels.ts';
import { LaneWindow } from './laneWindow.ts';
import { createLegend, layerNames } from './legend.ts';
import { hitMark, nearestMark } from './marks.ts';
import { NewestWins } from './newest.ts';
import { OverviewView } from './overviewView.ts';
import { PageLoader } from './pageLoader.ts';
import { readPalette, type Palette } from './palette.ts';
import type { Renderer, Scene } from './renderer.ts';
import { clampScroll, rowsInView, scrollEnd, scrollToRow } from './scroll.ts';
import { Scrollbar } from './scrollbar.ts';
import { createSplitter } from './splitter.ts';
import { readState, type SavedState } from './state.ts';
import { Toasts } from './toasts.ts';
import { Toolbar } from './toolbar.ts';
import { TrailModel } from './trailModel.ts';
import { TrailView } from './trailView.ts';
import * as view from './viewport.ts';
import './styles/timeline.css';

const rowHeight = 22;
const rulerHeight = 24;
/** Rows beyond the view that are drawn ahead, so that scrolling finds them there. */
const overscan = 8;
/** Most that Follow live shows at once unless the person zooms, ns. */
const followSpanNs = 10e9;
/** Part of the width that stays free right of the newest event. */
const followMargin = 0.04;
/** Room left of what is fitted, and right of it, where the reason of a drop stands, px. */
const fitMargins = [24, 150] as const;
/** A filter is asked for when typing has paused this long. */
const typingMs = 120;

/** The hop that is selected; parts that are still on their way are undefined. */
interface Selection {
  readonly lane: Lane;
  readonly event: number | undefined;
  readonly timeNs: number;
  /** Place in the packet's trail. */
  readonly index: number | undefined;
}

class Timeline {
  private readonly host = new Host((notice) => this.onNotice(notice));
  private readonly fail = (error: unknown): void =>
    this.toasts.error(error instanceof Error ? error.message : String(error));
  private readonly dirty = (): void => this.redraw('lanes');

  private readonly toasts = new Toasts();
  private readonly toolbar = new Toolbar({
    stop: () => this.tell('stop', {}),
    pause: (paused) => this.tell('pause', { paused }),
    save: () => this.tell('save', {}),
    follow: (on) => this.setFollow(on),
    fit: () => this.fitAll(),
    zoom: (factor) => this.zoom(this.width / 2, factor),
    filter: (text) => this.typeFilter(text),
    capture: async (expression) => (await this.host.request('capture', { expression })).problem,
    leaveFilter: () => this.surface.focus(),
  });
  private readonly renderer: Renderer = new CanvasRenderer();
  private readonly labels = new LaneLabels();
  private readonly scrollbar = new Scrollbar((top) => this.scrollLanes(top));
  private readonly overviewView = new OverviewView((share) => this.centre(share * this.durationNs));
  private readonly trailView = new TrailView({
    select: (index) => void this.selectIndex(index),
    open: (index, beside) => void this.openIndex(index, beside),
    show: (first, end) => this.trail.show(first, end),
    row: (index) => this.trail.row(index),
  });
  private readonly detailView = new DetailView();
  private readonly surface = el('div', {
    class: 'surface',
    attributes: {
      tabindex: '0',
      role: 'application',
      'aria-label': 'Packets over time',
      'aria-roledescription': 'timeline',
      'aria-describedby': 'keys',
    },
  });
  private readonly canvasBox = el('div', { class: 'canvas-box' });
  private readonly main = el('main', { class: 'main' });
  private readonly bottom = el('div', { class: 'bottom' });
  private readonly started = el('div', { class: 'corner corner-start' });
  private readonly packets = el('div', { class: 'corner corner-packets', text: 'Packets' });
  private readonly banner = el('div', { class: 'banner', attributes: { role: 'alert' } });
  private readonly notice = el('div', { class: 'notice', attributes: { role: 'status' } });
  private readonly empty = el('div', { class: 'empty', attributes: { role: 'status' } });
  private readonly tooltip = el('div', { class: 'tooltip', attributes: { 'aria-hidden': 'true' } });
  private readonly speech = el('div', {
    class: 'visually-hidden',
    attributes: { 'aria-live': 'polite', role: 'status' },
  });

  private readonly lanes = new LaneWindow(
    (request) => this.host.request('lanes', request),
    () => this.onLanes(),
    (error) => this.onFilterError(error),
  );
  private readonly pages = new PageLoader((request) => this.host.request('page', request), this.dirty, this.fail);
  private readonly trail = new TrailModel(
    (request) => this.host.request('trail', request),
    () => this.updateTrail(),
    this.fail,
  );
  private readonly hops = new HopLabels(
    (request) => this.host.request('hops', request),
    () => {
      this.redraw('lanes');
      this.updateTooltip();
    },
    this.fail,
  );
  private readonly overviews = new NewestWins<TimelineRequests['overview'][0], TimelineRequests['overview'][1]>(
    (request) => this.host.request('overview', request),
    (_, answer) => {
      this.overview = answer;
      this.redraw('lanes');
    },
    this.fail,
    1,
  );
  private readonly gapLoader = new NewestWins<Record<string, never>, TimelineRequests['gaps'][1]>(
    (request) => this.host.request('gaps', request),
    (_, { gaps }) => this.setGaps(gaps),
    this.fail,
    1,
  );
  private readonly details = new NewestWins<{ readonly event: number }, EventDetail>(
    (request) => this.host.request('event', request),
    ({ event }, detail) => {
      if (event === this.selection?.event) this.detailView.update(detail);
    },
    this.fail,
  );

  private summary: TraceSummary | undefined;
  private gaps: readonly GapMark[] = [];
  private overview: TimelineRequests['overview'][1] | undefined;
  private palette: Palette | undefined;
  private viewport: view.Viewport = { startNs: 0, nsPerPx: 1e6 };
  /** A viewport was chosen: by the person, by saved state, or by the first fit. */
  private placed = false;
  private follow = false;
  /** The person zoomed while following: the scale stays theirs. */
  private ownScale = false;
  private width = 0;
  private height = 0;
  private lanesTop = 0;
  private selection: Selection | undefined;
  /** The packet whose trail is shown. */
  private shown: Lane | undefined;
  /** Counts selections, so that an answer to an earlier one changes nothing. */
  private selections = 0;
  private hover: { readonly x: number; readonly y: number } | undefined;
  private range: readonly [number, number] | undefined;
  private filterError: string | undefined;
  private typing: ReturnType<typeof setTimeout> | undefined;
  private saving: ReturnType<typeof setTimeout> | undefined;
  private frame: { lanes: boolean } | undefined;
  private readonly frames = { count: 0, lastMs: 0, longestMs: 0 };
  private sizes = { labels: 300, bottom: 0, detail: 340 };

  constructor(private readonly root: HTMLElement) {
    this.build();
    this.restore(readState(this.host.getState()));
    this.watchTheme();
    this.watchSize();
    this.inspect();
    this.updateTrail();
    void this.start();
  }

  // ---- page ------------------------------------------------------------------------------------------------------

  private build(): void {
    const scroll = el('div', { class: 'surface-scroll' }, this.scrollbar.element);
    this.canvasBox.append(this.renderer.element);
    const labelSplitter = createSplitter({
      label: 'Width of the packet names',
      orientation: 'vertical',
      sized: 'before',
      get: () => this.sizes.labels,
      set: (size) => this.setSizes({ labels: size }),
    });
    this.surface.append(
      this.started,
      this.overviewView.element,
      this.packets,
      this.labels.element,
      this.canvasBox,
      this.empty,
      scroll,
      labelSplitter,
    );
    this.main.append(this.surface, createLegend());
    const detailSplitter = createSplitter({
      label: 'Width of the event details',
      orientation: 'vertical',
      sized: 'after',
      get: () => this.sizes.detail,
      set: (size) => this.setSizes({ detail: size }),
    });
    this.bottom.append(this.trailView.element, detailSplitter, this.detailView.element);
    const bottomSplitter = createSplitter({
      label: 'Height of trail and details',
      orientation: 'horizontal',
      sized: 'after',
      get: () => this.bottom.offsetHeight,
      set: (size) => this.setSizes({ bottom: size }),
    });
    const keys = el('div', {
      class: 'visually-hidden',
      text:
        'Left and right arrows move between hops, up and down between packets, Enter opens the source, plus and minus zoom, ' +
        'A and D pan, F shows the whole trace, Z the packet, L follows live, slash filters, Escape clears.',
      attributes: { id: 'keys' },
    });
    this.root.replaceChildren(
      this.toolbar.element,
      this.banner,
      this.notice,
      this.main,
      bottomSplitter,
      this.bottom,
      this.tooltip,
      this.toasts.element,
      this.speech,
      keys,
    );
    this.banner.hidden = this.notice.hidden = this.empty.hidden = this.tooltip.hidden = true;
    this.labels.element.addEventListener('click', (event) => this.pick(-1, this.laneY(event)));
    this.labels.element.addEventListener('dblclick', (event) => this.zoomToPacket(this.laneY(event)));
    this.labels.element.addEventListener('pointermove', (event) => this.setHover({ x: -1, y: this.laneY(event) }));
    this.labels.element.addEventListener('pointerleave', () => this.setHover(undefined));
    this.labels.element.addEventListener(
      'wheel',
      (event) => {
        if (event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        this.scrollBy(event.deltaY * (event.deltaMode === 1 ? rowHeight : 1));
      },
      { passive: false },
    );
    listen(this.canvasBox, {
      scrollBy: (px) => this.scrollBy(px),
      pan: (px) => this.pan(px),
      zoom: (x, factor) => this.zoom(x, factor),
      range: (range) => {
        this.range = range;
        this.redraw('overlay');
      },
      zoomToRange: (from, to) => {
        this.setViewport(view.fit(view.nsAt(this.viewport, from), view.nsAt(this.viewport, to), this.width, 0));
      },
      hover: (point) => this.setHover(point),
      pick: (x, y) => this.pick(x, y),
      zoomToPacket: (_, y) => this.zoomToPacket(y),
    });
    this.surface.addEventListener('keydown', (event) => this.onKey(event));
    document.addEventListener('keydown', (event) => this.onGlobalKey(event));
    document.addEventListener('visibilitychange', () => {
      this.save();
      this.redraw('lanes');
    });
    window.addEventListener('pagehide', () => this.save());
  }

  private watchSize(): void {
    const measure = (): void => {
      const ratio = window.devicePixelRatio;
      this.width = this.canvasBox.clientWidth;
      this.height = this.canvasBox.clientHeight;
      this.renderer.resize(this.width, this.height, ratio);
      const { clientWidth, clientHeight } = this.overviewView.element;
      this.overviewView.resize(clientWidth, clientHeight, ratio);
      this.askOverview();
      if (!this.placed && this.summary !== undefined) this.place();
      this.lanesTop = clampScroll(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total);
      // Drawn at once: a resized canvas is blank, and a frame without it would flicker.
      this.redraw('lanes');
      this.paint();
    };
    new ResizeObserver(measure).observe(this.canvasBox);
    // A smaller page: parts that the person made large have to give way.
    new ResizeObserver(() => this.setSizes({})).observe(this.root);
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

  private watchTheme(): void {
    const read = (): void => {
      const style = getComputedStyle(document.documentElement);
      const { classList } = document.body;
      const contrast = classList.contains('vscode-high-contrast-light')
        ? 'light'
        : classList.contains('vscode-high-contrast')
          ? 'dark'
          : 'normal';
      this.palette = readPalette((name) => style.getPropertyValue(name), contrast);
      this.renderer.setPalette(this.palette);
      this.redraw('lanes');
    };
    read();
    const observer = new MutationObserver(read);
    observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  }

  private setSizes(sizes: Partial<typeof this.sizes>): void {
    const { clientWidth, clientHeight } = this.root;
    const between = (size: number, low: number, high: number): number =>
      Math.round(Math.min(Math.max(size, low), Math.max(low, high)));
    const merged = { ...this.sizes, ...sizes };
    this.sizes = {
      labels: between(merged.labels, 120, clientWidth * 0.6),
      bottom: merged.bottom === 0 ? 0 : between(merged.bottom, 80, clientHeight - 240),
      detail: between(merged.detail, 140, clientWidth * 0.7),
    };
    const { style } = this.root;
    style.setProperty('--labels-width', `${this.sizes.labels}px`);
    style.setProperty('--detail-width', `${this.sizes.detail}px`);
    if (this.sizes.bottom > 0) style.setProperty('--bottom-height', `${this.sizes.bottom}px`);
    this.saveSoon();
  }

  // ---- conversation ----------------------------------------------------------------------------------------------

  private async start(): Promise<void> {
    try {
      const { summary, gaps, filter } = await this.host.request('ready', {});
      this.setGaps(gaps);
      this.onSummary(summary);
      if (filter !== undefined) this.find(filter);
      this.lanes.refresh();
      if (this.wanted !== undefined) await this.selectEvent(this.wanted, { reveal: this.placed ? 'lane' : 'none' });
    } catch (error) {
      this.fail(error);
    }
  }

  /** An event that saved state had selected. */
  private wanted: number | undefined;

  private tell<K extends 'stop' | 'pause' | 'save'>(name: K, argument: TimelineRequests[K][0]): void {
    this.host.request(name, argument).catch(this.fail);
  }

  private onNotice(notice: NoticeMessage): void {
    switch (notice.name) {
      case 'summary':
        this.onSummary(notice.argument);
        return;
      case 'reveal':
        void this.selectEvent(notice.argument.event, { reveal: 'all' }).catch(this.fail);
        return;
      case 'find':
        this.find(notice.argument.filter);
    }
  }

  private get durationNs(): number {
    return this.summary?.durationNs ?? 0;
  }

  private onSummary(summary: TraceSummary): void {
    const before = this.summary;
    this.summary = summary;
    this.toolbar.update(summary);
    const grew = before?.events !== summary.events || before.packets !== summary.packets;
    const unseen = summary.lost + summary.missed;
    if ((before ? before.lost + before.missed : unseen) !== unseen) this.gapLoader.request({});
    const running = summary.status === 'live' || summary.status === 'paused' || summary.status === 'starting';
    if (before === undefined && running && !this.placed) this.setFollow(true);
    if (!this.placed && summary.events > 0) this.place();
    if (!running && this.follow) this.setFollow(false);
    if (grew) {
      // Events of other CPUs may come late: what is up to a second before the old end may still change.
      this.pages.refresh((before?.durationNs ?? 0) - 1e9);
      this.lanes.refresh();
      this.askOverview();
      if (this.follow) this.placeFollowing();
    }
    setText(this.started, summary.startMs > 0 ? `Starts ${formatClock(summary.startMs)}` : '');
    this.started.title = summary.startMs > 0 ? `First event: ${new Date(summary.startMs).toLocaleString()}` : '';
    this.updateMessages();
    this.redraw('lanes');
  }

  private setGaps(gaps: readonly GapMark[]): void {
    this.gaps = [...gaps].sort((a, b) => a.fromNs - b.fromNs);
    this.redraw('lanes');
  }

  private askOverview(): void {
    if (this.summary !== undefined && this.summary.events > 0 && this.width > 0) {
      this.overviews.request({ buckets: this.overviewView.buckets });
    }
  }

  private onLanes(): void {
    this.filterError = undefined;
    if (this.follow) this.lanesTop = scrollEnd(this.lanesHeight, rowHeight, this.lanes.total);
    this.lanesTop = clampScroll(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total);
    const { selection } = this;
    if (selection !== undefined) {
      for (const [, lane] of this.lanes.entries()) {
        if (lane.index !== selection.lane.index || lane.events === selection.lane.events) continue;
        this.selection = { ...selection, lane };
        this.shown = lane;
        this.trail.grow(lane.events);
        break;
      }
    }
    this.updateMessages();
    this.redraw('lanes');
  }

  private onFilterError(error: unknown): void {
    this.filterError = error instanceof Error ? error.message : String(error);
    if (this.lanes.filter === '') this.fail(error);
    this.updateMessages();
  }

  // ---- messages around the lanes ---------------------------------------------------------------------------------

  private updateMessages(): void {
    const { summary, lanes } = this;
    if (summary === undefined) return;
    this.toolbar.setFilterState(lanes.filter, lanes.total, summary.packets, this.filterError);
    setText(
      this.packets,
      lanes.filter === ''
        ? `Packets (${formatCount(summary.packets)})`
        : `Packets (${formatCount(lanes.total)} of ${formatCount(summary.packets)})`,
    );
    if (summary.lost > 0) {
      const share = formatShare(summary.lost, summary.lost + summary.events);
      const text =
        `${plural(summary.lost, 'event')} (${share}) ${summary.lost === 1 ? 'was' : 'were'} lost before ` +
        `${summary.lost === 1 ? 'it' : 'they'} could be recorded: trails may miss hops inside the hatched bands. ` +
        'A narrower filter, fewer functions or a larger buffer lose less.';
      if (this.banner.dataset['text'] !== text) {
        this.banner.dataset['text'] = text;
        this.banner.replaceChildren(icon('warning'), el('span', { text }));
      }
    }
    this.banner.hidden = summary.lost === 0;
    const failed = summary.status === 'failed';
    const said = summary.packets === 0 ? [] : [summary.message];
    const notice = [...said, shedText(summary)].filter((text) => text !== '').join(' ');
    if (this.notice.dataset['text'] !== notice) {
      this.notice.dataset['text'] = notice;
      this.notice.replaceChildren(...(failed ? [icon('warning')] : []), el('span', { text: notice }));
    }
    this.notice.classList.toggle('failed', failed);
    this.notice.hidden = notice === '';
    this.updateEmpty(summary);
  }

  private updateEmpty(summary: TraceSummary): void {
    const { lanes } = this;
    const show = (title: string, ...lines: readonly string[]): void => {
      const key = [title, ...lines].join('\n');
      this.empty.hidden = false;
      if (this.empty.dataset['text'] === key) return;
      this.empty.dataset['text'] = key;
      const children: Node[] = [
        el('h2', { text: title }),
        ...lines.filter((line) => line !== '').map((text) => el('p', { text })),
      ];
      if (lanes.filter !== '' && summary.packets > 0) {
        children.push(
          createButton({
            icon: 'clear',
            label: 'Clear filter',
            title: 'Show every packet',
            onClick: () => this.clearFilter(),
          }).element,
        );
      }
      this.empty.replaceChildren(...children);
    };
    if (summary.packets > 0) {
      if (lanes.filter !== '' && lanes.loaded && lanes.total === 0) {
        show(`No packet matches “${lanes.filter}”`, `The trace has ${plural(summary.packets, 'packet')}.`);
      } else this.empty.hidden = true;
      return;
    }
    const skipped = summary.hooksSkipped > 0 ? ` (${formatCount(summary.hooksSkipped)} skipped)` : '';
    const filter = summary.filter === '' ? 'every packet is wanted' : `filter “${summary.filter}”`;
    const hooks = `${plural(summary.hooksAttached, 'hook')} attached${skipped} on ${summary.node}, ${filter}.`;
    switch (summary.status) {
      case 'starting': {
        show('Starting…', summary.message);
        return;
      }
      case 'live': {
        show(
          'No packet has matched yet',
          hooks,
          'Send some traffic, or stop and start with a wider filter.',
          summary.message,
        );
        return;
      }
      case 'paused': {
        show('Paused, and no packet has matched yet', hooks, 'Resume to go on.', summary.message);
        return;
      }
      case 'failed': {
        show('The trace failed', summary.message);
        return;
      }
      case 'ended': {
        show('No packet matched', hooks, summary.message);
        return;
      }
      case 'file': {
        show('This trace has no packets', summary.message);
        return;
      }
    }
  }

  // ---- filter ----------------------------------------------------------------------------------------------------

  private typeFilter(text: string): void {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.applyFilter(text.trim()), typingMs);
  }

  private applyFilter(text: string): void {
    clearTimeout(this.typing);
    if (text === this.lanes.filter) return;
    this.filterError = undefined;
    this.lanesTop = 0;
    this.pages.invalidate();
    this.lanes.setFilter(text);
    this.updateMessages();
    this.saveSoon();
    this.redraw('lanes');
  }

  /** Sets the text filter for something outside. */
  private find(filter: string): void {
    this.toolbar.filter = filter;
    this.applyFilter(filter);
  }

  private clearFilter(): void {
    this.toolbar.filter = '';
    this.applyFilter('');
    this.surface.focus();
  }

  // ---- view ------------------------------------------------------------------------------------------------------

  private get lanesHeight(): number {
    return Math.max(0, this.height - rulerHeight);
  }

  /** The first viewport: following, or the whole trace. */
  private place(): void {
    if (this.width === 0 || this.durationNs === 0) return;
    this.placed = true;
    if (this.follow) this.placeFollowing();
    else this.viewport = view.fit(0, this.durationNs, this.width, ...fitMargins);
    this.redraw('lanes');
  }

  /** Follow live: the newest event at the right edge; the span grows to ten seconds and then stays. */
  private placeFollowing(): void {
    if (this.width === 0) return;
    const { nsPerPx } = this.ownScale
      ? this.viewport
      : { nsPerPx: Math.max(Math.min(this.durationNs, followSpanNs), 1000) / (this.width * (1 - 2 * followMargin)) };
    this.viewport = { nsPerPx, startNs: this.durationNs - this.width * (1 - followMargin) * nsPerPx };
    this.redraw('lanes');
  }

  private setFollow(on: boolean): void {
    if (on && !this.follow) this.ownScale = false;
    this.follow = on;
    this.toolbar.setFollowing(on);
    if (on) {
      this.lanesTop = scrollEnd(this.lanesHeight, rowHeight, this.lanes.total);
      this.placeFollowing();
    }
    this.saveSoon();
  }

  private setViewport(viewport: view.Viewport): void {
    this.setFollow(false);
    this.placed = true;
    this.viewport = view.clamp(viewport, this.width, this.durationNs);
    this.saveSoon();
    this.updateTooltip();
    this.redraw('lanes');
  }

  private pan(px: number): void {
    if (px !== 0) this.setViewport(view.pan(this.viewport, px));
  }

  private zoom(x: number, factor: number): void {
    if (!this.follow) {
      this.setViewport(view.zoomAt(this.viewport, x, factor));
      return;
    }
    // Following goes on at another scale.
    this.ownScale = true;
    this.viewport = view.clamp(view.zoomAt(this.viewport, x, factor), this.width, this.durationNs);
    this.placeFollowing();
  }

  private fitAll(): void {
    this.setViewport(view.fit(0, this.durationNs, this.width, ...fitMargins));
  }

  private centre(ns: number): void {
    this.setViewport({ ...this.viewport, startNs: ns - (this.width / 2) * this.viewport.nsPerPx });
  }

  private fitLane(lane: Lane): void {
    this.setViewport(view.fit(lane.firstNs, lane.lastNs, this.width, ...fitMargins));
  }

  private scrollLanes(top: number): void {
    const end = scrollEnd(this.lanesHeight, rowHeight, this.lanes.total);
    this.lanesTop = clampScroll(top, this.lanesHeight, rowHeight, this.lanes.total);
    if (this.follow && this.lanesTop < end - rowHeight) this.setFollow(false);
    this.saveSoon();
    this.updateTooltip();
    this.redraw('lanes');
  }

  private scrollBy(px: number): void {
    this.scrollLanes(this.lanesTop + px);
  }

  // ---- pointer ---------------------------------------------------------------------------------------------------

  private laneY(event: MouseEvent): number {
    return event.clientY - this.labels.element.getBoundingClientRect().top + rulerHeight;
  }

  private rowAt(y: number): number | undefined {
    if (y < rulerHeight) return undefined;
    const row = Math.floor((y - rulerHeight + this.lanesTop) / rowHeight);
    return row >= 0 && row < this.lanes.total ? row : undefined;
  }

  private markAt(x: number, y: number): { readonly lane: Lane; readonly mark: number } | undefined {
    const row = this.rowAt(y);
    const lane = row === undefined ? undefined : this.lanes.lane(row);
    const { loaded } = this.pages;
    const slot = lane === undefined ? undefined : loaded?.slots.get(lane.index);
    if (lane === undefined || loaded === undefined || slot === undefined || x < 0) return undefined;
    const mark = hitMark(loaded, slot, this.viewport, x);
    return mark === undefined ? undefined : { lane, mark };
  }

  private pick(x: number, y: number): void {
    const row = this.rowAt(y);
    const lane = row === undefined ? undefined : this.lanes.lane(row);
    if (lane === undefined) return;
    this.setFollow(false);
    this.surface.focus({ preventScroll: true });
    const hit = this.markAt(x, y);
    const page = this.pages.loaded?.page;
    if (hit === undefined || page === undefined) {
      void this.selectLane(lane, 0);
      return;
    }
    const { mark } = hit;
    const count = page.count[mark] ?? 1;
    // A drop is what one wants to see of a crowd; it ends the events that its mark stands for.
    const last = count > 1 && ((page.flags[mark] ?? 0) & markDrop) !== 0;
    const event = page.event[mark] ?? 0;
    this.selection = {
      lane,
      event,
      timeNs: (this.pages.loaded?.fromNs ?? 0) + (page.time[mark] ?? 0),
      index: undefined,
    };
    this.redraw('lanes');
    void this.selectEvent(event, { reveal: 'none', ahead: last ? count - 1 : 0 }).catch(this.fail);
  }

  private zoomToPacket(y: number): void {
    const row = this.rowAt(y);
    const lane = row === undefined ? undefined : this.lanes.lane(row);
    if (lane !== undefined) this.fitLane(lane);
  }

  private setHover(point: { readonly x: number; readonly y: number } | undefined): void {
    const before = this.hover === undefined ? undefined : this.rowAt(this.hover.y);
    const after = point === undefined ? undefined : this.rowAt(point.y);
    this.hover = point;
    this.updateTooltip();
    this.redraw(before === after ? 'overlay' : 'lanes');
  }

  private updateTooltip(): void {
    const { hover } = this;
    const lines =
      hover === undefined || this.range !== undefined || hover.x < 0 ? [] : this.tooltipLines(hover.x, hover.y);
    // The hovered hop's label may be one that the lanes had no room for.
    this.hops.flush();
    this.tooltip.hidden = lines.length === 0;
    if (hover === undefined || lines.length === 0) return;
    const text = lines.map(([, line]) => line).join('\n');
    if (this.tooltip.dataset['text'] !== text) {
      this.tooltip.dataset['text'] = text;
      this.tooltip.replaceChildren(...lines.map(([kind, line]) => el('div', { class: kind, text: line })));
    }
    const box = this.canvasBox.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.tooltip;
    const x = box.left + hover.x + 14;
    const y = box.top + hover.y + 18;
    const left = x + offsetWidth > window.innerWidth - 4 ? box.left + hover.x - offsetWidth - 10 : x;
    const top = y + offsetHeight > window.innerHeight - 4 ? box.top + hover.y - offsetHeight - 10 : y;
    this.tooltip.style.transform = `translate(${Math.max(4, Math.round(left))}px, ${Math.max(4, Math.round(top))}px)`;
  }

  /** Kind (a CSS class) and text of each line. */
  private tooltipLines(x: number, y: number): readonly (readonly [string, string])[] {
    const ns = view.nsAt(this.viewport, x);
    const lines: (readonly [string, string])[] = [];
    const hit = this.markAt(x, y);
    const { loaded } = this.pages;
    if (hit !== undefined && loaded !== undefined) {
      const { page } = loaded;
      const { mark, lane } = hit;
      const label = this.hops.get(page.event[mark] ?? 0);
      const count = page.count[mark] ?? 1;
      const at = loaded.fromNs + (page.time[mark] ?? 0);
      const layer = layers[page.layer[mark] ?? 0];
      const place = [label?.iface ?? '', label?.netns ?? ''].filter((part) => part !== '').join(' in ');
      const flags = page.flags[mark] ?? 0;
      lines.push([
        'tooltip-title',
        count > 1 ? `${formatCount(count)} hops from ${label?.function ?? '…'} on` : (label?.function ?? '…'),
      ]);
      if (flags & markDrop) lines.push(['tooltip-drop', `✕ ${endText(lane.drop ?? 'reason unknown', '')}`]);
      else if (flags & markBenign && lane.benign !== '')
        lines.push(['tooltip-line', `✕ ${endText(lane.drop ?? '', lane.benign)}`]);
      if (count === 1 && flags & markProgram && label !== undefined && label.note !== '')
        lines.push(['tooltip-line', label.note]);
      lines.push([
        'tooltip-line',
        `${formatTime(at)} (+${formatDuration(Math.max(0, at - lane.firstNs))} in the trail)`,
      ]);
      lines.push([
        'tooltip-line',
        [layer === undefined ? '' : layerNames[layer], place].filter((part) => part !== '').join(' · '),
      ]);
      if (count > 1)
        lines.push(['tooltip-dim', `over ${formatDuration(page.width[mark] ?? 0)}; zoom in to tell them apart`]);
    }
    const slack = 3 * this.viewport.nsPerPx;
    const gaps = this.gaps.filter((gap) => gap.fromNs - slack <= ns && ns <= gap.toNs + slack);
    if (gaps.length > 0) {
      const losses = gaps.filter((gap) => gap.lost > 0);
      const lost = losses.reduce((sum, gap) => sum + gap.lost, 0);
      const missed = gaps.reduce((sum, gap) => sum + gap.missed, 0);
      if (lost > 0) lines.push(['tooltip-gap', `${plural(lost, 'event')} lost here`]);
      for (const gap of losses.slice(0, 4))
        lines.push(['tooltip-line', `CPU ${gap.cpu}: ${formatCount(gap.lost)}, ${gap.cause}`]);
      if (losses.length > 4) lines.push(['tooltip-dim', `and ${losses.length - 4} more gaps`]);
      if (missed > 0) lines.push(['tooltip-dim', `${plural(missed, 'hit')} of whatever packets unseen here`]);
    } else if (hit === undefined && y < rulerHeight) {
      lines.push(['tooltip-line', formatTime(Math.max(0, ns))]);
      const start = this.summary?.startMs ?? 0;
      if (start > 0) lines.push(['tooltip-dim', formatClock(start + Math.max(0, ns) / 1e6)]);
    }
    return lines;
  }

  // ---- selection -------------------------------------------------------------------------------------------------

  /**
   * Selects an event. `reveal`: bring its lane and time into view, only its lane, or nothing. `ahead`: select the hop so many
   * places further on in the trail instead.
   */
  private async selectEvent(
    event: number,
    { reveal, ahead = 0 }: { readonly reveal: 'all' | 'lane' | 'none'; readonly ahead?: number },
  ): Promise<void> {
    const ticket = ++this.selections;
    const { lane, row, index } = await this.host.request('locate', { event, filter: this.lanes.filter });
    if (ticket !== this.selections) return;
    if (reveal !== 'none') {
      if (row < 0) {
        // It was asked for by name: a filter that hides it has to give way.
        this.toolbar.filter = '';
        this.applyFilter('');
      }
      this.setFollow(false);
      this.revealRow(row < 0 ? lane.index : row);
    }
    this.showLane(lane);
    await this.selectIndex(index + ahead, { reveal: reveal === 'all', fallback: index, ticket });
  }

  private async selectLane(lane: Lane, index: number): Promise<void> {
    this.selection = { lane, event: undefined, timeNs: lane.firstNs, index: undefined };
    this.showLane(lane);
    const { startNs, nsPerPx } = this.viewport;
    const inView = lane.lastNs >= startNs && lane.firstNs <= startNs + this.width * nsPerPx;
    await this.selectIndex(index, { reveal: !inView });
  }

  private showLane(lane: Lane): void {
    this.shown = lane;
    if (this.trail.lane !== lane.index) {
      this.detailView.update(undefined);
      this.trailView.toTop();
      this.trail.setLane(lane.index, lane.events);
    }
    this.redraw('lanes');
  }

  /** Selects a hop of the shown trail by its place. */
  private async selectIndex(
    index: number,
    options: { readonly reveal?: boolean; readonly fallback?: number; readonly ticket?: number } = {},
  ): Promise<void> {
    const ticket = options.ticket ?? ++this.selections;
    let row = await this.trail.load(index);
    if (row?.drop === undefined && options.fallback !== undefined && options.fallback !== index) {
      index = options.fallback;
      row = await this.trail.load(index);
    }
    const lane = this.shown;
    if (ticket !== this.selections || row === undefined || lane === undefined) return;
    this.selection = { lane, event: row.event, timeNs: row.timeNs, index };
    if (options.reveal !== false) {
      const moved = view.ensureVisible(this.viewport, this.width, row.timeNs);
      if (moved !== this.viewport) this.setViewport(moved);
    }
    this.details.request({ event: row.event });
    this.updateTrail();
    this.trailView.reveal(index);
    this.speak(row, index);
    this.saveSoon();
    this.redraw('lanes');
  }

  private clearSelection(): void {
    this.selections++;
    this.selection = this.shown = undefined;
    this.trail.setLane(undefined, 0);
    this.detailView.update(undefined);
    this.updateTrail();
    this.saveSoon();
    this.redraw('lanes');
  }

  private updateTrail(): void {
    const { selection, trail } = this;
    this.trailView.update(
      trail.total,
      trail.row(0)?.timeNs ?? selection?.lane.firstNs ?? 0,
      selection?.index,
      trail.lane !== undefined,
    );
  }

  private speak(row: TrailRow, index: number): void {
    const parts = [
      `Hop ${index + 1} of ${this.trail.total}: ${row.function}`,
      layerNames[row.layer],
      row.iface,
      index === 0 ? '' : `${formatDuration(row.sinceNs)} after the previous`,
      row.drop === undefined
        ? ''
        : row.drop.hint === ''
          ? `dropped, ${row.drop.reason}`
          : endText(row.drop.reason, row.drop.hint),
      row.verdict === undefined || row.verdict === row.drop?.reason ? '' : `verdict ${row.verdict}`,
      row.program?.where ?? '',
      row.calledFrom === undefined ? '' : `called from ${row.calledFrom.program}`,
      ...row.changes,
    ];
    setText(this.speech, parts.filter((part) => part !== '').join(', '));
  }

  private async openIndex(index: number, beside: boolean): Promise<void> {
    const row = await this.trail.load(index);
    if (row !== undefined) await this.openEvent(row.event, beside);
  }

  private async openEvent(event: number, beside: boolean): Promise<void> {
    try {
      const { message } = await this.host.request('openSource', { event, beside });
      this.toasts.note(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The row of the selected lane among those that are loaded. */
  private selectedRow(): number | undefined {
    for (const [row, lane] of this.lanes.entries()) if (lane.index === this.selection?.lane.index) return row;
    return undefined;
  }

  private revealRow(row: number): void {
    this.lanesTop = clampScroll(
      scrollToRow(row, this.lanesTop, this.lanesHeight, rowHeight),
      this.lanesHeight,
      rowHeight,
      Math.max(this.lanes.total, row + 1),
    );
    this.redraw('lanes');
  }

  /** Up and down: the hop of the next lane that is nearest in time. */
  private moveLane(by: number): void {
    const { total } = this.lanes;
    if (total === 0) return;
    const { first } = rowsInView(this.lanesTop, this.lanesHeight, rowHeight, total);
    const from = this.selectedRow();
    const row = Math.min(total - 1, Math.max(0, from === undefined ? first : from + by));
    this.setFollow(false);
    this.revealRow(row);
    const lane = this.lanes.lane(row);
    if (lane === undefined || (row === from && this.selection?.event !== undefined)) return;
    const { loaded } = this.pages;
    const slot = loaded?.slots.get(lane.index);
    const mark =
      loaded === undefined || slot === undefined
        ? undefined
        : nearestMark(loaded, slot, this.selection?.timeNs ?? lane.firstNs);
    if (mark === undefined) void this.selectLane(lane, 0);
    else {
      const event = loaded?.page.event[mark] ?? 0;
      this.selection = {
        lane,
        event,
        timeNs: (loaded?.fromNs ?? 0) + (loaded?.page.time[mark] ?? 0),
        index: undefined,
      };
      this.redraw('lanes');
      void this.selectEvent(event, { reveal: 'none' }).catch(this.fail);
    }
  }

  private moveHop(by: number): void {
    if (this.selection?.index === undefined) {
      if (this.selection === undefined) this.moveLane(0);
      return;
    }
    const index = Math.min(this.trail.total - 1, Math.max(0, this.selection.index + by));
    if (index !== this.selection.index) void this.selectIndex(index);
  }

  // ---- keys ------------------------------------------------------------------------------------------------------

  private onGlobalKey(event: KeyboardEvent): void {
    const typing = event.target instanceof Element && event.target.closest('vscode-text-field') !== null;
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') {
      event.preventDefault();
      this.toolbar.focusFilter();
    } else if (event.key === 'Escape') {
      if (this.selection !== undefined) this.clearSelection();
      else if (this.lanes.filter !== '') this.clearFilter();
    }
  }

  private onKey(event: KeyboardEvent): void {
    const step = this.width * (event.shiftKey ? 0.5 : 0.12);
    const page = Math.max(1, Math.floor(this.lanesHeight / rowHeight) - 1);
    const middle = this.selection === undefined ? this.width / 2 : view.xOf(this.viewport, this.selection.timeNs);
    const at = middle >= 0 && middle <= this.width ? middle : this.width / 2;
    const control = event.ctrlKey || event.metaKey;
    if (event.altKey) return;
    const { selection } = this;
    const actions: Readonly<Partial<Record<string, () => void>>> = control
      ? {
          Enter: () => this.openSelected(true),
          Home: () => this.moveLane(-Infinity),
          End: () => this.moveLane(Infinity),
        }
      : {
          ArrowLeft: () => (event.shiftKey ? this.pan(-step) : this.moveHop(-1)),
          ArrowRight: () => (event.shiftKey ? this.pan(step) : this.moveHop(1)),
          ArrowUp: () => this.moveLane(-1),
          ArrowDown: () => this.moveLane(1),
          PageUp: () => this.moveLane(-page),
          PageDown: () => this.moveLane(page),
          Home: () => this.moveHop(-Infinity),
          End: () => this.moveHop(Infinity),
          Enter: () => this.openSelected(false),
          '+': () => this.zoom(at, 0.5),
          '=': () => this.zoom(at, 0.5),
          '-': () => this.zoom(at, 2),
          w: () => this.zoom(at, 0.7),
          s: () => this.zoom(at, 1 / 0.7),
          a: () => this.pan(-step),
          d: () => this.pan(step),
          f: () => this.fitAll(),
          z: () => (selection === undefined ? undefined : this.fitLane(selection.lane)),
          l: () => this.setFollow(!this.follow),
        };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  private openSelected(beside: boolean): void {
    if (this.selection?.event !== undefined) void this.openEvent(this.selection.event, beside);
  }

  // ---- drawing ---------------------------------------------------------------------------------------------------

  /** Has the next animation frame draw: all lanes, or only what lies over them. */
  private redraw(what: 'lanes' | 'overlay'): void {
    if (this.frame !== undefined) {
      this.frame.lanes ||= what === 'lanes';
      return;
    }
    this.frame = { lanes: what === 'lanes' };
    requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    const { frame, palette } = this;
    this.frame = undefined;
    if (frame === undefined || palette === undefined || this.width === 0) return;
    const began = performance.now();
    const scene = this.scene();
    if (frame.lanes) {
      this.renderer.draw(scene);
      this.drawLabels();
      this.overviewView.draw(this.overview, this.viewport, this.width, this.durationNs, palette);
      this.scrollbar.update(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total);
      this.ask(scene);
    }
    this.renderer.drawOverlay(scene);
    this.frames.count++;
    this.frames.lastMs = performance.now() - began;
    this.frames.longestMs = Math.max(this.frames.longestMs, this.frames.lastMs);
  }

  private scene(): Scene {
    const { first, end } = rowsInView(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total);
    const hovered = this.hover === undefined ? undefined : this.rowAt(this.hover.y);
    const rows = [];
    for (let row = first; row < end; row++) {
      const lane = this.lanes.lane(row);
      if (lane === undefined) continue;
      rows.push({
        lane: lane.index,
        y: rulerHeight + row * rowHeight - Math.round(this.lanesTop),
        firstNs: lane.firstNs,
        lastNs: lane.lastNs,
        drop: lane.drop,
        benign: lane.benign !== '',
        parent: lane.parent,
        selected: lane.index === this.selection?.lane.index,
        hovered: row === hovered,
      });
    }
    const { selection } = this;
    return {
      viewport: this.viewport,
      rulerHeight,
      rowHeight,
      rows,
      loaded: this.pages.loaded,
      gaps: this.gaps,
      durationNs: this.durationNs,
      empty: this.summary === undefined || this.summary.events === 0,
      selected: selection?.event === undefined ? undefined : { event: selection.event, timeNs: selection.timeNs },
      label: (event) => this.hops.get(event)?.function,
      cursor: this.hover === undefined || this.hover.x < 0 ? undefined : this.hover.x,
      range: this.range,
    };
  }

  private drawLabels(): void {
    const { first, end } = rowsInView(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total);
    const hovered = this.hover === undefined ? undefined : this.rowAt(this.hover.y);
    const rows = [];
    for (let row = first; row < end; row++) {
      const lane = this.lanes.lane(row);
      rows.push({
        row,
        y: row * rowHeight - Math.round(this.lanesTop),
        lane,
        selected: lane !== undefined && lane.index === this.selection?.lane.index,
        hovered: row === hovered,
      });
    }
    const digits = rows.reduce((most, { lane }) => Math.max(most, lane?.id.length ?? 0), 2);
    this.labels.element.style.setProperty('--id-width', `${Math.min(digits, 12) + 1}ch`);
    this.labels.update(rows, this.lanes.total);
  }

  /** Asks for what the drawn frame lacked. */
  private ask(scene: Scene): void {
    this.hops.flush();
    const { first, end } = rowsInView(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total, overscan);
    this.lanes.show(first, end);
    if (!this.placed || scene.rows.length === 0) return;
    const wanted = [];
    // By blocks of rows, so that a small scroll needs no new page.
    for (let row = Math.floor(first / overscan) * overscan; row < Math.ceil(end / overscan) * overscan; row++) {
      const lane = this.lanes.lane(row);
      if (lane !== undefined) wanted.push(lane.index);
    }
    this.pages.show(wanted, view.pageWindow(this.viewport, this.width, this.durationNs));
  }

  // ---- kept state ------------------------------------------------------------------------------------------------

  private restore(state: SavedState | undefined): void {
    const { clientWidth } = this.root;
    this.setSizes(
      state?.sizes ?? { labels: Math.min(300, clientWidth * 0.32), detail: Math.min(340, clientWidth * 0.32) },
    );
    if (state === undefined) return;
    if (state.viewport !== undefined && !state.follow) {
      this.viewport = state.viewport;
      this.placed = true;
    }
    if (state.filter !== '') {
      this.toolbar.filter = state.filter;
      this.lanes.setFilter(state.filter);
    }
    this.lanesTop = state.lanesTop;
    this.wanted = state.event;
  }

  private saveSoon(): void {
    this.saving ??= setTimeout(() => this.save(), 250);
  }

  private save(): void {
    clearTimeout(this.saving);
    this.saving = undefined;
    const state: SavedState = {
      version: 1,
      viewport: this.placed ? this.viewport : undefined,
      follow: this.follow,
      filter: this.lanes.filter,
      lanesTop: this.lanesTop,
      event: this.selection?.event,
      sizes: this.sizes,
    };
    this.host.setState(state);
  }

  // ---- inspection ------------------------------------------------------------------------------------------------

  private inspect(): void {
    const at = (get: () => unknown): PropertyDescriptor => ({ get, enumerable: true });
    const visible = (): readonly Lane[] => {
      const { first, end } = rowsInView(this.lanesTop, this.lanesHeight, rowHeight, this.lanes.total);
      const found = [];
      for (let row = first; row < end; row++) found.push(this.lanes.lane(row));
      return found.filter((lane) => lane !== undefined);
    };
    const place = (lane: number, event: number): { x: number; y: number } | undefined => {
      const row = this.scene().rows.find((each) => each.lane === lane);
      const { loaded } = this.pages;
      const slot = loaded?.slots.get(lane);
      if (row === undefined || loaded === undefined || slot === undefined) return undefined;
      const [first = 0, end = 0] = [loaded.page.first[slot], loaded.page.first[slot + 1]];
      const mark = loaded.page.event.subarray(first, end).indexOf(event) + first;
      if (mark < first || loaded.page.event[mark] !== event) return undefined;
      const box = this.canvasBox.getBoundingClientRect();
      const x = view.xOf(this.viewport, loaded.fromNs + (loaded.page.time[mark] ?? 0));
      return x < 0 || x > this.width ? undefined : { x: box.left + x, y: box.top + row.y + rowHeight / 2 };
    };
    const inspection = Object.defineProperties({} as TimelineInspection, {
      summary: at(() => this.summary),
      gaps: at(() => this.gaps),
      viewport: at(() => this.viewport),
      follow: at(() => this.follow),
      filter: at(() => this.lanes.filter),
      lanes: at(visible),
      laneTotal: at(() => this.lanes.total),
      selectedLane: at(() => this.selection?.lane),
      selectedEvent: at(() => this.selection?.event),
      trail: at(() => this.trail.rows()),
      trailTotal: at(() => this.trail.total),
      page: at(() => {
        const { loaded } = this.pages;
        if (loaded === undefined) return undefined;
        return { fromNs: loaded.fromNs, toNs: loaded.toNs, lanes: loaded.slots.size, marks: loaded.page.time.length };
      }),
      frames: at(() => ({ ...this.frames })),
      place: { value: place, enumerable: true },
    });
    globalThis.packetTrailTimeline = Object.freeze(inspection);
  }
}

/** What was detached to keep within the overhead budget; empty when nothing was. */
function shedText({ hooksShed, shed }: TraceSummary): string {
  if (hooksShed === 0) return '';
  const rest = hooksShed > shed.length ? ` and ${formatCount(hooksShed - shed.length)} more` : '';
  return (
    `${plural(hooksShed, 'hook')} ${hooksShed === 1 ? 'was' : 'were'} detached to keep within the overhead budget: ` +
    `${shed.join(', ')}${rest}. Trails have no hops there any more.`
  );
}

const root = document.getElementById('timeline');
if (root !== null) new Timeline(root);

// The timeline: the page's entry. Builds the rooms and wires them: host → model → panes; gestures and keys → controllers → model.
// The only file that knows all of them; README.md gives a reading order.
import type { Ask, NoticeMessage } from '../extension/protocol/timeline.ts';
import { DetailView } from './detailView.ts';
import { el } from './dom.ts';
import { Host } from './host.ts';
import { inspect } from './inspection.ts';
import { listenToLanes, listenToNames, type LaneActions } from './interaction.ts';
import { keyHelp } from './keymap.ts';
import { listenToKeys } from './keys.ts';
import { LanesPane } from './lanesPane.ts';
import { Layout } from './layout.ts';
import { createLegend } from './legend.ts';
import { Messages } from './messages.ts';
import { Model } from './model.ts';
import { Persistence } from './persistence.ts';
import { RelativesView } from './relativesView.ts';
import { Selection } from './selection.ts';
import { watchTheme } from './theme.ts';
import { Toasts } from './toasts.ts';
import { Toolbar } from './toolbar.ts';
import { Tooltip } from './tooltip.ts';
import { TrailView } from './trailView.ts';
import { ViewportController } from './viewportController.ts';
import './styles/timeline.css';

function start(root: HTMLElement): void {
  const toasts = new Toasts();
  const fail = (error: unknown): void => toasts.error(error instanceof Error ? error.message : String(error));
  const host = new Host((notice) => hear(notice));
  const ask: Ask = (name, argument) => host.request(name, argument);

  // ---- what is shown, and what part of it ------------------------------------------------------------------------

  const model = new Model(ask, fail);
  const view = new ViewportController(model);
  const selection = new Selection({ ask, model, view, fail, note: (message) => toasts.note(message) });
  const clearFilter = (): void => {
    model.setFilter('');
    lanes.focus();
  };

  // ---- panes -----------------------------------------------------------------------------------------------------

  const toolbar = new Toolbar({
    stop: () => void ask('stop', {}).catch(fail),
    pause: (paused) => void ask('pause', { paused }).catch(fail),
    save: () => void ask('save', {}).catch(fail),
    follow: (on) => view.setFollow(on),
    fit: () => view.fitAll(),
    zoom: (factor) => view.zoom(view.width / 2, factor),
    filter: (text) => model.typeFilter(text),
    capture: async (expression) => (await ask('capture', { expression })).problem,
    leaveFilter: () => lanes.focus(),
  });
  const messages = new Messages(model, clearFilter);
  const tooltip = new Tooltip(model);
  const lanes = new LanesPane(
    {
      model,
      view,
      selected: () => selection.selected,
      resized: (width, height, buckets) => {
        view.resize(width, height);
        model.showOverview(buckets);
      },
      scrollTo: (top) => view.scrollTo(top),
      centre: (share) => view.centre(share),
      pointed: () => updateTooltip(),
    },
    messages.empty,
  );
  const relatives = new RelativesView((event) => void selection.selectEvent(event, { reveal: 'all' }).catch(fail));
  const trailView = new TrailView(
    {
      select: (index) => void selection.selectIndex(index),
      open: (index, beside) => void selection.openIndex(index, beside),
      show: (first, end) => selection.trail.show(first, end),
      row: (index) => selection.trail.row(index),
    },
    relatives,
  );
  const detailView = new DetailView();
  const layout = new Layout(
    root,
    {
      above: [toolbar.element, messages.banner, messages.notice],
      lanes: lanes.element,
      legend: createLegend(),
      trail: trailView.element,
      detail: detailView.element,
      over: [
        tooltip.element,
        toasts.element,
        messages.speech,
        el('div', { class: 'visually-hidden', text: keyHelp, attributes: { id: 'keys' } }),
      ],
    },
    () => persistence.saveSoon(),
  );
  let again = '';
  const persistence = new Persistence(host, () => ({
    version: 1,
    viewport: view.placed ? view.viewport : undefined,
    follow: view.follow,
    filter: model.filter,
    lanesTop: view.top,
    event: selection.selected?.event,
    sizes: layout.sizes,
    again,
  }));

  // ---- changes → panes -------------------------------------------------------------------------------------------

  const updateTooltip = (): void => tooltip.update(lanes.pointed());
  const updateTrail = (): void => {
    const { selected, trail } = selection;
    const firstNs = trail.row(0)?.timeNs ?? selected?.lane.firstNs ?? 0;
    relatives.update(trail.relatives);
    trailView.update(trail.total, firstNs, selected?.index, trail.lane !== undefined);
  };

  model.on('summary', (summary) => toolbar.update(summary));
  model.on('filterSet', (text) => (toolbar.filter = text));
  model.onAny(['summary', 'filter', 'filterRefused', 'lanes'], () => {
    if (model.summary === undefined) return;
    toolbar.setFilterState(model.filter, model.lanes.total, model.summary.packets, model.filterError);
  });
  model.on('filter', () => persistence.saveSoon());
  model.on('labels', updateTooltip);

  view.on('follow', (on) => {
    toolbar.setFollowing(on);
    persistence.saveSoon();
  });
  view.on('moved', () => {
    persistence.saveSoon();
    updateTooltip();
    lanes.redraw();
  });
  view.on('shifted', () => lanes.redraw());

  selection.on('highlight', () => lanes.redraw());
  selection.on('packet', () => {
    detailView.update(undefined);
    trailView.toTop();
  });
  selection.on('trail', updateTrail);
  selection.on('detail', (detail) => detailView.update(detail));
  selection.on('hop', (row, index) => {
    trailView.reveal(index);
    messages.speakHop(row, index, selection.trail.total);
    persistence.saveSoon();
  });
  selection.on('cleared', () => {
    detailView.update(undefined);
    persistence.saveSoon();
  });

  // ---- gestures and keys → controllers ---------------------------------------------------------------------------

  const gestures: LaneActions = {
    scrollBy: (px) => view.scrollBy(px),
    pan: (px) => view.pan(px),
    zoom: (x, factor) => view.zoom(x, factor),
    range: (range) => lanes.setRange(range),
    zoomToRange: (from, to) => view.zoomToRange(from, to),
    hover: (point) => lanes.setHover(point),
    pick: (x, y) => {
      const lane = view.laneAt(y);
      if (lane === undefined) return;
      view.setFollow(false);
      lanes.focus({ preventScroll: true });
      selection.pick(lane, lanes.markAt(x, y));
    },
    zoomToPacket: (y) => {
      const lane = view.laneAt(y);
      if (lane !== undefined) view.fitLane(lane);
    },
  };
  listenToLanes(lanes.canvas, gestures);
  listenToNames(lanes.names, gestures);
  listenToKeys(lanes.element, {
    view,
    selection,
    focusFilter: () => toolbar.focusFilter(),
    clearFilter: () => {
      if (model.filter !== '') clearFilter();
    },
  });

  // ---- host → model ----------------------------------------------------------------------------------------------

  function hear(notice: NoticeMessage): void {
    switch (notice.name) {
      case 'summary':
        model.setSummary(notice.argument);
        return;
      case 'reveal':
        void selection.selectEvent(notice.argument.event, { reveal: 'all' }).catch(fail);
        return;
      case 'find':
        model.setFilter(notice.argument.filter);
        return;
      case 'again':
        again = notice.argument.again;
        persistence.saveSoon();
    }
  }

  /** `event` was selected when the view was last seen. */
  async function load(event: number | undefined): Promise<void> {
    const answer = await ask('ready', {});
    const { summary, gaps, filter } = answer;
    again = answer.again;
    persistence.saveSoon();
    model.setGaps(gaps);
    model.setSummary(summary);
    if (filter !== undefined) model.setFilter(filter);
    model.lanes.refresh();
    if (event !== undefined) await selection.selectEvent(event, { reveal: view.placed ? 'lane' : 'none' });
  }

  const kept = persistence.read();
  layout.restore(kept?.sizes);
  if (kept !== undefined) {
    if (kept.filter !== '') model.setFilter(kept.filter);
    view.restore(kept.follow ? undefined : kept.viewport, kept.lanesTop);
  }
  watchTheme((palette) => lanes.setPalette(palette));
  if (root.dataset['inspect'] !== undefined) inspect({ model, view, selection, lanes });
  updateTrail();
  load(kept?.event).catch(fail);
}

const root = document.getElementById('timeline');
if (root !== null) start(root);

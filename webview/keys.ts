// Keys, turned into what they do; which key does what is in keymap.ts.
import { isField } from './controls.ts';
import { actionOf, type KeyAction } from './keymap.ts';
import type { Selection } from './selection.ts';
import { rowHeight, xOf } from './viewport.ts';
import type { ViewportController } from './viewportController.ts';

/** What keys act on. */
export interface KeyTargets {
  readonly view: ViewportController;
  readonly selection: Selection;
  /** Puts the cursor into the filter's field. */
  readonly focusFilter: () => void;
  /** Shows every packet again; does nothing when all are shown. */
  readonly clearFilter: () => void;
}

/** Hears keys on the lanes, and those that count anywhere on the page. */
export function listenToKeys(lanes: HTMLElement, { view, selection, focusFilter, clearFilter }: KeyTargets): void {
  /** Zooming keeps the selected hop where it is, when it is in view. */
  const zoom = (factor: number): void => {
    const { selected } = selection;
    const x = selected === undefined ? view.width / 2 : xOf(view.viewport, selected.timeNs);
    view.zoom(x >= 0 && x <= view.width ? x : view.width / 2, factor);
  };
  const pan = (widths: number): void => view.pan(view.width * widths);
  const page = (): number => Math.max(1, Math.floor(view.lanesHeight / rowHeight) - 1);
  const act: Readonly<Record<KeyAction, () => void>> = {
    previousHop: () => selection.moveHop(-1),
    nextHop: () => selection.moveHop(1),
    firstHop: () => selection.moveHop(-Infinity),
    lastHop: () => selection.moveHop(Infinity),
    previousPacket: () => selection.moveLane(-1),
    nextPacket: () => selection.moveLane(1),
    pageUp: () => selection.moveLane(-page()),
    pageDown: () => selection.moveLane(page()),
    firstPacket: () => selection.moveLane(-Infinity),
    lastPacket: () => selection.moveLane(Infinity),
    openSource: () => selection.openSelected(false),
    openSourceBeside: () => selection.openSelected(true),
    zoomIn: () => zoom(0.5),
    zoomOut: () => zoom(2),
    zoomInLittle: () => zoom(0.7),
    zoomOutLittle: () => zoom(1 / 0.7),
    panLeft: () => pan(-0.12),
    panRight: () => pan(0.12),
    panFarLeft: () => pan(-0.5),
    panFarRight: () => pan(0.5),
    wholeTrace: () => view.fitAll(),
    wholePacket: () => {
      if (selection.selected !== undefined) view.fitLane(selection.selected.lane);
    },
    toggleFollow: () => view.setFollow(!view.follow),
    focusFilter,
    escape: () => {
      if (selection.selected !== undefined) selection.clear();
      else clearFilter();
    },
  };
  lanes.addEventListener('keydown', (event) => {
    const action = actionOf(event, 'lanes');
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    act[action]();
  });
  document.addEventListener('keydown', (event) => {
    const action = isField(event.target) ? undefined : actionOf(event, 'page');
    if (action === undefined) return;
    // The slash is not the first letter of the filter.
    if (action === 'focusFilter') event.preventDefault();
    act[action]();
  });
}

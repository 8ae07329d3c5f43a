// Pointer and wheel on the lanes and on their names, turned into what they mean. Keys are in keys.ts.
import { rowHeight, rulerHeight } from './viewport.ts';

/** What is done with the names. Pixels are those of the lanes' canvas; a name is left of it, `x` −1. */
export interface NameActions {
  /** Wheel: scrolls the lanes by px. */
  scrollBy(px: number): void;
  hover(point: { readonly x: number; readonly y: number } | undefined): void;
  pick(x: number, y: number): void;
  zoomToPacket(y: number): void;
}

/** What is done with the lanes. */
export interface LaneActions extends NameActions {
  pan(px: number): void;
  zoom(x: number, factor: number): void;
  /** A range that is being dragged out, or undefined when it is given up. */
  range(range: readonly [number, number] | undefined): void;
  zoomToRange(from: number, to: number): void;
}

/** Pixels that the pointer may move before a press is a drag. */
const slack = 4;

/** Hears pointer and wheel on the lanes' canvas. */
export function listenToLanes(element: HTMLElement, actions: LaneActions): void {
  let press: { readonly x: number; readonly y: number; readonly range: boolean } | undefined;
  let last: { x: number; y: number } = { x: 0, y: 0 };
  let dragging = false;
  const point = (event: MouseEvent): { readonly x: number; readonly y: number } => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  element.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? rowHeight : event.deltaMode === 2 ? 400 : 1;
      const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
      if (event.ctrlKey || event.metaKey) {
        // A notch of a mouse wheel is 100 or so and a pinch step a few: both feel right with this curve.
        actions.zoom(point(event).x, Math.exp(Math.min(Math.max(dy, -150), 150) * 0.004));
      } else if (event.shiftKey) actions.pan(dx === 0 ? dy : dx);
      else if (Math.abs(dx) > Math.abs(dy)) actions.pan(dx);
      else actions.scrollBy(dy);
    },
    { passive: false },
  );

  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    const at = point(event);
    press = { ...at, range: event.shiftKey };
    last = { x: event.clientX, y: event.clientY };
    dragging = false;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener('pointermove', (event) => {
    const at = point(event);
    if (press === undefined) {
      actions.hover(at);
      return;
    }
    dragging ||= Math.hypot(at.x - press.x, at.y - press.y) > slack;
    if (!dragging) return;
    element.classList.toggle('panning', !press.range);
    if (press.range) actions.range([press.x, at.x]);
    else {
      actions.pan(last.x - event.clientX);
      if (event.clientY !== last.y) actions.scrollBy(last.y - event.clientY);
      actions.hover(undefined);
    }
    last = { x: event.clientX, y: event.clientY };
  });
  const release = (event: PointerEvent, done: boolean): void => {
    const from = press;
    press = undefined;
    element.classList.remove('panning');
    if (from === undefined) return;
    const at = point(event);
    if (from.range) actions.range(undefined);
    if (!done) return;
    if (!dragging) actions.pick(at.x, at.y);
    else if (from.range) actions.zoomToRange(Math.min(from.x, at.x), Math.max(from.x, at.x));
  };
  element.addEventListener('pointerup', (event) => release(event, true));
  element.addEventListener('pointercancel', (event) => release(event, false));
  element.addEventListener('pointerleave', () => actions.hover(undefined));
  element.addEventListener('dblclick', (event) => actions.zoomToPacket(point(event).y));
}

/** Hears pointer and wheel on the names, which begin below the ruler. */
export function listenToNames(element: HTMLElement, actions: NameActions): void {
  const laneY = (event: MouseEvent): number => event.clientY - element.getBoundingClientRect().top + rulerHeight;
  element.addEventListener('click', (event) => actions.pick(-1, laneY(event)));
  element.addEventListener('dblclick', (event) => actions.zoomToPacket(laneY(event)));
  element.addEventListener('pointermove', (event) => actions.hover({ x: -1, y: laneY(event) }));
  element.addEventListener('pointerleave', () => actions.hover(undefined));
  element.addEventListener(
    'wheel',
    (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      actions.scrollBy(event.deltaY * (event.deltaMode === 1 ? rowHeight : 1));
    },
    { passive: false },
  );
}

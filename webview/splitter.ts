// A draggable, keyboard-operable divider between two parts of the page.
import { el } from './dom.ts';

/** What a splitter divides. */
export interface SplitterOptions {
  readonly label: string;
  /** `horizontal`: a horizontal line, the size is a height. */
  readonly orientation: 'horizontal' | 'vertical';
  /** The size of the part behind the divider (below, right), or of the one before it. */
  readonly sized: 'before' | 'after';
  readonly get: () => number;
  readonly set: (size: number) => void;
}

/** Makes the divider. Sizes are px. */
export function createSplitter(options: SplitterOptions): HTMLElement {
  const flat = options.orientation === 'horizontal';
  const element = el('div', {
    class: `splitter ${options.orientation}`,
    attributes: {
      role: 'separator',
      tabindex: '0',
      'aria-label': options.label,
      'aria-orientation': options.orientation,
    },
  });
  const sign = options.sized === 'after' ? -1 : 1;
  const change = (size: number): void => {
    options.set(size);
    element.setAttribute('aria-valuenow', String(Math.round(options.get())));
  };
  let origin: { readonly at: number; readonly size: number } | undefined;
  const position = (event: PointerEvent): number => (flat ? event.clientY : event.clientX);
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    element.focus();
    element.setPointerCapture(event.pointerId);
    element.classList.add('active');
    origin = { at: position(event), size: options.get() };
  });
  element.addEventListener('pointermove', (event) => {
    if (origin !== undefined) change(origin.size + sign * (position(event) - origin.at));
  });
  const release = (): void => {
    origin = undefined;
    element.classList.remove('active');
  };
  element.addEventListener('pointerup', release);
  element.addEventListener('pointercancel', release);
  element.addEventListener('keydown', (event) => {
    const steps: Readonly<Partial<Record<string, number>>> = flat
      ? { ArrowUp: -16, ArrowDown: 16 }
      : { ArrowLeft: -16, ArrowRight: 16 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    change(options.get() + sign * step);
  });
  return element;
}

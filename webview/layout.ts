// Where the parts of the page are, how large they are, and the splitters that a person sizes them with.
import { el } from './dom.ts';
import { createSplitter } from './splitter.ts';
import type { SavedState } from './state.ts';

type Sizes = SavedState['sizes'];

/** The page's parts. */
export interface Parts {
  /** Above the lanes, from the top. */
  readonly above: readonly HTMLElement[];
  readonly lanes: HTMLElement;
  readonly legend: HTMLElement;
  readonly trail: HTMLElement;
  readonly detail: HTMLElement;
  /** Over all, and what is only heard. */
  readonly over: readonly HTMLElement[];
}

/** Puts the parts into the page and keeps their sizes within it. */
export class Layout {
  private current: Sizes = { labels: 300, bottom: 0, detail: 340 };

  /** `onChange` is called when sizes were set, also to what they were. */
  constructor(
    private readonly root: HTMLElement,
    { above, lanes, legend, trail, detail, over }: Parts,
    private readonly onChange: () => void,
  ) {
    const labelSplitter = createSplitter({
      label: 'Width of the packet names',
      orientation: 'vertical',
      sized: 'before',
      get: () => this.current.labels,
      set: (size) => this.set({ labels: size }),
    });
    lanes.append(labelSplitter);
    const detailSplitter = createSplitter({
      label: 'Width of the event details',
      orientation: 'vertical',
      sized: 'after',
      get: () => this.current.detail,
      set: (size) => this.set({ detail: size }),
    });
    const bottom = el('div', { class: 'bottom' }, trail, detailSplitter, detail);
    const bottomSplitter = createSplitter({
      label: 'Height of trail and details',
      orientation: 'horizontal',
      sized: 'after',
      get: () => bottom.offsetHeight,
      set: (size) => this.set({ bottom: size }),
    });
    const main = el('main', { class: 'main' }, lanes, legend);
    root.replaceChildren(...above, main, bottomSplitter, bottom, ...over);
    // A smaller page: parts that the person made large have to give way.
    new ResizeObserver(() => this.set({})).observe(root);
  }

  /** px; bottom 0: as the style sheet says. */
  get sizes(): Sizes {
    return this.current;
  }

  /** Takes up kept sizes, or those that fit the page. */
  restore(sizes: Sizes | undefined): void {
    const { clientWidth } = this.root;
    this.set(sizes ?? { labels: Math.min(300, clientWidth * 0.32), detail: Math.min(340, clientWidth * 0.32) });
  }

  private set(sizes: Partial<Sizes>): void {
    const { clientWidth, clientHeight, style } = this.root;
    const between = (size: number, low: number, high: number): number =>
      Math.round(Math.min(Math.max(size, low), Math.max(low, high)));
    const merged = { ...this.current, ...sizes };
    this.current = {
      labels: between(merged.labels, 120, clientWidth * 0.6),
      bottom: merged.bottom === 0 ? 0 : between(merged.bottom, 80, clientHeight - 240),
      detail: between(merged.detail, 140, clientWidth * 0.7),
    };
    style.setProperty('--labels-width', `${this.current.labels}px`);
    style.setProperty('--detail-width', `${this.current.detail}px`);
    if (this.current.bottom > 0) style.setProperty('--bottom-height', `${this.current.bottom}px`);
    this.onChange();
  }
}

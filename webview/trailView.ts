// The selected packet's trail as a grid, a row a hop; only the rows in view exist.
import type { TrailRow } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';
import type { RelativesView } from './relativesView.ts';
import { Scrollbar } from './scrollbar.ts';
import { clampScroll, rowsInView, scrollToRow } from './scroll.ts';
import { cellsOf, columnCount, headCells } from './trailCells.ts';

/** What the grid asks for. */
export interface TrailActions {
  select(index: number): void;
  open(index: number, beside: boolean): void;
  /** Rows in view, to be loaded. */
  show(first: number, end: number): void;
  row(index: number): TrailRow | undefined;
}

const trailRowHeight = 22;

/** The pane of the trail. */
export class TrailView {
  readonly element: HTMLElement;
  private readonly head = el('div', { class: 'trail-head' });
  private readonly body = el('div', { class: 'trail-body' });
  private readonly grid: HTMLElement;
  private readonly empty = el('div', { class: 'pane-empty', text: 'Select a packet to see its trail.' });
  private readonly scrollbar: Scrollbar;
  private rowElements: HTMLElement[] = [];
  private scrollTop = 0;
  private height = 0;
  private total = 0;
  private firstNs = 0;
  private selected = -1;

  /** `relatives` stands above the grid. */
  constructor(
    private readonly actions: TrailActions,
    relatives: RelativesView,
  ) {
    this.scrollbar = new Scrollbar((top) => this.scrollTo(top));
    const attributes = { role: 'row', 'aria-rowindex': '1' };
    const headRow = el('div', { class: 'trail-row head', attributes }, ...headCells());
    this.head.append(headRow);
    this.head.setAttribute('role', 'rowgroup');
    this.body.setAttribute('role', 'rowgroup');
    this.grid = el(
      'div',
      {
        class: 'trail-grid',
        attributes: {
          role: 'grid',
          tabindex: '0',
          'aria-label': 'Trail of the selected packet',
          'aria-colcount': String(columnCount),
        },
      },
      this.head,
      this.body,
    );
    this.element = el(
      'section',
      { class: 'trail', attributes: { 'aria-label': 'Trail' } },
      relatives.element,
      el('div', { class: 'trail-frame' }, this.grid, this.scrollbar.element),
      this.empty,
    );
    this.grid.addEventListener('wheel', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.deltaY === 0) return;
      event.preventDefault();
      this.scrollTo(this.scrollTop + event.deltaY * (event.deltaMode === 1 ? trailRowHeight : 1));
    });
    this.grid.addEventListener('keydown', (event) => this.onKey(event));
    this.body.addEventListener('click', (event) => {
      const target = event.target instanceof Element ? event.target : undefined;
      const index = Number(target?.closest<HTMLElement>('.trail-row')?.dataset['index'] ?? NaN);
      if (Number.isNaN(index)) return;
      this.actions.select(index);
      if (target?.closest('.function-name') !== null) this.actions.open(index, event.ctrlKey || event.metaKey);
    });
    this.body.addEventListener('dblclick', (event) => {
      const target = event.target instanceof Element ? event.target.closest<HTMLElement>('.trail-row') : null;
      const index = Number(target?.dataset['index'] ?? NaN);
      if (!Number.isNaN(index)) this.actions.open(index, event.ctrlKey || event.metaKey);
    });
    new ResizeObserver(() => {
      this.height = this.body.clientHeight;
      this.scrollTo(this.scrollTop);
    }).observe(this.body);
  }

  /** Shows a trail; `firstNs` is the packet's first time. */
  update(total: number, firstNs: number, selected: number | undefined, hasLane: boolean): void {
    this.total = total;
    this.firstNs = firstNs;
    this.selected = selected ?? -1;
    this.grid.setAttribute('aria-rowcount', String(total + 1));
    this.empty.hidden = hasLane;
    this.grid.classList.toggle('hidden', !hasLane);
    this.scrollTop = clampScroll(this.scrollTop, this.height, trailRowHeight, total);
    this.render();
  }

  /** Scrolls so that a row is in view. */
  reveal(index: number): void {
    this.scrollTo(scrollToRow(index, this.scrollTop, this.height, trailRowHeight));
  }

  toTop(): void {
    this.scrollTop = 0;
  }

  private scrollTo(top: number): void {
    this.scrollTop = clampScroll(top, this.height, trailRowHeight, this.total);
    this.render();
  }

  private onKey(event: KeyboardEvent): void {
    if (this.total === 0 || event.altKey) return;
    const page = Math.max(1, Math.floor(this.height / trailRowHeight) - 1);
    const to = (index: number): void => {
      event.preventDefault();
      event.stopPropagation();
      this.actions.select(Math.min(this.total - 1, Math.max(0, index)));
    };
    switch (event.key) {
      case 'ArrowDown': {
        to(this.selected + 1);
        return;
      }
      case 'ArrowUp': {
        to(this.selected - 1);
        return;
      }
      case 'PageDown': {
        to(this.selected + page);
        return;
      }
      case 'PageUp': {
        to(this.selected - page);
        return;
      }
      case 'Home': {
        to(0);
        return;
      }
      case 'End': {
        to(this.total - 1);
        return;
      }
      case 'Enter':
        if (this.selected < 0) return;
        event.preventDefault();
        event.stopPropagation();
        {
          this.actions.open(this.selected, event.ctrlKey || event.metaKey);
          return;
        }
      default:
    }
  }

  private render(): void {
    const { first, end } = rowsInView(this.scrollTop, this.height, trailRowHeight, this.total, 2);
    if (end > first) this.actions.show(first, end);
    while (this.rowElements.length > end - first) this.rowElements.pop()?.remove();
    while (this.rowElements.length < end - first) {
      const row = el('div', { class: 'trail-row', attributes: { role: 'row' } });
      this.rowElements.push(row);
      this.body.append(row);
    }
    this.rowElements.forEach((element, at) => this.renderRow(element, first + at));
    this.scrollbar.update(this.scrollTop, this.height, trailRowHeight, this.total);
    const active = this.selected >= first && this.selected < end ? `hop-${this.selected}` : '';
    if (active === '') this.grid.removeAttribute('aria-activedescendant');
    else this.grid.setAttribute('aria-activedescendant', active);
  }

  private renderRow(element: HTMLElement, index: number): void {
    const row = this.actions.row(index);
    element.style.transform = `translateY(${index * trailRowHeight - this.scrollTop}px)`;
    const selected = index === this.selected;
    element.classList.toggle('selected', selected);
    element.setAttribute('aria-selected', String(selected));
    // Elements are used again for other rows: fill them only when what they show changes.
    const key = row === undefined ? `${index}` : `${index} ${row.event} ${this.firstNs}`;
    if (element.dataset['key'] === key) return;
    element.dataset['key'] = key;
    element.dataset['index'] = String(index);
    element.id = `hop-${index}`;
    element.setAttribute('aria-rowindex', String(index + 2));
    element.classList.toggle('dropped', row?.drop?.discard === '');
    element.replaceChildren(...cellsOf(row, index, this.firstNs));
  }
}

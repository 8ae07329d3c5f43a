// A vertical scrollbar for virtual lists: any length, also beyond what a browser can scroll.
import { el } from './dom.ts';
import { clampScroll, scrollEnd, scrollOfThumb, thumb } from './scroll.ts';

/** The scrollbar beside a list. */
export class Scrollbar {
  readonly element = el('div', { class: 'scrollbar', attributes: { 'aria-hidden': 'true' } });
  private readonly handle = el('div', { class: 'scrollbar-thumb' });
  private height = 0;
  private content = 0;
  private top = 0;

  /** `onScroll` hears the wanted scroll offset, px. */
  constructor(private readonly onScroll: (top: number) => void) {
    this.element.append(this.handle);
    let grip: number | undefined;
    this.element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      const { top, size } = this.place();
      const y = event.offsetY + (event.target === this.handle ? top : 0);
      // On the thumb: drag it from where it was gripped; beside it: its middle goes there.
      grip = event.target === this.handle ? event.offsetY : size / 2;
      this.element.setPointerCapture(event.pointerId);
      this.element.classList.add('active');
      if (event.target !== this.handle) this.moveThumb(y - grip);
    });
    this.element.addEventListener('pointermove', (event) => {
      if (grip === undefined) return;
      this.moveThumb(event.clientY - this.element.getBoundingClientRect().top - grip);
    });
    const release = (): void => {
      grip = undefined;
      this.element.classList.remove('active');
    };
    this.element.addEventListener('pointerup', release);
    this.element.addEventListener('pointercancel', release);
  }

  /** Shows a list of `rows` rows scrolled to `top` in a view of `height` px. */
  update(top: number, height: number, rowHeight: number, rows: number): void {
    this.top = clampScroll(top, height, rowHeight, rows);
    this.height = height;
    this.content = scrollEnd(height, rowHeight, rows) + height;
    const { top: y, size } = this.place();
    this.element.classList.toggle('idle', size === 0);
    this.handle.style.height = `${size}px`;
    this.handle.style.transform = `translateY(${y}px)`;
  }

  private place(): { readonly top: number; readonly size: number } {
    return thumb(this.top, this.height, this.content, this.height);
  }

  private moveThumb(y: number): void {
    this.onScroll(scrollOfThumb(y, this.height, this.content, this.height));
  }
}

// The packets that the selected one was made from, and those that were made from it; each can be gone to.
import type { Relative } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';

/** A line of buttons, hidden while there is none. */
export class RelativesView {
  readonly element = el('nav', { class: 'relatives', attributes: { 'aria-label': 'Related packets' } });
  private shown: readonly Relative[] = [];

  /** `go` shows an event, the first of a relative. */
  constructor(go: (event: number) => void) {
    this.element.hidden = true;
    this.element.addEventListener('click', (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>('.relative') : null;
      const first = Number(button?.dataset['event'] ?? NaN);
      if (!Number.isNaN(first)) go(first);
    });
  }

  update(relatives: readonly Relative[]): void {
    if (relatives === this.shown) return;
    this.shown = relatives;
    this.element.hidden = relatives.length === 0;
    this.element.replaceChildren(...relatives.map(chip));
  }
}

/** "⇠ #12 fragment": made from packet 12; "⇢ #14 clone": packet 14 was made from this one. */
function chip({ event, id, label, edge, side }: Relative): HTMLElement {
  const said = side === 'parent' ? `Made from packet ${id} (${edge})` : `Packet ${id} was made from this one (${edge})`;
  return el('button', {
    class: 'relative',
    text: `${side === 'parent' ? '⇠' : '⇢'} #${id} ${edge}`,
    title: `${said}: ${label}`,
    attributes: { 'data-event': String(event), 'aria-label': `${said}: ${label}` },
  });
}

// Everything that is known of the selected event: its fields and its stack, as text that can be copied.
import type { EventDetail } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';

/** The pane of the selected event. */
export class DetailView {
  readonly element = el('section', { class: 'detail', attributes: { 'aria-label': 'Event details', tabindex: '0' } });
  private shown: number | undefined = -1;

  constructor() {
    this.update(undefined);
  }

  update(detail: EventDetail | undefined): void {
    if (detail?.event === this.shown) return;
    this.shown = detail?.event;
    if (detail === undefined) {
      this.element.replaceChildren(el('div', { class: 'pane-empty', text: 'Select a hop to see its details.' }));
      return;
    }
    const fields = el('dl', { class: 'fields' });
    for (const { name, value } of detail.fields) {
      fields.append(el('dt', { text: name }), el('dd', { text: value, title: value }));
    }
    this.element.replaceChildren(el('h2', { text: detail.title }), fields);
    if (detail.stack.length > 0) {
      const frames = detail.stack.map((frame) => el('li', { text: frame }));
      this.element.append(el('h3', { text: 'Stack' }), el('ol', { class: 'stack' }, ...frames));
    }
    this.element.scrollTop = 0;
  }
}

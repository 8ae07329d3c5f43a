// The column of packet names left of the lanes; only the rows in view exist.
import type { Lane } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';
import { endText, formatCount, formatDuration, plural } from './format.ts';

/** A row in view. */
export interface LabelRow {
  /** Its place in the list. */
  readonly row: number;
  /** Its top below that of the names, px. */
  readonly y: number;
  /** Undefined while it is on its way. */
  readonly lane: Lane | undefined;
  readonly selected: boolean;
  readonly hovered: boolean;
}

/** The list of names. */
export class LaneLabels {
  readonly element = el('div', {
    class: 'labels',
    attributes: { role: 'listbox', 'aria-label': 'Packets' },
  });
  private elements: HTMLElement[] = [];

  /** Shows rows in view of a list of `total`. */
  update(rows: readonly LabelRow[], total: number): void {
    const digits = rows.reduce((most, { lane }) => Math.max(most, lane?.id.length ?? 0), 2);
    this.element.style.setProperty('--id-width', `${Math.min(digits, 12) + 1}ch`);
    while (this.elements.length > rows.length) this.elements.pop()?.remove();
    while (this.elements.length < rows.length) {
      const element = el('div', { class: 'label', attributes: { role: 'option' } });
      this.elements.push(element);
      this.element.append(element);
    }
    rows.forEach((row, at) => {
      const element = this.elements[at];
      if (element !== undefined) render(element, row, total);
    });
  }
}

function render(element: HTMLElement, { row, y, lane, selected, hovered }: LabelRow, total: number): void {
  element.style.transform = `translateY(${y}px)`;
  element.classList.toggle('selected', selected);
  element.classList.toggle('hovered', hovered);
  element.setAttribute('aria-selected', String(selected));
  element.setAttribute('aria-posinset', String(row + 1));
  element.setAttribute('aria-setsize', String(total));
  const key = lane === undefined ? '' : `${lane.index} ${lane.events} ${lane.drop ?? ''} ${lane.discard} ${lane.label}`;
  if (element.dataset['key'] === key) return;
  element.dataset['key'] = key;
  if (lane === undefined) {
    element.replaceChildren(el('span', { class: 'label-text pending', text: '…' }));
    element.removeAttribute('title');
    return;
  }
  const lasted = formatDuration(lane.lastNs - lane.firstNs);
  const ended = lane.drop === undefined ? '' : endText(lane.drop, lane.discard);
  const sources = lane.joins.length + (lane.parent === undefined ? 0 : 1);
  const made = sources === 0 ? '' : `\nMade from ${plural(sources, 'other packet')}`;
  element.title = `${lane.label}\nPacket ${lane.id} · ${plural(lane.events, 'hop')} in ${lasted}${ended === '' ? '' : `\n${ended}`}${made}`;
  element.replaceChildren(
    el('span', { class: 'label-id', text: `#${lane.id}` }),
    ...(lane.parent === undefined ? [] : [el('span', { class: 'label-child', text: '↳' })]),
    el('span', { class: 'label-text', text: lane.label }),
    ...(lane.drop === undefined
      ? []
      : [
          el('span', {
            class: lane.discard === '' ? 'badge drop' : 'badge discard',
            text: lane.discard === '' ? '✕' : '–',
            attributes: { role: 'img', 'aria-label': lane.discard === '' ? `dropped: ${lane.drop}` : ended },
          }),
        ]),
    el('span', { class: 'label-count', text: formatCount(lane.events) }),
  );
}

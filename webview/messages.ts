// What the page says beside what it shows: losses, what the trace has to tell, why there are no lanes, and, for screen readers, the
// hop that was selected.
import type { TraceSummary, TrailRow } from '../extension/protocol/timeline.ts';
import { createButton } from './controls.ts';
import { el, icon, setText } from './dom.ts';
import { endText, formatCount, formatDuration, formatShare, layerNames, plural } from './format.ts';
import type { Model } from './model.ts';

/** The elements in which the page says something; they follow the model. */
export class Messages {
  /** How much was lost. */
  readonly banner = el('div', { class: 'banner', attributes: { role: 'alert' } });
  /** What the trace has to tell: why it failed, what was detached. */
  readonly notice = el('div', { class: 'notice', attributes: { role: 'status' } });
  /** In place of the lanes when there are none. */
  readonly empty = el('div', { class: 'empty', attributes: { role: 'status' } });
  /** For screen readers alone. */
  readonly speech = el('div', {
    class: 'visually-hidden',
    attributes: { 'aria-live': 'polite', role: 'status' },
  });

  /** `clearFilter` is called when a person wants to see every packet again. */
  constructor(
    private readonly model: Model,
    private readonly clearFilter: () => void,
  ) {
    this.banner.hidden = this.notice.hidden = this.empty.hidden = true;
    model.onAny(['summary', 'filter', 'lanes'], () => this.update());
  }

  /** Tells a screen reader of the selected hop; `index` is its place among the `total` of its trail. */
  speakHop(row: TrailRow, index: number, total: number): void {
    const parts = [
      `Hop ${index + 1} of ${total}: ${row.function}`,
      layerNames[row.layer],
      row.iface,
      index === 0 ? '' : `${formatDuration(row.sinceNs)} after the previous`,
      row.drop === undefined
        ? ''
        : row.drop.discard === ''
          ? `dropped, ${row.drop.reason}`
          : endText(row.drop.reason, row.drop.discard),
      row.verdict === undefined || row.verdict === row.drop?.reason ? '' : `verdict ${row.verdict}`,
      row.program?.where ?? '',
      row.calledFrom === undefined ? '' : `called from ${row.calledFrom.program}`,
      ...row.changes,
    ];
    setText(this.speech, parts.filter((part) => part !== '').join(', '));
  }

  private update(): void {
    const { summary } = this.model;
    if (summary === undefined) return;
    this.updateBanner(summary);
    this.updateNotice(summary);
    if (summary.packets > 0) this.updateUnmatched(summary);
    else this.show(whyEmpty(summary));
  }

  private updateBanner(summary: TraceSummary): void {
    this.banner.hidden = summary.lost === 0;
    if (summary.lost === 0) return;
    const share = formatShare(summary.lost, summary.lost + summary.events);
    const text =
      `${plural(summary.lost, 'event')} (${share}) ${summary.lost === 1 ? 'was' : 'were'} lost before ` +
      `${summary.lost === 1 ? 'it' : 'they'} could be recorded: trails may miss hops inside the hatched bands. ` +
      'A narrower filter, fewer functions or a larger buffer lose less.';
    fill(this.banner, text, () => [icon('warning'), el('span', { text })]);
  }

  private updateNotice(summary: TraceSummary): void {
    const failed = summary.status === 'failed';
    const said = summary.packets === 0 ? [] : [summary.message];
    const text = [...said, shedText(summary)].filter((part) => part !== '').join(' ');
    fill(this.notice, text, () => [...(failed ? [icon('warning')] : []), el('span', { text })]);
    this.notice.classList.toggle('failed', failed);
    this.notice.hidden = text === '';
  }

  /** The trace has packets: it is the filter that leaves none. */
  private updateUnmatched({ packets }: TraceSummary): void {
    const { filter, lanes } = this.model;
    if (filter === '' || !lanes.loaded || lanes.total > 0) {
      this.empty.hidden = true;
      return;
    }
    const { clearFilter: onClick } = this;
    this.show([`No packet matches “${filter}”`, `The trace has ${plural(packets, 'packet')}.`], () => [
      createButton({ icon: 'clear', label: 'Clear filter', title: 'Show every packet', onClick }).element,
    ]);
  }

  /** `lines`: a title, and lines of which some may be empty. */
  private show([title = '', ...lines]: readonly string[], buttons: () => readonly HTMLElement[] = () => []): void {
    this.empty.hidden = false;
    fill(this.empty, [title, ...lines].join('\n'), () => {
      const texts = lines.filter((line) => line !== '').map((text) => el('p', { text }));
      return [el('h2', { text: title }), ...texts, ...buttons()];
    });
  }
}

/** Puts children into an element when what they say is new, so that a screen reader isn't disturbed. */
function fill(element: HTMLElement, text: string, children: () => readonly Node[]): void {
  if (element.dataset['text'] === text) return;
  element.dataset['text'] = text;
  element.replaceChildren(...children());
}

/** Why a trace has no packets: a title, and lines of which some may be empty. */
function whyEmpty(summary: TraceSummary): readonly string[] {
  const skipped = summary.hooksSkipped > 0 ? ` (${formatCount(summary.hooksSkipped)} skipped)` : '';
  const filter = summary.filter === '' ? 'every packet is wanted' : `filter “${summary.filter}”`;
  const hooks = `${plural(summary.hooksAttached, 'hook')} attached${skipped} on ${summary.node}, ${filter}.`;
  const { message } = summary;
  switch (summary.status) {
    case 'starting':
      return ['Starting…', message];
    case 'live': {
      const hint = 'Send some traffic, or stop and start with a wider filter.';
      return ['No packet has matched yet', hooks, hint, message];
    }
    case 'paused':
      return ['Paused, and no packet has matched yet', hooks, 'Resume to go on.', message];
    case 'failed':
      return ['The trace failed', message];
    case 'ended':
      return ['No packet matched', hooks, message];
    case 'file':
      return ['This trace has no packets', message];
  }
}

/** What was detached to keep within the overhead budget; empty when nothing was. */
function shedText({ hooksShed, shed }: TraceSummary): string {
  if (hooksShed === 0) return '';
  const rest = hooksShed > shed.length ? ` and ${formatCount(hooksShed - shed.length)} more` : '';
  return (
    `${plural(hooksShed, 'hook')} ${hooksShed === 1 ? 'was' : 'were'} detached to keep within the overhead budget: ` +
    `${shed.join(', ')}${rest}. Trails have no hops there any more.`
  );
}

// What is said beside the pointer: of the hop under it, of losses there, and of the time on the ruler.
import { markDiscard, markDrop, markProgram } from '../extension/protocol/pages.ts';
import { layers, type GapMark, type Lane } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';
import { endText, formatClock, formatCount, formatDuration, formatTime, layerNames, plural } from './format.ts';
import type { LoadedPage, Pointed } from './marks.ts';
import type { Model } from './model.ts';

/** Kind (a CSS class) and text of a line. */
type Line = readonly [string, string];

/** The box beside the pointer. */
export class Tooltip {
  readonly element = el('div', { class: 'tooltip', attributes: { 'aria-hidden': 'true' } });

  constructor(private readonly model: Model) {
    this.element.hidden = true;
  }

  /** Says what the pointer is on; undefined when it is on nothing. */
  update(pointed: Pointed | undefined): void {
    const lines = pointed === undefined ? [] : linesOf(this.model, pointed);
    // The hovered hop's label may be one that the lanes had no room for.
    this.model.hops.flush();
    this.element.hidden = lines.length === 0;
    if (pointed === undefined || lines.length === 0) return;
    const text = lines.map(([, line]) => line).join('\n');
    if (this.element.dataset['text'] !== text) {
      this.element.dataset['text'] = text;
      this.element.replaceChildren(...lines.map(([kind, line]) => el('div', { class: kind, text: line })));
    }
    const { offsetWidth, offsetHeight } = this.element;
    const x = pointed.x + 14;
    const y = pointed.y + 18;
    const left = x + offsetWidth > window.innerWidth - 4 ? pointed.x - offsetWidth - 10 : x;
    const top = y + offsetHeight > window.innerHeight - 4 ? pointed.y - offsetHeight - 10 : y;
    this.element.style.transform = `translate(${Math.max(4, Math.round(left))}px, ${Math.max(4, Math.round(top))}px)`;
  }
}

function linesOf(model: Model, { ns, slackNs, ruler, lane, mark }: Pointed): readonly Line[] {
  const { loaded } = model.pages;
  const hop =
    loaded === undefined || lane === undefined || mark === undefined ? [] : hopLines(model, loaded, lane, mark);
  const gaps = model.gaps.filter((gap) => gap.fromNs - slackNs <= ns && ns <= gap.toNs + slackNs);
  if (gaps.length > 0) return [...hop, ...gapLines(gaps)];
  if (hop.length > 0 || !ruler) return hop;
  const start = model.summary?.startMs ?? 0;
  const at = Math.max(0, ns);
  const clock: readonly Line[] = start > 0 ? [['tooltip-dim', formatClock(start + at / 1e6)]] : [];
  return [['tooltip-line', formatTime(at)], ...clock];
}

function hopLines(model: Model, { page, fromNs }: LoadedPage, lane: Lane, mark: number): readonly Line[] {
  const lines: Line[] = [];
  const label = model.hops.get(page.event[mark] ?? 0);
  const count = page.count[mark] ?? 1;
  const at = fromNs + (page.time[mark] ?? 0);
  const layer = layers[page.layer[mark] ?? 0];
  const place = [label?.iface ?? '', label?.netns ?? ''].filter((part) => part !== '').join(' in ');
  const flags = page.flags[mark] ?? 0;
  const name = label?.function ?? '…';
  lines.push(['tooltip-title', count > 1 ? `${formatCount(count)} hops from ${name} on` : name]);
  if (flags & markDrop) lines.push(['tooltip-drop', `✕ ${endText(lane.drop ?? 'reason unknown', '')}`]);
  else if (flags & markDiscard && lane.discard !== '')
    lines.push(['tooltip-line', `⊖ ${endText(lane.drop ?? '', lane.discard)}`]);
  if (count === 1 && flags & markProgram && label !== undefined && label.note !== '')
    lines.push(['tooltip-line', label.note]);
  lines.push(['tooltip-line', `${formatTime(at)} (+${formatDuration(Math.max(0, at - lane.firstNs))} in the trail)`]);
  lines.push([
    'tooltip-line',
    [layer === undefined ? '' : layerNames[layer], place].filter((part) => part !== '').join(' · '),
  ]);
  if (count > 1)
    lines.push(['tooltip-dim', `over ${formatDuration(page.width[mark] ?? 0)}; zoom in to tell them apart`]);
  return lines;
}

function gapLines(gaps: readonly GapMark[]): readonly Line[] {
  const lines: Line[] = [];
  const losses = gaps.filter((gap) => gap.lost > 0);
  const lost = losses.reduce((sum, gap) => sum + gap.lost, 0);
  const missed = gaps.reduce((sum, gap) => sum + gap.missed, 0);
  if (lost > 0) lines.push(['tooltip-gap', `${plural(lost, 'event')} lost here`]);
  for (const gap of losses.slice(0, 4))
    lines.push(['tooltip-line', `CPU ${gap.cpu}: ${formatCount(gap.lost)}, ${gap.cause}`]);
  if (losses.length > 4) lines.push(['tooltip-dim', `and ${losses.length - 4} more gaps`]);
  if (missed > 0) lines.push(['tooltip-dim', `${plural(missed, 'hit')} of whatever packets unseen here`]);
  return lines;
}

// The cells of the trail's rows: what each column is, and what it says of a hop.
import type { TrailRow } from '../extension/protocol/timeline.ts';
import { el, setText } from './dom.ts';
import { endText, formatDuration, formatTime } from './format.ts';

const columns = [
  ['index', '#'],
  ['time', 'Time'],
  ['since', 'Since'],
  ['function', 'Function'],
  ['iface', 'Interface'],
  ['netns', 'Netns'],
  ['cpu', 'CPU'],
  ['changes', 'What changed'],
] as const;

const columnTitles: Readonly<Record<(typeof columns)[number][0], string>> = {
  index: 'Place in the trail',
  time: "Since the packet's first hop",
  since: 'Since the previous hop',
  function: 'Enter or click opens its source, with Ctrl beside',
  iface: 'Network interface',
  netns: 'Network namespace',
  cpu: 'CPU that ran it',
  changes: 'What this hop changed in the packet',
};

/** As in the lanes. */
const programSigns = { entry: ['▸', 'entered'], verdict: ['◆', 'returned'] } as const;

/** Columns of the grid. */
export const columnCount = columns.length;

/** The cells of the head. */
export function headCells(): readonly HTMLElement[] {
  return columns.map(([name, label]) =>
    el('span', {
      class: `cell ${name}`,
      text: label,
      title: columnTitles[name],
      attributes: { role: 'columnheader' },
    }),
  );
}

/** The cells of a row of the trail; `firstNs` is the packet's first time. A row that isn't loaded yet shows its place alone. */
export function cellsOf(row: TrailRow | undefined, index: number, firstNs: number): readonly HTMLElement[] {
  if (row === undefined) return [cell('index', String(index + 1))];
  const name = el('span', { class: 'function-name', text: row.function, title: `Open ${row.function} (Enter)` });
  const swatch = el('span', {
    class: `swatch layer-${row.layer}`,
    title: row.layer,
    attributes: { 'aria-label': row.layer, role: 'img' },
  });
  const functionCell = el('span', { class: 'cell function', attributes: { role: 'gridcell' } }, swatch, name);
  if (row.module !== '') functionCell.append(el('span', { class: 'module', text: `[${row.module}]` }));
  if (row.program !== undefined) {
    const [sign, name] = programSigns[row.program.kind];
    const attributes = { role: 'img', 'aria-label': name };
    functionCell.append(el('span', { class: 'program-sign', text: sign, title: `BPF program ${name}`, attributes }));
  }
  const changes = cell('changes', '');
  const [happened, asides] = whatHappened(row);
  changes.append(...happened);
  for (const change of row.changes) changes.append(el('span', { class: 'change', text: change, title: change }));
  changes.append(...asides);
  const time = cell('time', formatDuration(row.timeNs - firstNs));
  time.title = `${formatTime(row.timeNs)} since the trace's start`;
  return [
    cell('index', String(index + 1)),
    time,
    cell('since', index === 0 ? '' : `+${formatDuration(row.sinceNs)}`),
    functionCell,
    cell('iface', row.iface),
    cell('netns', row.netns),
    cell('cpu', String(row.cpu)),
    changes,
  ];
}

/** What a hop did with the packet besides changing it (drop, verdict, tail call), and what is worth a remark where there is room. */
function whatHappened({
  drop,
  record,
  verdict,
  program,
  calledFrom,
}: TrailRow): readonly [HTMLElement[], HTMLElement[]] {
  const part = (name: string, text: string, title: string): HTMLElement =>
    el('span', { class: name, text, title, attributes: { 'aria-label': title } });
  const happened: HTMLElement[] = [];
  const asides: HTMLElement[] = [];
  if (drop !== undefined) {
    const text = `${drop.reason}${drop.where === '' ? '' : ` at ${drop.where}`}`;
    if (drop.discard === '') happened.push(part('drop-text', `✕ ${text}`, `Dropped: ${text}`));
    else happened.push(part('discard-text', `⊖ ${text}: ${drop.discard}`, endText(text, drop.discard)));
  }
  // A verdict that drops is the drop's reason already.
  if (verdict !== undefined && verdict !== drop?.reason) {
    happened.push(part('verdict', `◆ ${verdict}`, `Verdict ${verdict}`));
  }
  if (calledFrom !== undefined && calledFrom.tailCalls.length > 0) {
    const chain = calledFrom.tailCalls.join(' → ');
    const title = `Tail call to ${chain}: inferred, because ${calledFrom.program}, which was not entered, called this function`;
    happened.push(part('tail-call', `⤷ inferred tail call → ${chain}`, title));
  } else if (calledFrom !== undefined) {
    asides.push(part('aside', `from ${calledFrom.program}`, `Called from the BPF program ${calledFrom.program}`));
  }
  if (record !== '') {
    asides.push(part('aside', `kernel's record: ${record}`, `The kernel's record of the drop before: ${record}`));
  }
  if (program !== undefined && program.where !== '') {
    const text = program.kind === 'entry' ? `entered at ${program.where}` : program.where;
    asides.push(part('aside', text, `Attached: ${program.where}`));
  }
  return [happened, asides];
}

function cell(name: string, text: string): HTMLElement {
  const element = el('span', { class: `cell ${name}`, attributes: { role: 'gridcell' } });
  if (text !== '') {
    setText(element, text);
    element.title = text;
  }
  return element;
}

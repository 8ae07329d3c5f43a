// Verdicts: what a BPF program or netfilter returned, in words.
import { layers } from '../protocol/timeline.ts';
import { programVerdict } from './programText.ts';
import type { TraceData } from './traceData.ts';
import { verdictText } from './text.ts';

function bitsOf(data: TraceData, row: number): bigint {
  return BigInt.asIntN(64, (BigInt(data.verdicts.value(row, 2)) << 32n) | BigInt(data.verdicts.value(row, 1)));
}

/** An event's verdict by its name: "TC_ACT_REDIRECT", the number when nobody has named it; undefined without one. */
export function verdictName(data: TraceData, event: number): string | undefined {
  const row = data.verdicts.find(event);
  if (row < 0) return undefined;
  const { columns, hooks, programs, places } = data;
  const chunk = columns.chunk(event);
  const at = columns.row(event);
  const id = chunk.hook[at] ?? 0;
  const hook = hooks.get(id);
  const program = programs.ofHook(hook);
  if (program === undefined) return verdictText(bitsOf(data, row), hook, layers[hooks.layer(id)] ?? 'other');
  const place = chunk.place[at] ?? 0;
  return programVerdict(programs, program, bitsOf(data, row), places.hi(place), places.lo(place));
}

/** The verdict with the interface that it redirects to: "TC_ACT_REDIRECT → eth1"; undefined when the event has none. */
export function verdictOf(data: TraceData, event: number): string | undefined {
  const name = verdictName(data, event);
  if (name === undefined) return undefined;
  const ifindex = data.verdicts.value(data.verdicts.find(event), 3);
  if (ifindex === 0) return name;
  const { columns, places, names } = data;
  const place = columns.chunk(event).place[columns.row(event)] ?? 0;
  return `${name} → ${names.iface(places.hi(place), ifindex, place)}`;
}

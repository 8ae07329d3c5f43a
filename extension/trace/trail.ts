// A packet's trail as rows: every hop with its place, the time since the one before, and what it changed.
import { layers, type HopLabel, type TrailRow } from '../protocol/timeline.ts';
import { dropOf, recordOf } from './drops.ts';
import type { LaneOrder } from './order.ts';
import type { Program } from './programMessages.ts';
import { ProgramRun, type ProgramCall } from './programRun.ts';
import { isProgramHook } from './programs.ts';
import { attachmentText, attachmentsAt, programName } from './programText.ts';
import type { TraceData } from './traceData.ts';
import { hex64 } from './tables.ts';
import { endText, etherText, hasPorts, l4Text, tcpFlagsText, tupleText } from './text.ts';
import { verdictOf } from './verdicts.ts';

/** All columns of one event, as numbers. */
export interface EventValues {
  readonly time: number;
  readonly packet: number;
  readonly hook: number;
  /** Thread id. */
  readonly task: number;
  readonly comm: string;
  readonly skb: number;
  readonly netns: number;
  readonly ifindex: number;
  /** Index in the trace's places: with it, names are those of then. */
  readonly place: number;
  readonly mark: number;
  readonly len: number;
  readonly tuple: number;
  readonly caller: number;
  readonly stack: number;
  readonly cpu: number;
  readonly protocol: number;
  readonly flags: number;
  readonly tcpFlags: number;
}

/** Reads one event. Throws a RangeError when there is no such event. */
export function readEvent(data: TraceData, event: number): EventValues {
  const chunk = data.columns.chunk(event);
  const row = data.columns.row(event);
  const place = chunk.place[row] ?? 0;
  const task = chunk.task[row] ?? 0;
  return {
    time: chunk.time[row] ?? 0,
    packet: chunk.packet[row] ?? 0,
    hook: chunk.hook[row] ?? 0,
    task: data.tasks.lo(task),
    comm: data.comm(task),
    skb: chunk.skb[row] ?? 0,
    netns: data.places.hi(place),
    ifindex: data.places.lo(place),
    place,
    mark: chunk.mark[row] ?? 0,
    len: chunk.len[row] ?? 0,
    tuple: chunk.tuple[row] ?? 0,
    caller: chunk.caller[row] ?? 0,
    stack: chunk.stack[row] ?? 0,
    cpu: chunk.cpu[row] ?? 0,
    protocol: chunk.protocol[row] ?? 0,
    flags: chunk.flags[row] ?? 0,
    tcpFlags: chunk.tcpFlags[row] ?? 0,
  };
}

/** A hop's label; empty strings when there is no such event. */
export function hopLabel(data: TraceData, event: number): HopLabel {
  if (!Number.isInteger(event) || event < 0 || event >= data.eventCount) {
    return { function: '', iface: '', netns: '', note: '' };
  }
  const values = readEvent(data, event);
  const { hook, netns, ifindex, place } = values;
  const program = programHop(data, values);
  return {
    function: functionOf(data, hook),
    iface: data.names.iface(netns, ifindex, place),
    netns: data.names.netns(netns, place),
    note:
      program === undefined ? '' : [program.where, verdictOf(data, event) ?? program.kind].filter(Boolean).join(': '),
  };
}

/** What a hop changed against the one before, in words. The CPU is no property of the packet and isn't named. */
export function changesBetween(data: TraceData, before: EventValues, now: EventValues): string[] {
  const { names } = data;
  const changes: string[] = [];
  const note = (what: string, from: string, to: string): void => {
    if (from !== to) changes.push(`${what} ${from || 'none'} → ${to || 'none'}`);
  };
  // Where the headers can't be read, nothing is known of them: no change.
  const read = now.tuple !== 0;
  if (read && before.tuple !== now.tuple) tupleChanges(data, before.tuple, now.tuple, note);
  note('mark', `0x${before.mark.toString(16)}`, `0x${now.mark.toString(16)}`);
  note('len', String(before.len), String(now.len));
  note('protocol', etherText(before.protocol), etherText(now.protocol));
  // Another name of the same one is no change of the packet's.
  const iface = ({ netns, ifindex, place }: EventValues): string => names.iface(netns, ifindex, place);
  const elsewhere = before.netns !== now.netns;
  if (elsewhere) note('netns', names.netns(before.netns, before.place), names.netns(now.netns, now.place));
  if (elsewhere || before.ifindex !== now.ifindex) note('interface', iface(before), iface(now));
  if (read) note('TCP flags', tcpFlagsText(before.tcpFlags), tcpFlagsText(now.tcpFlags));
  if (before.skb !== now.skb) note('skb', skbText(data, before.skb), skbText(data, now.skb));
  return changes;
}

function skbText(data: TraceData, index: number): string {
  return index === 0 ? '' : hex64(data.addresses.big(index));
}

function tupleChanges(
  data: TraceData,
  from: number,
  to: number,
  note: (what: string, from: string, to: string) => void,
): void {
  const before = data.tuples.get(from);
  const now = data.tuples.get(to);
  if (before === undefined || now === undefined) {
    note('tuple', before === undefined ? '' : tupleText(before), now === undefined ? '' : tupleText(now));
    return;
  }
  note('L4', l4Text(before.l4), l4Text(now.l4));
  note('src', endText(before, 'source'), endText(now, 'source'));
  note('dst', endText(before, 'destination'), endText(now, 'destination'));
  if (!hasPorts(now.l4) && before.l4 === now.l4) {
    note('type', String(before.sourcePort >>> 8), String(now.sourcePort >>> 8));
    note('id', String(before.destinationPort), String(now.destinationPort));
  }
}

/** The name of an event's function; a BPF program's by its own table, which has it whole. */
export function functionOf(data: TraceData, hook: number): string {
  const program = data.programs.ofHook(data.hooks.get(hook));
  return program === undefined || program.name === '' ? data.hooks.name(hook) : program.name;
}

/** Hops before a window from which it is known what program runs there: no program has more of them inside one run. */
const lookBack = 4096;

/** A packet's way through BPF programs up to a place in its order. O({@link lookBack}). */
export function programRunTo(data: TraceData, order: LaneOrder, to: number): ProgramRun {
  const run = new ProgramRun(data.programs);
  if (data.programs.size === 0) return run;
  for (let at = Math.max(0, to - lookBack); at < to; at++) stepProgram(data, run, order.events[at] ?? 0);
  return run;
}

/** The program that an event's function was called from, after the events before it. */
export function stepProgram(data: TraceData, run: ProgramRun, event: number): ProgramCall | undefined {
  const { columns, addresses, hooks } = data;
  const chunk = columns.chunk(event);
  const row = columns.row(event);
  const caller = chunk.caller[row] ?? 0;
  const hook = hooks.get(chunk.hook[row] ?? 0);
  if (caller === 0 && (hook === undefined || !isProgramHook(hook))) return undefined;
  return run.step(hook, addresses.big(caller), data.monotonic(chunk.time[row] ?? 0));
}

/** Where the program of an entry or verdict is attached; several places only when the event fits them all. */
export function attachedAt(data: TraceData, program: Program, { netns, ifindex, place }: EventValues): string {
  const iface = (inum: number, index: number): string => data.names.iface(inum, index, place);
  return attachmentsAt(program, netns, ifindex)
    .map((attachment) => attachmentText(data.programs, program, attachment, iface))
    .join(' or ');
}

function programHop(data: TraceData, now: EventValues): TrailRow['program'] {
  const hook = data.hooks.get(now.hook);
  if (hook === undefined || !isProgramHook(hook)) return undefined;
  const program = data.programs.ofHook(hook);
  return {
    kind: hook.kind === 'BPF entry' ? 'entry' : 'verdict',
    where: program === undefined ? '' : attachedAt(data, program, now),
  };
}

function calledFrom(call: ProgramCall | undefined): TrailRow['calledFrom'] {
  return call && { program: programName(call.program), tailCalls: call.tailCalls.map(programName) };
}

/** A window of a packet's trail in time order. O(rows), after the lane's order is built. */
export function trailWindow(data: TraceData, order: LaneOrder, offset: number, count: number): TrailRow[] {
  const from = Math.max(0, Math.floor(offset) || 0);
  const to = Math.min(order.count, from + Math.max(0, Math.floor(count) || 0));
  const rows: TrailRow[] = [];
  const run = programRunTo(data, order, from);
  let before = from > 0 ? readEvent(data, order.events[from - 1] ?? 0) : undefined;
  for (let at = from; at < to; at++) {
    const event = order.events[at] ?? 0;
    const now = readEvent(data, event);
    const hook = data.hooks.get(now.hook);
    rows.push({
      event,
      timeNs: data.sinceStart(now.time),
      sinceNs: before === undefined ? 0 : now.time - before.time,
      function: functionOf(data, now.hook),
      module: hook?.module ?? '',
      layer: layers[data.hooks.layer(now.hook)] ?? 'other',
      iface: data.names.iface(now.netns, now.ifindex, now.place),
      netns: data.names.netns(now.netns, now.place),
      cpu: now.cpu,
      changes: before === undefined ? [] : changesBetween(data, before, now),
      drop: dropOf(data, event),
      record: recordOf(data, event),
      verdict: verdictOf(data, event),
      program: programHop(data, now),
      calledFrom: calledFrom(stepProgram(data, run, event)),
    });
    before = now;
  }
  return rows;
}

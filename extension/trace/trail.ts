// A packet's trail as rows: every hop with its place, the time since the one before, and what it changed.
import { layers, type HopLabel, type TrailRow } from '../protocol/timeline.ts';
import { dropOf, recordOf } from './drops.ts';
import type { LaneOrder } from './order.ts';
import type { Program } from './programMessages.ts';
import { ProgramRun, type ProgramCall } from './programRun.ts';
import { isProgramHook } from './programs.ts';
import { attachmentText, attachmentsAt, programName } from './programText.ts';
import type { TraceStore } from './traceData.ts';
import { hex64 } from './tables.ts';
import { endText, etherText, hasPorts, l4Text, tcpFlagsText, tupleText } from './text.ts';
import { verdictOf } from './verdicts.ts';

/** All columns of one event, as numbers. */
export interface EventValues {
  readonly time: number;
  readonly packet: number;
  readonly hook: number;
  readonly task: number;
  readonly skb: number;
  readonly netns: number;
  readonly ifindex: number;
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
export function readEvent(store: TraceStore, event: number): EventValues {
  const chunk = store.columns.chunk(event);
  const row = store.columns.row(event);
  const place = chunk.place[row] ?? 0;
  return {
    time: chunk.time[row] ?? 0,
    packet: chunk.packet[row] ?? 0,
    hook: chunk.hook[row] ?? 0,
    task: chunk.task[row] ?? 0,
    skb: chunk.skb[row] ?? 0,
    netns: store.places.hi(place),
    ifindex: store.places.lo(place),
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
export function hopLabel(store: TraceStore, event: number): HopLabel {
  if (!Number.isInteger(event) || event < 0 || event >= store.eventCount) {
    return { function: '', iface: '', netns: '', note: '' };
  }
  const values = readEvent(store, event);
  const { hook, netns, ifindex } = values;
  const program = programHop(store, values);
  return {
    function: functionOf(store, hook),
    iface: store.names.iface(netns, ifindex),
    netns: store.names.netns(netns),
    note:
      program === undefined ? '' : [program.where, verdictOf(store, event) ?? program.kind].filter(Boolean).join(': '),
  };
}

/** What a hop changed against the one before, in words. The CPU is no property of the packet and isn't named. */
export function changesBetween(store: TraceStore, before: EventValues, now: EventValues): string[] {
  const { names } = store;
  const changes: string[] = [];
  const note = (what: string, from: string, to: string): void => {
    if (from !== to) changes.push(`${what} ${from || 'none'} → ${to || 'none'}`);
  };
  if (before.tuple !== now.tuple) tupleChanges(store, before.tuple, now.tuple, note);
  note('mark', `0x${before.mark.toString(16)}`, `0x${now.mark.toString(16)}`);
  note('len', String(before.len), String(now.len));
  note('protocol', etherText(before.protocol), etherText(now.protocol));
  note('netns', names.netns(before.netns), names.netns(now.netns));
  if (before.netns !== now.netns || before.ifindex !== now.ifindex) {
    note('interface', names.iface(before.netns, before.ifindex), names.iface(now.netns, now.ifindex));
  }
  note('TCP flags', tcpFlagsText(before.tcpFlags), tcpFlagsText(now.tcpFlags));
  if (before.skb !== now.skb) note('skb', skbText(store, before.skb), skbText(store, now.skb));
  return changes;
}

function skbText(store: TraceStore, index: number): string {
  return index === 0 ? '' : hex64(store.addresses.big(index));
}

function tupleChanges(
  store: TraceStore,
  from: number,
  to: number,
  note: (what: string, from: string, to: string) => void,
): void {
  const before = store.tuples.get(from);
  const now = store.tuples.get(to);
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
export function functionOf(store: TraceStore, hook: number): string {
  const program = store.programs.ofHook(store.hooks.get(hook));
  return program === undefined || program.name === '' ? store.hooks.name(hook) : program.name;
}

/** Hops before a window from which it is known what program runs there: no program has more of them inside one run. */
const lookBack = 4096;

/** A packet's way through BPF programs up to a place in its order. O({@link lookBack}). */
export function programRunTo(store: TraceStore, order: LaneOrder, to: number): ProgramRun {
  const run = new ProgramRun(store.programs);
  if (store.programs.size === 0) return run;
  for (let at = Math.max(0, to - lookBack); at < to; at++) stepProgram(store, run, order.events[at] ?? 0);
  return run;
}

/** The program that an event's function was called from, after the events before it. */
export function stepProgram(store: TraceStore, run: ProgramRun, event: number): ProgramCall | undefined {
  const { columns, addresses, hooks } = store;
  const chunk = columns.chunk(event);
  const row = columns.row(event);
  const caller = chunk.caller[row] ?? 0;
  const hook = hooks.get(chunk.hook[row] ?? 0);
  if (caller === 0 && (hook === undefined || !isProgramHook(hook))) return undefined;
  return run.step(hook, addresses.big(caller), store.monotonic(chunk.time[row] ?? 0));
}

/** Where the program of an entry or verdict is attached; several places only when the event fits them all. */
export function attachedAt(store: TraceStore, program: Program, netns: number, ifindex: number): string {
  const { names, programs } = store;
  return attachmentsAt(program, netns, ifindex)
    .map((attachment) => attachmentText(programs, program, attachment, (inum, index) => names.iface(inum, index)))
    .join(' or ');
}

function programHop(store: TraceStore, now: EventValues): TrailRow['program'] {
  const hook = store.hooks.get(now.hook);
  if (hook === undefined || !isProgramHook(hook)) return undefined;
  const program = store.programs.ofHook(hook);
  return {
    kind: hook.kind === 'BPF entry' ? 'entry' : 'verdict',
    where: program === undefined ? '' : attachedAt(store, program, now.netns, now.ifindex),
  };
}

function calledFrom(call: ProgramCall | undefined): TrailRow['calledFrom'] {
  return call && { program: programName(call.program), tailCalls: call.tailCalls.map(programName) };
}

/** A window of a packet's trail in time order. O(rows), after the lane's order is built. */
export function trailWindow(store: TraceStore, order: LaneOrder, offset: number, count: number): TrailRow[] {
  const from = Math.max(0, Math.floor(offset) || 0);
  const to = Math.min(order.count, from + Math.max(0, Math.floor(count) || 0));
  const rows: TrailRow[] = [];
  const run = programRunTo(store, order, from);
  let before = from > 0 ? readEvent(store, order.events[from - 1] ?? 0) : undefined;
  for (let at = from; at < to; at++) {
    const event = order.events[at] ?? 0;
    const now = readEvent(store, event);
    const hook = store.hooks.get(now.hook);
    rows.push({
      event,
      timeNs: store.sinceStart(now.time),
      sinceNs: before === undefined ? 0 : now.time - before.time,
      function: functionOf(store, now.hook),
      module: hook?.module ?? '',
      layer: layers[store.hooks.layer(now.hook)] ?? 'other',
      iface: store.names.iface(now.netns, now.ifindex),
      netns: store.names.netns(now.netns),
      cpu: now.cpu,
      changes: before === undefined ? [] : changesBetween(store, before, now),
      drop: dropOf(store, event),
      record: recordOf(store, event),
      verdict: verdictOf(store, event),
      program: programHop(store, now),
      calledFrom: calledFrom(stepProgram(store, run, event)),
    });
    before = now;
  }
  return rows;
}

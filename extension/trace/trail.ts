// A packet's trail as rows: every hop with its place, the time since the one before, and what it changed.
import { layers, type HopLabel, type TrailRow } from '../protocol/timeline.ts';
import type { LaneOrder } from './order.ts';
import type { TraceStore } from './store.ts';
import { hex64 } from './tables.ts';
import { endText, etherText, hasPorts, l4Text, tcpFlagsText, tupleText, verdictText } from './text.ts';

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
  if (!Number.isInteger(event) || event < 0 || event >= store.eventCount) return { function: '', iface: '', netns: '' };
  const { hook, netns, ifindex } = readEvent(store, event);
  return {
    function: store.hooks.name(hook),
    iface: store.names.iface(netns, ifindex),
    netns: store.names.netns(netns),
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

/** Why and where an event dropped its packet; undefined when it didn't. */
export function dropOf(store: TraceStore, event: number): { reason: string; where: string } | undefined {
  const row = store.drops.find(event);
  if (row < 0) return undefined;
  const location = store.addresses.big(store.drops.value(row, 2));
  return {
    reason: store.reasons.name(store.drops.value(row, 1)),
    where: location === 0n ? '' : store.symbols.text(location),
  };
}

/** An event's verdict in words; undefined when it has none. */
export function verdictOf(store: TraceStore, event: number, hook: number): string | undefined {
  const row = store.verdicts.find(event);
  if (row < 0) return undefined;
  const bits = (BigInt(store.verdicts.value(row, 2)) << 32n) | BigInt(store.verdicts.value(row, 1));
  return verdictText(BigInt.asIntN(64, bits), store.hooks.get(hook), layers[store.hooks.layer(hook)] ?? 'other');
}

/** A window of a packet's trail in time order. O(rows), after the lane's order is built. */
export function trailWindow(store: TraceStore, order: LaneOrder, offset: number, count: number): TrailRow[] {
  const from = Math.max(0, Math.floor(offset) || 0);
  const to = Math.min(order.count, from + Math.max(0, Math.floor(count) || 0));
  const rows: TrailRow[] = [];
  let before = from > 0 ? readEvent(store, order.events[from - 1] ?? 0) : undefined;
  for (let at = from; at < to; at++) {
    const event = order.events[at] ?? 0;
    const now = readEvent(store, event);
    const hook = store.hooks.get(now.hook);
    rows.push({
      event,
      timeNs: store.sinceStart(now.time),
      sinceNs: before === undefined ? 0 : now.time - before.time,
      function: store.hooks.name(now.hook),
      module: hook?.module ?? '',
      layer: layers[store.hooks.layer(now.hook)] ?? 'other',
      iface: store.names.iface(now.netns, now.ifindex),
      netns: store.names.netns(now.netns),
      cpu: now.cpu,
      changes: before === undefined ? [] : changesBetween(store, before, now),
      drop: dropOf(store, event),
      verdict: verdictOf(store, event, now.hook),
    });
    before = now;
  }
  return rows;
}

// Drops: the kernel's, those that a BPF program's verdict makes, and those that are none to a person.
//
// The rule for both together: a program's verdict that drops (programText.ts) is the packet's drop, with the verdict as its reason.
// The kernel then frees the skb and tells of the same drop once more. So the packet's next drop event, when it has no reason
// of its own (TC_INGRESS, TC_EGRESS, XDP…, NOT_SPECIFIED, or none on kernels without reasons), is the kernel's record of it:
// a hop like others that shows what the kernel said, not a drop. Any other reason, and any later drop, counts for itself.
//
// Some ends that the kernel calls drops happen to every packet of a kind when all is well. They are shown with what the kernel
// said and a hint, and don't count as drops.
import type { Tuple } from './intern.ts';
import type { TraceData } from './traceData.ts';
import { isIcmp } from './text.ts';
import { verdictName } from './verdicts.ts';

/** What a row of the drops table is, its column c. */
export const dropKind = {
  kernel: 0,
  /** By a verdict that the kernel hasn't recorded yet. */
  verdict: 1,
  recorded: 2,
  /** The kernel's record of a verdict's drop. */
  record: 3,
  /** A drop to the kernel only. */
  benign: 4,
} as const;

/** An end that is the usual one: what the kernel says, where, of which packets; and what a person is told. */
interface BenignEnd {
  readonly reason: string;
  /** Of the functions that free the packet; the compiler may have put one into its caller. */
  readonly place: RegExp;
  readonly packet: (tuple: Tuple | undefined, tcpFlags: number) => boolean;
  readonly hint: string;
}

const tcpAck = 0x10;
const benignEnds: readonly BenignEnd[] = [
  {
    // ping_rcv (net/ipv4/ping.c) looks for a ping socket, and icmp_rcv or icmpv6_rcv free the reply when there is none, though the raw
    // socket of whoever pings got its copy.
    reason: 'NO_SOCKET',
    place: /^(icmp|icmpv6|ping)_rcv(\.|$)/,
    packet: (tuple) =>
      tuple === undefined || (isIcmp(tuple.l4) && tuple.sourcePort >>> 8 === (tuple.l4 === 58 ? 129 : 0)),
    hint: 'normal for an answered ping',
  },
  {
    // tcp_rcv_state_process (net/ipv4/tcp_input.c) discards what it has nothing to queue of: an acknowledgement, once it is taken in.
    reason: 'NOT_SPECIFIED',
    place: /^tcp_rcv_state_process(\.|$)/,
    packet: (tuple, tcpFlags) => tuple?.l4 === 6 && tcpFlags === tcpAck,
    hint: 'normal for an acknowledgement that was taken in',
  },
];

/** Whether a kernel's drop is the usual end of such a packet. `location` and `tuple` are indices in the trace's tables. */
export function isBenign(data: TraceData, reason: number, location: number, tuple: number, tcpFlags: number): boolean {
  const name = data.reasons.name(reason);
  const end = benignEnds.find((each) => each.reason === name);
  if (end?.packet(data.tuples.get(tuple), tcpFlags) !== true) return false;
  return end.place.test(data.symbols.find(data.addresses.big(location))?.symbol.name ?? '');
}

/** What makes a row of the drops table a benign end, for a person; empty for a drop. */
export function benignHint(data: TraceData, row: number): string {
  if (data.drops.value(row, 3) !== dropKind.benign) return '';
  const name = data.reasons.name(data.drops.value(row, 1));
  return benignEnds.find(({ reason }) => reason === name)?.hint ?? '';
}

const recordReasons = /^(NOT_SPECIFIED|TC_INGRESS|TC_EGRESS|XDP\w*)$/;

/** Whether a kernel's drop event of this lane is its record of a drop that a verdict made. */
export function isRecord(data: TraceData, lane: number, reason: number): boolean {
  const last = data.packets.dropRow(lane);
  if (last === undefined || data.drops.value(last, 3) !== dropKind.verdict) return false;
  return reason === 0 || recordReasons.test(data.reasons.name(reason));
}

/** The reason in a row of the drops table. */
export function dropReason(data: TraceData, row: number): string {
  const { drops, reasons } = data;
  const kind = drops.value(row, 3);
  return kind === dropKind.verdict || kind === dropKind.recorded
    ? (verdictName(data, drops.value(row, 0)) ?? 'verdict')
    : reasons.name(drops.value(row, 1));
}

/** What the kernel said of an event's drop, whether it counts or is a record. */
function told(data: TraceData, row: number): { reason: string; where: string } {
  const location = data.addresses.big(data.drops.value(row, 2));
  return { reason: dropReason(data, row), where: location === 0n ? '' : data.symbols.text(location) };
}

/** Why and where an event dropped its packet, with a hint when that is the usual end; undefined when it didn't. */
export function dropOf(data: TraceData, event: number): { reason: string; where: string; hint: string } | undefined {
  const row = data.drops.find(event);
  if (row < 0 || data.drops.value(row, 3) === dropKind.record) return undefined;
  return { ...told(data, row), hint: benignHint(data, row) };
}

/** What the kernel recorded of a verdict's drop: "TC_INGRESS at sch_handle_ingress+0x40"; empty for other events. */
export function recordOf(data: TraceData, event: number): string {
  const row = data.drops.find(event);
  if (row < 0 || data.drops.value(row, 3) !== dropKind.record) return '';
  const { reason, where } = told(data, row);
  return where === '' ? reason : `${reason} at ${where}`;
}

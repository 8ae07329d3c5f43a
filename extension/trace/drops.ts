// Drops: the kernel's, and those that a BPF program's verdict makes.
//
// The rule for both together: a program's verdict that drops (programText.ts) is the packet's drop, with the verdict as its reason.
// The kernel then frees the skb and tells of the same drop once more. So the packet's next drop event, when it has no reason
// of its own (TC_INGRESS, TC_EGRESS, XDP…, NOT_SPECIFIED, or none on kernels without reasons), is the kernel's record of it:
// a hop like others that shows what the kernel said, not a drop. Any other reason, and any later drop, counts for itself.
//
// What the kernel calls a drop may be none: discards.ts.
import { discardText } from './discards.ts';
import type { TraceData } from './traceData.ts';
import { verdictName } from './verdicts.ts';

/** What a row of the drops table is, its column c; or a discard (discards.ts). */
export const dropKind = {
  kernel: 0,
  /** By a verdict that the kernel hasn't recorded yet. */
  verdict: 1,
  recorded: 2,
  /** The kernel's record of a verdict's drop. */
  record: 3,
} as const;

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

/** Why and where an event dropped or discarded its packet, and of a discard where the data went; undefined when it did neither. */
export function dropOf(data: TraceData, event: number): { reason: string; where: string; discard: string } | undefined {
  const row = data.drops.find(event);
  if (row < 0 || data.drops.value(row, 3) === dropKind.record) return undefined;
  return { ...told(data, row), discard: discardText(data, row) };
}

/** What the kernel recorded of a verdict's drop: "TC_INGRESS at sch_handle_ingress+0x40"; empty for other events. */
export function recordOf(data: TraceData, event: number): string {
  const row = data.drops.find(event);
  if (row < 0 || data.drops.value(row, 3) !== dropKind.record) return '';
  const { reason, where } = told(data, row);
  return where === '' ? reason : `${reason} at ${where}`;
}

// Everything about one event, field by field, for the details view.
import { formatDuration } from '../protocol/duration.ts';
import type { EventDetail } from '../protocol/timeline.ts';
import { join64 } from './bytes.ts';
import { eventFlag } from './columns.ts';
import { laneLabel } from './lanes.ts';
import { placeOf, type LaneOrder } from './order.ts';
import type { TraceData } from './traceData.ts';
import { hex64 } from './tables.ts';
import {
  edgeText,
  endText,
  etherText,
  icmpText,
  isIcmp,
  l4Text,
  monotonicText,
  tcpFlagsText,
  wallText,
} from './text.ts';
import { dropOf, recordOf } from './drops.ts';
import { changesBetween, functionOf, programRunTo, readEvent, stepProgram } from './trail.ts';
import { programFields, returnedByText } from './programDetail.ts';
import { programName } from './programText.ts';
import { verdictOf } from './verdicts.ts';

/** The event's fields in the order a person reads them; `order` is of its lane. Throws a RangeError when there is no such event. */
export function eventDetail(data: TraceData, order: LaneOrder, event: number): EventDetail {
  const values = readEvent(data, event);
  const hook = data.hooks.get(values.hook);
  const place = placeOf(order, event, values.time);
  const before = place > 0 ? readEvent(data, order.events[place - 1] ?? 0) : undefined;
  const fields: { name: string; value: string }[] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') fields.push({ name, value });
  };
  const named = (name: string, number: number): string => (name === String(number) ? name : `${name} (${number})`);

  const program = data.programs.ofHook(hook);
  const name = functionOf(data, values.hook);
  add('Function', name);
  add('Module', hook?.module === '' && program === undefined ? 'vmlinux' : hook?.module);
  add('Hook', hook?.kind);
  add('Prototype', hook?.prototype);
  add('Address', hook === undefined || hook.address === 0n ? '' : hex64(hook.address));
  add('Time', `+${formatDuration(data.sinceStart(values.time))}`);
  add('Since previous hop', before === undefined ? '' : formatDuration(values.time - before.time));
  const mono = data.monotonic(values.time);
  const wall = data.wall(values.time);
  add('Wall clock', wall === undefined ? '' : wallText(wall));
  add('Monotonic clock', monotonicText(mono));
  const drop = dropOf(data, event);
  add(drop?.discard === '' ? 'Drop reason' : 'Discard reason', drop?.reason);
  add(drop?.discard === '' ? 'Dropped at' : 'Discarded at', drop?.where);
  add('Its data', drop?.discard);
  const record = recordOf(data, event);
  add("Kernel's record", record === '' ? '' : `${record}; the drop itself is the verdict before`);
  add('Verdict', verdictOf(data, event));
  const run = programRunTo(data, order, place);
  if (program !== undefined) {
    if (hook?.kind === 'BPF verdict') add('Returned by', returnedByText(program, run.reachedFrom(program.id)));
    fields.push(...programFields(data, program, values));
  }
  const call = stepProgram(data, run, event);
  add('Called from', call && `${programName(call.program)} (BPF program ${call.program.id})`);
  if (call !== undefined && call.tailCalls.length > 0) {
    add('Tail call', `${call.tailCalls.map((to) => `${programName(to)} (${to.id})`).join(' → ')} (inferred)`);
  }
  add('Packet', `${data.packets.id(values.packet)}: ${laneLabel(data, values.packet)}`);
  const parent = data.parents.find(event);
  if (parent >= 0) {
    const { id, edge } = parentOf(data, parent);
    add('Parent packet', `${id} (${edgeText(edge)})`);
  }
  add('skb', values.skb === 0 ? '' : hex64(data.addresses.big(values.skb)));
  const { netns, ifindex, place: at } = values;
  add('Network namespace', netns === 0 ? '' : named(data.names.netns(netns, at), netns));
  const namespace = data.names.netnsEntry(netns, at);
  add('Pod', namespace?.pod);
  add('Container', namespace?.container);
  add('Interface', ifindex === 0 ? '' : `${data.names.iface(netns, ifindex, at)} (${ifindex})`);
  add('Interface kind', data.names.ifaceEntry(netns, ifindex, at)?.kind);
  add('CPU', String(values.cpu));
  const { comm } = values;
  add('Task', values.task === 0 ? 'idle (0)' : comm === '' ? String(values.task) : `${comm} (${values.task})`);
  add('Length', `${values.len} bytes`);
  add('Mark', `0x${values.mark.toString(16)}`);
  add('Protocol', etherText(values.protocol));
  const tuple = data.tuples.get(values.tuple);
  if (tuple !== undefined) {
    add('L4 protocol', l4Text(tuple.l4));
    add('Source', endText(tuple, 'source'));
    add('Destination', endText(tuple, 'destination'));
    if (isIcmp(tuple.l4)) {
      add('ICMP type', icmpText(tuple));
      add('ICMP id', icmpText(tuple).includes('echo') ? String(tuple.destinationPort) : '');
    }
    if (tuple.l4 === 6) add('TCP flags', tcpFlagsText(values.tcpFlags));
  }
  add('Changed here', before === undefined ? '' : changesBetween(data, before, values).join(', '));
  add('Caller', values.caller === 0 ? '' : addressText(data, values.caller));
  if ((values.flags & eventFlag.free) !== 0) add('Freed', 'yes, this is the packet’s last event');

  return {
    event,
    title: name,
    fields,
    stack:
      values.stack === 0 ? [] : data.stacks.get(values.stack).map((address, depth) => frameText(data, address, depth)),
  };
}

/** A row of the parents table: the parent's id and the edge from it. */
function parentOf({ parents }: TraceData, row: number): { readonly id: string; readonly edge: number } {
  return { id: String(join64(parents.value(row, 1), parents.value(row, 2))), edge: parents.value(row, 3) };
}

/** A stack's innermost address is where the hook is; calls return to the others. */
function frameText({ symbols }: TraceData, address: bigint, depth: number): string {
  return depth === 0 ? symbols.text(address) : symbols.returnText(address);
}

/** "ip_rcv_finish+0x40 (0xffffffff81a2b3c4)". */
function addressText(data: TraceData, index: number): string {
  const address = data.addresses.big(index);
  const text = data.symbols.text(address);
  const bare = hex64(address);
  return text === bare ? bare : `${text} (${bare})`;
}

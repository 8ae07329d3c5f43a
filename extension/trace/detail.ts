// Everything about one event, field by field, for the details view.
import { formatDuration } from '../protocol/duration.ts';
import type { EventDetail } from '../protocol/timeline.ts';
import { eventFlag } from './columns.ts';
import { laneLabel } from './lanes.ts';
import { placeOf } from './order.ts';
import type { TraceStore } from './traceData.ts';
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

/** The event's fields in the order a person reads them. Throws a RangeError when there is no such event. */
export function eventDetail(store: TraceStore, event: number): EventDetail {
  const values = readEvent(store, event);
  const hook = store.hooks.get(values.hook);
  const order = store.order(values.packet);
  const place = placeOf(order, event, values.time);
  const before = place > 0 ? readEvent(store, order.events[place - 1] ?? 0) : undefined;
  const fields: { name: string; value: string }[] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') fields.push({ name, value });
  };
  const named = (name: string, number: number): string => (name === String(number) ? name : `${name} (${number})`);

  const program = store.programs.ofHook(hook);
  const name = functionOf(store, values.hook);
  add('Function', name);
  add('Module', hook?.module === '' && program === undefined ? 'vmlinux' : hook?.module);
  add('Hook', hook?.kind);
  add('Prototype', hook?.prototype);
  add('Address', hook === undefined || hook.address === 0n ? '' : hex64(hook.address));
  add('Time', `+${formatDuration(store.sinceStart(values.time))}`);
  add('Since previous hop', before === undefined ? '' : formatDuration(values.time - before.time));
  const mono = store.monotonic(values.time);
  const wall = store.wall(values.time);
  add('Wall clock', wall === undefined ? '' : wallText(wall));
  add('Monotonic clock', monotonicText(mono));
  const drop = dropOf(store, event);
  add('Drop reason', drop && (drop.hint === '' ? drop.reason : `${drop.reason} (${drop.hint})`));
  add('Dropped at', drop?.where);
  const record = recordOf(store, event);
  add("Kernel's record", record === '' ? '' : `${record}; the drop itself is the verdict before`);
  add('Verdict', verdictOf(store, event));
  const run = programRunTo(store, order, place);
  if (program !== undefined) {
    if (hook?.kind === 'BPF verdict') add('Returned by', returnedByText(program, run.reachedFrom(program.id)));
    fields.push(...programFields(store, program, values.netns, values.ifindex));
  }
  const call = stepProgram(store, run, event);
  add('Called from', call && `${programName(call.program)} (BPF program ${call.program.id})`);
  if (call !== undefined && call.tailCalls.length > 0) {
    add('Tail call', `${call.tailCalls.map((to) => `${programName(to)} (${to.id})`).join(' → ')} (inferred)`);
  }
  add('Packet', `${store.packets.id(values.packet)}: ${laneLabel(store, values.packet)}`);
  const parent = store.parents.find(event);
  if (parent >= 0) {
    const { id, edge } = store.parentOf(parent);
    add('Parent packet', `${id} (${edgeText(edge)})`);
  }
  add('skb', values.skb === 0 ? '' : hex64(store.addresses.big(values.skb)));
  add('Network namespace', values.netns === 0 ? '' : named(store.names.netns(values.netns), values.netns));
  const namespace = store.names.netnsEntry(values.netns);
  add('Pod', namespace?.pod);
  add('Container', namespace?.container);
  add(
    'Interface',
    values.ifindex === 0 ? '' : `${store.names.iface(values.netns, values.ifindex)} (${values.ifindex})`,
  );
  add('Interface kind', store.names.ifaceEntry(values.netns, values.ifindex)?.kind);
  add('CPU', String(values.cpu));
  const comm = store.names.comm(values.task);
  add('Task', values.task === 0 ? 'idle (0)' : comm === '' ? String(values.task) : `${comm} (${values.task})`);
  add('Length', `${values.len} bytes`);
  add('Mark', `0x${values.mark.toString(16)}`);
  add('Protocol', etherText(values.protocol));
  const tuple = store.tuples.get(values.tuple);
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
  add('Changed here', before === undefined ? '' : changesBetween(store, before, values).join(', '));
  add('Caller', values.caller === 0 ? '' : addressText(store, values.caller));
  if ((values.flags & eventFlag.free) !== 0) add('Freed', 'yes, this is the packet’s last event');

  return {
    event,
    title: name,
    fields,
    stack: values.stack === 0 ? [] : store.stacks.get(values.stack).map((address) => store.symbols.text(address)),
  };
}

/** "ip_rcv_finish+0x40 (0xffffffff81a2b3c4)". */
function addressText(store: TraceStore, index: number): string {
  const address = store.addresses.big(index);
  const text = store.symbols.text(address);
  const bare = hex64(address);
  return text === bare ? bare : `${text} (${bare})`;
}

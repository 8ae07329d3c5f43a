// Discards: skbs that the kernel frees as dropped although nothing is lost: their data went on elsewhere, or had done its work. The trace
// itself says so; what isn’t certain stays a drop. A discard is shown with the kernel’s reason and where the data went, and is no drop.
import { eventFlag } from './columns.ts';
import type { Tuple } from './intern.ts';
import type { Hook } from './metadata.ts';
import { edges } from './text.ts';
import type { TraceData } from './traceData.ts';

/** Where the data went; the drops table has them beside the kinds of drops (drops.ts). */
export const discardKind = {
  copied: 8,
  joined: 9,
  acknowledged: 10,
  repeated: 11,
  handled: 12,
  waited: 13,
  read: 14,
} as const;
export type DiscardKind = (typeof discardKind)[keyof typeof discardKind];

/** Whether a row of the drops table with this kind is a discard. */
export function isDiscard(kind: number): boolean {
  return kind >= discardKind.copied;
}

/** A freed packet, as its last event has it: the lane, and indices in the trace's tables. */
export interface FreedPacket {
  readonly lane: number;
  /** 0 where the kernel gives none (before 5.17). */
  readonly reason: number;
  readonly location: number;
  readonly tuple: number;
  readonly tcpFlags: number;
}

const [tcpFin, tcpSyn, tcpAck] = [0x01, 0x02, 0x10];
const rawReceiver = /^raw(v6)?_rcv(\.|$)/;
const sendAck = /^tcp_v[46]_send_ack(\.|$)/;
const icmpReceiver = /^(icmp|icmpv6|ping)_rcv(\.|$)/;

/**
 * Notes that the data of this lane's parent went to a raw socket, when it is a clone that enters raw_rcv or rawv6_rcv
 * (net/ipv4/raw.c, net/ipv6/raw.c).
 */
export function noteHeir(data: TraceData, lane: number, hook: Hook | undefined): void {
  const { packets, parents, takenBySocket } = data;
  const row = packets.parentRow(lane);
  if (row === undefined || parents.value(row, 3) !== edges.clone) return;
  if (hook?.module !== '' || !rawReceiver.test(hook.function)) return;
  const parent = packets.find(parents.value(row, 1), parents.value(row, 2));
  if (parent !== undefined) takenBySocket.set(parent, lane);
}

/**
 * Notes that this lane is an IPv6 echo request that was taken in, or an ICMPv6 error that sockets were told of. Kernels before 6.2 free
 * them then as drops without a reason, as nearly all that they have handled (icmpv6_rcv, net/ipv6/icmp.c).
 */
export function noteHandled({ handled }: TraceData, lane: number, hook: Hook | undefined): void {
  if (/^(icmpv6_echo_reply|raw6_icmp_error)$/.test(hook?.function ?? '')) handled.add(lane);
}

/**
 * Notes that a connection in TIME-WAIT looked at this lane, and acknowledged it: tcp_v4_rcv (net/ipv4/tcp_ipv4.c) frees all that comes
 * to one as a drop without a reason, and with it the FIN of each connection whose other end was closed for good before.
 */
export function noteTimeWait({ timeWait }: TraceData, lane: number, hook: Hook | undefined): void {
  if (hook?.function === 'tcp_timewait_state_process') timeWait.set(lane, false);
  else if (timeWait.has(lane) && sendAck.test(hook?.function ?? '')) timeWait.set(lane, true);
}

/** Notes that the data of `parent` goes on in the lane, when that is what the edge between them says. */
export function noteJoin(data: TraceData, parent: number, lane: number, edge: number): void {
  if (edge === edges.reassembled || edge === edges.merged) data.wentInto.set(parent, lane);
}

/** Notes that this lane was dropped: what a raw socket had no room for wasn't given to it. */
export function noteLoss(data: TraceData, lane: number): void {
  const { packets, parents, takenBySocket } = data;
  const row = packets.parentRow(lane);
  if (row === undefined) return;
  const parent = packets.find(parents.value(row, 1), parents.value(row, 2));
  if (parent !== undefined && takenBySocket.get(parent) === lane) takenBySocket.delete(parent);
}

function isEchoRequest(tuple: Tuple | undefined): boolean {
  const type = (tuple?.sourcePort ?? 0) >>> 8;
  return tuple !== undefined && ((tuple.l4 === 1 && type === 8) || (tuple.l4 === 58 && type === 128));
}

/** What kind of discard the kernel's drop of this packet is; undefined when it is a drop. */
export function discardOf(data: TraceData, freed: FreedPacket): DiscardKind | undefined {
  const reason = data.reasons.name(freed.reason);
  const tuple = data.tuples.get(freed.tuple);
  const place = data.symbols.find(data.addresses.big(freed.location))?.symbol.name ?? '';
  const unexplained = freed.reason === 0 || reason === 'NOT_SPECIFIED';
  // Whoever is freed there is in the frag_list of another one (skb_release_data, net/core/skbuff.c), which has its own end.
  if (unexplained && (/^skb_release_data(\.|$)/.test(place) || data.wentInto.has(freed.lane)))
    return discardKind.joined;
  // sctp_recvmsg (net/sctp/socket.c) frees what it has copied to the process.
  if (unexplained && /^sctp_recvmsg(\.|$)/.test(place)) return discardKind.read;
  if (unexplained && /^icmpv6_rcv(\.|$)/.test(place) && data.handled.has(freed.lane)) return discardKind.handled;
  // Raw sockets got their copies before (raw_local_deliver); ping_rcv (net/ipv4/ping.c) finds no ping socket then, and icmpv6_rcv frees
  // all without a reason before 6.2. Who asks has to be answered, whoever listens.
  const copied = icmpReceiver.test(place) && data.takenBySocket.has(freed.lane);
  if (copied && (reason === 'NO_SOCKET' || (unexplained && !isEchoRequest(tuple)))) return discardKind.copied;
  // A segment with nothing in it that others don't have (tcp_data_queue, tcp_data_queue_ofo, tcp_ofo_queue, net/ipv4/tcp_input.c), as
  // keepalive probes are (tcp_sequence).
  if (/^TCP_(OLD_DATA|OLD_SEQUENCE|OFOMERGE|OFO_DROP)$/.test(reason)) return discardKind.repeated;
  // tcp_rcv_state_process (net/ipv4/tcp_input.c) frees what it has nothing to queue of: an acknowledgement, once it is taken in.
  const flags = tuple?.l4 === 6 ? freed.tcpFlags : 0;
  if (unexplained && flags === tcpAck && /^tcp_rcv_state_process(\.|$)/.test(place)) return discardKind.acknowledged;
  // Where the compiler made a function of tcp_drop_reason (arm64), all that TCP drops is freed there, and all else has a reason since 5.19.
  const explains = reason === 'NOT_SPECIFIED' && data.reasons.has('TCP_RFC7323_PAWS');
  if (explains && flags === tcpAck && /^tcp_drop_reason(\.|$)/.test(place)) return discardKind.acknowledged;
  const ends = (flags & (tcpFin | tcpSyn)) === tcpFin;
  if (unexplained && ends && /^tcp_v[46]_rcv(\.|$)/.test(place) && data.timeWait.get(freed.lane) === true)
    return discardKind.waited;
  return undefined;
}

/** The process that read the copy in this lane from its socket; empty while nobody has. */
function reader(data: TraceData, lane: number): string {
  const { columns, packets } = data;
  const last = packets.tail(lane);
  const chunk = columns.chunk(last);
  const row = columns.row(last);
  if (((chunk.flags[row] ?? 0) & eventFlag.free) === 0 || packets.dropRow(lane) !== undefined) return '';
  return data.comm(chunk.task[row] ?? 0);
}

/** Where the data of a discard went, for a person; empty for a row of the drops table that is none. */
export function discardText(data: TraceData, row: number): string {
  const event = data.drops.value(row, 0);
  const lane = data.columns.chunk(event).packet[data.columns.row(event)] ?? 0;
  switch (data.drops.value(row, 3)) {
    case discardKind.copied: {
      const copy = data.takenBySocket.get(lane);
      const by = copy === undefined ? '' : reader(data, copy);
      return by === '' ? 'a raw socket got a copy of it' : `the raw socket of ${by} got a copy of it`;
    }
    case discardKind.joined: {
      const whole = data.wentInto.get(lane);
      return whole === undefined
        ? 'its data went on in the packet that it was put together to'
        : `its data went on in packet ${data.packets.id(whole)}`;
    }
    case discardKind.acknowledged:
      return 'TCP has taken the acknowledgement in';
    case discardKind.read:
      return 'a process read it';
    case discardKind.waited:
      return 'its connection in TIME-WAIT acknowledged it';
    case discardKind.handled:
      return 'the kernel took it in';
    case discardKind.repeated:
      return 'TCP got its data in other segments';
    default:
      return '';
  }
}

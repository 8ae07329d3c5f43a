// Decodes a batch of event records straight into the trace's columns: no object an event.
import { ByteReader, join64 } from './bytes.ts';
import { eventFlag } from './columns.ts';
import { discardOf, isDiscard, noteHandled, noteHeir, noteJoin, noteLoss, noteTimeWait } from './discards.ts';
import { dropKind, isRecord } from './drops.ts';
import { isProgramHook } from './programs.ts';
import { isDropVerdict } from './programText.ts';
import { edges } from './text.ts';
import type { TraceData } from './traceData.ts';

/** Bits of a record's parts mask, in the order of the parts. */
const part = {
  packet: 1 << 0,
  cpu: 1 << 1,
  task: 1 << 2,
  skb: 1 << 3,
  netns: 1 << 4,
  ifindex: 1 << 5,
  mark: 1 << 6,
  len: 1 << 7,
  protocol: 1 << 8,
  tuple: 1 << 9,
  caller: 1 << 10,
  stack: 1 << 11,
  drop: 1 << 12,
  verdict: 1 << 13,
  parent: 1 << 14,
  free: 1 << 15,
  tcpFlags: 1 << 16,
  redirect: 1 << 17,
  direction: 1 << 18,
} as const;

const knownParts = 2 ** 19 - 1;

/**
 * Decodes an events payload into the data; `origin` is the payload's place in the stream, for messages. Throws a FormatError
 * at the first record that isn't whole and sound; the records before it stay. Those that find the data full are counted as beyond it.
 */
export function decodeBatch(data: TraceData, payload: Uint8Array, origin: number): void {
  const reader = new ByteReader(payload, origin);
  const count = reader.varint53('the number of events');
  reader.fixed64("the batch's base time");
  const base = data.relative(reader.big());
  const batch = new Batch(data, reader, base);
  for (let i = 0; i < count; i++) {
    if (data.isFull) {
      // No record is shorter than a byte, whatever the count says.
      data.addBeyond(Math.min(count - i, reader.left));
      return;
    }
    batch.record();
  }
  if (reader.left > 0) reader.fail(`${reader.left} bytes after the last event of a batch`);
}

class Batch {
  readonly #start: number;
  #time: number;
  #idLo = 0;
  #idHi = 0;
  /** The current packet's lane, −1 while it has none. */
  #lane = -1;
  #cpu = 0;
  /** Index of the task. */
  #task = 0;

  constructor(
    private readonly data: TraceData,
    private readonly reader: ByteReader,
    base: number,
  ) {
    this.#start = data.columns.length;
    this.#time = base;
  }

  /** Reads one record to its end, then appends it: a record that is cut leaves nothing behind. */
  record(): void {
    const { data, reader } = this;
    const { columns, packets } = data;
    const parts = reader.varint32("an event's parts");
    if (parts > knownParts) reader.fail(`an event with parts 0x${parts.toString(16)} that this version doesn't know`);
    const time = this.#time + reader.zigzag53("an event's time");
    if (!Number.isSafeInteger(time)) reader.fail("an event's time is out of range");
    const hook = reader.varint32("an event's hook");

    if ((parts & part.packet) !== 0) {
      reader.varint("an event's packet");
      this.#idLo = reader.lo;
      this.#idHi = reader.hi;
      this.#lane = packets.find(reader.lo, reader.hi) ?? -1;
    }
    if (this.#idLo === 0 && this.#idHi === 0) reader.fail('an event without a packet');
    if ((parts & part.cpu) !== 0) this.#cpu = reader.varint32("an event's CPU");
    if (this.#cpu > 0xffff) reader.fail("an event's CPU is beyond 65535");
    if ((parts & part.task) !== 0) {
      const pid = reader.varint32("an event's task");
      this.#task = data.tasks.intern(pid, data.names.owner(pid));
    }

    let skb = 0;
    let netns = 0;
    let ifindex = 0;
    let mark = 0;
    let len = 0;
    let protocol = 0;
    let tuple = 0;
    let tcpFlags = 0;
    const previous = this.#lane < 0 ? -1 : packets.tail(this.#lane);
    if (previous >= this.#start) {
      const from = columns.chunk(previous);
      const row = columns.row(previous);
      skb = from.skb[row] ?? 0;
      const place = from.place[row] ?? 0;
      netns = data.places.hi(place);
      ifindex = data.places.lo(place);
      mark = from.mark[row] ?? 0;
      len = from.len[row] ?? 0;
      protocol = from.protocol[row] ?? 0;
      tuple = from.tuple[row] ?? 0;
      tcpFlags = from.tcpFlags[row] ?? 0;
    }
    if ((parts & part.skb) !== 0) {
      reader.fixed64("an event's skb");
      skb = data.addresses.intern(reader.lo, reader.hi);
    }
    if ((parts & part.netns) !== 0) netns = reader.varint32("an event's netns");
    if ((parts & part.ifindex) !== 0) ifindex = reader.varint32("an event's ifindex");
    if ((parts & part.mark) !== 0) mark = reader.varint32("an event's mark");
    if ((parts & part.len) !== 0) len = reader.varint32("an event's len");
    if ((parts & part.protocol) !== 0) {
      protocol = reader.varint32("an event's protocol");
      if (protocol > 0xffff) reader.fail("an event's protocol is beyond 16 bits");
    }
    if ((parts & part.tuple) !== 0) tuple = this.#tuple();
    let caller = 0;
    if ((parts & part.caller) !== 0) caller = this.#address("an event's caller");
    const stack = (parts & part.stack) !== 0 ? reader.varint32("an event's stack") : 0;
    let reason = 0;
    let location = 0;
    if ((parts & part.drop) !== 0) {
      reason = reader.varint32("an event's drop reason");
      location = this.#address("an event's drop location");
    }
    let verdictLo = 0;
    let verdictHi = 0;
    if ((parts & part.verdict) !== 0) {
      reader.zigzag64("an event's verdict");
      verdictLo = reader.lo;
      verdictHi = reader.hi;
    }
    let parentLo = 0;
    let parentHi = 0;
    let edge = 0;
    if ((parts & part.parent) !== 0) {
      reader.varint("an event's parent");
      parentLo = reader.lo;
      parentHi = reader.hi;
      edge = reader.u8("an event's parent edge");
    }
    if ((parts & part.tcpFlags) !== 0) tcpFlags = reader.u8("an event's TCP flags");
    const redirect = (parts & part.redirect) !== 0 ? reader.varint32("an event's redirect") : 0;
    const direction = (parts & part.direction) !== 0 ? reader.u8("an event's direction") : 0;

    // Everything of the record was there: append it.
    const event = data.pushEvent();
    this.#time = time;
    if (this.#lane < 0) this.#lane = packets.lane(this.#idLo, this.#idHi);
    const lane = this.#lane;
    const into = columns.chunk(event);
    const row = columns.row(event);
    into.time[row] = time;
    into.packet[row] = lane;
    into.hook[row] = hook;
    into.cpu[row] = this.#cpu;
    into.task[row] = this.#task;
    into.skb[row] = skb;
    into.place[row] = data.places.intern(ifindex, netns);
    into.mark[row] = mark;
    into.len[row] = len;
    into.protocol[row] = protocol;
    into.tuple[row] = tuple;
    into.tcpFlags[row] = tcpFlags;
    into.caller[row] = caller;
    if (stack !== 0) into.reserveStacks()[row] = stack;
    const known = data.hooks.get(hook);
    let flags = known !== undefined && isProgramHook(known) ? eventFlag.program : 0;
    if ((parts & part.verdict) !== 0) {
      flags |= eventFlag.verdict;
      // Only a verdict can redirect: its row has the place, so that this costs nothing.
      data.verdicts.push(event, verdictLo, verdictHi, redirect);
      if ((flags & eventFlag.program) !== 0) {
        data.verdictCounts.add(hook, netns, ifindex, direction, verdictLo | 0);
      }
      const program = data.programs.ofHook(known);
      if (program !== undefined) {
        const verdict = BigInt.asIntN(64, join64(verdictLo, verdictHi));
        const drops = isDropVerdict(program, verdict, netns, ifindex);
        if (drops && (parts & part.drop) === 0) flags |= this.#drop(event, lane, 0, 0, dropKind.verdict);
      }
    }
    if ((parts & part.drop) !== 0) {
      if (isRecord(data, lane, reason)) {
        flags |= eventFlag.record;
        data.drops.set(packets.dropRow(lane) ?? 0, 3, dropKind.recorded);
        data.drops.push(event, reason, location, dropKind.record);
      } else {
        const discard = discardOf(data, { lane, reason, location, tuple, tcpFlags });
        flags |= this.#drop(event, lane, reason, location, discard ?? dropKind.kernel);
      }
    }
    if ((parts & part.parent) !== 0) {
      flags |= eventFlag.parent;
      this.#parent(lane, data.parents.push(event, parentLo, parentHi, edge), packets.find(parentLo, parentHi), edge);
    }
    noteHeir(data, lane, known);
    noteHandled(data, lane, known);
    noteTimeWait(data, lane, known);
    if ((parts & part.free) !== 0) flags |= eventFlag.free;
    into.flags[row] = flags;
    const before = packets.append(lane, event, time);
    if (before !== undefined) columns.chunk(before).next[columns.row(before)] = event + 1;
    if (tuple !== 0) packets.setLabelEvent(lane, event);
    data.noteTime(time);
  }

  /** Notes that an event dropped or discarded its packet; returns the event's flag. */
  #drop(event: number, lane: number, reason: number, location: number, kind: number): number {
    const { packets, drops } = this.data;
    const before = packets.dropRow(lane);
    const wasDropped = before !== undefined && !isDiscard(drops.value(before, 3));
    const row = drops.push(event, reason, location, kind);
    if (isDiscard(kind)) {
      if (!wasDropped) packets.setDropRow(lane, row);
      return eventFlag.discard;
    }
    noteLoss(this.data, lane);
    if (!wasDropped) this.data.droppedPackets++;
    packets.setDropRow(lane, row);
    return eventFlag.drop;
  }

  /** Notes that a packet was made from another one, which may be unknown: its events were lost. */
  #parent(lane: number, row: number, parent: number | undefined, edge: number): void {
    // What was merged into a packet didn't make it.
    if (edge !== edges.merged) this.data.packets.setParentRow(lane, row);
    if (parent === undefined) return;
    this.data.kinship.add(parent, lane, row);
    noteJoin(this.data, parent, lane, edge);
  }

  #tuple(): number {
    const { reader } = this;
    const family = reader.u8("a tuple's family");
    if (family === 0) return 0;
    if (family !== 4 && family !== 6) return reader.fail(`a tuple of family ${family}`);
    const l4 = reader.u8("a tuple's protocol");
    const addresses = reader.take(family === 4 ? 8 : 32, "a tuple's addresses");
    const source = reader.u16("a tuple's source port");
    return this.data.tuples.intern(family, l4, addresses, source, reader.u16("a tuple's destination port"));
  }

  /** An address that was sent relative to the kernel's text, interned. */
  #address(what: string): number {
    const { data, reader } = this;
    reader.zigzag64(what);
    const lo = reader.lo + data.textBaseLo;
    return data.addresses.intern(lo >>> 0, (reader.hi + data.textBaseHi + (lo > 0xffff_ffff ? 1 : 0)) >>> 0);
  }
}

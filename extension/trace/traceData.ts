// The trace in memory: events in columns, packets, and the tables that events refer to. Views ask it for lanes, pages, trails
// and details; only the decoder adds to it. Times inside are ns since the first clock; times given out are ns since the start.
import type { EventDetail, GapMark, HopLabel, Lane, TrailRow } from '../protocol/timeline.ts';
import { EventColumns } from './columns.ts';
import { eventDetail } from './detail.ts';
import { LimitError } from './error.ts';
import { PairTable, TupleTable } from './intern.ts';
import { LaneList, readLane } from './lanes.ts';
import type { Clock, Context, Counters, End, FilterChange, Gap, Hello, Hook } from './metadata.ts';
import { LaneOrders, placeOf, type LaneOrder } from './order.ts';
import { Overview } from './overview.ts';
import { PacketTable, SideTable } from './packets.ts';
import { packPage } from './pages.ts';
import type { Program } from './programMessages.ts';
import { ProgramTable } from './programs.ts';
import { HookTable, NameTable, ReasonTable, StackTable, SymbolTable, limits } from './tables.ts';
import { hopLabel, trailWindow } from './trail.ts';
import { VerdictCounts } from './verdicts.ts';

/** Events a store takes unless told otherwise: about 1 GB. A hostile file can't make it take more. */
export const defaultMaxEvents = 1 << 24;

/** Most hops of one answer. */
const maxHops = 1_000;

/** A gap as the store keeps it: times in ns since the first clock. */
interface StoredGap {
  readonly lost: number;
  readonly missed: number;
  readonly cpu: number;
  readonly from: number;
  readonly to: number;
  readonly cause: string;
}

/** One trace. Adding an event is O(1) amortised; see each query for its cost. */
export class TraceStore {
  // What the decoder fills and the queries read. Nothing else writes to these.
  readonly columns = new EventColumns();
  readonly packets = new PacketTable();
  /** skb addresses, callers and drop locations. */
  readonly addresses = new PairTable();
  /** lo: ifindex, hi: netns. */
  readonly places = new PairTable();
  readonly tuples = new TupleTable();
  /** (event, reason, address index, what it is: drops.ts). */
  readonly drops = new SideTable();
  /** (event, low half, high half of the signed value, ifindex that it redirects to). */
  readonly verdicts = new SideTable();
  /** Of BPF programs, by hook and place. */
  readonly verdictCounts = new VerdictCounts();
  /** (event, low half, high half of the parent's id, edge). */
  readonly parents = new SideTable();
  readonly hooks = new HookTable();
  readonly names = new NameTable();
  readonly symbols = new SymbolTable();
  readonly reasons = new ReasonTable();
  readonly stacks = new StackTable();
  readonly programs = new ProgramTable();
  /** Packets that were dropped. */
  droppedPackets = 0;
  textBaseLo = 0;
  textBaseHi = 0;

  #hello: Hello | undefined;
  #context: Context | undefined;
  #counters: Counters | undefined;
  #end: End | undefined;
  #rate = 0;
  #overhead: number | undefined;
  #filter: string | undefined;
  #lost = 0;
  #missed = 0;
  readonly #gaps: StoredGap[] = [];
  readonly #clocks: Clock[] = [];
  /** CLOCK_MONOTONIC of the store's time 0. */
  #origin: bigint | undefined;
  /** The first event's time; undefined before the first batch is over. */
  #start: number | undefined;
  #earliest = Infinity;
  #latest = -Infinity;
  readonly #orders = new LaneOrders(this.columns, this.packets, this.hooks);
  readonly #lanes = new LaneList(this);
  readonly #overview = new Overview(this);

  constructor(private readonly maxEvents = defaultMaxEvents) {}

  // ── what the trace is ──

  get hello(): Hello | undefined {
    return this.#hello;
  }
  /** Who saved the trace: node, filter, tool. Undefined in a live trace. */
  get context(): Context | undefined {
    return this.#context;
  }
  /** The helper's newest counters; the end's totals once it is over. */
  get counters(): Counters | undefined {
    return this.#end?.total ?? this.#counters;
  }
  /** Undefined while the trace runs, and when it was cut. */
  get end(): End | undefined {
    return this.#end;
  }
  get eventCount(): number {
    return this.columns.length;
  }
  get packetCount(): number {
    return this.packets.length;
  }
  /** Events that gap frames counted as lost. */
  get lost(): number {
    return this.#lost;
  }
  /** Hits of hooks that gap frames counted as missed by every program, of whatever packets. */
  get missed(): number {
    return this.#missed;
  }
  /** Events that are missing without any gap that counts them: 0 for a sound, whole trace, and before the end frame. */
  get unaccounted(): number {
    const total = this.#end?.total;
    return total === undefined ? 0 : total.sent - this.eventCount - this.#lost;
  }
  /** Delivered events per second, between the last two counters. */
  get eventsPerSecond(): number {
    return this.#rate;
  }
  /** BPF run time between the last two counters as a part of one core, 0.03 = 3 %; undefined when the helper doesn't measure it. */
  get overhead(): number | undefined {
    return this.#overhead;
  }
  /** The packet filter that replaced the first one while the trace ran; undefined when none did. */
  get newFilter(): string | undefined {
    return this.#filter;
  }
  /** ns between the first and the last event. */
  get durationNs(): number {
    return this.eventCount === 0 ? 0 : this.#latest - this.#startOrEarliest();
  }
  /** Wall clock of the first event, ms since 1970; 0 while there is none or no clock is known. */
  get startMs(): number {
    if (this.eventCount === 0) return 0;
    const wall = this.wall(this.#startOrEarliest());
    return wall === undefined ? 0 : Number(wall) / 1e6;
  }
  /** Bytes that events take, with their packets and interned values, and room to grow. */
  get bytes(): number {
    const parts = [this.columns, this.packets, this.addresses, this.places, this.tuples, this.drops, this.verdicts];
    return [...parts, this.parents].reduce((sum, part) => sum + part.bytes, 0);
  }

  // ── what views ask ──

  /** A window of the lanes that match the filter (query.ts). O(new events) a call for a filter that was asked before. */
  lanes(filter: string, offset: number, count: number): { total: number; lanes: Lane[] } {
    return this.#lanes.window(filter, offset, count);
  }

  /** The packed page of these lanes in [fromNs, toNs]: protocol/pages.ts; its cost: pages.ts. */
  page(lanes: readonly number[], fromNs: number, toNs: number, buckets: number): ArrayBuffer {
    const start = this.#startOrEarliest();
    const orders = lanes.map((lane) => (this.#isLane(lane) ? this.order(lane) : undefined));
    return packPage(orders, (fromNs || 0) + start, (toNs || 0) + start, buckets);
  }

  /** A window of a packet's trail, ordered by time, then arrival. */
  trail(lane: number, offset: number, count: number): { total: number; rows: TrailRow[] } {
    if (!this.#isLane(lane)) return { total: 0, rows: [] };
    const order = this.order(lane);
    return { total: order.count, rows: trailWindow(this, order, offset, count) };
  }

  /** Every field of an event. Throws a RangeError when there is no such event. */
  detail(event: number): EventDetail {
    return eventDetail(this, event);
  }

  /** The hook that an event hit; undefined when the stream didn't say. Throws a RangeError when there is no such event. */
  hookOf(event: number): Hook | undefined {
    return this.hooks.get(this.columns.chunk(event).hook[this.columns.row(event)] ?? 0);
  }

  /** The BPF program whose entry or verdict an event is; undefined for others. Throws a RangeError when there is no such event. */
  programOf(event: number): Program | undefined {
    return this.programs.ofHook(this.hookOf(event));
  }

  /** The lane of an event. Throws a RangeError when there is no such event. */
  laneOf(event: number): number {
    return this.columns.chunk(event).packet[this.columns.row(event)] ?? 0;
  }

  /** What many hops' labels need, in the order asked for; empty strings for an event that isn't there. */
  hops(events: readonly number[]): HopLabel[] {
    return events.slice(0, maxHops).map((event) => hopLabel(this, event));
  }

  /**
   * Where an event is: its packet, that packet's row among the lanes that match the filter (−1: none), the event's index in the
   * trail. Throws a RangeError when there is no such event.
   */
  locate(event: number, filter: string): { lane: Lane; row: number; index: number } {
    const lane = this.laneOf(event);
    const index = placeOf(this.order(lane), event, this.columns.time(event));
    return { lane: readLane(this, lane), row: this.#lanes.row(filter, lane), index };
  }

  /** Events and drops in each of `buckets` equal parts of [0, durationNs]. O(new events) while the trace's scale stands. */
  overview(buckets: number): { events: number[]; drops: number[] } {
    return this.#overview.read(buckets);
  }

  /** The traced kernel; empty texts before the hello. */
  kernel(): { readonly release: string; readonly machine: string; readonly version: string } {
    const hello = this.#hello;
    return { release: hello?.release ?? '', machine: hello?.machine ?? '', version: hello?.kernelVersion ?? '' };
  }

  /** The losses as the timeline draws them. */
  gapMarks(): GapMark[] {
    return this.#gaps.map(({ from, to, ...rest }) => ({
      fromNs: this.sinceStart(from),
      toNs: this.sinceStart(to),
      ...rest,
    }));
  }

  // ── times ──

  /** ns since the first event, from ns since the first clock. */
  sinceStart(time: number): number {
    return time - this.#startOrEarliest();
  }

  /** CLOCK_MONOTONIC ns. */
  monotonic(time: number): bigint {
    return (this.#origin ?? 0n) + BigInt(time);
  }

  /** CLOCK_REALTIME ns by the clock pair before it (the first pair for what is earlier); undefined without any. */
  wall(time: number): bigint | undefined {
    const mono = this.monotonic(time);
    let low = 0;
    let high = this.#clocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#clocks[middle]?.mono ?? 0n) <= mono) low = middle + 1;
      else high = middle;
    }
    const clock = this.#clocks[Math.max(0, low - 1)];
    return clock === undefined ? undefined : clock.wall + (mono - clock.mono);
  }

  /** ns since the first event, from CLOCK_MONOTONIC ns; undefined for a time that can't be of this trace. */
  sinceStartOf(mono: bigint): number | undefined {
    const time = Number(mono - (this.#origin ?? mono));
    return mono !== 0n && Number.isSafeInteger(time) ? this.sinceStart(time) : undefined;
  }

  /** CLOCK_MONOTONIC ns as ns since the first clock, exact. Throws a LimitError beyond ±2^53. */
  relative(mono: bigint): number {
    this.#origin ??= mono;
    const time = Number(mono - this.#origin);
    if (!Number.isSafeInteger(time)) throw new LimitError('a time more than 104 days from the start of the trace');
    return time;
  }

  // ── for the queries ──

  /** The lane's events in time order. */
  order(lane: number): LaneOrder {
    return this.#orders.get(lane);
  }

  /** A row of the parents table in words. */
  parentOf(row: number): { id: string; edge: number } {
    const { parents } = this;
    const id = (BigInt(parents.value(row, 2)) << 32n) | BigInt(parents.value(row, 1));
    return { id: String(id), edge: parents.value(row, 3) };
  }

  // ── for the decoder ──

  setHello(hello: Hello): void {
    this.#hello = hello;
    this.textBaseLo = Number(hello.textBase & 0xffff_ffffn);
    this.textBaseHi = Number(hello.textBase >> 32n);
    if (hello.clock !== undefined) this.addClock(hello.clock);
  }

  /** Clock pairs come in order; one that isn't later than the last is left out. */
  addClock(clock: Clock): void {
    this.#origin ??= clock.mono;
    const last = this.#clocks[this.#clocks.length - 1];
    if (last !== undefined && clock.mono <= last.mono) return;
    if (this.#clocks.length < limits.clocks) this.#clocks.push(clock);
  }

  setContext(context: Context): void {
    this.#context = context;
  }

  setCounters(counters: Counters): void {
    const before = this.#counters;
    const ns = before === undefined ? 0 : Number(counters.mono - before.mono);
    if (before !== undefined && ns > 0) {
      this.#rate = ((counters.delivered - before.delivered) * 1e9) / ns;
      const measured = before.runNs > 0 && counters.runNs >= before.runNs;
      this.#overhead = measured ? (counters.runNs - before.runNs) / ns : undefined;
    }
    this.#counters = counters;
  }

  /** A filter that was refused changes nothing. */
  addFilter({ expression, error }: FilterChange): void {
    if (error === '') this.#filter = expression;
  }

  setEnd(end: End): void {
    this.#end = end;
    this.#rate = 0;
    this.#overhead = undefined;
  }

  addGap(gap: Gap): void {
    const stored = {
      lost: gap.lost,
      missed: gap.missed,
      cpu: gap.cpu,
      cause: gap.cause,
      from: this.relative(gap.from),
      to: this.relative(gap.to),
    };
    this.#lost += gap.lost;
    this.#missed += gap.missed;
    // Beyond the limit the losses are still counted, but not drawn one by one.
    if (this.#gaps.length < limits.gaps) this.#gaps.push(stored);
  }

  /** Whether the store takes no more events. */
  get isFull(): boolean {
    return this.columns.length >= this.maxEvents;
  }

  /** Makes room for one event and returns its index. Throws a LimitError when the store is full. */
  pushEvent(): number {
    if (this.isFull) {
      throw new LimitError(`more than ${this.maxEvents} events; trace less at a time, or with a narrower filter`);
    }
    return this.columns.push();
  }

  noteTime(time: number): void {
    if (time < this.#earliest) this.#earliest = time;
    if (time > this.#latest) this.#latest = time;
  }

  /** The batch is in: the earliest event of the first one is the trace's time 0 from now on. */
  endBatch(): void {
    if (this.#start === undefined && this.columns.length > 0) this.#start = this.#earliest;
  }

  #startOrEarliest(): number {
    return this.#start ?? (this.columns.length > 0 ? this.#earliest : 0);
  }

  #isLane(lane: number): boolean {
    return Number.isInteger(lane) && lane >= 0 && lane < this.packets.length;
  }
}

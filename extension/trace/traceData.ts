// What a trace holds: events in columns, packets, the tables that events refer to, and what the node said of the whole. Only the decoder
// writes it; the queries (store.ts) read it. Times inside are ns since the first clock; times given out are ns since the start.
import { Ceiling, mostEventBytes } from './ceiling.ts';
import { Clocks } from './clocks.ts';
import { EventColumns } from './columns.ts';
import { PairTable, TupleTable } from './intern.ts';
import { Kinship } from './kinship.ts';
import type { Clock, Context, Counters, End, FilterChange, Gap, Hello, Name } from './metadata.ts';
import { NameTable } from './names.ts';
import { PacketTable, SideTable } from './packets.ts';
import { ProgramTable } from './programs.ts';
import { HookTable, ReasonTable, StackTable, SymbolTable } from './tables.ts';
import { VerdictCounts } from './verdictCounts.ts';

/** The most events that a trace takes, which is as far as the event limit can be set: about 1 GB. A hostile file can't make it take more. */
export const mostEvents = 1 << 24;

/** Losses that are drawn one by one. */
const mostGaps = 1 << 18;

/** What an entry of a Map or Set of numbers takes. */
const entryBytes = 48;
/** Events between two looks at how much they take. */
const lookEvery = 4096;

/** A loss: times in ns since the first clock. */
export interface StoredGap {
  readonly lost: number;
  readonly missed: number;
  readonly cpu: number;
  readonly from: number;
  readonly to: number;
  readonly cause: string;
}

/** One trace. Adding an event is O(1) amortised. */
export class TraceData {
  readonly columns = new EventColumns();
  readonly packets = new PacketTable();
  /** skb addresses, callers and drop locations. */
  readonly addresses = new PairTable();
  /** lo: ifindex, hi: netns. The same pair has another index once one of them was renamed: names.ts. */
  readonly places = new PairTable();
  /** lo: pid, hi: how many others have had it. */
  readonly tasks = new PairTable();
  readonly tuples = new TupleTable();
  /** (event, reason, address index, what it is: drops.ts, discards.ts). */
  readonly drops = new SideTable();
  /** (event, low half, high half of the signed value, ifindex that it redirects to). */
  readonly verdicts = new SideTable();
  /** Of BPF programs, by hook and place. */
  readonly verdictCounts = new VerdictCounts();
  /** (event, low half, high half of the parent's id, edge). */
  readonly parents = new SideTable();
  /** Of the tables that follow. */
  readonly ceiling: Ceiling;
  readonly hooks: HookTable;
  readonly names: NameTable;
  readonly symbols: SymbolTable;
  readonly reasons: ReasonTable;
  readonly stacks: StackTable;
  readonly programs: ProgramTable;
  /** By lane, the clone that a raw socket got: discards.ts. */
  readonly takenBySocket = new Map<number, number>();
  /** Lanes of IPv6 echo requests that were taken in, and of ICMPv6 errors. */
  readonly handled = new Set<number>();
  /** Lanes that came to a connection in TIME-WAIT, and whether it acknowledged them. */
  readonly timeWait = new Map<number, boolean>();
  /** By lane, the packet that its data went on in. */
  readonly wentInto = new Map<number, number>();
  readonly kinship = new Kinship();
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
  #beyond = 0;
  /** When the events are so many, look again whether it is full. */
  #look = 0;
  #lost = 0;
  #missed = 0;
  readonly #gaps: StoredGap[] = [];
  readonly #clocks = new Clocks();
  /** The first event's time; undefined before the first batch is over. */
  #start: number | undefined;
  #earliest = Infinity;
  #latest = -Infinity;

  /** @param memory bytes for the events, and for all that is said about them; a test has less patience */
  constructor(
    private readonly maxEvents = mostEvents,
    private readonly memory: { readonly events?: number; readonly tables?: number } = {},
  ) {
    const ceiling = new Ceiling(memory.tables);
    this.ceiling = ceiling;
    this.hooks = new HookTable(ceiling);
    this.names = new NameTable(ceiling);
    this.symbols = new SymbolTable(ceiling);
    this.reasons = new ReasonTable(ceiling);
    this.stacks = new StackTable(ceiling);
    this.programs = new ProgramTable(ceiling);
  }

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
    return total === undefined ? 0 : total.sent - this.eventCount - this.#beyond - this.#lost;
  }
  /** Events that came when it was full. */
  get beyond(): number {
    return this.#beyond;
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
    return this.eventCount === 0 ? 0 : this.#latest - this.startTime;
  }
  /** Wall clock of the first event, ms since 1970; 0 while there is none or no clock is known. */
  get startMs(): number {
    if (this.eventCount === 0) return 0;
    const wall = this.wall(this.startTime);
    return wall === undefined ? 0 : Number(wall) / 1e6;
  }
  /** Bytes that events take, with their packets and interned values, and room to grow. */
  get bytes(): number {
    const { columns, packets, addresses, places, tasks, tuples, drops, verdicts, parents, kinship } = this;
    const parts = [columns, packets, addresses, places, tasks, tuples, drops, verdicts, parents, kinship];
    const { takenBySocket, handled, timeWait, wentInto } = this;
    const entries = [takenBySocket, handled, timeWait, wentInto].reduce((sum, { size }) => sum + size, 0);
    return parts.reduce((sum, part) => sum + part.bytes, entries * entryBytes);
  }

  /** The traced kernel; empty texts before the hello. */
  kernel(): { readonly release: string; readonly machine: string; readonly version: string } {
    const hello = this.#hello;
    return { release: hello?.release ?? '', machine: hello?.machine ?? '', version: hello?.kernelVersion ?? '' };
  }

  /** The losses, in order of arrival; beyond a limit they are only counted. */
  get gaps(): readonly StoredGap[] {
    return this.#gaps;
  }

  // ── times ──

  /** The trace's time 0 for a person, ns since the first clock: its first event. */
  get startTime(): number {
    return this.#start ?? (this.columns.length > 0 ? this.#earliest : 0);
  }

  /** A task's name, by its index: the one it had then. */
  comm(task: number): string {
    return this.names.comm(this.tasks.lo(task), this.tasks.hi(task));
  }

  /** ns since the first event, from ns since the first clock. */
  sinceStart(time: number): number {
    return time - this.startTime;
  }

  /** CLOCK_MONOTONIC ns. */
  monotonic(time: number): bigint {
    return this.#clocks.monotonic(time);
  }

  /** CLOCK_REALTIME ns; undefined when no clock pair came. */
  wall(time: number): bigint | undefined {
    return this.#clocks.wall(time);
  }

  /** ns since the first event, from CLOCK_MONOTONIC ns; undefined for a time that can't be of this trace. */
  sinceStartOf(mono: bigint): number | undefined {
    const time = this.#clocks.find(mono);
    return time === undefined ? undefined : this.sinceStart(time);
  }

  /** CLOCK_MONOTONIC ns as ns since the first clock, exact. Throws a LimitError beyond ±2^53. */
  relative(mono: bigint): number {
    return this.#clocks.relative(mono);
  }

  // ── for the decoder ──

  setHello(hello: Hello): void {
    this.#hello = hello;
    this.textBaseLo = Number(hello.textBase & 0xffff_ffffn);
    this.textBaseHi = Number(hello.textBase >> 32n);
    if (hello.clock !== undefined) this.addClock(hello.clock);
  }

  addClock(clock: Clock): void {
    this.#clocks.add(clock);
  }

  /** A name that holds for the events that follow. */
  addName(name: Name): void {
    if (this.names.add(name, this.places.length)) this.places.renew();
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
    if (this.#gaps.length < mostGaps) this.#gaps.push(stored);
  }

  /** Whether it takes no more events: it has as many as it should, or they take as much as they may. */
  get isFull(): boolean {
    const { length } = this.columns;
    if (length < this.#look) return false;
    if (length >= this.maxEvents || this.bytes >= (this.memory.events ?? mostEventBytes)) return true;
    this.#look = Math.min(this.maxEvents, length + lookEvery);
    return false;
  }

  /** Makes room for one event and returns its index. Not when it is full. */
  pushEvent(): number {
    return this.columns.push();
  }

  /** Counts events that it has no room for. */
  addBeyond(events: number): void {
    this.#beyond += events;
  }

  noteTime(time: number): void {
    if (time < this.#earliest) this.#earliest = time;
    if (time > this.#latest) this.#latest = time;
  }

  /** The batch is in: the earliest event of the first one is the trace's time 0 from now on. */
  endBatch(): void {
    if (this.#start === undefined && this.columns.length > 0) this.#start = this.#earliest;
  }
}

// The list of lanes and its filter. A filter's answer is kept and only extended: each event sets, for its packet, the bits
// of the terms that it meets, and bits are never unset, so a growing trace is looked at once.
import type { Lane } from '../protocol/timeline.ts';
import {
  addressTest,
  etherTest,
  l4Test,
  parseQuery,
  portTest,
  programTest,
  textTest,
  tupleWordTest,
  verdictTest,
  type QueryKey,
  type Term,
} from './query.ts';
import { eventFlag } from './columns.ts';
import { discardText } from './discards.ts';
import { dropReason } from './drops.ts';
import { programName } from './programText.ts';
import type { Program } from './programMessages.ts';
import type { TraceData } from './traceData.ts';
import { etherText, tcpFlagsText, tupleText } from './text.ts';
import { verdictOf } from './verdicts.ts';

/** A lane's label: its first tuple with the TCP flags then, else what is known of it: "ARP on eth0 by ping", "packet 7". */
export function laneLabel(data: TraceData, lane: number): string {
  const { columns, packets } = data;
  const event = packets.labelEvent(lane);
  if (event === undefined) return plainLabel(data, lane);
  const chunk = columns.chunk(event);
  const row = columns.row(event);
  const tuple = data.tuples.get(chunk.tuple[row] ?? 0);
  if (tuple === undefined) return plainLabel(data, lane);
  const flags = tuple.l4 === 6 ? tcpFlagsText(chunk.tcpFlags[row] ?? 0) : '';
  return flags === '' ? tupleText(tuple) : `${tupleText(tuple)} [${flags}]`;
}

/** The label of a packet without addresses, by its first event, and by its last for what wasn't known yet. */
function plainLabel(data: TraceData, lane: number): string {
  const { columns, names, packets, places } = data;
  let [protocol, iface, comm] = ['', '', ''];
  for (const event of [packets.head(lane), packets.tail(lane)]) {
    const chunk = columns.chunk(event);
    const row = columns.row(event);
    const place = chunk.place[row] ?? 0;
    protocol ||= etherText(chunk.protocol[row] ?? 0);
    iface ||= names.iface(places.hi(place), places.lo(place), place);
    comm ||= data.comm(chunk.task[row] ?? 0);
  }
  const known = [protocol, iface === '' ? '' : `on ${iface}`, comm === '' ? '' : `by ${comm}`].filter(
    (part) => part !== '',
  );
  if (known.length === 0) return `packet ${packets.id(lane)}`;
  return protocol === '' ? ['packet', ...known].join(' ') : known.join(' ');
}

/** The lane as the timeline shows it. */
export function readLane(data: TraceData, lane: number): Lane {
  const { packets, parents } = data;
  const drop = packets.dropRow(lane);
  const parent = packets.parentRow(lane);
  return {
    index: lane,
    id: packets.id(lane),
    label: laneLabel(data, lane),
    firstNs: data.sinceStart(packets.first(lane)),
    lastNs: data.sinceStart(packets.last(lane)),
    events: packets.count(lane),
    drop: drop === undefined ? undefined : dropReason(data, drop),
    discard: drop === undefined ? '' : discardText(data, drop),
    parent: parent === undefined ? undefined : packets.find(parents.value(parent, 1), parents.value(parent, 2)),
    joins: joinsOf(data, lane, parent),
  };
}

/** Most joins that are drawn of a lane. */
const maxJoins = 64;
const noJoins: Lane['joins'] = [];

/** The packets that went into the lane's later: all that it was made from but the first, whose row is `born`. */
function joinsOf(data: TraceData, lane: number, born: number | undefined): Lane['joins'] {
  const { columns, kinship, packets, parents } = data;
  const rows = kinship.parentsOf(lane);
  if (rows.length === 0) return noJoins;
  return rows.slice(0, maxJoins).flatMap((row) => {
    const from = packets.find(parents.value(row, 1), parents.value(row, 2));
    if (row === born || from === undefined) return [];
    return [{ lane: from, ns: data.sinceStart(columns.time(parents.value(row, 0))) }];
  });
}

/** What the terms of one filter say about the values that events share, remembered by value. */
class Matcher {
  readonly #hook = new Map<number, number>();
  readonly #place = new Map<number, number>();
  readonly #tuple = new Map<number, number>();
  readonly #ether = new Map<number, number>();
  readonly #reason = new Map<string, number>();
  /** By hook and verdict in words: programs' names and numberings differ. */
  readonly #verdict = new Map<string, number>();
  readonly #caller = new Map<number, number>();
  /** Bits of the terms that ask for the lane's label or id, which are looked at once a lane. */
  readonly #words: readonly { readonly bit: number; readonly term: Term }[];

  constructor(
    private readonly data: TraceData,
    private readonly terms: readonly Term[],
  ) {
    this.#words = terms.flatMap((term, i) =>
      term.key === undefined || term.key === 'id' ? [{ bit: 1 << i, term }] : [],
    );
  }

  /** Bits of the terms whose key is `key`, or which are plain words, and whose value fits. */
  #bits(keys: readonly QueryKey[], fits: (term: Term) => boolean): number {
    let bits = 0;
    this.terms.forEach((term, i) => {
      if ((term.key === undefined || keys.includes(term.key)) && fits(term)) bits |= 1 << i;
    });
    return bits;
  }

  /** Bits that an event gives its packet. */
  event(event: number): number {
    const { columns, drops } = this.data;
    const chunk = columns.chunk(event);
    const row = columns.row(event);
    let bits = remember(this.#hook, chunk.hook[row] ?? 0, (id) => this.#hookBits(id));
    bits |= remember(this.#place, chunk.place[row] ?? 0, (place) => this.#placeBits(place));
    bits |= remember(this.#tuple, chunk.tuple[row] ?? 0, (tuple) => this.#tupleBits(tuple));
    bits |= remember(this.#ether, chunk.protocol[row] ?? 0, (ether) => this.#etherBits(ether));
    if (((chunk.flags[row] ?? 0) & (eventFlag.drop | eventFlag.record | eventFlag.discard)) !== 0) {
      const reason = dropReason(this.data, drops.find(event));
      const key = ((chunk.flags[row] ?? 0) & eventFlag.discard) === 0 ? 'drop' : 'discard';
      bits |= remember(this.#reason, `${key} ${reason}`, () => this.#reasonBits(key, reason));
    }
    if (((chunk.flags[row] ?? 0) & eventFlag.verdict) !== 0) {
      const hook = chunk.hook[row] ?? 0;
      const verdict = verdictOf(this.data, event) ?? '';
      bits |= remember(this.#verdict, `${hook} ${verdict}`, () => this.#verdictBits(hook, verdict));
    }
    const caller = chunk.caller[row] ?? 0;
    if (caller !== 0 && this.data.programs.size > 0) {
      bits |= remember(this.#caller, caller, () => this.#callerBits(caller, chunk.time[row] ?? 0));
    }
    return bits;
  }

  /** Bits that a packet has by its id and, for words that look like TCP flags, by its label. */
  lane(lane: number): number {
    let bits = 0;
    for (const { bit, term } of this.#words) {
      const id = this.data.packets.id(lane);
      if (id === term.value.replace(/^#/, '')) bits |= bit;
      else if (term.key === undefined && term.value.includes('[')) {
        if (laneLabel(this.data, lane).toLowerCase().includes(term.value)) bits |= bit;
      }
    }
    return bits;
  }

  #hookBits(id: number): number {
    const { hooks, programs } = this.data;
    const name = hooks.name(id);
    const program = programs.ofHook(hooks.get(id));
    return this.#bits(['fn'], ({ value }) => textTest(value)(name)) | (program ? this.#programBits(program) : 0);
  }

  #programBits(program: Program): number {
    const named = { id: program.id, name: programName(program) };
    // A plain word is no id: a port or a packet's number would find programs.
    return this.#bits(['prog'], ({ key, value }) =>
      key === undefined ? textTest(value)(named.name) : programTest(value)(named),
    );
  }

  /** Of an event whose function was called from a BPF program: that is how a tail-called one is seen. */
  #callerBits(caller: number, time: number): number {
    const { addresses, programs } = this.data;
    const program = programs.at(addresses.big(caller), this.data.monotonic(time));
    return program === undefined ? 0 : this.#programBits(program);
  }

  #verdictBits(hook: number, verdict: string): number {
    const { hooks, programs } = this.data;
    const program = programs.ofHook(hooks.get(hook));
    const by = { id: program?.id ?? 0, name: program === undefined ? hooks.name(hook) : programName(program) };
    return this.#bits(['verdict'], ({ key, value }) =>
      key === undefined ? textTest(value)(verdict) : verdictTest(value)(verdict, by),
    );
  }

  #placeBits(place: number): number {
    const { places, names } = this.data;
    const netns = places.hi(place);
    const ifindex = places.lo(place);
    const entry = names.netnsEntry(netns, place);
    const netnsTexts = [names.netns(netns, place), String(netns), entry?.pod ?? '', entry?.container ?? ''];
    const iface = names.iface(netns, ifindex, place);
    return (
      (netns === 0 ? 0 : this.#bits(['netns'], ({ value }) => value !== '' && netnsTexts.some(textTest(value)))) |
      (ifindex === 0 ? 0 : this.#bits(['if'], ({ value }) => textTest(value)(iface)))
    );
  }

  #tupleBits(index: number): number {
    const tuple = this.data.tuples.get(index);
    if (tuple === undefined) return 0;
    return this.#bits(['ip', 'port', 'proto'], ({ key, value }) => {
      if (key === 'ip') return addressTest(value)(tuple);
      if (key === 'port') return portTest(value)(tuple);
      if (key === 'proto') return l4Test(value)(tuple);
      return tupleWordTest(value)(tuple);
    });
  }

  #etherBits(ether: number): number {
    return this.#bits(['proto'], ({ key, value }) =>
      key === 'proto' ? etherTest(value)(ether) : textTest(value)(etherText(ether)),
    );
  }

  #reasonBits(key: 'drop' | 'discard', name: string): number {
    return this.#bits([key], (term) => textTest(term.value)(name));
  }
}

function remember<K>(cache: Map<K, number>, key: K, make: (key: K) => number): number {
  let bits = cache.get(key);
  if (bits === undefined) {
    bits = make(key);
    cache.set(key, bits);
  }
  return bits;
}

/** One filter's answer so far. */
class FilteredLanes {
  readonly #matcher: Matcher;
  readonly #wanted: number;
  readonly #unwanted: number;
  #bits = new Uint32Array(64);
  #events = 0;
  #lanes = 0;
  #list: number[] = [];

  constructor(
    private readonly data: TraceData,
    terms: readonly Term[],
    /** The names that this answer was made with. */
    readonly generation: string,
  ) {
    this.#matcher = new Matcher(data, terms);
    const mask = (negated: boolean): number =>
      terms.reduce((bits, term, i) => (term.negated === negated ? bits | (1 << i) : bits), 0);
    this.#wanted = mask(false);
    this.#unwanted = mask(true);
  }

  /** The lanes that match, ascending. O(events since the last call). */
  list(): readonly number[] {
    const { columns, packets } = this.data;
    if (this.#events === columns.length) return this.#list;
    if (packets.length > this.#bits.length) {
      const wider = new Uint32Array(Math.max(packets.length, 2 * this.#bits.length));
      wider.set(this.#bits);
      this.#bits = wider;
    }
    for (; this.#events < columns.length; this.#events++) {
      const lane = columns.chunk(this.#events).packet[columns.row(this.#events)] ?? 0;
      this.#bits[lane] = (this.#bits[lane] ?? 0) | this.#matcher.event(this.#events);
      // The label stands once the packet has a tuple.
      if (packets.labelEvent(lane) === this.#events) this.#look(lane);
    }
    for (; this.#lanes < packets.length; this.#lanes++) this.#look(this.#lanes);
    this.#list = [];
    for (let lane = 0; lane < packets.length; lane++) {
      const bits = this.#bits[lane] ?? 0;
      if ((bits & this.#wanted) === this.#wanted && (bits & this.#unwanted) === 0) this.#list.push(lane);
    }
    return this.#list;
  }

  #look(lane: number): void {
    this.#bits[lane] = (this.#bits[lane] ?? 0) | this.#matcher.lane(lane);
  }
}

const keptFilters = 4;

/** The answers to the filters that were asked last. */
export class LaneList {
  readonly #kept = new Map<string, FilteredLanes>();

  constructor(private readonly data: TraceData) {}

  /** A window of the lanes that match the filter, in order of appearance; `total` counts all that match. */
  window(filter: string, offset: number, count: number): { total: number; lanes: Lane[] } {
    const { data } = this;
    const from = Math.max(0, Math.floor(offset) || 0);
    const size = Math.min(Math.max(0, Math.floor(count) || 0), 10_000);
    const terms = parseQuery(filter);
    if (terms.length === 0) {
      const total = data.packets.length;
      const length = Math.max(0, Math.min(size, total - from));
      return { total, lanes: Array.from({ length }, (_, i) => readLane(data, from + i)) };
    }
    const list = this.#filtered(filter, terms).list();
    return { total: list.length, lanes: list.slice(from, from + size).map((lane) => readLane(data, lane)) };
  }

  /** The lane's row among those that match the filter, −1 when it doesn't. */
  row(filter: string, lane: number): number {
    const terms = parseQuery(filter);
    if (terms.length === 0) return lane;
    // The list is ascending.
    const list = this.#filtered(filter, terms).list();
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] ?? 0) < lane) low = middle + 1;
      else high = middle;
    }
    return list[low] === lane ? low : -1;
  }

  #filtered(filter: string, terms: readonly Term[]): FilteredLanes {
    const { names, hooks, reasons, programs } = this.data;
    const generation = [names, hooks, reasons, programs].map((table) => table.generation).join(' ');
    let kept = this.#kept.get(filter);
    if (kept?.generation !== generation) kept = new FilteredLanes(this.data, terms, generation);
    this.#kept.delete(filter);
    this.#kept.set(filter, kept);
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= keptFilters) break;
      this.#kept.delete(old);
    }
    return kept;
  }
}

// Verdicts: what a BPF program or netfilter returned, in words, and how often each program returned what.
import { layers } from '../protocol/timeline.ts';
import { directions, type Direction } from './programMessages.ts';
import { programVerdict } from './programText.ts';
import type { TraceStore } from './traceData.ts';
import { verdictText } from './text.ts';

function bitsOf(store: TraceStore, row: number): bigint {
  return BigInt.asIntN(64, (BigInt(store.verdicts.value(row, 2)) << 32n) | BigInt(store.verdicts.value(row, 1)));
}

/** An event's verdict by its name: "TC_ACT_REDIRECT", the number when nobody has named it; undefined without one. */
export function verdictName(store: TraceStore, event: number): string | undefined {
  const row = store.verdicts.find(event);
  if (row < 0) return undefined;
  const { columns, hooks, programs, places } = store;
  const chunk = columns.chunk(event);
  const at = columns.row(event);
  const id = chunk.hook[at] ?? 0;
  const hook = hooks.get(id);
  const program = programs.ofHook(hook);
  if (program === undefined) return verdictText(bitsOf(store, row), hook, layers[hooks.layer(id)] ?? 'other');
  const place = chunk.place[at] ?? 0;
  return programVerdict(programs, program, bitsOf(store, row), places.hi(place), places.lo(place));
}

/** The verdict with the interface that it redirects to: "TC_ACT_REDIRECT → eth1"; undefined when the event has none. */
export function verdictOf(store: TraceStore, event: number): string | undefined {
  const name = verdictName(store, event);
  if (name === undefined) return undefined;
  const ifindex = store.verdicts.value(store.verdicts.find(event), 3);
  if (ifindex === 0) return name;
  const { columns, places, names } = store;
  const place = columns.chunk(event).place[columns.row(event)] ?? 0;
  return `${name} → ${names.iface(places.hi(place), ifindex)}`;
}

/** Different verdicts that are counted one by one, for each hook and place: more only a filter without direct action has. */
const maxVerdicts = 64;
/** Pairs of hook and place that are counted; what a hostile trace has beyond them is only in its events. */
const maxPlaces = 1 << 16;

/** How often a hook returned what in a place, and in which direction the packets went. */
export interface Counts {
  /** Index in the store's places. */
  readonly place: number;
  /** "none" where the events don't say. */
  readonly direction: Direction;
  /** The verdict as the int that it is in C → times. */
  readonly values: ReadonlyMap<number, number>;
  /** Verdicts beyond the first few. */
  readonly others: number;
}

class PlaceCounts implements Counts {
  readonly values = new Map<number, number>();
  others = 0;

  constructor(
    readonly place: number,
    readonly direction: Direction,
  ) {}
}

/** Counts verdicts as they come, so that nobody has to go through the events. */
export class VerdictCounts {
  /** Hook → place and direction in one number → counts. */
  readonly #hooks = new Map<number, Map<number, PlaceCounts>>();
  #places = 0;
  /** Verdicts counted in all. */
  total = 0;

  /** Counts a verdict of a hook at a place (index in the store's places) in a direction (by its number). O(1). */
  add(hook: number, place: number, direction: number, verdict: number): void {
    let places = this.#hooks.get(hook);
    if (places === undefined) {
      if (this.#places >= maxPlaces) return;
      this.#hooks.set(hook, (places = new Map<number, PlaceCounts>()));
    }
    const way = directions[direction] === undefined ? 0 : direction;
    const key = place * directions.length + way;
    let counts = places.get(key);
    if (counts === undefined) {
      if (this.#places >= maxPlaces) return;
      this.#places++;
      places.set(key, (counts = new PlaceCounts(place, directions[way] ?? 'none')));
    }
    const before = counts.values.get(verdict);
    if (before !== undefined || counts.values.size < maxVerdicts) counts.values.set(verdict, (before ?? 0) + 1);
    else counts.others++;
    this.total++;
  }

  /** Counts of one hook, by place and direction. */
  of(hook: number): Iterable<Counts> {
    return this.#hooks.get(hook)?.values() ?? [];
  }
}

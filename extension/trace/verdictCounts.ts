// How often each BPF program returned what, and where: counted as verdicts come, so that nobody has to go through the events.
import { PairTable } from './intern.ts';
import { directions, type Direction } from './programMessages.ts';

/** Different verdicts that are counted one by one, for each hook and place: more only a filter without direct action has. */
const maxVerdicts = 64;
/** Pairs of hook and place that are counted; what a hostile trace has beyond them is only in its events. */
const maxPlaces = 1 << 16;

/** How often a hook returned what in a place, and in which direction the packets went. */
export interface Counts {
  readonly netns: number;
  readonly ifindex: number;
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
    readonly netns: number,
    readonly ifindex: number,
    readonly direction: Direction,
  ) {}
}

/** Counts verdicts as they come, so that nobody has to go through the events. */
export class VerdictCounts {
  /** Hook → place and direction in one number → counts. */
  readonly #hooks = new Map<number, Map<number, PlaceCounts>>();
  /** lo: ifindex, hi: netns. Whatever names they have had, a place is one here. */
  readonly #numbers = new PairTable();
  #places = 0;
  /** Verdicts counted in all. */
  total = 0;

  /** Counts a verdict of a hook at an interface in a direction (by its number). O(1). */
  add(hook: number, netns: number, ifindex: number, direction: number, verdict: number): void {
    let places = this.#hooks.get(hook);
    if (places === undefined) {
      if (this.#places >= maxPlaces) return;
      this.#hooks.set(hook, (places = new Map<number, PlaceCounts>()));
    }
    const way = directions[direction] === undefined ? 0 : direction;
    const key = this.#numbers.intern(ifindex, netns) * directions.length + way;
    let counts = places.get(key);
    if (counts === undefined) {
      if (this.#places >= maxPlaces) return;
      this.#places++;
      places.set(key, (counts = new PlaceCounts(netns, ifindex, directions[way] ?? 'none')));
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

// The edges between packets by lane, both ways: rows of the parents table, in order of arrival.

const none: readonly number[] = [];

/** Who was made from whom. Adding is O(1). */
export class Kinship {
  readonly #parents = new Map<number, number[]>();
  readonly #children = new Map<number, number[]>();
  #edges = 0;

  /** About as much as they take: an edge is in two lists, each of them an entry of a Map. */
  get bytes(): number {
    return this.#edges * 2 * 96;
  }

  /** Notes that the edge in this row leads from one lane to the other. */
  add(parent: number, child: number, row: number): void {
    this.#edges++;
    push(this.#parents, child, row);
    push(this.#children, parent, row);
  }

  /** Rows of the edges that lead to this lane. */
  parentsOf(lane: number): readonly number[] {
    return this.#parents.get(lane) ?? none;
  }

  /** Rows of the edges that lead from it. */
  childrenOf(lane: number): readonly number[] {
    return this.#children.get(lane) ?? none;
  }
}

function push(lists: Map<number, number[]>, lane: number, row: number): void {
  const list = lists.get(lane);
  if (list === undefined) lists.set(lane, [row]);
  else list.push(row);
}

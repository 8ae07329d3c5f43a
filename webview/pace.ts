// How long something that is counted down still takes, by how fast it went of late. Pure.

/** Looks back this far, ms: long enough for a steady figure, short enough to follow a node that got slower. */
const backMs = 10_000;
/** Nothing is foretold by less than this, ms. */
const leastMs = 1_000;

/** What is left, as it was seen over time. */
export class Pace {
  private readonly seen: { readonly atMs: number; readonly left: number }[] = [];

  /**
   * Takes what is left now; ms until nothing is, undefined while that can't be told.
   * @param nowMs of a clock that never goes back
   */
  next(left: number, nowMs: number): number | undefined {
    const last = this.seen.at(-1);
    if (last !== undefined && left > last.left) this.seen.length = 0;
    this.seen.push({ atMs: nowMs, left });
    while (this.seen.length > 2 && (this.seen[1]?.atMs ?? nowMs) <= nowMs - backMs) this.seen.shift();
    const first = this.seen[0];
    if (first === undefined || first.left === left || nowMs - first.atMs < leastMs) return undefined;
    return (left * (nowMs - first.atMs)) / (first.left - left);
  }
}

/** "40 s left", "3 min left"; rounded up, and no finer than is known. */
export function leftText(ms: number): string {
  const seconds = Math.ceil(ms / 5000) * 5;
  return seconds < 120 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
}

// The trace's clocks: CLOCK_MONOTONIC, which events come with, as exact numbers from the first clock on, and its pairs with the wall clock.
import { LimitError } from './error.ts';
import type { Clock } from './metadata.ts';

/** Pairs that are kept: one a second for three days. */
const mostPairs = 1 << 18;

/** Turns times into one another. Times that are numbers are ns since the first clock. */
export class Clocks {
  /** Pairs of both clocks, in order of time. */
  readonly #pairs: Clock[] = [];
  /** CLOCK_MONOTONIC of time 0. */
  #origin: bigint | undefined;

  /** Clock pairs come in order; one that isn't later than the last is left out. */
  add(clock: Clock): void {
    this.#origin ??= clock.mono;
    const last = this.#pairs[this.#pairs.length - 1];
    if (last !== undefined && clock.mono <= last.mono) return;
    if (this.#pairs.length < mostPairs) this.#pairs.push(clock);
  }

  /** From CLOCK_MONOTONIC ns, exact. The first time ever becomes 0 when no clock came before. Throws a LimitError beyond ±2^53. */
  relative(mono: bigint): number {
    this.#origin ??= mono;
    const time = Number(mono - this.#origin);
    if (!Number.isSafeInteger(time)) throw new LimitError('a time more than 104 days from the start of the trace');
    return time;
  }

  /** As {@link relative}, of a time that may be nonsense: undefined when it can't be of this trace. */
  find(mono: bigint): number | undefined {
    const time = Number(mono - (this.#origin ?? mono));
    return mono !== 0n && Number.isSafeInteger(time) ? time : undefined;
  }

  /** CLOCK_MONOTONIC ns. */
  monotonic(time: number): bigint {
    return (this.#origin ?? 0n) + BigInt(time);
  }

  /** CLOCK_REALTIME ns by the clock pair before it (the first pair for what is earlier); undefined without any. */
  wall(time: number): bigint | undefined {
    const mono = this.monotonic(time);
    let low = 0;
    let high = this.#pairs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pairs[middle]?.mono ?? 0n) <= mono) low = middle + 1;
      else high = middle;
    }
    const clock = this.#pairs[Math.max(0, low - 1)];
    return clock === undefined ? undefined : clock.wall + (mono - clock.mono);
  }
}

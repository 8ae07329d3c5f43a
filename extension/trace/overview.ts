// The overview strip: how many events and drops each part of the whole trace has.
import { eventFlag } from './columns.ts';
import type { TraceData } from './traceData.ts';

const fineBuckets = 16384;
const maxBuckets = 2048;

/**
 * Counts per slot of a scale that doubles as the trace grows, so that each event is counted once. The whole trace
 * takes up between half of the slots and all of them; a slot goes to the bucket that its middle lies in.
 */
export class Overview {
  #seen = 0;
  /** ns a slot. */
  #width = 1;
  #events = new Float64Array(fineBuckets);
  #drops = new Float64Array(fineBuckets);

  constructor(private readonly data: TraceData) {}

  read(buckets: number): { events: number[]; drops: number[] } {
    const { data } = this;
    const duration = data.durationNs;
    while (duration >= this.#width * fineBuckets) this.#halve();
    for (; this.#seen < data.eventCount; this.#seen++) {
      const chunk = data.columns.chunk(this.#seen);
      const row = data.columns.row(this.#seen);
      // Events a moment before the first one count as the first.
      const slot = Math.max(0, Math.floor(data.sinceStart(chunk.time[row] ?? 0) / this.#width));
      this.#events[slot] = (this.#events[slot] ?? 0) + 1;
      if (((chunk.flags[row] ?? 0) & eventFlag.drop) !== 0) this.#drops[slot] = (this.#drops[slot] ?? 0) + 1;
    }
    const count = Math.min(Math.max(1, Math.floor(buckets) || 1), maxBuckets);
    const events = Array<number>(count).fill(0);
    const drops = Array<number>(count).fill(0);
    const step = duration / count;
    for (let slot = 0; slot < fineBuckets; slot++) {
      const hits = this.#events[slot] ?? 0;
      if (hits === 0) continue;
      const bucket = step > 0 ? Math.min(count - 1, Math.floor(((slot + 0.5) * this.#width) / step)) : 0;
      events[bucket] = (events[bucket] ?? 0) + hits;
      drops[bucket] = (drops[bucket] ?? 0) + (this.#drops[slot] ?? 0);
    }
    return { events, drops };
  }

  #halve(): void {
    this.#width *= 2;
    for (const column of [this.#events, this.#drops]) {
      for (let slot = 0; slot < fineBuckets / 2; slot++) {
        column[slot] = (column[2 * slot] ?? 0) + (column[2 * slot + 1] ?? 0);
      }
      column.fill(0, fineBuckets / 2);
    }
  }
}

// The selected packet's trail, loaded in chunks as it is looked at.
import type { Relative, TimelineRequests, TrailRow } from '../extension/protocol/timeline.ts';

type Answer = TimelineRequests['trail'][1];

const chunk = 100;
/** Chunks kept: 20,000 rows. */
const most = 200;

/** Rows of the trail by their place in it. */
export class TrailModel {
  private chunks = new Map<number, readonly TrailRow[]>();
  private readonly asked = new Map<number, Promise<void>>();
  private generation = 0;
  private current: number | undefined;
  total = 0;
  /** The packets that this one was made from, and those made from it; none until rows have come. */
  relatives: readonly Relative[] = [];

  constructor(
    private readonly ask: (request: TimelineRequests['trail'][0]) => Promise<Answer>,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Index of the packet whose trail this is. */
  get lane(): number | undefined {
    return this.current;
  }

  setLane(lane: number | undefined, total: number): void {
    if (lane === this.current) return;
    this.current = lane;
    this.total = total;
    this.relatives = [];
    this.generation++;
    this.chunks = new Map();
    this.asked.clear();
    this.onChange();
  }

  /** The packet has more events now: its last chunk and what follows are asked for again. */
  grow(total: number): void {
    if (total === this.total) return;
    const last = Math.floor(this.total / chunk);
    for (const at of [...this.chunks.keys()]) if (at >= last) this.chunks.delete(at);
    this.total = total;
    this.onChange();
  }

  row(index: number): TrailRow | undefined {
    return this.chunks.get(Math.floor(index / chunk))?.[index % chunk];
  }

  /** The row at an index, loaded if need be; undefined when the trail has none there or another packet was chosen meanwhile. */
  async load(index: number): Promise<TrailRow | undefined> {
    await this.need(Math.floor(index / chunk));
    return this.row(index);
  }

  /** Has rows [first, end) loaded. */
  show(first: number, end: number): void {
    for (let at = Math.floor(first / chunk); at * chunk < end; at++) void this.need(at);
  }

  /** Loaded rows in order. */
  rows(): readonly TrailRow[] {
    return [...this.chunks].sort(([a], [b]) => a - b).flatMap(([, rows]) => rows);
  }

  private need(at: number): Promise<void> {
    const { current: lane, generation } = this;
    if (lane === undefined || this.chunks.has(at)) return Promise.resolve();
    const asked = this.asked.get(at);
    if (asked !== undefined) return asked;
    const promise = this.ask({ lane, offset: at * chunk, count: chunk }).then(
      ({ total, rows, relatives }) => {
        if (generation !== this.generation) return;
        this.asked.delete(at);
        if (this.chunks.size >= most) this.chunks.clear();
        this.chunks.set(at, rows);
        this.total = total;
        this.relatives = relatives;
        this.onChange();
      },
      (error: unknown) => {
        if (generation !== this.generation) return;
        this.asked.delete(at);
        // An empty chunk, so that the failure is told once and not with every frame.
        this.chunks.set(at, []);
        this.onError(error);
      },
    );
    this.asked.set(at, promise);
    return promise;
  }
}

// The lanes that match the filter, as far as they are loaded: a window of a list that may have a million entries.
import type { Lane, TimelineRequests } from '../extension/protocol/timeline.ts';
import { NewestWins } from './newest.ts';

type Request = TimelineRequests['lanes'][0];
type Answer = TimelineRequests['lanes'][1];

const chunk = 64;
/** Rows kept; beyond that, only what the last answer brought. */
const most = 2048;

/** Rows of the list by their place in it. */
export class LaneWindow {
  private rows = new Map<number, Lane>();
  private first = 0;
  private end = 0;
  private text = '';
  private readonly loader: NewestWins<Request, Answer>;
  /** Lanes that match. */
  total = 0;
  /** The first answer has come for the filter as it is now. */
  loaded = false;

  constructor(
    ask: (request: Request) => Promise<Answer>,
    private readonly onChange: () => void,
    onError: (error: unknown) => void,
  ) {
    this.loader = new NewestWins(ask, (request, answer) => this.apply(request, answer), onError);
  }

  get filter(): string {
    return this.text;
  }

  lane(row: number): Lane | undefined {
    return this.rows.get(row);
  }

  /** Rows that are loaded, in no order. */
  entries(): Iterable<readonly [number, Lane]> {
    return this.rows;
  }

  setFilter(filter: string): void {
    if (filter === this.text) return;
    this.text = filter;
    this.loaded = false;
    // Rows of the old filter stay on screen until the new ones come, but are never mixed with them.
    this.loader.invalidate();
    this.ask();
  }

  /** Has rows [first, end) loaded. */
  show(first: number, end: number): void {
    const from = Math.floor(first / chunk) * chunk;
    const to = Math.max(Math.ceil(end / chunk) * chunk, from + chunk);
    if (from === this.first && to === this.end) return;
    [this.first, this.end] = [from, to];
    for (let row = from; row < Math.min(to, this.total); row++) {
      if (!this.rows.has(row)) {
        this.ask();
        return;
      }
    }
  }

  /** The trace grew: lanes in view may have changed, and there may be more. */
  refresh(): void {
    this.ask();
  }

  private ask(): void {
    const { first, end } = this;
    this.loader.request({ filter: this.text, offset: first, count: Math.max(end - first, chunk) });
  }

  private apply(request: Request, answer: Answer): void {
    if (request.filter !== this.text) return;
    if (!this.loaded || this.rows.size > most) this.rows = new Map();
    this.loaded = true;
    this.total = answer.total;
    answer.lanes.forEach((lane, at) => this.rows.set(request.offset + at, lane));
    this.onChange();
  }
}

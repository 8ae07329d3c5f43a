// What stands on and beside hops: labels of events, asked for in batches after the frame that missed them.
import type { HopLabel, TimelineRequests } from '../extension/protocol/timeline.ts';

/** Most events that one request may name. */
const batch = 1000;
/** Labels kept; beyond that all are forgotten and what is in view is asked for anew. */
const most = 50_000;

/** Labels of events by their store index. */
export class HopLabels {
  private readonly known = new Map<number, HopLabel>();
  private readonly missing = new Set<number>();
  private readonly out = new Set<number>();

  constructor(
    private readonly ask: (request: TimelineRequests['hops'][0]) => Promise<TimelineRequests['hops'][1]>,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** The label if it is known; else it is loaded after the next {@link flush}. */
  get(event: number): HopLabel | undefined {
    const label = this.known.get(event);
    if (label === undefined && !this.out.has(event) && this.missing.size < batch) this.missing.add(event);
    return label;
  }

  /** Sends for what was missing since the last time. */
  flush(): void {
    if (this.missing.size === 0 || this.out.size > 0) return;
    const events = [...this.missing];
    this.missing.clear();
    for (const event of events) this.out.add(event);
    this.ask({ events }).then(
      ({ hops }) => {
        if (this.known.size > most) this.known.clear();
        events.forEach((event, at) => {
          this.out.delete(event);
          const label = hops[at];
          if (label !== undefined) this.known.set(event, label);
        });
        this.onChange();
      },
      (error: unknown) => {
        // Empty labels, so that the failure is told once and not with every frame.
        for (const event of events) {
          this.out.delete(event);
          this.known.set(event, { function: '', iface: '', netns: '', note: '' });
        }
        this.onError(error);
      },
    );
  }
}

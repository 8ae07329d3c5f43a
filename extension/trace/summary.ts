// The one place that turns a trace into what is shown around its lanes: titles, counts, status.
import type { TraceSummary } from '../protocol/timeline.ts';
import type { TraceSource } from './source.ts';
import type { TraceStore } from './store.ts';

/** A snapshot of the trace. O(hooks). */
export function summarize(source: TraceSource): TraceSummary {
  const { store } = source;
  const { hello } = store;
  return {
    title: source.title,
    node: source.node,
    filter: source.filter,
    kernel: hello ? `${hello.release} ${hello.machine}` : '',
    status: source.status,
    message: source.message,
    events: store.eventCount,
    packets: store.packetCount,
    drops: store.droppedPackets,
    lost: store.lost,
    eventsPerSecond: source.status === 'live' ? store.eventsPerSecond : 0,
    hooksAttached: store.hooks.countOf('attached'),
    hooksSkipped: store.hooks.countOf('skipped'),
    durationNs: store.durationNs,
    startMs: store.startMs,
  };
}

/** The kernel that was traced, as uname says it; empty strings while it isn't known. */
export function kernelOf({ hello }: TraceStore): {
  readonly release: string;
  readonly machine: string;
  readonly version: string;
} {
  return { release: hello?.release ?? '', machine: hello?.machine ?? '', version: hello?.kernelVersion ?? '' };
}

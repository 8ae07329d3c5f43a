// The one place that turns a trace into what is shown around its lanes: titles, counts, status.
import type { TraceSummary } from '../protocol/timeline.ts';
import { isLive, type TraceAbout } from './source.ts';
import type { TraceData } from './traceData.ts';

/** Hooks that were shed and that are named before the rest is only counted. */
const namedHooks = 5;

/** The connection that the helper was told to leave out (docs/helper.md); empty when it was told none. */
function leftOut(args: readonly string[]): string {
  const at = args.indexOf('--not-session');
  return at === -1 ? '' : (args[at + 1] ?? '');
}

/** A snapshot of the trace. O(1), O(hooks) once some were shed. */
export function summarize(source: TraceAbout & { readonly store: TraceData }): TraceSummary {
  const { store } = source;
  const { hello } = store;
  return {
    title: source.title,
    node: source.node,
    filter: source.filter,
    expression: source.expression,
    leftOut: hello ? leftOut(hello.args) : '',
    kernel: hello ? `${hello.release} ${hello.machine}` : '',
    status: source.status,
    message: source.message,
    leaving: source.leaving ?? false,
    events: store.eventCount,
    packets: store.packetCount,
    drops: store.droppedPackets,
    lost: store.lost,
    missed: store.missed,
    eventsPerSecond: source.status === 'live' ? store.eventsPerSecond : 0,
    hooksAttached: store.hooks.countOf('attached'),
    hooksWaiting: isLive(source) ? store.hooks.waiting : 0,
    hooksSkipped: store.hooks.countOf('skipped'),
    hooksShed: store.hooks.countOf('shed'),
    shed: store.hooks.first('shed', namedHooks),
    overhead: source.status === 'live' ? store.overhead : undefined,
    durationNs: store.durationNs,
    startMs: store.startMs,
  };
}

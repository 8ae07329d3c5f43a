// What may be asked of a trace. A question is a plain value and so is its answer, and the answer is a promise: who asks need not know in
// which thread the trace is kept.
import type { TimelineRequests, TraceSummary } from '../protocol/timeline.ts';
import type { HookList } from './hookList.ts';
import type { Hook } from './metadata.ts';
import type { Program, SourceLine } from './programMessages.ts';
import type { ProgramRow } from './programTree.ts';
import type { TraceData } from './traceData.ts';

/** What the timeline asks of the trace itself; the rest it asks of the extension. */
type TimelineQueries = {
  readonly [K in 'lanes' | 'page' | 'trail' | 'event' | 'hops' | 'locate' | 'overview' | 'gaps']: (
    question: TimelineRequests[K][0],
  ) => Promise<TimelineRequests[K][1]>;
};

/** A BPF program with its lines in the order of its instructions; none while they aren't known. */
export interface ProgramWithLines {
  readonly program: Program;
  readonly lines: readonly SourceLine[];
}

/** The queries; each rejects with a RangeError for an event that isn't there. */
export interface TraceQueries extends TimelineQueries {
  summary(): Promise<TraceSummary>;
  /** The traced kernel; empty texts while it isn't known. */
  kernel(): Promise<ReturnType<TraceData['kernel']>>;
  /** The hook that an event hit; undefined when the stream didn't say. */
  hookOf(event: number): Promise<Hook | undefined>;
  hooks(): Promise<HookList>;
  /** Whether other hooks are on functions of the same name: statics of several files. */
  sharesName(hook: Hook): Promise<boolean>;
  /** The BPF program whose entry or verdict a hook is; undefined for other hooks. */
  programOf(hook: Hook): Promise<ProgramWithLines | undefined>;
  /** A BPF program by its id. */
  program(id: number): Promise<ProgramWithLines | undefined>;
  /** How many BPF programs are known; `version` changes when the {@link programTree} does. O(1). */
  programs(): Promise<{ readonly count: number; readonly version: string }>;
  programTree(): Promise<readonly ProgramRow[]>;
  /** The filter (query.ts) that finds the packets of a row of the {@link programTree}; empty for a row that has none. */
  hitsFilter(row: ProgramRow): Promise<string>;
}

// What other extensions, and tests, may ask of Packet Trail. Versioned: a field is never taken away within a version.
import type { ProgramRow } from './trace/programTree.ts';
import type { TraceSource } from './trace/source.ts';
import type { TraceSummary, TrailRow } from './protocol/timeline.ts';
import type { Traces } from './sessions/traces.ts';
import type { TraceEditor } from './views/traceEditor.ts';

/** A trace as others see it: to look at only. */
export interface ApiTrace {
  summary(): Promise<TraceSummary>;
  /** The hops of the packet with this index, in order of time. */
  trail(lane: number): Promise<readonly TrailRow[]>;
  /** The BPF programs of the node as the view "BPF Programs" shows them. */
  programs(): Promise<readonly ProgramRow[]>;
}

/** A vscode.Uri, of which only the text matters. */
export interface FileUri {
  toString(): string;
}

/** The exports of the extension. */
export interface PacketTrailApi {
  readonly version: 1;
  /** Traces that were started in this window. */
  traces(): readonly ApiTrace[];
  /** The trace of an open `.pkttrail` file; undefined when it isn't open. */
  file(uri: FileUri): ApiTrace | undefined;
}

/** Makes the exports. */
export function packetTrailApi(traces: Traces, editor: TraceEditor): PacketTrailApi {
  return {
    version: 1,
    traces: () => traces.all().map(({ source }) => apiTrace(source)),
    file: (uri) => {
      const source = editor.find(uri.toString());
      return source && apiTrace(source);
    },
  };
}

function apiTrace({ queries }: TraceSource): ApiTrace {
  return {
    summary: () => queries.summary(),
    trail: async (lane) => (await queries.trail({ lane, offset: 0, count: Number.MAX_SAFE_INTEGER })).rows,
    programs: () => queries.programTree(),
  };
}

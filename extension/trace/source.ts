// Where a trace comes from: a live session on a node, or a .pkttrail file. Both can be asked the same; views know nothing else.
import type { TraceStatus } from '../protocol/timeline.ts';
import type { TraceQueries } from './queries.ts';

/** What a trace is, without what it holds. */
export interface TraceAbout {
  readonly title: string;
  readonly node: string;
  /** What is captured, in words; empty means every packet. */
  readonly filter: string;
  /** The packet filter alone. */
  readonly expression: string;
  readonly status: TraceStatus;
  /** Why it ended or failed, or what a cut file lost; empty when there is nothing to say. */
  readonly message: string;
  /** It has ended, and the node still takes its hooks off; undefined is no. */
  readonly leaving?: boolean;
}

/** A trace that views can show. */
export interface TraceSource extends TraceAbout {
  /** What it holds. */
  readonly queries: TraceQueries;
  /** Calls back after the trace grew or its status changed, at most ten times a second. Dispose to stop. */
  onChange(listener: () => void): { dispose(): void };
  /** Live traces only; a file's resolve at once. */
  stop(): Promise<void>;
  pause(paused: boolean): Promise<void>;
  /** Captures by another packet filter from now on; resolves with why it was refused, empty when it is in force. */
  capture(expression: string): Promise<string>;
}

/** Whether the node still sends. */
export function isLive({ status }: TraceAbout): boolean {
  return status === 'starting' || status === 'live' || status === 'paused';
}

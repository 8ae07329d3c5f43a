// What a command's argument stands for: a row of a view when it was run there, nothing when it comes from the palette.
import type { NodeItem } from '../sessions/targets.ts';
import type { OpenTrace, Recording } from '../sessions/traces.ts';
import type { TraceItem } from '../views/tracesView.ts';

/** The target of a row of the Nodes view, or one that another extension names. */
export function nodeTarget(argument: unknown): string | undefined {
  if (typeof argument === 'string') return argument;
  const target = (argument as Partial<NodeItem> | undefined)?.target;
  return typeof target === 'string' ? target : undefined;
}

/** The trace of a row of the Traces view; undefined for its other rows. */
export function traceOf(argument: unknown): OpenTrace | undefined {
  const item = argument as TraceItem | undefined;
  return item?.kind === 'trace' ? item.trace : undefined;
}

/** The recording of a row of the Traces view; undefined for its other rows. */
export function recordingOf(argument: unknown): Recording | undefined {
  const item = argument as TraceItem | undefined;
  return item?.kind === 'recording' ? item.recording : undefined;
}

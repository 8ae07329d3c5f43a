// What is remembered of a trace's tab beyond the window: where the trace is, and how it was started. It comes back out of a webview's state,
// so nothing of it is believed unseen.
import { isAbsolute } from 'node:path';
import type { Hops, TraceFilter } from '../nodes/helperFlags.ts';

/** A trace that can be shown, and started, again. */
export interface Again {
  /** File that has all of it. */
  readonly path: string;
  /** Whether it ran: then it ended with its window. */
  readonly ran: boolean;
  readonly target: string;
  readonly filter: TraceFilter;
}

/** As a webview keeps it. */
export function againText(again: Again): string {
  return JSON.stringify(again);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isStrings = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

/** Reads the state of a webview; undefined when nothing can be made of it. */
export function readAgain(state: unknown): Again | undefined {
  const text = isRecord(state) ? state['again'] : undefined;
  if (typeof text !== 'string' || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || !isRecord(value['filter'])) return undefined;
  const { path, ran, target, filter } = value;
  if (typeof path !== 'string' || !isAbsolute(path) || typeof target !== 'string' || typeof ran !== 'boolean')
    return undefined;
  const read = readFilter(filter);
  return read && { path, ran, target, filter: read };
}

const hops: readonly string[] = ['all', 'telling', 'programs'] satisfies readonly Hops[];

function readFilter(filter: Readonly<Record<string, unknown>>): TraceFilter | undefined {
  const { expression, netns, iface, mark, hops: where } = filter;
  const texts = [expression, netns, iface, mark, where];
  if (!isStrings(texts) || !isHops(where)) return undefined;
  return {
    expression: String(expression),
    netns: String(netns),
    iface: String(iface),
    mark: String(mark),
    hops: where,
  };
}

function isHops(value: unknown): value is Hops {
  return typeof value === 'string' && hops.includes(value);
}

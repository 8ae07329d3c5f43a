// The queries of a trace whose store is in this thread. A store in a worker would need another one of these, and nothing else would know.
import type { TimelineRequests } from '../protocol/timeline.ts';
import { hookList } from './hookList.ts';
import type { Hook } from './metadata.ts';
import { hitsFilter, programTree, type ProgramRow } from './programTree.ts';
import type { Program } from './programMessages.ts';
import type { ProgramWithLines, TraceQueries } from './queries.ts';
import type { TraceAbout } from './source.ts';
import type { TraceStore } from './store.ts';
import { summarize } from './summary.ts';

/** The argument of a timeline's request. */
type Question<K extends keyof TimelineRequests> = TimelineRequests[K][0];

/** What an answer is, or the error that asking ended in, as the promise that another thread would give. */
function answer<T>(ask: () => T): Promise<T> {
  return new Promise((resolve) => resolve(ask()));
}

/** Asks a trace's store. */
export class StoreQueries implements TraceQueries {
  constructor(private readonly trace: TraceAbout & { readonly store: TraceStore }) {}

  summary = () => answer(() => summarize(this.trace));
  kernel = () => answer(() => this.#store.kernel());

  lanes = ({ filter, offset, count }: Question<'lanes'>) => answer(() => this.#store.lanes(filter, offset, count));
  page = ({ lanes, fromNs, toNs, buckets }: Question<'page'>) =>
    answer(() => ({ data: this.#store.page(lanes, fromNs, toNs, buckets) }));
  trail = ({ lane, offset, count }: Question<'trail'>) => answer(() => this.#store.trail(lane, offset, count));
  event = ({ event }: Question<'event'>) => answer(() => this.#store.detail(event));
  hops = ({ events }: Question<'hops'>) => answer(() => ({ hops: this.#store.hops(events) }));
  locate = ({ event, filter }: Question<'locate'>) => answer(() => this.#store.locate(event, filter));
  overview = ({ buckets }: Question<'overview'>) => answer(() => this.#store.overview(buckets));
  gaps = () => answer(() => ({ gaps: this.#store.gapMarks() }));

  hookOf = (event: number) => answer(() => this.#store.hookOf(event));
  hooks = () => answer(() => hookList(this.#store));

  sharesName = (hook: Hook) => answer(() => this.#store.hooks.sharesName(hook));
  programOf = (hook: Hook) => answer(() => this.#withLines(this.#store.programs.ofHook(hook)));
  program = (id: number) => answer(() => this.#withLines(this.#store.programs.get(id)));
  programTree = () => answer(() => programTree(this.#store));
  hitsFilter = (row: ProgramRow) => answer(() => hitsFilter(this.#store, row));
  programs = () =>
    answer(() => {
      const { programs, verdictCounts, names } = this.#store;
      const version = [programs.generation, verdictCounts.total, names.generation].join(' ');
      return { count: programs.size, version };
    });

  get #store(): TraceStore {
    return this.trace.store;
  }

  #withLines(program: Program | undefined): ProgramWithLines | undefined {
    return program && { program, lines: this.#store.programs.source(program.id) };
  }
}

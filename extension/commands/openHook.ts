// From a hook of a trace to its source: the definition of a kernel function, or the file of a BPF program.
import type { OpenOptions, SourceOpener } from '../source/openSource.ts';
import type { Hook } from '../trace/metadata.ts';
import type { TraceSource } from '../trace/source.ts';
import { originOf, type ProgramSources } from '../views/programSources.ts';
import { untrusted } from './conditions.ts';

/** Where sources are looked for. */
export interface Sources {
  readonly kernel: SourceOpener;
  readonly programs: ProgramSources;
}

/**
 * Opens a hook's source; resolves with what was done, or why not, in words.
 * @param gate why not now: a kernel tree starts clangd, with settings that a workspace may bring
 */
export async function openHook(
  { kernel, programs }: Sources,
  trace: TraceSource,
  hook: Hook,
  options: OpenOptions,
  gate: () => string | undefined = untrusted,
): Promise<string> {
  const why = gate();
  if (why !== undefined) return why;
  const found = await trace.queries.programOf(hook);
  if (found === undefined) {
    const shared = await trace.queries.sharesName(hook);
    return await kernel.openHook({ ...hook, shared }, await trace.queries.kernel(), options);
  }
  return await programs.open(found.program, found.lines, originOf(trace), options);
}

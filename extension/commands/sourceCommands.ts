// Commands about kernel source: the hooks that have some, the folder that it is in, the index of it.
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { Traces } from '../sessions/traces.ts';
import { showHooks } from '../views/hooksView.ts';
import { noTrace, untrusted } from './conditions.ts';
import { openHook, type Sources } from './openHook.ts';
import type { Command } from './registry.ts';

/** Makes the commands. */
export function sourceCommands(traces: Traces, shown: ShownTraces, sources: Sources): readonly Command[] {
  return [
    {
      id: 'showHooks',
      unavailable: () => noTrace(traces, shown),
      run: async () => {
        const source = (shown.last ?? traces.all().at(-1))?.source;
        if (!source) return;
        await showHooks(source, (hook) => openHook(sources, source, hook, { beside: false, preview: true }));
      },
    },
    {
      id: 'chooseKernelSource',
      unavailable: untrusted,
      run: async () => {
        await sources.kernel.chooseKernelSource();
      },
    },
    { id: 'rebuildSourceIndex', unavailable: untrusted, run: () => sources.kernel.rebuildIndex() },
  ];
}

// Commands about nodes: add, forget, check, look for them anew.
import { checkNode, type ReachContext } from '../sessions/reach.ts';
import type { State } from '../sessions/state.ts';
import { showCheck } from '../views/checkView.ts';
import type { NodesView } from '../views/nodesView.ts';
import { askTarget, pickNode } from '../views/pickNode.ts';
import { untrusted } from './conditions.ts';
import type { Command } from './registry.ts';
import { nodeTarget } from './rows.ts';

/** Makes the commands. */
export function nodeCommands(state: State, reach: ReachContext, nodes: NodesView): readonly Command[] {
  return [
    {
      id: 'addNode',
      run: async () => {
        const target = await askTarget();
        if (target === undefined) return;
        await state.remember(target);
        nodes.refresh();
      },
    },
    {
      id: 'forgetNode',
      run: async (argument) => {
        const target = nodeTarget(argument);
        if (target === undefined) return;
        await state.forget(target);
        nodes.refresh();
      },
    },
    {
      id: 'checkNode',
      unavailable: untrusted,
      run: async (argument) => {
        const target = nodeTarget(argument) ?? (await pickNode(state, await nodes.configured()));
        if (target !== undefined) await showCheck(target, await checkNode(reach, target));
      },
    },
    { id: 'refreshNodes', run: () => nodes.refresh() },
  ];
}

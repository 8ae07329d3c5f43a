// What a timeline asks of the extension beyond its trace: a hop's source, another filter, a file.
import type * as vscode from 'vscode';
import type { State } from '../sessions/state.ts';
import type { Traces } from '../sessions/traces.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { PanelActions } from '../views/timelinePanels.ts';
import { saveTrace } from './fileCommands.ts';
import { openHook, type Sources } from './openHook.ts';

/** Makes the actions. */
export function timelineActions(
  sources: Sources,
  traces: Traces,
  state: State,
  log: vscode.LogOutputChannel,
): PanelActions {
  return {
    openSource: async (source, event, beside) => {
      const hook = await source.queries.hookOf(event);
      if (!hook) return 'The trace does not say which function this event belongs to.';
      return await openHook(sources, source, hook, { beside, preview: true });
    },
    capture: async (source, expression) => {
      const problem = await source.capture(expression);
      log.info(`${source.node}: filter "${expression}": ${problem || 'in force'}`);
      if (problem === '') await state.remember(source.node, expression);
      return problem;
    },
    save: (trace) => saveTrace(trace, traces),
    close: (trace) => {
      // One that is discarded with its tab is gone by now.
      if (traces.all().includes(trace)) traces.close(trace).catch((error: unknown) => log.error(reasonOf(error)));
    },
  };
}

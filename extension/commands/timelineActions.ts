// What a timeline asks of the extension beyond its trace: a hop's source, another filter, a file.
import * as vscode from 'vscode';
import type { State } from '../sessions/state.ts';
import type { Traces } from '../sessions/traces.ts';
import { notice } from '../protocol/plainText.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { Again } from '../sessions/again.ts';
import { filterText } from '../sessions/traceFilter.ts';
import { TraceEditor } from '../views/traceEditor.ts';
import type { PanelActions } from '../views/timelinePanels.ts';
import { saveTrace } from './fileCommands.ts';
import { showFailure } from './registry.ts';
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
    restore: (again, column, preserveFocus) => restore(again, column, preserveFocus, log),
    close: (trace) => {
      // One that is discarded with its tab is gone by now.
      if (traces.all().includes(trace)) traces.close(trace).catch((error: unknown) => log.error(reasonOf(error)));
    },
  };
}

/** Shows the file of a trace whose window is gone, and offers to start it again where it ended with that. */
async function restore(
  again: Again,
  column: vscode.ViewColumn | undefined,
  preserveFocus: boolean,
  log: vscode.LogOutputChannel,
): Promise<void> {
  const options = { preserveFocus, ...(column === undefined ? {} : { viewColumn: column }) };
  await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(again.path), TraceEditor.viewType, options);
  if (!again.ran) return;
  const start = 'Start Again';
  const what = filterText(again.filter) || 'every packet';
  const said = `The trace of ${what} on ${again.target} ended with its window. What came until then is shown.`;
  // Nobody has to answer.
  vscode.window.showInformationMessage(notice(said), start).then(
    async (answer) => {
      if (answer === start) await vscode.commands.executeCommand('packetTrail.startAgain', again);
    },
    (error: unknown) => showFailure(error, log),
  );
}

// Commands of a trace's life: start, show, stop.
import type * as vscode from 'vscode';
import type { TraceFilter } from '../nodes/helperFlags.ts';
import { checkFilterHere, type ReachContext } from '../sessions/reach.ts';
import { BadFilter, startTrace } from '../sessions/startTrace.ts';
import type { State } from '../sessions/state.ts';
import { everyPacket } from '../sessions/traceFilter.ts';
import type { Traces } from '../sessions/traces.ts';
import { askFilter } from '../views/askFilter.ts';
import type { NodesView } from '../views/nodesView.ts';
import { pickNode } from '../views/pickNode.ts';
import { traceSettings } from '../views/settings.ts';
import type { TimelinePanels } from '../views/timelinePanels.ts';
import { pickTrace } from '../views/traceDialogs.ts';
import { noTrace, untrusted } from './conditions.ts';
import { showFailure, type Command } from './registry.ts';
import { nodeTarget, traceOf } from './rows.ts';

/** What the commands work on. */
interface TraceCommandContext {
  readonly log: vscode.LogOutputChannel;
  readonly state: State;
  readonly traces: Traces;
  readonly reach: ReachContext;
  readonly nodes: NodesView;
  readonly panels: TimelinePanels;
}

/** Makes the commands. */
export function traceCommands(at: TraceCommandContext): readonly Command[] {
  const { traces, panels } = at;
  return [
    { id: 'startTrace', unavailable: untrusted, run: (argument) => start(at, nodeTarget(argument), false) },
    { id: 'tracePrograms', unavailable: untrusted, run: (argument) => start(at, nodeTarget(argument), true) },
    {
      id: 'stopTrace',
      unavailable: () => (traces.live().length ? undefined : 'No trace is running.'),
      run: async (argument) => {
        const trace = traceOf(argument) ?? (await pickTrace(traces, traces.live(), 'Stop which trace?'));
        await trace?.source.stop();
      },
    },
    {
      id: 'showTrace',
      unavailable: () => noTrace(traces),
      run: (argument) => {
        const trace = traceOf(argument) ?? traces.current();
        if (trace) panels.show(trace);
      },
    },
  ];
}

/** Asks for what isn't given, and again for a filter that the node refuses. */
async function start(at: TraceCommandContext, given: string | undefined, programsOnly: boolean): Promise<void> {
  const { state, log } = at;
  const target = given ?? (await pickNode(state, await at.nodes.configured()));
  if (target === undefined) return;
  const lastFilter = state.recentNodes().find((node) => node.target === target)?.lastFilter ?? '';
  let filter: TraceFilter | undefined = { ...everyPacket, expression: lastFilter, programsOnly };
  let problem: string | undefined;
  for (;;) {
    filter = await askFilter({
      node: target,
      initial: filter,
      recent: state.recentFilters(),
      check: (expression) => checkFilterHere(at.reach.helpers, expression),
      ...(problem === undefined ? {} : { problem }),
    });
    if (!filter) return;
    try {
      await run(at, target, filter);
      return;
    } catch (error) {
      if (!(error instanceof BadFilter)) throw error;
      problem = error.message;
      log.warn(`${target}: the filter "${filter.expression}" was refused: ${problem}`);
    }
  }
}

async function run(at: TraceCommandContext, target: string, filter: TraceFilter): Promise<void> {
  const { state, log } = at;
  const { trace, failed } = await startTrace(at.reach, at.traces, { target, filter, settings: traceSettings() });
  at.panels.show(trace);
  await state.remember(target, filter.expression);
  at.nodes.refresh();
  failed.then(
    (error) => {
      if (error) showFailure(error, log);
    },
    (error: unknown) => showFailure(error, log),
  );
}

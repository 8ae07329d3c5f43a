// Commands of a trace's life: start, show, stop.
import * as vscode from 'vscode';
import type { Hops, TraceFilter } from '../nodes/helperFlags.ts';
import { notice } from '../protocol/plainText.ts';
import { checkFilterHere, type ReachContext } from '../sessions/reach.ts';
import { BadFilter, startTrace } from '../sessions/startTrace.ts';
import type { Again } from '../sessions/again.ts';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { State } from '../sessions/state.ts';
import { everyPacket } from '../sessions/traceFilter.ts';
import type { OpenTrace, Traces } from '../sessions/traces.ts';
import { isLive } from '../trace/source.ts';
import { askFilter } from '../views/askFilter.ts';
import type { NodesView } from '../views/nodesView.ts';
import { offerTelling } from '../views/offerTelling.ts';
import { pickNode } from '../views/pickNode.ts';
import { traceSettings } from '../views/settings.ts';
import type { TimelinePanels } from '../views/timelinePanels.ts';
import { pickTrace } from '../views/traceDialogs.ts';
import { noTraceHere, untrusted } from './conditions.ts';
import { showFailure, type Command } from './registry.ts';
import { nodeTarget, traceOf } from './rows.ts';

/** What the commands work on. */
interface TraceCommandContext {
  readonly log: vscode.LogOutputChannel;
  readonly state: State;
  readonly traces: Traces;
  readonly shown: ShownTraces;
  readonly reach: ReachContext;
  readonly nodes: NodesView;
  readonly panels: TimelinePanels;
}

/** Makes the commands. */
export function traceCommands(at: TraceCommandContext): readonly Command[] {
  const { traces, shown, panels } = at;
  return [
    { id: 'startTrace', unavailable: untrusted, run: (argument) => start(at, nodeTarget(argument), undefined) },
    { id: 'tracePrograms', unavailable: untrusted, run: (argument) => start(at, nodeTarget(argument), 'programs') },
    {
      // Offered where a trace ended with its window; in no menu.
      id: 'startAgain',
      unavailable: untrusted,
      run: async (argument) => {
        const { target, filter } = argument as Again;
        await run(at, target, filter);
      },
    },
    {
      id: 'stopTrace',
      unavailable: () => (traces.live().length ? undefined : 'No trace is running.'),
      run: async (argument) => {
        // A trace in front is the one that is meant, whatever else runs.
        const source = (traceOf(argument) ?? shown.front)?.source;
        if (source !== undefined && !isLive(source))
          void vscode.window.showInformationMessage(
            notice(`${source.title} doesn't run: bring the trace to stop to the front.`),
          );
        else await (source ?? (await pickTrace(traces.live(), 'Stop which trace?'))?.source)?.stop();
      },
    },
    {
      id: 'showTrace',
      unavailable: () => noTraceHere(traces),
      run: async (argument) => {
        const trace = traceOf(argument) ?? (await pickTrace(traces.all(), 'Show which trace?'));
        if (trace) panels.show(trace);
      },
    },
  ];
}

/** Asks for what isn't given, and again for a filter that the node refuses. */
async function start(at: TraceCommandContext, given: string | undefined, hops: Hops | undefined): Promise<void> {
  const { state, log } = at;
  const target = given ?? (await pickNode(state, await at.nodes.configured()));
  if (target === undefined) return;
  const last = state.recentNode(target);
  let filter: TraceFilter | undefined = {
    ...everyPacket,
    expression: last?.lastFilter ?? '',
    hops: hops ?? (last?.telling ? 'telling' : 'all'),
  };
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
  // What only programs were watched for, says nothing of how much one wants to see there.
  await state.remember(target, filter.expression, filter.hops === 'programs' ? undefined : filter.hops === 'telling');
  at.nodes.refresh();
  failed.then(
    (error) => {
      if (error) showFailure(error, log);
    },
    (error: unknown) => showFailure(error, log),
  );
  // The trace runs meanwhile: nobody has to answer.
  if (filter.hops === 'all') offer(at, target, filter, trace).catch((error: unknown) => showFailure(error, log));
}

/** Starts anew with the most telling functions where that is offered and wanted. */
async function offer(at: TraceCommandContext, target: string, filter: TraceFilter, trace: OpenTrace): Promise<void> {
  if (!(await offerTelling(target, trace.source.queries))) return;
  await trace.source.stop();
  await run(at, target, { ...filter, hops: 'telling' });
}

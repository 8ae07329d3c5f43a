// What the commands about nodes and traces do.
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { showFailure, type Command } from './registry.ts';
import { traceSettings } from '../views/settings.ts';
import type { OpenOptions, SourceOpener } from '../source/openSource.ts';
import { originOf, type ProgramSources } from '../views/programSources.ts';
import type { State } from '../sessions/state.ts';
import { LiveTrace } from '../sessions/liveTrace.ts';
import type { Hook } from '../trace/metadata.ts';
import { isLive, type TraceSource } from '../trace/source.ts';
import type { OpenTrace, Traces } from '../sessions/traces.ts';
import { askFilter, everyPacket, filterText, type TraceFilter } from '../views/askFilter.ts';
import { showCheck } from '../views/checkView.ts';
import { showHooks } from '../views/hooksView.ts';
import type { NodeItem, NodesView } from '../views/nodesView.ts';
import { askTarget, pickNode } from '../views/pickNode.ts';
import {
  BadFilter,
  checkFilterHere,
  checkNode,
  startTrace,
  type StartContext,
  type StartRequest,
} from '../sessions/startTrace.ts';
import type { TimelineActions } from '../views/timelineHost.ts';
import type { TimelinePanels } from '../views/timelinePanels.ts';
import type { TraceItem } from '../views/tracesView.ts';

/** What the commands work on. */
export interface CommandContext {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly state: State;
  readonly traces: Traces;
  readonly source: SourceOpener;
  readonly programSources: ProgramSources;
  readonly nodes: NodesView;
  readonly configuredHosts: () => Promise<readonly string[]>;
  readonly start: StartContext;
  /** A function, because the panels in turn need {@link TraceCommands.actions}. */
  readonly panels: () => TimelinePanels;
}

/** The commands, and what timelines call back. */
export interface TraceCommands {
  readonly list: readonly Command[];
  readonly actions: (trace: OpenTrace) => TimelineActions;
  readonly fileActions: (uri: vscode.Uri) => TimelineActions;
}

/** Makes the commands. */
export function traceCommands(at: CommandContext): TraceCommands {
  const { traces, state, log } = at;
  const noTrace = (): string | undefined =>
    traces.all().length ? undefined : 'There is no trace yet. Packet Trail: Start Trace begins one.';

  /** A workspace's settings name files and programs, so that nothing is run before the person trusts it. */
  const untrusted = (): string | undefined =>
    vscode.workspace.isTrusted
      ? undefined
      : 'This needs a trusted workspace. Workspaces: Manage Workspace Trust decides.';

  const openHook = async (source: TraceSource, hook: Hook, options: OpenOptions): Promise<string> => {
    const found = await source.queries.programOf(hook);
    if (found === undefined) return await at.source.openHook(hook, await source.queries.kernel(), options);
    return await at.programSources.open(found.program, found.lines, originOf(source), options);
  };
  const openSource = async (source: TraceSource, event: number, beside: boolean): Promise<string> => {
    const hook = await source.queries.hookOf(event);
    if (!hook) return 'The trace does not say which function this event belongs to.';
    return await openHook(source, hook, { beside, preview: true });
  };
  const capture = async (source: TraceSource, expression: string): Promise<string> => {
    const problem = await source.capture(expression);
    log.info(`${source.node}: filter "${expression}": ${problem || 'in force'}`);
    if (problem === '') await state.remember(source.node, expression);
    return problem;
  };

  const list: Command[] = [
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
      id: 'saveTraceAs',
      unavailable: noTrace,
      run: async (argument) => {
        const trace = traceOf(argument) ?? (await pickTrace(traces, traces.all(), 'Save which trace?'));
        if (trace) await save(trace, traces);
      },
    },
    { id: 'openTrace', run: openTrace },
    {
      id: 'showTrace',
      unavailable: noTrace,
      run: (argument) => {
        const trace = traceOf(argument) ?? traces.current();
        if (trace) at.panels().show(trace);
      },
    },
    {
      id: 'discardTrace',
      run: async (argument) => {
        const item = argument as TraceItem | undefined;
        const discard = async (name: string): Promise<boolean> => {
          const question = `Discard the trace ${name}? It was not saved.`;
          return (await vscode.window.showWarningMessage(question, { modal: true }, 'Discard')) === 'Discard';
        };
        if (item?.kind === 'trace') {
          if (!(await discard(item.trace.source.title))) return;
          at.panels().close(item.trace);
          await traces.discard(item.trace);
        } else if (item?.kind === 'recording') {
          if (await discard(basename(item.recording.path))) await traces.discardRecording(item.recording);
        }
      },
    },
    {
      id: 'addNode',
      run: async () => {
        const target = await askTarget();
        if (target === undefined) return;
        await state.remember(target, undefined);
        at.nodes.refresh();
      },
    },
    {
      id: 'forgetNode',
      run: async (argument) => {
        const target = nodeTarget(argument);
        if (target === undefined) return;
        await state.forget(target);
        at.nodes.refresh();
      },
    },
    {
      id: 'checkNode',
      unavailable: untrusted,
      run: async (argument) => {
        const target = nodeTarget(argument) ?? (await pickNode(state, await at.configuredHosts()));
        if (target !== undefined) await showCheck(target, await checkNode(at.start, target));
      },
    },
    { id: 'refreshNodes', run: () => at.nodes.refresh() },
    {
      id: 'showHooks',
      unavailable: noTrace,
      run: async () => {
        const trace = traces.current();
        if (!trace) return;
        await showHooks(trace.source, (hook) => openHook(trace.source, hook, { beside: false, preview: true }));
      },
    },
    {
      id: 'chooseKernelSource',
      unavailable: untrusted,
      run: async () => {
        await at.source.chooseKernelSource();
      },
    },
    { id: 'rebuildSourceIndex', unavailable: untrusted, run: () => at.source.rebuildIndex() },
    { id: 'showLog', run: () => log.show() },
  ];

  return {
    list,
    actions: (trace) => ({ openSource, capture, save: () => save(trace, traces) }),
    fileActions: (uri) => ({
      openSource,
      capture,
      save: async () => {
        const target = await askWhere(basename(uri.path));
        if (target) await vscode.workspace.fs.copy(uri, target, { overwrite: true });
      },
    }),
  };
}

async function start(at: CommandContext, given: string | undefined, programsOnly: boolean): Promise<void> {
  const { state, log } = at;
  const target = given ?? (await pickNode(state, await at.configuredHosts()));
  if (target === undefined) return;
  const lastFilter = state.recentNodes().find((node) => node.target === target)?.lastFilter ?? '';
  let filter: TraceFilter | undefined = { ...everyPacket, expression: lastFilter, programsOnly };
  let problem: string | undefined;
  for (;;) {
    filter = await askFilter({
      node: target,
      initial: filter,
      recent: state.recentFilters(),
      check: (expression) => checkFilterHere(at.context.extensionUri, expression),
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

async function run(at: CommandContext, target: string, filter: TraceFilter): Promise<void> {
  const { state, traces, log, nodes } = at;
  const recording = await traces.newRecording(target);
  const request: StartRequest = {
    target,
    filter,
    settings: traceSettings(),
    record: (helper, connection) =>
      LiveTrace.record({
        node: target,
        expression: filter.expression,
        also: filterText({ ...filter, expression: '' }),
        recording,
        helper,
        connection,
      }),
  };
  const live = await startTrace(at.start, request).catch(async (error: unknown) => {
    await traces.abandon(recording);
    throw error;
  });
  const trace: OpenTrace = {
    source: live,
    recording,
    saveTo: (target) => live.saveTo(target),
    dispose: () => live.dispose(),
  };
  traces.add(trace);
  at.panels().show(trace);
  await state.remember(target, filter.expression);
  nodes.refresh();
  live.failed.then(
    (error) => {
      if (error) showFailure(error, log);
    },
    (error: unknown) => showFailure(error, log),
  );
}

function nodeTarget(argument: unknown): string | undefined {
  if (typeof argument === 'string') return argument;
  const target = (argument as Partial<NodeItem> | undefined)?.target;
  return typeof target === 'string' ? target : undefined;
}

function traceOf(argument: unknown): OpenTrace | undefined {
  const item = argument as TraceItem | undefined;
  return item?.kind === 'trace' ? item.trace : undefined;
}

async function pickTrace(
  traces: Traces,
  among: readonly OpenTrace[],
  placeHolder: string,
): Promise<OpenTrace | undefined> {
  const current = traces.current();
  if (current && among.includes(current)) return current;
  if (among.length <= 1) return among[0];
  const picks = among.map((trace) => ({ label: trace.source.title, description: trace.source.filter, trace }));
  return (await vscode.window.showQuickPick(picks, { title: 'Packet Trail', placeHolder }))?.trace;
}

async function askWhere(name: string): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  return await vscode.window.showSaveDialog({
    title: 'Save Trace',
    filters: { 'Packet Trail': ['pkttrail'] },
    ...(folder ? { defaultUri: vscode.Uri.joinPath(folder, name) } : {}),
  });
}

async function save(trace: OpenTrace, traces: Traces): Promise<void> {
  const target = await askWhere(basename(trace.recording));
  if (!target) return;
  if (target.scheme !== 'file') throw new Error(`A trace can't be saved to ${target.toString()}. Pick a local folder.`);
  const whole = !isLive(trace.source);
  await trace.saveTo(target.fsPath);
  if (whole) traces.markSaved(trace);
  const open = 'Open';
  const more = isLive(trace.source) ? ' up to now; it goes on' : '';
  void vscode.window
    .showInformationMessage(`Saved ${vscode.workspace.asRelativePath(target)}${more}.`, open)
    .then(async (answer) => {
      if (answer === open) await vscode.commands.executeCommand('vscode.open', target);
    });
}

async function openTrace(): Promise<void> {
  const [uri] =
    (await vscode.window.showOpenDialog({ title: 'Open Trace', filters: { 'Packet Trail': ['pkttrail'] } })) ?? [];
  if (uri) await vscode.commands.executeCommand('vscode.open', uri);
}

// Packet Trail's entry point. `activate` is a table of contents: what there is, and how the parts are put together.
import { join } from 'node:path';
import * as vscode from 'vscode';
import { packetTrailApi, type PacketTrailApi } from './api.ts';
import { fileCommands } from './commands/fileCommands.ts';
import { nodeCommands } from './commands/nodeCommands.ts';
import { programCommands } from './commands/programCommands.ts';
import { registerCommands } from './commands/registry.ts';
import { sourceCommands } from './commands/sourceCommands.ts';
import { timelineActions } from './commands/timelineActions.ts';
import { traceCommands } from './commands/traceCommands.ts';
import { listHosts } from './nodes/hosts.ts';
import type { ReachContext } from './sessions/reach.ts';
import { ShownTraces } from './sessions/shownTraces.ts';
import { State } from './sessions/state.ts';
import { Traces } from './sessions/traces.ts';
import { Clangd } from './source/clangd.ts';
import { KernelIndexes } from './source/kernelIndex.ts';
import { SourceOpener } from './source/openSource.ts';
import { WindowClangd } from './views/clangdServer.ts';
import { NodesView } from './views/nodesView.ts';
import { ProgramSources } from './views/programSources.ts';
import { ProgramsView } from './views/programsView.ts';
import { withProgress } from './views/progress.ts';
import { WindowPrompter } from './views/prompter.ts';
import { programPathMap, sshClient, sshConfigFile } from './views/settings.ts';
import { WindowSourceEditor } from './views/sourceEditor.ts';
import { WindowSourcePrompter } from './views/sourcePrompter.ts';
import { TimelinePanels } from './views/timelinePanels.ts';
import { TraceContext } from './views/traceContext.ts';
import { TraceEditor } from './views/traceEditor.ts';
import { TracesView } from './views/tracesView.ts';

/** Called by VS Code when the first command runs or a trace file is opened. */
export function activate(context: vscode.ExtensionContext): PacketTrailApi {
  const { extensionUri } = context;
  const storage = context.globalStorageUri.fsPath;
  const log = vscode.window.createOutputChannel('Packet Trail', { log: true });
  const state = new State(context.globalState);
  const traces = new Traces(join(storage, 'recordings'));
  const shown = new ShownTraces();
  const reach: ReachContext = {
    helpers: context.asAbsolutePath(join('dist', 'helper')),
    prompter: new WindowPrompter(),
    log,
    ssh: () => ({
      configFile: sshConfigFile(),
      client: sshClient(),
      askpass: [process.execPath, context.asAbsolutePath(join('dist', 'askpass.js'))],
    }),
    progress: withProgress,
  };

  const clangd = new Clangd(new WindowClangd(log), log);
  const indexes = new KernelIndexes(context.asAbsolutePath(join('dist', 'indexer.js')), join(storage, 'kernel-source'));
  const prompter = new WindowSourcePrompter();
  const kernel = new SourceOpener(indexes, clangd, prompter, new WindowSourceEditor(), state, log);
  const programs = new ProgramSources(prompter, programPathMap);
  const sources = { kernel, programs };

  const actions = timelineActions(sources, traces, state, log);
  const panels = new TimelinePanels(extensionUri, traces, shown, actions);
  const editor = new TraceEditor(extensionUri, shown, actions);
  const nodes = new NodesView(state, async () =>
    (await listHosts({ configFile: sshConfigFile() })).map(({ name }) => name),
  );

  const commands = [
    ...traceCommands({ log, state, traces, shown, reach, nodes, panels }),
    ...fileCommands({ traces, shown, panels, editor }),
    ...nodeCommands(state, reach, nodes),
    ...sourceCommands(traces, shown, sources),
    ...programCommands({ sources: programs, panels, editor }),
    { id: 'showLog', run: () => log.show() },
  ];

  context.subscriptions.push(
    log,
    traces,
    shown,
    clangd,
    kernel,
    programs,
    nodes,
    panels,
    editor,
    new TracesView(traces),
    new ProgramsView(traces, editor),
    new TraceContext(traces, shown),
    registerCommands(commands, log),
    vscode.window.registerWebviewPanelSerializer(TimelinePanels.viewType, panels),
    vscode.window.registerCustomEditorProvider(TraceEditor.viewType, editor, {
      supportsMultipleEditorsPerDocument: true,
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('packetTrail.sshConfigFile')) nodes.refresh();
    }),
  );
  return packetTrailApi(traces, editor);
}

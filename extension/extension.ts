// Packet Trail's entry point. `activate` is a table of contents: what there is, and how the parts are put together.
import { join } from 'node:path';
import * as vscode from 'vscode';
import { packetTrailApi, type PacketTrailApi } from './api.ts';
import { registerCommands } from './commands/registry.ts';
import { listHosts } from './nodes/hosts.ts';
import { programCommands } from './commands/programCommands.ts';
import { programPathMap, sshConfigFile } from './views/settings.ts';
import { Clangd } from './source/clangd.ts';
import { KernelIndexes } from './source/kernelIndex.ts';
import { SourceOpener } from './source/openSource.ts';
import { ProgramSources } from './views/programSources.ts';
import { WindowSourcePrompter } from './views/windowSourcePrompter.ts';
import { State } from './sessions/state.ts';
import { Traces } from './sessions/traces.ts';
import { traceCommands } from './commands/traceCommands.ts';
import { WindowClangd } from './views/clangdServer.ts';
import { NodesView } from './views/nodesView.ts';
import { ProgramsView } from './views/programsView.ts';
import { WindowPrompter } from './views/prompter.ts';
import { WindowSourceEditor } from './views/sourceEditor.ts';
import { TraceContext } from './views/traceContext.ts';
import { TimelinePanels } from './views/timelinePanels.ts';
import { TraceEditor } from './views/traceEditor.ts';
import { TracesView } from './views/tracesView.ts';

/** Called by VS Code when the first command runs or a trace file is opened. */
export function activate(context: vscode.ExtensionContext): PacketTrailApi {
  const log = vscode.window.createOutputChannel('Packet Trail', { log: true });
  const state = new State(context.globalState);
  const traces = new Traces(join(context.globalStorageUri.fsPath, 'recordings'));
  const clangd = new Clangd(new WindowClangd(log), log);
  const indexes = new KernelIndexes(
    context.asAbsolutePath(join('dist', 'indexer.js')),
    join(context.globalStorageUri.fsPath, 'kernel-source'),
  );
  const prompter = new WindowSourcePrompter();
  const source = new SourceOpener(indexes, clangd, prompter, new WindowSourceEditor(), log);
  const programSources = new ProgramSources(prompter, programPathMap);
  const configuredHosts = async (): Promise<readonly string[]> =>
    (await listHosts({ configFile: sshConfigFile() })).map(({ name }) => name);
  const nodes = new NodesView(state, configuredHosts);
  const start = { extensionUri: context.extensionUri, log, prompter: new WindowPrompter() };
  const commands = traceCommands({
    context,
    log,
    state,
    traces,
    source,
    programSources,
    nodes,
    configuredHosts,
    start,
    panels: () => panels,
  });
  const panels = new TimelinePanels(context.extensionUri, traces, commands.actions);
  const editor = new TraceEditor(context.extensionUri, commands.fileActions);

  context.subscriptions.push(
    log,
    traces,
    clangd,
    source,
    programSources,
    nodes,
    panels,
    editor,
    new TracesView(traces),
    new ProgramsView(traces, editor),
    new TraceContext(traces),
    registerCommands([...commands.list, ...programCommands({ sources: programSources, panels, editor })], log),
    vscode.window.registerCustomEditorProvider(TraceEditor.viewType, editor, {
      supportsMultipleEditorsPerDocument: true,
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('packetTrail.sshConfigFile')) nodes.refresh();
    }),
  );
  return packetTrailApi(traces, editor);
}

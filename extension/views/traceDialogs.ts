// Asks about traces: which one, where to, whether really; and says where one was saved.
import * as vscode from 'vscode';
import { iconless } from '../protocol/plainText.ts';
import type { OpenTrace } from '../sessions/traces.ts';

const filters = { 'Packet Trail': ['pkttrail'] };

/** The only one of these, else the one that the person picks. */
export async function pickTrace(among: readonly OpenTrace[], placeHolder: string): Promise<OpenTrace | undefined> {
  if (among.length <= 1) return among[0];
  const picks = among.map((trace) => ({
    label: iconless(trace.source.title),
    description: iconless(trace.source.filter),
    trace,
  }));
  return (await vscode.window.showQuickPick(picks, { title: 'Packet Trail', placeHolder }))?.trace;
}

/** Asks where to save a trace; in the workspace under this name when nothing else is chosen. */
export async function askWhere(name: string): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  return await vscode.window.showSaveDialog({
    title: 'Save Trace',
    filters,
    ...(folder ? { defaultUri: vscode.Uri.joinPath(folder, name) } : {}),
  });
}

/** Asks which trace file to open. */
export async function askTraceFile(): Promise<vscode.Uri | undefined> {
  return (await vscode.window.showOpenDialog({ title: 'Open Trace', filters }))?.[0];
}

/** Whether a trace that is nowhere else may go. */
export async function confirmDiscard(name: string): Promise<boolean> {
  const question = `Discard the trace ${name}? It was not saved.`;
  return (await vscode.window.showWarningMessage(question, { modal: true }, 'Discard')) === 'Discard';
}

/** Says that a trace was saved, and offers to open the file. Nobody waits for the answer. */
export function saySaved(target: vscode.Uri, goesOn: boolean): void {
  const open = 'Open';
  const more = goesOn ? ' up to now; it goes on' : '';
  void vscode.window
    .showInformationMessage(`Saved ${vscode.workspace.asRelativePath(target)}${more}.`, open)
    .then(async (answer) => {
      if (answer === open) await vscode.commands.executeCommand('vscode.open', target);
    });
}

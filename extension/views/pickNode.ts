// Asks which node to trace: recent ones, hosts of the SSH configuration, this machine, or a new one.
import * as vscode from 'vscode';
import type { State } from '../sessions/state.ts';
import { listNodes, targetProblem, type NodeItem } from '../sessions/targets.ts';

interface NodePick extends vscode.QuickPickItem {
  readonly target?: string;
  readonly add?: true;
}

const headings = { recent: 'recent', config: 'SSH configuration', local: 'here' } as const;
const icons = { recent: 'history', config: 'server', local: 'device-desktop' } as const;

/** Resolves the node's target, or undefined when the person gave up. */
export async function pickNode(state: State, configured: readonly string[]): Promise<string | undefined> {
  const nodes = listNodes(state, configured);
  const picks: NodePick[] = [];
  let heading: NodeItem['origin'] | undefined;
  for (const { target, origin, detail } of nodes) {
    if (origin !== heading) picks.push({ label: headings[origin], kind: vscode.QuickPickItemKind.Separator });
    heading = origin;
    const description = origin === 'recent' ? detail || 'every packet' : '';
    picks.push({ label: `$(${icons[origin]}) ${target}`, description, target });
  }
  picks.push({ label: '', kind: vscode.QuickPickItemKind.Separator }, { label: '$(add) Add Node…', add: true });
  const picked = await vscode.window.showQuickPick(picks, {
    title: 'Packet Trail: Start Trace (1/2)',
    placeHolder: 'Node to trace',
    matchOnDescription: true,
  });
  return picked?.add ? await askTarget() : picked?.target;
}

/** Asks for a node by name: a host of the SSH configuration or `user@host:port`. */
export async function askTarget(): Promise<string | undefined> {
  const value = await vscode.window.showInputBox({
    title: 'Packet Trail: Add Node',
    prompt: 'A host of your SSH configuration, or user@host:port',
    placeHolder: 'root@192.0.2.10:22',
    ignoreFocusOut: true,
    validateInput: (text) => targetProblem(text.trim()),
  });
  return value?.trim();
}

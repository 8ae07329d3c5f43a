// The Nodes view: recent nodes, hosts of the SSH configuration, and this machine.
import * as vscode from 'vscode';
import type { State } from '../sessions/state.ts';

/** A row of the view. */
export interface NodeItem {
  readonly target: string;
  readonly origin: 'recent' | 'config' | 'local';
  readonly detail: string;
}

/** Lists the nodes that can be picked: recent ones first, each once. */
export function listNodes(state: State, configured: readonly string[], local: boolean): readonly NodeItem[] {
  const recent = state
    .recentNodes()
    .map(({ target, lastFilter }): NodeItem => ({ target, origin: 'recent', detail: lastFilter }));
  const known = new Set(recent.map(({ target }) => target));
  const fromConfig = configured
    .filter((host) => !known.has(host))
    .map((target): NodeItem => ({ target, origin: 'config', detail: 'SSH configuration' }));
  const here: readonly NodeItem[] =
    local && !known.has(localTarget)
      ? [{ target: localTarget, origin: 'local', detail: 'where the extension runs' }]
      : [];
  return [...recent, ...fromConfig, ...here];
}

/** The target that stands for the machine the extension runs on. */
export const localTarget = 'This Machine';

/** Feeds the tree; `configured` reads the SSH configuration. */
export class NodesView implements vscode.TreeDataProvider<NodeItem>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: vscode.TreeView<NodeItem>;

  constructor(
    private readonly state: State,
    private readonly configured: () => Promise<readonly string[]>,
  ) {
    this.view = vscode.window.createTreeView('packetTrail.nodes', { treeDataProvider: this });
  }

  refresh(): void {
    this.changed.fire(undefined);
  }

  getTreeItem(node: NodeItem): vscode.TreeItem {
    const item = new vscode.TreeItem(node.target);
    item.description = node.detail;
    item.contextValue = `node.${node.origin}`;
    item.iconPath = new vscode.ThemeIcon(node.origin === 'local' ? 'device-desktop' : 'server');
    item.tooltip = `${node.target}\n${node.origin === 'recent' ? `Last filter: ${node.detail || 'every packet'}` : node.detail}`;
    return item;
  }

  async getChildren(node?: NodeItem): Promise<NodeItem[]> {
    return node ? [] : [...listNodes(this.state, await this.configured(), process.platform === 'linux')];
  }

  dispose(): void {
    this.view.dispose();
    this.changed.dispose();
  }
}

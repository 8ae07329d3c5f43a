// The Nodes view: recent nodes, hosts of the SSH configuration, and this machine.
import * as vscode from 'vscode';
import type { State } from '../sessions/state.ts';
import { listNodes, type NodeItem } from '../sessions/targets.ts';

/** Feeds the tree; `configured` reads the SSH configuration. */
export class NodesView implements vscode.TreeDataProvider<NodeItem>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: vscode.TreeView<NodeItem>;

  constructor(
    private readonly state: State,
    /** The hosts of the SSH configuration. */
    readonly configured: () => Promise<readonly string[]>,
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
    return node ? [] : [...listNodes(this.state, await this.configured())];
  }

  dispose(): void {
    this.view.dispose();
    this.changed.dispose();
  }
}

// The Traces view: running traces, recordings that are not saved yet, and trace files in the workspace.
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import type { OpenTrace, Recording, Traces } from '../sessions/traces.ts';
import { isLive } from '../trace/source.ts';

type Group = 'Running' | 'Unsaved' | 'Saved';
/** A row of the view. */
export type TraceItem =
  | { readonly kind: 'group'; readonly group: Group }
  | { readonly kind: 'trace'; readonly trace: OpenTrace }
  | { readonly kind: 'recording'; readonly recording: Recording }
  | { readonly kind: 'file'; readonly uri: vscode.Uri };

const mostFiles = 200;
const megabytes = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** Feeds the tree and follows the workspace's trace files, which are searched for once and again when one came or went. */
export class TracesView implements vscode.TreeDataProvider<TraceItem>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly disposables: readonly { dispose(): unknown }[];
  private files: Thenable<readonly vscode.Uri[]> | undefined;

  constructor(private readonly traces: Traces) {
    const files = vscode.workspace.createFileSystemWatcher('**/*.pkttrail', false, true, false);
    this.disposables = [
      vscode.window.createTreeView('packetTrail.traces', { treeDataProvider: this }),
      files,
      files.onDidCreate(() => this.searchAgain()),
      files.onDidDelete(() => this.searchAgain()),
      vscode.workspace.onDidChangeWorkspaceFolders(() => this.searchAgain()),
      traces.onDidChangeList(() => this.changed.fire(undefined)),
      this.changed,
    ];
  }

  private searchAgain(): void {
    this.files = undefined;
    this.changed.fire(undefined);
  }

  getTreeItem(item: TraceItem): vscode.TreeItem {
    switch (item.kind) {
      case 'group':
        return new vscode.TreeItem(item.group, vscode.TreeItemCollapsibleState.Expanded);
      case 'trace': {
        const { source } = item.trace;
        const row = new vscode.TreeItem(source.title);
        const live = isLive(source);
        // The label has node and filter already.
        row.description = [source.filter ? '' : 'every packet', live ? '' : source.status].filter(Boolean).join(', ');
        row.contextValue = live ? 'trace.live' : 'trace.ended';
        row.iconPath = new vscode.ThemeIcon(live ? 'pulse' : source.status === 'failed' ? 'error' : 'circle-outline');
        row.tooltip = [`${source.node}: ${source.status}`, source.message].filter(Boolean).join('\n');
        row.command = { command: 'packetTrail.showTrace', title: 'Show Trace', arguments: [item] };
        return row;
      }
      case 'recording':
        return fileItem(vscode.Uri.file(item.recording.path), {
          description: `${megabytes.format(item.recording.bytes / 1e6)} MB, not saved`,
          contextValue: 'trace.recording',
        });
      case 'file':
        return fileItem(item.uri, {
          // The folder, where it isn't the workspace's own.
          description: dirname(vscode.workspace.asRelativePath(item.uri)).replace(/^\.$/, ''),
          contextValue: 'trace.file',
        });
    }
  }

  async getChildren(item?: TraceItem): Promise<TraceItem[]> {
    if (!item) {
      const groups = await Promise.all(
        (['Running', 'Unsaved', 'Saved'] as const).map(async (group): Promise<readonly TraceItem[]> =>
          (await this.members(group)).length ? [{ kind: 'group', group }] : [],
        ),
      );
      return groups.flat();
    }
    return item.kind === 'group' ? [...(await this.members(item.group))] : [];
  }

  private async members(group: Group): Promise<readonly TraceItem[]> {
    const own = this.traces.all();
    switch (group) {
      case 'Running':
        return own.filter(({ source }) => isLive(source)).map((trace) => ({ kind: 'trace', trace }));
      case 'Unsaved': {
        const ended = own.filter((trace) => !isLive(trace.source) && !this.traces.isSaved(trace));
        const recordings = await this.traces.recordings();
        return [
          ...ended.map((trace): TraceItem => ({ kind: 'trace', trace })),
          ...recordings.map((recording): TraceItem => ({ kind: 'recording', recording })),
        ];
      }
      case 'Saved': {
        this.files ??= vscode.workspace.findFiles('**/*.pkttrail', undefined, mostFiles);
        const files = [...(await this.files)];
        return files.sort((a, b) => a.path.localeCompare(b.path)).map((uri) => ({ kind: 'file', uri }));
      }
    }
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }
}

function fileItem(uri: vscode.Uri, rest: { description: string; contextValue: string }): vscode.TreeItem {
  const item = new vscode.TreeItem(basename(uri.path));
  item.resourceUri = uri;
  item.iconPath = vscode.ThemeIcon.File;
  item.description = rest.description;
  item.contextValue = rest.contextValue;
  item.command = { command: 'vscode.open', title: 'Open', arguments: [uri] };
  return item;
}

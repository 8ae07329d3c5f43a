// The BPF Programs view: for each trace that is open the programs of its node, where they are attached, and what they returned.
import * as vscode from 'vscode';
import type { OpenTrace, Traces } from '../sessions/traces.ts';
import type { ProgramRow } from '../trace/programTree.ts';
import { isLive, type TraceSource } from '../trace/source.ts';
import { originOf } from './programSources.ts';
import type { TraceEditor } from './traceEditor.ts';

/** A trace that has programs: one of this window, or a file. */
export interface ProgramTrace {
  readonly source: TraceSource;
  /** Undefined for a file. */
  readonly trace: OpenTrace | undefined;
  /** Of the file; undefined for a trace of this window. */
  readonly uri: vscode.Uri | undefined;
}

/** A row of the view. */
export type ProgramItem =
  /** `programs`: how many the trace knows. */
  | { readonly kind: 'trace'; readonly of: ProgramTrace; readonly programs: number }
  | { readonly kind: 'row'; readonly of: ProgramTrace; readonly row: ProgramRow };

/** How often the view follows a trace that runs. */
const refreshMs = 1_000;

/** Feeds the tree. While it is in sight it follows running traces, once a second. */
export class ProgramsView implements vscode.TreeDataProvider<ProgramItem>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: vscode.TreeView<ProgramItem>;
  private readonly disposables: readonly { dispose(): unknown }[];
  private timer: NodeJS.Timeout | undefined;
  /** What the tree was made of last. */
  private shown = '';

  constructor(
    private readonly traces: Traces,
    private readonly editor: TraceEditor,
  ) {
    this.view = vscode.window.createTreeView('packetTrail.programs', { treeDataProvider: this, showCollapseAll: true });
    this.disposables = [
      this.view,
      this.changed,
      this.view.onDidChangeVisibility(() => this.refreshSoon()),
      traces.onDidChange(() => this.refreshSoon()),
      editor.onDidChange(() => this.refreshSoon()),
    ];
  }

  private refreshSoon(): void {
    if (this.timer !== undefined || !this.view.visible) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.refresh().catch(() => undefined); // A trace that can't answer has nothing new to show.
    }, refreshMs);
  }

  private async refresh(): Promise<void> {
    const { version } = await this.traceRows();
    if (version === this.shown) return;
    this.shown = version;
    this.changed.fire(undefined);
  }

  /** The rows of the traces; `version` changes when what the tree says does. */
  private async traceRows(): Promise<{ readonly rows: ProgramItem[]; readonly version: string }> {
    const asked = this.all().map(async (of) => ({ of, ...(await of.source.queries.programs()) }));
    const traces = await Promise.all(asked);
    return {
      rows: traces.map(({ of, count }) => ({ kind: 'trace', of, programs: count })),
      version: traces
        .map(({ of: { source }, version }) => [originOf(source).trace, version, source.status, source.filter].join(' '))
        .join('\n'),
    };
  }

  private all(): readonly ProgramTrace[] {
    return [
      ...this.traces.all().map((trace) => ({ source: trace.source, trace, uri: undefined })),
      ...this.editor.all().map(({ uri, source }) => ({ source, trace: undefined, uri })),
    ];
  }

  getTreeItem(item: ProgramItem): vscode.TreeItem {
    return programTreeItem(item);
  }

  async getChildren(item?: ProgramItem): Promise<ProgramItem[]> {
    if (item === undefined) {
      const { rows, version } = await this.traceRows();
      this.shown = version;
      return rows;
    }
    const { of } = item;
    const rows = item.kind === 'trace' ? await of.source.queries.programTree() : item.row.children;
    return rows.map((row) => ({ kind: 'row', of, row }));
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const disposable of this.disposables) disposable.dispose();
  }
}

/** What VS Code shows for a row, its menus and its words for a screen reader included. */
export function programTreeItem(item: ProgramItem): vscode.TreeItem {
  return item.kind === 'trace' ? traceItem(item.of, item.programs) : rowItem(item.of.source, item.row);
}

function traceItem({ source, uri }: ProgramTrace, size: number): vscode.TreeItem {
  const { Expanded, None } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(source.node, size > 0 ? Expanded : None);
  const what = uri === undefined ? source.filter || 'every packet' : source.title;
  const programs = size === 0 ? 'no tc or XDP program' : size === 1 ? '1 program' : `${size} programs`;
  item.id = `trace ${originOf(source).trace}`;
  item.description = `${what}, ${programs}`;
  item.tooltip = `${source.node}: ${what}\n${programs}`;
  item.iconPath = new vscode.ThemeIcon(isLive(source) ? 'pulse' : uri === undefined ? 'circle-outline' : 'file');
  item.contextValue = 'programs.trace';
  item.accessibilityInformation = { label: `Node ${source.node}, ${what}, ${programs}` };
  return item;
}

/** The colour of the timeline's tc/XDP layer. */
const programColour = new vscode.ThemeColor('charts.purple');
const dropColour = new vscode.ThemeColor('errorForeground');

function rowItem(source: TraceSource, row: ProgramRow): vscode.TreeItem {
  const { kind, label, description, children } = row;
  const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
  const open = kind === 'interface' || kind === 'direction';
  const item = new vscode.TreeItem(label, children.length === 0 ? None : open ? Expanded : Collapsed);
  item.id = `row ${originOf(source).trace} ${row.key}`;
  item.description = description;
  item.iconPath = rowIcon(row);
  item.contextValue = contextOf(row);
  item.tooltip = [label, description].filter((part) => part !== '').join('\n');
  item.accessibilityInformation = { label: spoken(row) };
  return item;
}

function spoken({ kind, label, description, count, drops }: ProgramRow): string {
  switch (kind) {
    case 'interface':
      return `Interface ${label}, ${description}`;
    case 'verdict':
      return `Verdict ${label}${drops ? ', drops the packet' : ''}, ${count === 1 ? 'once' : `${description} times`}`;
    case 'program':
      return `BPF program ${label}, ${description}`;
    case 'group':
      return `${label}, ${description} programs`;
    case 'direction':
      return label;
  }
}

function rowIcon({ kind, label, state, drops, key }: ProgramRow): vscode.ThemeIcon {
  switch (kind) {
    case 'interface':
      return new vscode.ThemeIcon('plug');
    case 'direction':
      return new vscode.ThemeIcon(/egress|primary/.test(label) ? 'arrow-up' : 'arrow-down');
    case 'program':
      if (state === 'hooked') return new vscode.ThemeIcon('symbol-method', programColour);
      return new vscode.ThemeIcon(state === 'gone' ? 'history' : 'circle-slash');
    case 'verdict':
      return drops
        ? new vscode.ThemeIcon('error', dropColour)
        : new vscode.ThemeIcon('debug-breakpoint-log-unverified');
    case 'group':
      return new vscode.ThemeIcon(key === 'unhooked' ? 'warning' : 'list-unordered');
  }
}

/** What the menus go by: "program hooked source log". */
function contextOf({ kind, state, hasSource }: ProgramRow): string {
  if (kind !== 'program') return `programs.${kind}`;
  const log = state === 'reported' || state === 'unknown';
  return `programs.program.${state}${hasSource ? '.source' : ''}${log ? '.log' : ''}`;
}

// The custom editor of `.pkttrail` files: the same timeline, read from disk, without a node.
import * as vscode from 'vscode';
import { reasonOf } from '../protocol/reason.ts';
import { FileSource, openTraceFile } from '../trace/fileSource.ts';
import type { TraceSource } from '../trace/source.ts';
import { TraceStore } from '../trace/store.ts';
import { abortSignal } from './abortSignal.ts';
import { TimelineHost, type TimelineActions } from './timelineHost.ts';
import { timelineHtml, timelineOptions } from './timelinePage.ts';

/** An opened trace file. */
class TraceDocument implements vscode.CustomDocument {
  constructor(
    readonly uri: vscode.Uri,
    readonly source: TraceSource,
    private readonly closed: () => void,
  ) {}

  dispose(): void {
    this.closed();
  }
}

/** Opens trace files, to look at only. */
export class TraceEditor implements vscode.CustomReadonlyEditorProvider<TraceDocument>, vscode.Disposable {
  static readonly viewType = 'packetTrail.traceFile';
  private readonly open = new Map<string, TraceSource>();
  /** Timelines of a file, the newest last: an editor can be split. */
  private readonly hosts = new Map<string, Set<TimelineHost>>();
  private readonly changed = new vscode.EventEmitter<undefined>();
  /** A file was opened or closed. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly actions: TimelineActions,
  ) {}

  /** The trace of a file that is open; undefined when it isn't. */
  find(uri: string): TraceSource | undefined {
    return this.open.get(uri);
  }

  /** The files that are open. */
  all(): readonly { readonly uri: vscode.Uri; readonly source: TraceSource }[] {
    return [...this.open].map(([key, source]) => ({ uri: vscode.Uri.parse(key, true), source }));
  }

  /** Brings a file's timeline to the front. */
  async show(uri: vscode.Uri): Promise<TimelineHost | undefined> {
    await vscode.commands.executeCommand('vscode.openWith', uri, TraceEditor.viewType);
    return [...(this.hosts.get(uri.toString()) ?? [])].at(-1);
  }

  async openCustomDocument(
    uri: vscode.Uri,
    _context: unknown,
    token: vscode.CancellationToken,
  ): Promise<TraceDocument> {
    const key = uri.toString();
    const source = await this.read(uri.fsPath, abortSignal(token));
    this.open.set(key, source);
    this.changed.fire(undefined);
    return new TraceDocument(uri, source, () => {
      this.open.delete(key);
      this.changed.fire(undefined);
    });
  }

  /** VS Code keeps an editor's error to its log: a file that can't be read is shown as a trace that says why. */
  private async read(path: string, signal: AbortSignal): Promise<TraceSource> {
    try {
      return await openTraceFile(path, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const message = reasonOf(error);
      return new FileSource(path, { store: new TraceStore(), message }, 'failed');
    }
  }

  resolveCustomEditor(document: TraceDocument, panel: vscode.WebviewPanel): void {
    panel.webview.options = timelineOptions(this.extensionUri);
    const host = new TimelineHost(panel.webview, document.source, this.actions);
    const key = document.uri.toString();
    const hosts = this.hosts.get(key) ?? new Set<TimelineHost>();
    this.hosts.set(key, hosts.add(host));
    panel.onDidDispose(() => {
      hosts.delete(host);
      if (hosts.size === 0) this.hosts.delete(key);
      host.dispose();
    });
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
  }

  dispose(): void {
    this.changed.dispose();
  }
}

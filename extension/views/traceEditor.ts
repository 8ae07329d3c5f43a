// The custom editor of `.pkttrail` files: the same timeline, read from disk, without a node.
import * as vscode from 'vscode';
import { openTraceFile } from '../trace/fileSource.ts';
import type { TraceSource } from '../trace/source.ts';
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
export class TraceEditor implements vscode.CustomReadonlyEditorProvider<TraceDocument> {
  static readonly viewType = 'packetTrail.traceFile';
  private readonly open = new Map<string, TraceSource>();

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly actions: (uri: vscode.Uri) => TimelineActions,
  ) {}

  /** The trace of a file that is open; undefined when it isn't. */
  find(uri: vscode.Uri): TraceSource | undefined {
    return this.open.get(uri.toString());
  }

  async openCustomDocument(
    uri: vscode.Uri,
    _context: unknown,
    token: vscode.CancellationToken,
  ): Promise<TraceDocument> {
    const key = uri.toString();
    const source = await openTraceFile(uri.fsPath, abortSignal(token));
    this.open.set(key, source);
    return new TraceDocument(uri, source, () => this.open.delete(key));
  }

  resolveCustomEditor(document: TraceDocument, panel: vscode.WebviewPanel): void {
    panel.webview.options = timelineOptions(this.extensionUri);
    const host = new TimelineHost(panel.webview, document.source, this.actions(document.uri));
    panel.onDidDispose(() => host.dispose());
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
  }
}

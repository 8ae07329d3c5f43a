// The custom editor of `.pkttrail` files: the same timeline, read from disk, without a node.
import * as vscode from 'vscode';
import { openTraceFile } from '../trace/fileSource.ts';
import type { TraceSource } from '../trace/source.ts';
import { TimelineHost, type TimelineActions } from './timelineHost.ts';
import { timelineHtml, timelineOptions } from './timelinePage.ts';

/** An opened trace file. */
class TraceDocument implements vscode.CustomDocument {
  constructor(
    readonly uri: vscode.Uri,
    readonly source: TraceSource,
  ) {}
  dispose(): void {
    // The store is plain memory.
  }
}

/** Opens trace files read-only. */
export class TraceEditor implements vscode.CustomReadonlyEditorProvider<TraceDocument> {
  static readonly viewType = 'packetTrail.traceFile';

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly actions: (uri: vscode.Uri) => TimelineActions,
    private readonly opened: (source: TraceSource, uri: vscode.Uri) => void,
  ) {}

  async openCustomDocument(
    uri: vscode.Uri,
    _context: unknown,
    token: vscode.CancellationToken,
  ): Promise<TraceDocument> {
    const source = await openTraceFile(uri.fsPath, abortSignal(token));
    this.opened(source, uri);
    return new TraceDocument(uri, source);
  }

  resolveCustomEditor(document: TraceDocument, panel: vscode.WebviewPanel): void {
    panel.webview.options = timelineOptions(this.extensionUri);
    const host = new TimelineHost(panel.webview, document.source, this.actions(document.uri));
    panel.onDidDispose(() => host.dispose());
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
  }
}

/** A cancellation token as the standard's signal, which the parts without VS Code understand. */
export function abortSignal(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  else token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}

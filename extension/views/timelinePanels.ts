// The editor tabs of traces that were started in this window: one panel a trace, made again when it was closed.
import * as vscode from 'vscode';
import type { OpenTrace, Traces } from '../traces.ts';
import { TimelineHost, type TimelineActions } from './timelineHost.ts';
import { timelineHtml, timelineOptions } from './timelinePage.ts';

/** Opens and finds the panels. */
export class TimelinePanels implements vscode.Disposable {
  private readonly panels = new Map<OpenTrace, vscode.WebviewPanel>();

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly traces: Traces,
    private readonly actions: (trace: OpenTrace) => TimelineActions,
  ) {}

  /** Brings the trace's timeline to the front. Closing it doesn't end the trace. */
  show(trace: OpenTrace): void {
    const known = this.panels.get(trace);
    if (known) {
      known.reveal();
      return;
    }
    const panel = vscode.window.createWebviewPanel(
      'packetTrail.timeline',
      trace.source.title,
      vscode.ViewColumn.Active,
      timelineOptions(this.extensionUri),
    );
    this.panels.set(trace, panel);
    panel.iconPath = vscode.Uri.joinPath(this.extensionUri, 'extension', 'media', 'activity.svg');
    const host = new TimelineHost(panel.webview, trace.source, this.actions(trace));
    panel.onDidChangeViewState(() => {
      if (panel.active) this.traces.setCurrent(trace);
    });
    panel.onDidDispose(() => {
      this.panels.delete(trace);
      host.dispose();
    });
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
  }

  close(trace: OpenTrace): void {
    this.panels.get(trace)?.dispose();
  }

  dispose(): void {
    for (const panel of this.panels.values()) panel.dispose();
  }
}

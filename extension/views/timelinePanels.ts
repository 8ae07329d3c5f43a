// The editor tabs of traces that were started in this window: one panel a trace, made again when it was closed.
import * as vscode from 'vscode';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { OpenTrace } from '../sessions/traces.ts';
import { isLive } from '../trace/source.ts';
import { TimelineHost, type TimelineActions } from './timelineHost.ts';
import { timelineHtml, timelineOptions } from './timelinePage.ts';

/** What the timelines of this window's traces ask of the extension. */
export interface PanelActions extends TimelineActions {
  save(trace: OpenTrace): Promise<void>;
  /** The tab of a trace that has ended was closed. */
  close(trace: OpenTrace): void;
}

/** Opens and finds the panels. */
export class TimelinePanels implements vscode.Disposable {
  private disposed = false;
  private readonly panels = new Map<OpenTrace, { readonly panel: vscode.WebviewPanel; readonly host: TimelineHost }>();

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly shown: ShownTraces,
    private readonly actions: PanelActions,
  ) {}

  /** Brings the trace's timeline to the front. Closing it doesn't end the trace. */
  show(trace: OpenTrace): TimelineHost {
    const known = this.panels.get(trace);
    if (known) {
      known.panel.reveal();
      return known.host;
    }
    const panel = vscode.window.createWebviewPanel(
      'packetTrail.timeline',
      trace.source.title,
      vscode.ViewColumn.Active,
      timelineOptions(this.extensionUri),
    );
    panel.iconPath = { light: this.icon('light'), dark: this.icon('dark') };
    const host = new TimelineHost(panel.webview, trace.source, this.actions, () => this.actions.save(trace));
    this.panels.set(trace, { panel, host });
    // It comes to the front, though nobody says so.
    this.shown.open(panel, { source: trace.source, trace, uri: undefined }, true);
    panel.onDidChangeViewState(() => this.shown.activate(panel, panel.active));
    // A filter that changes is part of the title.
    const titles = trace.source.onChange(() => {
      if (panel.title !== trace.source.title) panel.title = trace.source.title;
    });
    panel.onDidDispose(() => {
      this.panels.delete(trace);
      // Nobody looks at it, and its recording has all of it.
      if (!this.disposed && !isLive(trace.source)) this.actions.close(trace);
      this.shown.close(panel);
      titles.dispose();
      host.dispose();
    });
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
    return host;
  }

  /** A tab's icon takes no colour from the theme. */
  private icon(theme: 'light' | 'dark'): vscode.Uri {
    return vscode.Uri.joinPath(this.extensionUri, 'extension', 'media', `trace-${theme}.svg`);
  }

  close(trace: OpenTrace): void {
    this.panels.get(trace)?.panel.dispose();
  }

  dispose(): void {
    this.disposed = true;
    for (const { panel } of [...this.panels.values()]) panel.dispose();
  }
}

// The editor tabs of traces that were started in this window: one panel a trace, made again when it was closed.
import * as vscode from 'vscode';
import { againText, readAgain, type Again } from '../sessions/again.ts';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { OpenTrace, Traces } from '../sessions/traces.ts';
import { isLive } from '../trace/source.ts';
import { TimelineHost, type TimelineActions } from './timelineHost.ts';
import { timelineHtml, timelineOptions } from './timelinePage.ts';

/** What the timelines of this window's traces ask of the extension. */
export interface PanelActions extends TimelineActions {
  save(trace: OpenTrace): Promise<void>;
  /** A trace has ended and has no tab any more. */
  close(trace: OpenTrace): void;
  /** A tab of a window that is gone is to show its trace again. */
  restore(again: Again, column: vscode.ViewColumn | undefined, preserveFocus: boolean): Promise<void>;
}

/** Opens and finds the panels. */
export class TimelinePanels implements vscode.WebviewPanelSerializer, vscode.Disposable {
  static readonly viewType = 'packetTrail.timeline';
  private disposed = false;
  /** Traces that run without a tab: who waits for their end. */
  private readonly unseen = new Map<OpenTrace, { dispose(): void }>();
  private readonly panels = new Map<OpenTrace, { readonly panel: vscode.WebviewPanel; readonly host: TimelineHost }>();

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly traces: Traces,
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
    this.unseen.get(trace)?.dispose();
    this.unseen.delete(trace);
    const panel = vscode.window.createWebviewPanel(
      TimelinePanels.viewType,
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
    const keep = (): void => host.keep(againText(this.traces.again(trace)));
    keep();
    const list = this.traces.onDidChangeList(() => {
      // A filter that changes is part of the title.
      if (panel.title !== trace.source.title) panel.title = trace.source.title;
      keep();
    });
    panel.onDidDispose(() => {
      this.panels.delete(trace);
      if (!this.disposed) this.letGo(trace);
      this.shown.close(panel);
      list.dispose();
      host.dispose();
    });
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
    return host;
  }

  /** Nobody looks at the trace, and its recording has all of it: once it has ended it is closed. */
  private letGo(trace: OpenTrace): void {
    if (!isLive(trace.source)) {
      this.actions.close(trace);
      return;
    }
    const end = trace.source.onChange(() => {
      if (isLive(trace.source)) return;
      end.dispose();
      this.unseen.delete(trace);
      this.actions.close(trace);
    });
    this.unseen.set(trace, end);
  }

  /** A tab of a window that is gone: its trace is a file now. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const again = readAgain(state);
    const { viewColumn, active } = panel;
    panel.dispose();
    if (again !== undefined) await this.actions.restore(again, viewColumn, !active);
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
    for (const end of this.unseen.values()) end.dispose();
    for (const { panel } of [...this.panels.values()]) panel.dispose();
  }
}

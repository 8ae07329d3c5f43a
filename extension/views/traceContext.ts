// Keeps what the window shows of the traces true: context keys that enable commands, and the status bar item.
import * as vscode from 'vscode';
import type { Traces } from '../sessions/traces.ts';
import { isLive, type TraceSource } from '../trace/source.ts';
import { StatusBar } from './statusBar.ts';

/** Follows the traces until it is disposed. */
export class TraceContext implements vscode.Disposable {
  private readonly statusBar = new StatusBar();
  private readonly keys = new Map<string, boolean>();
  private readonly listener: { dispose(): void };
  /** The trace of the status bar item. */
  private shown: TraceSource | undefined;

  constructor(private readonly traces: Traces) {
    this.listener = traces.onDidChange(() => this.update());
    this.update();
  }

  private update(): void {
    const all = this.traces.all();
    const current = this.traces.current();
    const live = all.filter(({ source }) => isLive(source));
    this.set('packetTrail.tracing', live.length > 0);
    this.set('packetTrail.hasTrace', all.length > 0);
    // What runs matters more than what is looked at.
    const shown = current && isLive(current.source) ? current : (live.at(-1) ?? current);
    this.showStatus(shown?.source);
  }

  private showStatus(source: TraceSource | undefined): void {
    this.shown = source;
    if (source === undefined) this.statusBar.hide();
    source?.queries.summary().then(
      (summary) => {
        // Another trace may have taken its place, or none, since it was asked.
        if (this.shown === source) this.statusBar.show(summary);
      },
      () => this.statusBar.hide(),
    );
  }

  private set(key: string, value: boolean): void {
    if (this.keys.get(key) === value) return;
    this.keys.set(key, value);
    void vscode.commands.executeCommand('setContext', key, value);
  }

  dispose(): void {
    this.shown = undefined;
    this.listener.dispose();
    this.statusBar.dispose();
  }
}

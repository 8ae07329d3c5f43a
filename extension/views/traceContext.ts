// Keeps what the window shows of the traces true: context keys that enable commands, and the status bar item.
import * as vscode from 'vscode';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { OpenTrace, Traces } from '../sessions/traces.ts';
import { isLive } from '../trace/source.ts';
import { StatusBar } from './statusBar.ts';

/** Follows the traces until it is disposed. */
export class TraceContext implements vscode.Disposable {
  private readonly statusBar = new StatusBar();
  private readonly keys = new Map<string, boolean | string>();
  private readonly listeners: readonly { dispose(): void }[];
  /** The trace of the status bar item. */
  private inBar: OpenTrace | undefined;

  constructor(
    private readonly traces: Traces,
    private readonly shown: ShownTraces,
  ) {
    this.listeners = [traces.onDidChange(() => this.update()), shown.onDidChange(() => this.update())];
    this.update();
  }

  private update(): void {
    const all = this.traces.all();
    const { front, last } = this.shown;
    const live = all.filter(({ source }) => isLive(source));
    this.set('packetTrail.tracing', live.length > 0);
    this.set('packetTrail.hasTrace', all.length > 0 || last !== undefined);
    this.set(
      'packetTrail.front',
      front === undefined ? '' : isLive(front.source) ? 'live' : front.trace ? 'ended' : 'file',
    );
    // What runs matters more than what is looked at.
    const current = last?.trace ?? all.at(-1);
    this.showStatus(current && isLive(current.source) ? current : (live.at(-1) ?? current));
  }

  private showStatus(trace: OpenTrace | undefined): void {
    this.inBar = trace;
    if (trace === undefined) this.statusBar.hide();
    trace?.source.queries.summary().then(
      (summary) => {
        // Another trace may have taken its place, or none, since it was asked.
        if (this.inBar === trace) this.statusBar.show(summary, trace);
      },
      () => this.statusBar.hide(),
    );
  }

  private set(key: string, value: boolean | string): void {
    if (this.keys.get(key) === value) return;
    this.keys.set(key, value);
    void vscode.commands.executeCommand('setContext', key, value);
  }

  dispose(): void {
    this.inBar = undefined;
    for (const listener of this.listeners) listener.dispose();
    this.statusBar.dispose();
  }
}

// Answers one timeline webview by asking its trace, and tells it when the trace grew.
import * as vscode from 'vscode';
import type { NoticeMessage } from '../protocol/timeline.ts';
import { serve, type Handlers } from '../protocol/serve.ts';
import type { TraceQueries } from '../trace/queries.ts';
import type { TraceSource } from '../trace/source.ts';

/** What the timeline asks of the extension beyond the trace itself. */
export interface TimelineActions {
  /** Opens the definition of an event's function; resolves with what was done, in words. */
  openSource(source: TraceSource, event: number, beside: boolean): Promise<string>;
  /** Captures by another packet filter; resolves with why it was refused, empty when it is in force. */
  capture(source: TraceSource, expression: string): Promise<string>;
}

/** Connects a webview to a trace until it is disposed. */
export class TimelineHost implements vscode.Disposable {
  private readonly disposables: { dispose(): void }[] = [];
  /** A text filter that the webview hasn't taken yet: what is sent to a webview that is being made is lost. */
  private wanted: string | undefined;
  /** What the webview keeps for whoever finds the trace again. */
  private again = '';
  private disposed = false;

  /** @param save writes the trace to a file; undefined for one that is a file, which the timeline doesn't offer to save */
  constructor(
    private readonly webview: vscode.Webview,
    source: TraceSource,
    actions: TimelineActions,
    save?: () => Promise<void>,
  ) {
    const { queries } = source;
    const handlers: Handlers = {
      ready: async () => {
        const [summary, { gaps }] = await Promise.all([queries.summary(), queries.gaps({})]);
        return { summary, gaps, filter: this.wanted, again: this.again };
      },
      lanes: (question) => {
        if (question.filter === this.wanted) this.wanted = undefined;
        return queries.lanes(question);
      },
      page: (question) => queries.page(question),
      trail: (question) => queries.trail(question),
      event: (question) => queries.event(question),
      hops: (question) => queries.hops(question),
      locate: (question) => queries.locate(question),
      overview: (question) => queries.overview(question),
      gaps: (question) => queries.gaps(question),
      openSource: async ({ event, beside }) => ({ message: await actions.openSource(source, event, beside) }),
      capture: async ({ expression }) => ({ problem: await actions.capture(source, expression) }),
      stop: async () => {
        await source.stop();
        return {};
      },
      pause: async ({ paused }) => {
        await source.pause(paused);
        return {};
      },
      save: async () => {
        await save?.();
        return {};
      },
    };
    const answer = serve(handlers, (message) => this.post(message));
    this.disposables.push(
      webview.onDidReceiveMessage((message: unknown) => answer(message)),
      source.onChange(() => this.tellSummary(queries)),
    );
  }

  /** Shows only the packets that match a text filter (query.ts). */
  find(filter: string): void {
    this.wanted = filter;
    this.notify({ type: 'notice', name: 'find', argument: { filter } });
  }

  /** Has this kept with the webview's state, which outlives the window. */
  keep(again: string): void {
    if (again === this.again) return;
    this.again = again;
    this.notify({ type: 'notice', name: 'again', argument: { again } });
  }

  private tellSummary(queries: TraceQueries): void {
    queries.summary().then(
      (argument) => this.notify({ type: 'notice', name: 'summary', argument }),
      () => undefined, // Whatever keeps the trace from answering is told to the next request.
    );
  }

  private notify(message: NoticeMessage): void {
    this.post(message);
  }

  private post(message: unknown): void {
    if (this.disposed) return;
    // A hidden webview drops messages; it asks anew with `ready` when it is shown, so nothing is resent.
    void this.webview.postMessage(message);
  }

  dispose(): void {
    this.disposed = true;
    for (const disposable of this.disposables.splice(0)) disposable.dispose();
  }
}

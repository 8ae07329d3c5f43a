// Answers one timeline webview out of a trace's store, and tells it when the trace grew.
import * as vscode from 'vscode';
import type { NoticeMessage, TimelineRequests } from '../protocol/timeline.ts';
import { serve, type Handlers } from '../protocol/serve.ts';
import type { TraceSource } from '../trace/source.ts';
import { summarize } from '../trace/summary.ts';

/** What the timeline asks of the extension beyond the trace itself. */
export interface TimelineActions {
  /** Opens the definition of an event's function; resolves with what was done, in words. */
  openSource(source: TraceSource, event: number, beside: boolean): Promise<string>;
  /** Captures by another packet filter; resolves with why it was refused, empty when it is in force. */
  capture(source: TraceSource, expression: string): Promise<string>;
  save(): Promise<void>;
}

/** Connects a webview to a trace until it is disposed. */
export class TimelineHost implements vscode.Disposable {
  private readonly disposables: { dispose(): void }[] = [];
  /** A text filter that the webview hasn't taken yet: what is sent to a webview that is being made is lost. */
  private wanted: string | undefined;

  constructor(
    private readonly webview: vscode.Webview,
    source: TraceSource,
    actions: TimelineActions,
  ) {
    const { store } = source;
    const gaps = (): TimelineRequests['gaps'][1] => ({ gaps: store.gapMarks() });
    const handlers: Handlers = {
      ready: () => ({ summary: summarize(source), ...gaps(), filter: this.wanted }),
      lanes: ({ filter, offset, count }) => {
        if (filter === this.wanted) this.wanted = undefined;
        return store.lanes(filter, offset, count);
      },
      page: ({ lanes, fromNs, toNs, buckets }) => ({ data: store.page(lanes, fromNs, toNs, buckets) }),
      trail: ({ lane, offset, count }) => store.trail(lane, offset, count),
      event: ({ event }) => store.detail(event),
      hops: ({ events }) => ({ hops: store.hops(events) }),
      locate: ({ event, filter }) => store.locate(event, filter),
      overview: ({ buckets }) => store.overview(buckets),
      gaps,
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
        await actions.save();
        return {};
      },
    };
    const answer = serve(handlers, (message) => this.post(message));
    this.disposables.push(
      webview.onDidReceiveMessage((message: unknown) => answer(message)),
      source.onChange(() => this.notify({ type: 'notice', name: 'summary', argument: summarize(source) })),
    );
  }

  /** Selects an event in the timeline. */
  reveal(lane: number, event: number): void {
    this.notify({ type: 'notice', name: 'reveal', argument: { lane, event } });
  }

  /** Shows only the packets that match a text filter (query.ts). */
  find(filter: string): void {
    this.wanted = filter;
    this.notify({ type: 'notice', name: 'find', argument: { filter } });
  }

  private notify(message: NoticeMessage): void {
    this.post(message);
  }

  private post(message: unknown): void {
    // A hidden webview drops messages; it asks anew with `ready` when it is shown, so nothing is resent.
    void this.webview.postMessage(message);
  }

  dispose(): void {
    for (const disposable of this.disposables.splice(0)) disposable.dispose();
  }
}

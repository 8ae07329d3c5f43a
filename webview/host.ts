// The webview's end of the conversation in extension/protocol/timeline.ts, and the state that VS Code keeps for us.
import type { NoticeMessage, RequestMessage, RequestName, TimelineRequests } from '../extension/protocol/timeline.ts';

/** What VS Code gives a webview; obtainable once. */
interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** Requests that only read: they may be sent again when an answer got lost. */
const readOnly: ReadonlySet<RequestName> = new Set([
  'ready',
  'lanes',
  'page',
  'trail',
  'event',
  'hops',
  'locate',
  'overview',
  'gaps',
]);

interface Pending {
  readonly message: RequestMessage;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** The extension host, as a function to ask and notices to hear. */
export class Host {
  private readonly api = acquireVsCodeApi();
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;

  constructor(onNotice: (notice: NoticeMessage) => void) {
    window.addEventListener('message', (event: MessageEvent<unknown>) => this.receive(event.data, onNotice));
    // Messages to a hidden webview are dropped: ask again what has no answer.
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'visible') return;
      for (const { message } of this.pending.values()) if (readOnly.has(message.name)) this.api.postMessage(message);
    });
  }

  /** Asks the host. Rejects with an Error whose message is fit to be shown. */
  request<K extends RequestName>(name: K, argument: TimelineRequests[K][0]): Promise<TimelineRequests[K][1]> {
    const id = this.nextId++;
    const message = { type: 'request', id, name, argument } as RequestMessage;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { message, resolve, reject });
      this.api.postMessage(message);
    });
  }

  getState(): unknown {
    return this.api.getState();
  }

  setState(state: unknown): void {
    this.api.setState(state);
  }

  private receive(data: unknown, onNotice: (notice: NoticeMessage) => void): void {
    if (typeof data !== 'object' || data === null || !('type' in data)) return;
    if (data.type === 'notice') onNotice(data as NoticeMessage);
    if (data.type !== 'response' || !('id' in data) || typeof data.id !== 'number') return;
    const pending = this.pending.get(data.id);
    if (pending === undefined) return;
    this.pending.delete(data.id);
    if ('err' in data) pending.reject(new Error(String(data.err)));
    else if ('ok' in data) pending.resolve(data.ok as never);
  }
}

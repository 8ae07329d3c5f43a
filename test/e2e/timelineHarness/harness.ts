// Opens the timeline, bundled as it is shipped and under the policy that the extension sets, in headless Chromium, and answers it
// from a real trace store in this process. What VS Code does between the two is done by a small bridge.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { serve, type Handlers } from '../../../extension/protocol/serve.ts';
import type { NoticeMessage, TraceStatus } from '../../../extension/protocol/timeline.ts';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import type { TraceSource } from '../../../extension/trace/source.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { StoreQueries } from '../../../extension/trace/storeQueries.ts';
import { summarize } from '../../../extension/trace/summary.ts';
import type { TimelineInspection } from '../../../webview/inspection.ts';
import { batch, preamble, type Event } from './traffic.ts';

const webview = fileURLToPath(new URL('../../../webview', import.meta.url));

export type ThemeName = 'light' | 'dark' | 'highContrast' | 'highContrastLight';
interface Theme {
  readonly bodyClass: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** A trace without a node behind it: events are put into the store by the test. */
export class FakeSource implements TraceSource {
  readonly store = new TraceStore();
  readonly queries = new StoreQueries(this);
  title = 'demo';
  node = 'demo';
  expression = 'icmp or tcp port 8080';
  /** Refuses the next filter with these words when they aren't empty. */
  refusal = '';
  status: TraceStatus = 'file';
  message = '';
  private readonly listeners = new Set<() => void>();
  private readonly decoder = new StreamDecoder(this.store);

  constructor() {
    for (const frame of preamble()) this.decoder.feed(frame);
  }

  /** Adds events, or raw frames, as if they had just come. */
  add(...parts: readonly (readonly Event[] | Uint8Array)[]): void {
    for (const part of parts) {
      if (part instanceof Uint8Array) this.decoder.feed(part);
      // As the helper does: many small batches.
      else for (let at = 0; at < part.length; at += 5000) this.decoder.feed(batch(part.slice(at, at + 5000)));
    }
    this.changed();
  }

  changed(): void {
    for (const listener of this.listeners) listener();
  }

  onChange(listener: () => void): { dispose(): void } {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  get filter(): string {
    return this.expression;
  }

  capture(expression: string): Promise<string> {
    if (this.refusal !== '') return Promise.resolve(this.refusal);
    this.expression = expression;
    this.changed();
    return Promise.resolve('');
  }

  stop(): Promise<void> {
    this.status = 'ended';
    this.changed();
    return Promise.resolve();
  }

  pause(paused: boolean): Promise<void> {
    this.status = paused ? 'paused' : 'live';
    this.changed();
    return Promise.resolve();
  }
}

export interface Opened {
  readonly page: Page;
  /** Console errors, page errors and policy violations so far. */
  readonly faults: readonly string[];
  /** Sources that were asked for. */
  readonly openedSources: readonly { readonly event: number; readonly beside: boolean }[];
  /** Names of all requests so far. */
  readonly requests: readonly string[];
  saves(): number;
  theme(name: ThemeName): Promise<void>;
  notify(notice: NoticeMessage): Promise<void>;
  /** Reads the timeline's own model. */
  read<K extends Exclude<keyof TimelineInspection, 'place'>>(key: K): Promise<TimelineInspection[K]>;
  place(lane: number, event: number): Promise<{ readonly x: number; readonly y: number } | undefined>;
  /** Waits until something of the model is as it should be. */
  until<K extends Exclude<keyof TimelineInspection, 'place'>>(
    key: K,
    test: (value: TimelineInspection[K]) => boolean,
    what: string,
  ): Promise<TimelineInspection[K]>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly theme?: ThemeName;
  readonly width?: number;
  readonly height?: number;
  readonly state?: unknown;
  /** Wraps the handlers, to delay or fail them. */
  readonly wrap?: (handlers: Handlers) => Handlers;
}

export interface Harness {
  open(source: FakeSource, options?: OpenOptions): Promise<Opened>;
  close(): Promise<void>;
}

/** Runs in the page before its own script: what VS Code gives a webview. Written as text because it runs elsewhere. */
const bridgeScript = `
  globalThis.faults = [];
  addEventListener('securitypolicyviolation', (e) => faults.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI));
  let state = sessionStorage.getItem('state');
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  globalThis.deliver = (text) => {
    const data = JSON.parse(text, (key, value) => (key === 'data' && typeof value === 'string' ? bytes(value) : value));
    dispatchEvent(new MessageEvent('message', { data }));
  };
  globalThis.acquireVsCodeApi = () => {
    delete globalThis.acquireVsCodeApi;
    return {
      postMessage: (message) => void toHost(JSON.stringify(message)),
      getState: () => (state === null ? undefined : JSON.parse(state)),
      setState: (next) => sessionStorage.setItem('state', (state = JSON.stringify(next))),
    };
  };
`;

/** In the page: sets a theme the way VS Code does, by variables on the root and a class on the body. */
const themeScript = (theme: Theme): string => `
  (() => {
    const put = () => {
      if (!document.body) return false;
      const { style } = document.documentElement;
      style.cssText = '';
      for (const [name, value] of Object.entries(${JSON.stringify(theme.variables)})) style.setProperty(name, value);
      document.body.className = ${JSON.stringify(theme.bodyClass)};
      return true;
    };
    // Before the page's script runs there may be no body yet.
    if (!put()) new MutationObserver((_, observer) => put() && observer.disconnect()).observe(document, { childList: true, subtree: true });
  })();`;

async function bundle(outdir: string): Promise<void> {
  await build({
    entryPoints: { timeline: join(webview, 'main.ts') },
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    outdir,
    logLevel: 'error',
  });
}

function shell(origin: string): string {
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${origin}; font-src ${origin}; img-src ${origin} data:`;
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Packet Trail</title><link rel="stylesheet" href="${origin}/timeline.css"></head>
<body><div id="timeline" data-inspect></div><script nonce="${nonce}" src="${origin}/timeline.js"></script></body></html>`;
}

async function serveFiles(directory: string): Promise<{ readonly server: Server; readonly origin: string }> {
  const script = await readFile(join(directory, 'timeline.js'));
  const style = await readFile(join(directory, 'timeline.css'));
  let origin = '';
  const server = createServer((request, response) => {
    const send = (type: string, body: string | Buffer): void => {
      response.writeHead(200, { 'content-type': type }).end(body);
    };
    if (request.url === '/timeline.js') send('text/javascript', script);
    else if (request.url === '/timeline.css') send('text/css', style);
    else if (request.url === '/') send('text/html', shell(origin));
    else if (request.url === '/favicon.ico') response.writeHead(204).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, origin };
}

function handlersOf(source: FakeSource, opened: { event: number; beside: boolean }[], onSave: () => void): Handlers {
  const { store } = source;
  const gaps = (): { gaps: ReturnType<TraceStore['gapMarks']> } => ({ gaps: store.gapMarks() });
  return {
    ready: () => ({ summary: summarize(source), ...gaps(), filter: undefined, again: '' }),
    lanes: ({ filter, offset, count }) => store.lanes(filter, offset, count),
    page: ({ lanes, fromNs, toNs, buckets }) => ({ data: store.page(lanes, fromNs, toNs, buckets) }),
    trail: ({ lane, offset, count }) => store.trail(lane, offset, count),
    event: ({ event }) => store.detail(event),
    hops: ({ events }) => ({ hops: store.hops(events) }),
    locate: ({ event, filter }) => store.locate(event, filter),
    overview: ({ buckets }) => store.overview(buckets),
    gaps,
    openSource: ({ event, beside }) => {
      opened.push({ event, beside });
      return { message: `Opened the source of ${store.hookOf(event)?.function ?? 'nothing'}` };
    },
    capture: async ({ expression }) => ({ problem: await source.capture(expression) }),
    stop: async () => {
      await source.stop();
      return {};
    },
    pause: async ({ paused }) => {
      await source.pause(paused);
      return {};
    },
    save: () => {
      onSave();
      return {};
    },
  };
}

/** Buffers travel as base64: what crosses between the two processes is text. */
function encode(message: unknown): string {
  return JSON.stringify(message, (_, value: unknown) =>
    value instanceof ArrayBuffer ? Buffer.from(value).toString('base64') : value,
  );
}

/** Bundles the timeline and starts a browser. */
export async function startHarness(): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), 'packet-trail-timeline-'));
  await bundle(directory);
  const { server, origin } = await serveFiles(directory);
  const themes = JSON.parse(await readFile(new URL('./themes.json', import.meta.url), 'utf8')) as Record<
    ThemeName,
    Theme
  >;
  const browser: Browser = await chromium.launch({
    executablePath: process.env['PACKET_TRAIL_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--use-gl=angle',
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
      '--disable-quic',
      '--disable-background-networking',
      '--no-first-run',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    open: (source, options) => open(browser, origin, themes, source, options),
    close: async () => {
      await browser.close();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function open(
  browser: Browser,
  origin: string,
  themes: Readonly<Record<ThemeName, Theme>>,
  source: FakeSource,
  options: OpenOptions = {},
): Promise<Opened> {
  const { width = 1280, height = 800 } = options;
  const context = await browser.newContext({ viewport: { width, height }, timezoneId: 'UTC' });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`page: ${error.stack ?? error.message}`));
  const openedSources: { event: number; beside: boolean }[] = [];
  const requests: string[] = [];
  let saves = 0;
  const plain = handlersOf(source, openedSources, () => saves++);
  let closed = false;
  const post = (message: unknown): void => {
    if (!closed) page.evaluate(`deliver(${JSON.stringify(encode(message))})`).catch(() => undefined);
  };
  const answer = serve(options.wrap?.(plain) ?? plain, post);
  await page.exposeFunction('toHost', (text: string) => {
    const message: unknown = JSON.parse(text);
    requests.push((message as { readonly name: string }).name);
    answer(message);
  });
  if (options.state !== undefined) {
    const state = JSON.stringify(JSON.stringify(options.state));
    await page.addInitScript(
      `if (sessionStorage.getItem('state') === null) sessionStorage.setItem('state', ${state});`,
    );
  }
  await page.addInitScript(bridgeScript);
  await page.addInitScript(themeScript(themes[options.theme ?? 'dark']));
  const listening = source.onChange(() => post({ type: 'notice', name: 'summary', argument: summarize(source) }));
  await page.goto(origin);

  const read = <K extends keyof TimelineInspection>(key: K): Promise<TimelineInspection[K]> =>
    page.evaluate(`packetTrailTimeline.${key}`);
  const opened: Opened = {
    page,
    faults,
    openedSources,
    requests,
    saves: () => saves,
    theme: async (name) => {
      await page.evaluate(themeScript(themes[name]));
    },
    notify: async (notice) => {
      await page.evaluate(`deliver(${JSON.stringify(encode(notice))})`);
    },
    read,
    place: (lane, event) => page.evaluate(`packetTrailTimeline.place(${lane}, ${event})`),
    until: async (key, test, what) => {
      const deadline = Date.now() + 10_000;
      for (;;) {
        const value = await read(key);
        if (test(value)) return value;
        if (Date.now() > deadline)
          throw new Error(`waited for ${what}; ${key} is ${JSON.stringify([value]).slice(0, 500)}`);
        await page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
      }
    },
    close: async () => {
      faults.push(...(await page.evaluate<string[]>('faults')));
      closed = true;
      listening.dispose();
      await context.close();
    },
  };
  await opened.until('summary', (summary) => summary !== undefined, 'the first answer');
  return opened;
}

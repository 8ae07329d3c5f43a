// The helper at work on a node: starts it, keeps it alive with heartbeats, steers it, and says why it ended.
import { visible } from '../protocol/plainText.ts';
import { collect } from './collect.ts';
import type { Deployment } from './deploy.ts';
import {
  checkArguments,
  checkFilterArguments,
  filterRefused,
  helperName,
  isHelperMessage,
  markerArguments,
  messageText,
  streamArguments,
} from './helperFlags.ts';
import { afterMarker, neverBegan, newMarker, saidLines, splitAt } from './marker.ts';
import { NodeError, type RunningCommand } from './node.ts';

/** How a stream is run. */
export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  /** The helper ends by itself when it hears nothing for this many seconds; a sign of life goes out three times as often. Default 15. */
  readonly heartbeat?: number | undefined;
  /** Trace the connection that carries the stream, too. */
  readonly ownConnection?: boolean | undefined;
  /** Called with each line of the helper's standard error, and of what the shell said before, without its end, fit to be shown. */
  readonly onMessage?: ((line: string) => void) | undefined;
}

/** The last lines of standard error that are kept, and how much of each. */
const MAX_LINES = 200;
const MAX_LINE_CHARS = 4_096;
/** After the stop line: seconds for detaching some thousand probes on a slow node, then for its input to end. */
const STOP_LIMIT_MS = 20_000;
const CLOSE_LIMIT_MS = 5_000;

/** A helper that streams. */
export class HelperProcess {
  /** Resolves when the helper is over and its output read: undefined when it ended as asked, else why not. */
  readonly ended: Promise<NodeError | undefined>;
  /** The framed stream, as it comes. A reader that stops makes the helper count loss; it does not stop the node. */
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly #lines: string[] = [];
  #stopping = false;
  #forced = false;

  private constructor(
    private readonly deployment: Deployment,
    private readonly command: RunningCommand,
    marker: string,
    options: StreamOptions,
  ) {
    const onSaid = (line: string) => options.onMessage?.(`the shell says: ${line}`);
    this.stdout = afterMarker(deployment.node, command, marker, onSaid);
    // A cut link may break off the messages; what came before counts.
    const reading = this.#readMessages(options.onMessage).catch(() => undefined);
    const heart = setInterval(
      () => {
        this.#beat();
      },
      (heartbeatOf(options) * 1000) / 3,
    );
    const stop = () => {
      void this.stop();
    };
    options.signal?.addEventListener('abort', stop, { once: true });
    if (options.signal?.aborted === true) stop();
    this.ended = command.done.then(async (end) => {
      clearInterval(heart);
      options.signal?.removeEventListener('abort', stop);
      await reading;
      return this.#why(end);
    });
  }

  /**
   * Starts the helper with `--stream`; `args` are its further options and the filter's words. The stream's own TCP connection
   * is left out unless the options want it: each event that it carries makes more.
   * @throws NodeError when it cannot be started.
   */
  static async start(
    deployment: Deployment,
    args: readonly string[],
    options: StreamOptions = {},
  ): Promise<HelperProcess> {
    const marker = newMarker();
    const argv = [
      ...markerArguments(marker),
      ...streamArguments(heartbeatOf(options), options.ownConnection === true ? undefined : deployment.session),
      ...args,
    ];
    // The signal ends the start at once; later it stops the helper in order, so it is not handed to the command.
    const starting = new AbortController();
    const abort = () => {
      starting.abort();
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted === true) abort();
    try {
      const command = await deployment.run(argv, { signal: starting.signal });
      return new HelperProcess(deployment, command, marker, options);
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  /** Stops sending; hooks stay attached. */
  pause(): Promise<void> {
    return this.#tell('pause');
  }

  /** Sends on. */
  resume(): Promise<void> {
    return this.#tell('resume');
  }

  /** Captures by another pcap-filter expression from now on; a filter frame of the stream answers. */
  filter(expression: string): Promise<void> {
    return this.command.write(`${JSON.stringify({ cmd: 'filter', filter: expression })}\n`);
  }

  /**
   * Asks the helper to detach, send the rest and end; when it doesn't in time, closes its input, then its channel. Standard
   * output must be read on meanwhile. Safe to call again.
   * @returns as {@link ended}
   */
  async stop(limits: { readonly stop?: number; readonly close?: number } = {}): Promise<NodeError | undefined> {
    if (!this.#stopping) {
      this.#stopping = true;
      await this.#tell('stop').catch(() => undefined); // It may be over already; `ended` says.
      if (!(await this.#endsWithin(limits.stop ?? STOP_LIMIT_MS))) {
        this.command.end();
        if (!(await this.#endsWithin(limits.close ?? CLOSE_LIMIT_MS))) {
          this.#forced = true;
          this.command.dispose();
        }
      }
    }
    return this.ended;
  }

  #beating = false;

  /** One at a time: when the link is stuck they must not pile up. */
  #beat(): void {
    if (this.#beating) return;
    this.#beating = true;
    this.#tell('heartbeat').then(
      () => (this.#beating = false),
      () => undefined, // The link is gone or the helper is over; `ended` says.
    );
  }

  #tell(cmd: 'heartbeat' | 'stop' | 'pause' | 'resume'): Promise<void> {
    return this.command.write(`${JSON.stringify({ cmd })}\n`);
  }

  async #endsWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, ms);
    });
    try {
      return await Promise.race([this.command.done.then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readMessages(onMessage: StreamOptions['onMessage']): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    const take = (line: string) => {
      const text = visible(line.replace(/\r$/, '').slice(0, MAX_LINE_CHARS));
      if (text === '') return;
      if (this.#lines.push(text) > MAX_LINES) this.#lines.shift();
      onMessage?.(text);
    };
    for await (const chunk of this.command.stderr) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS);
      lines.forEach(take);
    }
    take(rest);
  }

  async #why(end: { readonly code: number | undefined; readonly signal: string | undefined }) {
    if (end.code === 0) return undefined;
    const { node, connection } = this.deployment;
    if (end.code === undefined) {
      if (this.#forced)
        return new NodeError(
          'helper-failed',
          node,
          `The helper on ${node} did not stop in time, so its connection was closed.`,
          'It ends when it notices; "pgrep packet-trail" on the node shows whether it has.',
        );
      // The channel and the connection close in the same turn when the link is cut.
      const tick = new Promise<undefined>((resolve) =>
        setImmediate(() => {
          resolve(undefined);
        }),
      );
      const lost = await Promise.race([connection.closed, tick]);
      if (lost !== undefined) return lost;
    }
    return helperFailure(node, end, this.#lines);
  }
}

/** One requirement of `--check`. */
export interface CheckResult {
  readonly name: string;
  readonly state: 'pass' | 'warn' | 'fail';
  /** What was found. */
  readonly detail: string;
  /** What to do; empty when nothing. */
  readonly mend: string;
}

/** What `--check` found, worst news included. */
export interface CheckReport {
  /** Whether tracing can work. */
  readonly ok: boolean;
  readonly results: readonly CheckResult[];
}

/** How the node is asked whether it can be traced. */
export interface CheckOptions {
  readonly signal?: AbortSignal;
  /** Further options, such as `--btf FILE`. */
  readonly args?: readonly string[];
  /** Called with each line that the login shell prints before. */
  readonly onSaid?: (line: string) => void;
}

/**
 * Asks the helper whether tracing can work on the node.
 * @throws NodeError `helper-failed` when it gives no answer.
 */
export async function check(deployment: Deployment, options: CheckOptions = {}): Promise<CheckReport> {
  const { node } = deployment;
  const { args = [], onSaid, signal } = options;
  const marker = newMarker();
  const argv = [...markerArguments(marker), ...checkArguments, ...args];
  const command = await deployment.run(argv, signal ? { signal } : {});
  const result = await collect(node, command, helperName, { signal });
  const output = splitAt(Buffer.from(result.stdout), marker);
  if (onSaid) saidLines(output?.before ?? result.stdout).forEach(onSaid);
  if (output === undefined && result.code === 0) throw neverBegan(node, result.stdout);
  const results = parseCheck(output?.after.toString('utf8') ?? '');
  if ((result.code === 0 || result.code === 1) && results !== undefined && results.length > 0)
    return { ok: result.code === 0 && results.every(({ state }) => state !== 'fail'), results };
  throw helperFailure(node, { code: result.code, signal: undefined }, result.stderr.trim().split('\n'));
}

/**
 * Whether the node's helper accepts a pcap-filter expression.
 * @returns undefined when it does, else the reason in one line.
 * @throws NodeError `helper-failed` when it can't tell.
 */
export async function checkFilter(
  deployment: Deployment,
  expression: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string | undefined> {
  const { node, connection } = deployment;
  const result = await connection.exec(
    deployment.plainArgv(checkFilterArguments(expression)),
    options.signal ? { signal: options.signal } : {},
  );
  if (result.code === 0) return undefined;
  const lines = result.stderr.trim().split('\n');
  if (result.code === filterRefused) return visible(messageText(lines.at(-1) ?? ''));
  throw helperFailure(node, { code: result.code, signal: undefined }, lines);
}

function parseCheck(text: string): CheckResult[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const results: CheckResult[] = [];
  for (const item of value as readonly unknown[]) {
    if (typeof item !== 'object' || item === null) return undefined;
    const field = (key: string) => {
      const found: unknown = (item as Record<string, unknown>)[key];
      return typeof found === 'string' ? visible(found) : '';
    };
    const state = field('state');
    if (state !== 'pass' && state !== 'warn' && state !== 'fail') return undefined;
    results.push({ name: field('name'), state, detail: field('detail'), mend: field('mend') });
  }
  return results;
}

/** The helper's own last word as an error: `packet-trail-helper: what: where: the mend`. */
function helperFailure(
  node: string,
  end: { readonly code: number | undefined; readonly signal: string | undefined },
  lines: readonly string[],
): NodeError {
  const line = visible(lines.findLast(isHelperMessage) ?? lines.at(-1) ?? '');
  // A helper that was killed had no last word: what it said before is about something else.
  if (isHelperMessage(line) && end.code !== undefined) {
    const said = messageText(line);
    const cut = said.lastIndexOf(': ');
    const mend = said.slice(cut + 2);
    return cut > 0 && said.indexOf(': ') < cut
      ? new NodeError('helper-failed', node, said.slice(0, cut), mend)
      : new NodeError('helper-failed', node, said, 'See the log for what the helper said before.');
  }
  const how =
    end.signal !== undefined
      ? `was ended by ${end.signal}`
      : end.code === undefined
        ? 'was killed'
        : `ended with exit status ${end.code}`;
  return new NodeError(
    'helper-failed',
    node,
    `The helper on ${node} ${how}${line === '' ? '' : `: ${line.slice(0, 500)}`}.`,
    end.code === undefined
      ? "See the node's kernel log: it may have run out of memory."
      : 'See the log for what the helper said before.',
  );
}

function heartbeatOf({ heartbeat }: StreamOptions): number {
  return heartbeat ?? 15;
}

// A live trace: the helper's bytes go into the store and the recording as they come. Knows neither SSH nor VS Code.
import type { HelperProcess } from '../nodes/helperProcess.ts';
import { NodeError, type NodeConnection } from '../nodes/node.ts';
import type { TraceStatus } from '../protocol/timeline.ts';
import { StreamDecoder } from '../trace/decoder.ts';
import { TraceRecorder } from '../trace/file.ts';
import type { End, Progress } from '../trace/metadata.ts';
import type { TraceSource } from '../trace/source.ts';
import { TraceStore } from '../trace/store.ts';
import { StoreQueries } from '../trace/storeQueries.ts';
import { Emitter } from './emitter.ts';

/** Views are told at most this often that the trace grew. */
const notifyMs = 100;
/** How long the helper may take to answer a filter: on a slow node the verifier does. */
const answerMs = 15_000;

/** What a live trace is made of. It owns the helper and the connection from then on. */
export interface LiveParts {
  /** The node's name as the person knows it. */
  readonly node: string;
  /** The packet filter; empty means every packet. */
  readonly expression: string;
  /** What else is captured by, in words: "netns blue"; empty for nothing. */
  readonly also: string;
  /** File to record into. */
  readonly recording: string;
  readonly helper: HelperProcess;
  readonly connection: NodeConnection;
  /** Says more of an error that kept the trace from beginning, while the node can still be asked. */
  readonly explain?: (error: Error) => Promise<Error>;
  /** Takes the events; one that takes as many as the event limit can be, unless a test has less patience. */
  readonly store?: TraceStore;
}

/** A trace that a node is sending. */
export class LiveTrace implements TraceSource {
  readonly store: TraceStore;
  readonly queries: StoreQueries;
  /** Resolves when the first hooks are attached; rejects with a NodeError when the trace ends before. */
  readonly started: Promise<void>;
  /** Resolves when the trace is over: undefined when it ended as asked, else what a person should read. */
  readonly failed: Promise<Error | undefined>;

  #status: TraceStatus = 'starting';
  #message = '';
  #end: End | undefined;
  /** Filters that were asked for and are not answered yet, in their order. */
  readonly #asked: ((problem: string) => void)[] = [];
  #disposed = false;
  #timer: NodeJS.Timeout | undefined;
  #leaving = false;
  /** The helper went on beyond what a trace takes, though it was told how far: it was stopped. */
  #beyond = false;
  readonly #changed = new Emitter();
  readonly #progress = new Emitter<Progress>();
  /** Calls back with each step of starting and ending. */
  readonly onProgress = this.#progress.on;
  readonly onChange = this.#changed.on;
  readonly #decoder: StreamDecoder;
  #go: () => void = () => undefined;

  private constructor(
    private readonly parts: LiveParts,
    private readonly recorder: TraceRecorder,
  ) {
    this.store = parts.store ?? new TraceStore();
    this.queries = new StoreQueries(this);
    this.#decoder = new StreamDecoder(this.store, {
      onFrame: (frame) => recorder.append(frame),
      onProgress: (progress) => this.#onProgress(progress),
      onEnd: (end) => this.#onEnd(end),
      onFilter: ({ error }) => this.#asked.shift()?.(error),
    });
    const going = new Promise<void>((resolve) => (this.#go = resolve));
    this.failed = this.#read();
    this.started = Promise.race([
      going,
      this.failed.then((error) => {
        throw error ?? new NodeError('cancelled', parts.node, 'The trace was stopped before it began.', '');
      }),
    ]);
    // Whoever waits for the start sees the rejection; nobody has to.
    this.started.catch(() => undefined);
  }

  /**
   * Begins to read the helper's stream and to record it.
   * @throws when the recording can't be made; the helper is ended then
   */
  static async record(parts: LiveParts): Promise<LiveTrace> {
    try {
      const recorder = await TraceRecorder.create(parts.recording, {
        node: parts.node,
        filter: filterOf(parts.expression, parts.also),
        title: titleOf(parts.node, filterOf(parts.expression, parts.also)),
      });
      return new LiveTrace(parts, recorder);
    } catch (error) {
      parts.connection.dispose();
      throw error;
    }
  }

  get title(): string {
    return titleOf(this.parts.node, this.filter);
  }
  get node(): string {
    return this.parts.node;
  }
  get filter(): string {
    return filterOf(this.expression, this.parts.also);
  }
  get expression(): string {
    return this.store.newFilter ?? this.parts.expression;
  }
  get status(): TraceStatus {
    return this.#status;
  }
  get message(): string {
    const { failure } = this.recorder;
    const disk = failure === undefined || this.#status === 'failed' ? '' : `Not recorded: ${failure.message}.`;
    return [this.#message, disk, this.store.ceiling.message].filter((part) => part !== '').join(' ');
  }
  get leaving(): boolean {
    return this.#leaving;
  }

  /** Ends the trace on the node and resolves when nothing of it is left there; rejects with what went wrong. */
  async stop(): Promise<void> {
    const error = await this.parts.helper.stop();
    await this.failed;
    if (error) throw error;
  }

  async pause(paused: boolean): Promise<void> {
    if (this.#status !== 'live' && this.#status !== 'paused') return;
    await (paused ? this.parts.helper.pause() : this.parts.helper.resume());
    this.#set(paused ? 'paused' : 'live', '');
  }

  async capture(expression: string): Promise<string> {
    if (this.#status !== 'live' && this.#status !== 'paused') return 'The trace does not run.';
    let answer: (problem: string) => void = () => undefined;
    const answered = new Promise<string>((resolve) => (answer = resolve));
    this.#asked.push(answer);
    await this.parts.helper.filter(expression);
    // One that comes too late still takes its own place: answers come in the order of the questions.
    const timer = setTimeout(() => answer('The helper did not answer; the filter may not have changed.'), answerMs);
    try {
      return await answered;
    } finally {
      clearTimeout(timer);
      this.#notify();
    }
  }

  /**
   * Writes the trace up to now to another file, which is whole or untouched.
   * @throws TraceWriteError when the target can't be written
   */
  async saveTo(target: string): Promise<void> {
    await this.recorder.saveTo(target);
  }

  /** Ends at once: the closed channel ends the helper, and the kernel removes its probes. */
  dispose(): void {
    this.#disposed = true;
    this.parts.connection.dispose();
    this.#changed.dispose();
    this.#progress.dispose();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #read(): Promise<Error | undefined> {
    let error: Error | undefined;
    try {
      for await (const chunk of this.parts.helper.stdout) {
        this.#decoder.feed(chunk);
        this.#notifySoon();
        if (this.store.beyond > 0 && !this.#beyond) {
          this.#beyond = true;
          // What went wrong there, the end of its stream tells.
          this.parts.helper.stop().catch(() => undefined);
        }
      }
    } catch (reason) {
      error = reason instanceof Error ? reason : new Error(String(reason));
      // Nothing sound can come any more: closing the connection ends the helper.
      this.parts.connection.dispose();
    }
    for (const answer of this.#asked.splice(0)) answer('The trace ended before the filter was changed.');
    const ended = await this.parts.helper.ended;
    this.#leaving = false;
    try {
      await this.recorder.close();
    } catch (reason) {
      error ??= reason instanceof Error ? reason : new Error(String(reason));
    }
    error ??= this.#disposed ? undefined : ended;
    if (error && this.#status === 'starting') error = (await this.parts.explain?.(error)) ?? error;
    this.parts.connection.dispose();
    if (error) this.#set('failed', textOf(error));
    else this.#set('ended', this.#endText());
    return error;
  }

  /** All has come: the helper still takes its hooks away, which nobody has to wait for. */
  #onEnd(end: End): void {
    this.#end = end;
    if (end.error) return;
    this.#leaving = true;
    this.#set('ended', this.#endText());
  }

  #endText(): string {
    if (!this.#end) return '';
    const { cause, error } = this.#end;
    if (error) return error;
    if (cause === 'limit' || this.#beyond)
      return `The event limit was reached: ${this.store.eventCount.toLocaleString('en')} events.`;
    if (cause === 'duration') return 'The time was over.';
    return '';
  }

  #onProgress(progress: Progress): void {
    this.#progress.fire(progress);
    if (progress.phase !== 'live' || this.#status !== 'starting') return;
    this.#set('live', '');
    this.#go();
  }

  #set(status: TraceStatus, message: string): void {
    this.#status = status;
    this.#message = message;
    this.#notify();
  }

  #notifySoon(): void {
    if (this.#disposed) return;
    this.#timer ??= setTimeout(() => this.#notify(), notifyMs);
  }

  #notify(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changed.fire();
  }
}

function filterOf(expression: string, also: string): string {
  return [expression, also].filter(Boolean).join(', ');
}

function titleOf(node: string, filter: string): string {
  return filter ? `${node}: ${filter}` : node;
}

function textOf(error: Error): string {
  return error instanceof NodeError ? `${error.message} ${error.mend}`.trim() : error.message;
}

// Makes waits end when the person cancels or the time is up, with an error that says so.
import { NodeError } from './node.ts';

/** The error for a wait that the person ended. */
export function cancelled(node: string): NodeError {
  return new NodeError('cancelled', node, `Cancelled.`, 'Start again when you are ready.');
}

/** @throws NodeError `cancelled` when the signal has fired. */
export function throwIfCancelled(node: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(node);
}

/**
 * The promise's outcome, or a `cancelled` NodeError as soon as the signal fires. The work behind the promise goes on: whoever
 * started it stops it.
 */
export async function orCancelled<T>(node: string, signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(cancelled(node));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

/** A time limit that can be held while a person thinks. */
export class Deadline {
  #left: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #holds = 0;

  /** Starts at once; `onExpire` is called after `ms` milliseconds that were not held. */
  constructor(
    ms: number,
    private readonly onExpire: () => void,
  ) {
    this.#left = ms;
    this.#start();
  }

  /** Stops the clock while `work` runs. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#holds++ === 0) this.#stop();
    try {
      return await work();
    } finally {
      if (--this.#holds === 0) this.#start();
    }
  }

  /** Ends the limit for good. */
  dispose(): void {
    this.#stop();
    this.#left = Infinity;
  }

  #start(): void {
    if (this.#left === Infinity) return;
    this.#since = Date.now();
    this.#timer = setTimeout(this.onExpire, this.#left);
  }

  #stop(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left = Math.max(0, this.#left - (Date.now() - this.#since));
  }
}

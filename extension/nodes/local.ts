// The machine that VS Code's extension host runs on, as a node.
import { randomBytes } from 'node:crypto';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../protocol/reason.ts';
import { throwIfCancelled } from './cancel.ts';
import { uploadFailed } from './catUpload.ts';
import { runChild } from './childCommand.ts';
import { collect } from './collect.ts';
import {
  NodeError,
  type CommandResult,
  type ConnectOptions,
  type Node,
  type NodeConnection,
  type RunningCommand,
} from './node.ts';

const CHUNK = 256 * 1024;

/** "This Machine". */
export class LocalNode implements Node {
  readonly kind = 'local';

  constructor(readonly name = 'This Machine') {}

  /** @throws NodeError `unsupported` where the extension host does not run on Linux. */
  connect({ signal, onStep }: ConnectOptions): Promise<NodeConnection> {
    try {
      throwIfCancelled(this.name, signal);
      if (process.platform !== 'linux')
        throw new NodeError(
          'unsupported',
          this.name,
          'This machine does not run Linux.',
          'Pick a Linux node that can be reached by SSH.',
        );
      onStep?.(`Connected to ${this.name}`);
      return Promise.resolve(new LocalConnection(this.name));
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

class LocalConnection implements NodeConnection {
  readonly closed: Promise<NodeError | undefined>;
  readonly #running = new Set<RunningCommand>();
  #close: () => void = () => undefined;

  constructor(private readonly node: string) {
    this.closed = new Promise((resolve) => {
      this.#close = () => {
        resolve(undefined);
      };
    });
  }

  async run(argv: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<RunningCommand> {
    const command = await runChild(this.node, argv, options);
    this.#running.add(command);
    void command.done.then(() => this.#running.delete(command));
    return command;
  }

  async exec(
    argv: readonly string[],
    options: { readonly signal?: AbortSignal; readonly stdin?: string | Uint8Array } = {},
  ): Promise<CommandResult> {
    const command = await this.run(argv, options.signal ? { signal: options.signal } : {});
    return collect(this.node, command, argv[0] ?? '', options);
  }

  async upload(
    data: Uint8Array,
    path: string,
    mode: number,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void } = {},
  ): Promise<void> {
    const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
    throwIfCancelled(this.node, options.signal);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        for (let at = 0; at < data.length; at += CHUNK) {
          throwIfCancelled(this.node, options.signal);
          await file.writeFile(data.subarray(at, at + CHUNK));
          options.onProgress?.(Math.min(data.length, at + CHUNK));
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await chmod(temporary, mode);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      if (error instanceof NodeError) throw error;
      throw uploadFailed(this.node, path, reasonOf(error));
    }
  }

  dispose(): void {
    for (const command of this.#running) command.dispose();
    this.#close();
  }
}

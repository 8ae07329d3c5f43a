// The machine that VS Code's extension host runs on, as a node.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../protocol/reason.ts';
import { throwIfCancelled } from './cancel.ts';
import { chunks, collect } from './collect.ts';
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

  run(argv: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<RunningCommand> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      throwIfCancelled(this.node, signal);
      const [program, ...args] = argv;
      if (program === undefined) throw new RangeError('A command needs at least one word.');
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
      let open = true;
      const dispose = () => {
        // A program that runs as another user cannot be signalled, but sees its input end.
        child.stdin.destroy();
        if (open) child.kill('SIGKILL');
        child.stdout.resume();
        child.stderr.resume();
      };
      const done = new Promise<{ code: number | undefined; signal: string | undefined }>((settle) => {
        child.once('close', (code, killedBy) => {
          open = false;
          signal?.removeEventListener('abort', dispose);
          this.#running.delete(command);
          settle({ code: code ?? undefined, signal: killedBy ?? undefined });
        });
      });
      const command: RunningCommand = {
        stdout: chunks(child.stdout),
        stderr: chunks(child.stderr),
        write: (data) =>
          new Promise((written, failed) => {
            child.stdin.write(data, (error) => {
              if (error) failed(ended(this.node));
              else written();
            });
          }),
        end: () => {
          child.stdin.end();
        },
        done,
        dispose,
      };
      // A program may end, or close its input, before it has read everything: its exit status tells.
      child.stdin.on('error', () => undefined);
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new NodeError(
            'unsupported',
            this.node,
            `${program} could not be started: ${error.message}.`,
            'Check that it is installed and may be run.',
          ),
        );
      });
      child.once('spawn', () => {
        this.#running.add(command);
        signal?.addEventListener('abort', dispose, { once: true });
        if (signal?.aborted === true) dispose();
        resolve(command);
      });
    });
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
      throw new NodeError(
        'upload-failed',
        this.node,
        `${path} could not be written: ${reasonOf(error)}.`,
        'Check that the directory exists, is writable and has room.',
      );
    }
  }

  dispose(): void {
    for (const command of this.#running) command.dispose();
    this.#close();
  }
}

function ended(node: string): NodeError {
  return new NodeError('helper-failed', node, 'The command has ended and takes no more input.', 'Start it again.');
}

// Commands and files over a connection that the ssh program keeps: each is an ssh of its own that shares it.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { visible } from '../protocol/plainText.ts';
import { cancelled, throwIfCancelled } from './cancel.ts';
import { uploadByCat } from './catUpload.ts';
import { runChild } from './childCommand.ts';
import { collect } from './collect.ts';
import { NodeError, type CommandResult, type NodeConnection, type RunningCommand } from './node.ts';
import { commandLine } from './shell.ts';
import { connectionLost } from './sshErrors.ts';

/** How long the first process may take to notice what the next one has: that the connection is over. */
const noticeMs = 500;

/** A connection whose first ssh process runs. */
export class SystemSshConnection implements NodeConnection {
  readonly closed: Promise<NodeError | undefined>;
  #lost: NodeError | undefined;
  #disposed = false;
  readonly #running = new Set<RunningCommand>();

  /**
   * @param ssh the vector before a command, and its environment
   * @param first the process that keeps the connection; it ends with it
   * @param words what that process has said up to now
   */
  constructor(
    private readonly node: string,
    private readonly ssh: { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv },
    private readonly first: ChildProcessWithoutNullStreams,
    words: () => string,
  ) {
    first.stdout.resume();
    this.closed = new Promise((resolve) => {
      const over = () => {
        if (!this.#disposed) this.#lost = connectionLost(node, lastLine(words()));
        for (const command of this.#running) command.dispose();
        resolve(this.#lost);
      };
      if (first.exitCode !== null || first.signalCode !== null) over();
      else first.once('close', over);
    });
  }

  async run(argv: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<RunningCommand> {
    throwIfCancelled(this.node, options.signal);
    this.#throwIfOver();
    const { env } = this.ssh;
    const command = await runChild(this.node, [...this.ssh.argv, commandLine(argv)], { ...options, env });
    this.#running.add(command);
    void command.done.then(() => this.#running.delete(command));
    return command;
  }

  async exec(
    argv: readonly string[],
    options: { readonly signal?: AbortSignal; readonly stdin?: string | Uint8Array } = {},
  ): Promise<CommandResult> {
    const command = await this.run(argv, options.signal ? { signal: options.signal } : {});
    const result = await collect(this.node, command, argv[0] ?? '', options);
    if (result.code === undefined || result.code === 255) await this.#checkThatItRan(result.stderr);
    return result;
  }

  async upload(
    data: Uint8Array,
    path: string,
    mode: number,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void } = {},
  ): Promise<void> {
    await uploadByCat(this.node, this, data, path, mode, options).catch((error: unknown) => {
      throw this.#lost ?? error;
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    endSsh(this.first);
  }

  #throwIfOver(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#disposed) throw cancelled(this.node);
  }

  /** 255 is ssh's own status, too: the command may never have run. */
  async #checkThatItRan(said: string): Promise<void> {
    if (/connection|mux/i.test(said))
      await Promise.race([this.closed, new Promise((resolve) => setTimeout(resolve, noticeMs))]);
    this.#throwIfOver();
    const reason = /^mux_client_request_session: (.*)$/m.exec(said)?.[1];
    if (reason === undefined) return;
    throw new NodeError(
      'unsupported',
      this.node,
      `The node refused to run a command: ${visible(reason.trim())}.`,
      "Check MaxSessions and forced commands in the node's sshd_config and authorized_keys.",
    );
  }
}

/** Ends an ssh process, and with it the connection that it keeps; a peer that no longer answers must not keep it. */
export function endSsh(child: ChildProcessWithoutNullStreams): void {
  child.stdin.destroy();
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 2_000);
  force.unref();
  child.once('close', () => clearTimeout(force));
}

/** The line that somebody said last. */
function lastLine(said: string): string {
  return visible(said.trim().split(/\r?\n/).at(-1)?.trim().replace(/\.$/, '') ?? '');
}

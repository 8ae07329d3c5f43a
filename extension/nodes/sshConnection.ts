// Commands and files over an SSH connection that is signed in.
import { PassThrough, type Duplex } from 'node:stream';
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2';
import { reasonOf } from '../protocol/reason.ts';
import { cancelled, orCancelled, throwIfCancelled } from './cancel.ts';
import { temporaryFor, uploadByCat, uploadFailed } from './catUpload.ts';
import { chunks, collect } from './collect.ts';
import { NodeError, type CommandResult, type NodeConnection, type RunningCommand } from './node.ts';
import { commandLine } from './shell.ts';
import { connectionLost } from './sshErrors.ts';

/** 32 KiB is the largest write that every SFTP server takes. */
const SFTP_CHUNK = 32 * 1024;
/** Writes under way at once: hides the round trip without filling the window. */
const SFTP_WRITES = 16;
const SFTP_OPEN_LIMIT_MS = 15_000;
/** Bytes of output kept beside ssh2's own window of 2 MiB. */
const OUTPUT_BUFFER = 256 * 1024;

/** A signed-in connection. The jump hosts' connections live and die with it. */
export class SshConnection implements NodeConnection {
  readonly closed: Promise<NodeError | undefined>;
  private readonly client: Client;
  #disposed = false;
  #lost: NodeError | undefined;
  #over = false;

  /**
   * @param node the node's name, for errors
   * @param clients the signed-in clients of the way, nearest first, the node's own last; their 'error' events are taken over
   * @param root what carries the first of them: the TCP connection
   */
  constructor(
    private readonly node: string,
    clients: readonly [...Client[], Client],
    private readonly root: Duplex,
    private readonly log: (line: string) => void,
  ) {
    this.client = clients.at(-1) ?? clients[0];
    let cause = '';
    // A client that runs over another's channel does not close by itself when that one's host is gone. Taking away what
    // carries them all ends them in order, and lets what has been received be read.
    const over = () => root.destroy();
    for (const client of clients) {
      client.on('error', (error) => {
        cause ||= error.message;
        log(`${node}: ${error.message}`);
        over();
      });
      client.once('end', over);
      client.once('close', over);
    }
    this.closed = new Promise((resolve) => {
      this.client.once('close', () => {
        this.#over = true;
        if (!this.#disposed) this.#lost = connectionLost(node, cause);
        resolve(this.#lost);
      });
    });
  }

  async run(argv: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<RunningCommand> {
    const { signal } = options;
    throwIfCancelled(this.node, signal);
    const line = commandLine(argv);
    const opening = this.#open<RunningCommand>('run a command', (resolve, reject) => {
      this.client.exec(line, (error, channel) => {
        if (error) reject(error);
        // At once: exit status and close may stand in the same packet.
        else resolve(this.#command(channel, signal));
      });
    });
    try {
      return await orCancelled(this.node, signal, opening);
    } catch (error) {
      // The command may still start after the person gave up.
      opening.then(
        (command) => {
          command.dispose();
        },
        () => undefined,
      );
      throw error;
    }
  }

  async exec(
    argv: readonly string[],
    options: { readonly signal?: AbortSignal; readonly stdin?: string | Uint8Array } = {},
  ): Promise<CommandResult> {
    const command = await this.run(argv, options.signal ? { signal: options.signal } : {});
    const result = await collect(this.node, command, argv[0] ?? '', options);
    if (result.code === undefined && this.#over) throw this.#lost ?? cancelled(this.node);
    return result;
  }

  async upload(
    data: Uint8Array,
    path: string,
    mode: number,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void } = {},
  ): Promise<void> {
    throwIfCancelled(this.node, options.signal);
    const sftp = await this.#sftp(options.signal);
    if (sftp !== undefined) {
      await this.#uploadBySftp(sftp, data, temporaryFor(path), path, mode, options);
      return;
    }
    await uploadByCat(this.node, this, data, path, mode, options).catch((error: unknown) => {
      throw this.#lost ?? error;
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.client.end();
    // A peer that no longer answers must not keep the connection open.
    const force = setTimeout(() => this.root.destroy(), 2_000);
    force.unref();
    void this.closed.then(() => {
      clearTimeout(force);
    });
  }

  /** Opens a channel; ssh2 throws when the socket is gone and calls back with an error when the server refuses. */
  async #open<T>(
    what: string,
    start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> {
    if (this.#over) throw this.#lost ?? connectionLost(this.node, 'it was closed');
    try {
      return await new Promise<T>(start);
    } catch (error) {
      // ssh2 tells the waiting channels just before or after it tells of the close.
      await new Promise((resolve) => setImmediate(resolve));
      const reason = reasonOf(error);
      if (this.#isOver() || reason === 'Not connected') throw this.#lost ?? connectionLost(this.node, reason);
      throw new NodeError(
        'unsupported',
        this.node,
        `The node refused to ${what}: ${reason}.`,
        "Check MaxSessions and forced commands in the node's sshd_config and authorized_keys.",
      );
    }
  }

  /** A method, because the compiler takes a field that was false before an await to be false after it. */
  #isOver(): boolean {
    return this.#over;
  }

  #command(channel: ClientChannel, signal: AbortSignal | undefined): RunningCommand {
    let code: number | undefined;
    let killedBy: string | undefined;
    let open = true;
    channel.on('exit', (status: number | null, name?: string) => {
      code = status ?? undefined;
      killedBy = status === null ? name : undefined;
    });
    channel.on('error', (error: Error) => {
      this.log(`${this.node}: ${error.message}`);
    });
    // What the person reads from. Between it and the channel, so that a disposed command's output can end at once: sshd answers
    // a closed channel only when the command has ended, which may be never.
    const stdout = channel.pipe(new PassThrough({ highWaterMark: OUTPUT_BUFFER }));
    const stderr = channel.stderr.pipe(new PassThrough({ highWaterMark: OUTPUT_BUFFER }));
    let finish: () => void = () => undefined;
    const dispose = () => {
      if (!open) return;
      channel.unpipe(stdout);
      channel.stderr.unpipe(stderr);
      stdout.end();
      stderr.end();
      closeChannel(channel);
      finish();
    };
    signal?.addEventListener('abort', dispose, { once: true });
    const done = new Promise<{ code: number | undefined; signal: string | undefined }>((resolve) => {
      finish = () => {
        open = false;
        signal?.removeEventListener('abort', dispose);
        resolve({ code, signal: killedBy });
      };
      // Not 'exit': output may still be on its way, and a killed command sends no exit status at all.
      channel.once('close', finish);
    });
    const ended = () =>
      this.#lost ??
      new NodeError('helper-failed', this.node, 'The command has ended and takes no more input.', 'Start it again.');
    return {
      stdout: chunks(stdout),
      stderr: chunks(stderr),
      write: (data) => {
        if (!open || !channel.writable) return Promise.reject(ended());
        const written = new Promise<void>((resolve, reject) => {
          channel.write(data, (error) => {
            if (error) reject(ended());
            else resolve();
          });
        });
        // ssh2 forgets a write that waits for the window when the channel closes.
        return Promise.race([
          written,
          done.then(() => {
            throw ended();
          }),
        ]);
      },
      end: () => {
        if (open && channel.writable) channel.end();
      },
      done,
      dispose,
    };
  }

  /** An SFTP session; undefined when the node has none (or one that doesn't speak), so that `cat` has to do. */
  async #sftp(signal: AbortSignal | undefined): Promise<SFTPWrapper | undefined> {
    const opening = new Promise<SFTPWrapper | undefined>((resolve) => {
      const limit = setTimeout(() => {
        resolve(undefined);
      }, SFTP_OPEN_LIMIT_MS);
      try {
        this.client.sftp((error: Error | undefined, sftp: SFTPWrapper) => {
          clearTimeout(limit);
          // What comes after a good start is reported by each request's own callback.
          if (!error) sftp.on('error', (later: Error) => this.log(`${this.node}: sftp: ${later.message}`));
          else this.log(`${this.node}: no sftp: ${error.message}`);
          resolve(error ? undefined : sftp);
        });
      } catch {
        clearTimeout(limit);
        resolve(undefined);
      }
    });
    const sftp = await orCancelled(this.node, signal, opening);
    if (this.#over) throw this.#lost ?? connectionLost(this.node, 'it was closed');
    return sftp;
  }

  async #uploadBySftp(
    sftp: SFTPWrapper,
    data: Uint8Array,
    temporary: string,
    path: string,
    mode: number,
    { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void },
  ): Promise<void> {
    const call = <T>(start: (done: (error: Error | null | undefined, value: T) => void) => void) =>
      this.#whileOpen(
        new Promise<T>((resolve, reject) => {
          start((error, value) => {
            if (error) reject(error);
            else resolve(value);
          });
        }),
      );
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    let made = false;
    try {
      const handle = await call<Buffer>((done) => {
        sftp.open(temporary, 'wx', { mode: 0o600 }, done);
      });
      made = true;
      let next = 0;
      let sent = 0;
      const writeOn = async () => {
        while (next < bytes.length) {
          throwIfCancelled(this.node, signal);
          const at = next;
          const length = Math.min(SFTP_CHUNK, bytes.length - at);
          next = at + length;
          await call<unknown>((done) => {
            sftp.write(handle, bytes, at, length, at, (error) => {
              done(error, undefined);
            });
          });
          sent += length;
          onProgress?.(sent);
        }
      };
      try {
        const writers = await Promise.allSettled(Array.from({ length: SFTP_WRITES }, writeOn));
        const failed = writers.find((writer) => writer.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
        // fsync and a rename that replaces are OpenSSH extensions; other servers do without the first.
        await call<unknown>((done) => {
          sftp.ext_openssh_fsync(handle, done);
        }).catch((error: unknown) => this.#ifUnsupported(error));
        await call<unknown>((done) => {
          sftp.fchmod(handle, mode, (error) => {
            done(error, undefined);
          });
        });
      } finally {
        await call<unknown>((done) => {
          sftp.close(handle, (error) => {
            done(error, undefined);
          });
        });
      }
      await call<unknown>((done) => {
        sftp.ext_openssh_rename(temporary, path, (error) => {
          done(error, undefined);
        });
      }).catch(async (error: unknown) => {
        this.#ifUnsupported(error);
        await call<unknown>((done) => {
          sftp.rename(temporary, path, (failure) => {
            done(failure, undefined);
          });
        });
      });
    } catch (error) {
      if (made && !this.#over)
        await call<unknown>((done) => {
          sftp.unlink(temporary, (failure) => {
            done(failure, undefined);
          });
        }).catch(() => undefined);
      throw error instanceof NodeError ? error : uploadFailed(this.node, path, reasonOf(error));
    } finally {
      sftp.end();
    }
  }

  /** Passes over "the server has no such extension"; everything else is thrown again. */
  #ifUnsupported(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const unsupported = code === 8 || (error instanceof Error && /not support/i.test(error.message));
    if (!unsupported) throw error;
  }

  /** ssh2 leaves SFTP callbacks hanging when the link breaks. */
  #whileOpen<T>(work: Promise<T>): Promise<T> {
    return Promise.race([
      work,
      this.closed.then((): never => {
        throw this.#lost ?? cancelled(this.node);
      }),
    ]);
  }
}

/** Closes a channel now. What the command still writes is thrown away; its input ends, which is how the helper notices. */
function closeChannel(channel: ClientChannel): void {
  // For a command that neither reads nor writes. sshd passes it on for users other than root only.
  channel.signal('TERM');
  channel.end();
  channel.close();
  channel.resume();
  channel.stderr.resume();
}

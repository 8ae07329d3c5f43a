// Commands and files over an SSH connection that is signed in.
import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2';
import { cancelled, orCancelled, throwIfCancelled } from './cancel.ts';
import { collect } from './collect.ts';
import { NodeError, type CommandResult, type NodeConnection, type RunningCommand } from './node.ts';
import { commandLine } from './shell.ts';

/** 32 KiB is the largest write that every SFTP server takes. */
const SFTP_CHUNK = 32 * 1024;
/** Writes under way at once: hides the round trip without filling the window. */
const SFTP_WRITES = 16;
const SFTP_OPEN_LIMIT_MS = 15_000;

/** `cat >` as an upload: whole or not there, as with SFTP. $1 temporary file, $2 file, $3 mode, $4 size in bytes. */
const CAT_UPLOAD = `umask 077
trap 'rm -f -- "$1"' 0
trap 'exit 1' 1 2 13 15
[ ! -d "$2" ] || { echo "$2 is a directory" >&2; exit 1; }
cat >"$1" || exit 1
got=$(wc -c <"$1")
[ "$got" -eq "$4" ] || { echo "only $got of $4 bytes arrived" >&2; exit 1; }
chmod "$3" "$1" && { sync "$1" 2>/dev/null || sync; } && mv -f -- "$1" "$2"`;

/** A signed-in connection. The jump hosts' clients live and die with it. */
export class SshConnection implements NodeConnection {
  readonly closed: Promise<NodeError | undefined>;
  #disposed = false;
  #lost: NodeError | undefined;
  #over = false;

  /**
   * @param node the node's name, for errors
   * @param client signed in; its 'error' events are taken over
   * @param hops the clients it goes through, nearest first
   */
  constructor(
    private readonly node: string,
    private readonly client: Client,
    private readonly hops: readonly Client[],
    private readonly log: (line: string) => void,
  ) {
    let cause = '';
    client.on('error', (error) => {
      cause = error.message;
      log(`${node}: ${error.message}`);
    });
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#over = true;
        if (!this.#disposed) this.#lost = lost(node, cause);
        for (const hop of hops) hop.end();
        resolve(this.#lost);
      });
    });
  }

  async run(argv: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<RunningCommand> {
    const { signal } = options;
    throwIfCancelled(this.node, signal);
    const line = commandLine(argv);
    const opening = this.#open<ClientChannel>('run a command', (done) => this.client.exec(line, done));
    let channel: ClientChannel;
    try {
      channel = await orCancelled(this.node, signal, opening);
    } catch (error) {
      // The channel may still open after the person gave up.
      opening.then(closeChannel, () => undefined);
      throw error;
    }
    return this.#command(channel, signal);
  }

  async exec(
    argv: readonly string[],
    options: { readonly signal?: AbortSignal; readonly stdin?: string | Uint8Array } = {},
  ): Promise<CommandResult> {
    const command = await this.run(argv, options.signal ? { signal: options.signal } : {});
    const result = await collect(this.node, command, argv[0] ?? '', options);
    if (result.code === undefined && this.#lost !== undefined) throw this.#lost;
    return result;
  }

  async upload(
    data: Uint8Array,
    path: string,
    mode: number,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void } = {},
  ): Promise<void> {
    const temporary = posix.join(
      posix.dirname(path),
      `.${posix.basename(path)}.${randomBytes(6).toString('hex')}.part`,
    );
    throwIfCancelled(this.node, options.signal);
    const sftp = await this.#sftp(options.signal);
    if (sftp === undefined) await this.#uploadByCat(data, temporary, path, mode, options);
    else await this.#uploadBySftp(sftp, data, temporary, path, mode, options);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.client.end();
    // A peer that no longer answers must not keep the socket open.
    const force = setTimeout(() => this.client.destroy(), 2_000);
    force.unref();
    void this.closed.then(() => {
      clearTimeout(force);
    });
    if (this.#over) for (const hop of this.hops) hop.end();
  }

  /** Opens a channel; ssh2 throws when the socket is gone and calls back with an error when the server refuses. */
  async #open<T>(what: string, start: (done: (error: Error | undefined, channel: T) => void) => void): Promise<T> {
    if (this.#over) throw this.#lost ?? lost(this.node, 'it was closed');
    try {
      return await new Promise<T>((resolve, reject) => {
        start((error, channel) => {
          if (error) reject(error);
          else resolve(channel);
        });
      });
    } catch (error) {
      // ssh2 tells the waiting channels just before or after it tells of the close.
      await new Promise((resolve) => setImmediate(resolve));
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#isOver() || reason === 'Not connected') throw this.#lost ?? lost(this.node, reason);
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
    const dispose = () => {
      if (!open) return;
      closeChannel(channel);
    };
    signal?.addEventListener('abort', dispose, { once: true });
    const done = new Promise<{ code: number | undefined; signal: string | undefined }>((resolve) => {
      // Not 'exit': output may still be on its way, and a killed command sends no exit status at all.
      channel.once('close', () => {
        open = false;
        signal?.removeEventListener('abort', dispose);
        resolve({ code, signal: killedBy });
      });
    });
    const ended = () =>
      this.#lost ??
      new NodeError('helper-failed', this.node, 'The command has ended and takes no more input.', 'Start it again.');
    return {
      stdout: chunks(channel),
      stderr: chunks(channel.stderr),
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
    if (this.#over) throw this.#lost ?? lost(this.node, 'it was closed');
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
      throw error instanceof NodeError ? error : this.#uploadFailed(path, reasonOf(error));
    } finally {
      sftp.end();
    }
  }

  async #uploadByCat(
    data: Uint8Array,
    temporary: string,
    path: string,
    mode: number,
    { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void },
  ): Promise<void> {
    const argv = ['/bin/sh', '-c', CAT_UPLOAD, 'sh', temporary, path, mode.toString(8), String(data.length)];
    const command = await this.run(argv, signal ? { signal } : {});
    const feed = async () => {
      for (let at = 0; at < data.length; at += SFTP_CHUNK) {
        await command.write(data.subarray(at, at + SFTP_CHUNK));
        onProgress?.(Math.min(data.length, at + SFTP_CHUNK));
      }
    };
    // collect() closes the input at once, so it only starts to do so when everything has been handed over.
    const fed = feed().catch(() => undefined);
    const result = await collect(this.node, { ...command, end: () => void fed.then(() => command.end()) }, 'cat', {
      signal,
    });
    if (this.#lost !== undefined) throw this.#lost;
    if (result.code !== 0) throw this.#uploadFailed(path, result.stderr.trim().split('\n').at(-1) ?? 'cat failed');
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

  #uploadFailed(path: string, reason: string): NodeError {
    return new NodeError(
      'upload-failed',
      this.node,
      `${path} could not be written: ${reason}.`,
      'Check that the directory exists, is writable and has room.',
    );
  }
}

/** Ends a channel now: the command gets a signal (its output is thrown away) and the channel is closed. */
function closeChannel(channel: ClientChannel): void {
  // Closing alone would leave a command that neither reads nor writes running.
  channel.signal('TERM');
  channel.close();
  // 'close' comes only after both outputs were read to their end.
  channel.resume();
  channel.stderr.resume();
}

/** A stream's chunks; leaving the loop early leaves the stream open. */
function chunks(stream: Readable): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => stream.iterator({ destroyOnReturn: false }) };
}

function lost(node: string, cause: string): NodeError {
  return new NodeError(
    'lost',
    node,
    `The connection was lost${cause === '' ? '' : `: ${cause}`}.`,
    'Check the network and the node, then start again; what was received is kept.',
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// Runs programs of this machine for the test node: one place that waits, collects output and says what failed.
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Where downloads and images are kept: `${PACKET_TRAIL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/packet-trail}`. */
export function cacheDirectory(): string {
  const { PACKET_TRAIL_CACHE = '', XDG_CACHE_HOME = '' } = process.env;
  if (PACKET_TRAIL_CACHE !== '') return PACKET_TRAIL_CACHE;
  return join(XDG_CACHE_HOME === '' ? join(homedir(), '.cache') : XDG_CACHE_HOME, 'packet-trail');
}

export type Log = (line: string) => void;

export interface CommandOptions {
  readonly cwd?: string;
  readonly input?: Iterable<Uint8Array> | string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the program is killed. */
  readonly timeoutMs?: number;
  /** Gets standard error line by line while the program runs. */
  readonly log?: Log;
}

export interface Output {
  /** Exit status; -1 when the program was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function feed(stdin: Writable, input: CommandOptions['input']): Promise<void> {
  const chunks = typeof input === 'string' ? [input] : (input ?? []);
  // A program that ends without reading everything is judged by its exit status, not by the broken pipe.
  await pipeline(Readable.from(chunks), stdin).catch(() => undefined);
}

async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Runs a program to its end. Rejects only when it can't be started or `signal` aborts. */
export async function output(program: string, args: readonly string[], options: CommandOptions = {}): Promise<Output> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.signal && { signal: options.signal }),
    ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
  });
  const closed = new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new Error(`${program} is not installed: run test/setup/packages.sh, which installs it`)
          : error,
      );
    });
    child.once('close', (code) => resolve(code ?? -1));
  });
  const log = options.log;
  if (log) createInterface(child.stderr).on('line', (line) => log(line));
  const [code, stdout, stderr] = await Promise.all([
    closed,
    collect(child.stdout),
    collect(child.stderr),
    feed(child.stdin, options.input),
  ]);
  return { code, stdout, stderr };
}

/** Runs a program that must succeed; gives its standard output, or an error with what it said. */
export async function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await output(program, args, options);
  if (code !== 0) {
    const said = stderr.trim() || stdout.trim() || 'it said nothing';
    throw new Error(`${[program, ...args.slice(0, 4)].join(' ')} failed (${code}): ${said}`);
  }
  return stdout;
}

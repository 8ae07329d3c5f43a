// A temporary directory that a test cleans up, and the programs it runs there.
import { execFile, type ExecFileOptions } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execFilePromise = promisify(execFile);

/** Runs a program to its end; rejects when it fails. Returns its standard output. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<string> {
  const { stdout } = await execFilePromise(program, [...args], { timeout: 30_000, ...options, encoding: 'utf8' });
  return stdout;
}

/** A fresh directory, 0700. */
export function makePlace(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'packet-trail-test-'));
}

export function removePlace(place: string): Promise<void> {
  return rm(place, { recursive: true, force: true });
}

/** A new key pair at `file` and `file.pub`. */
export async function makeKey(file: string, type = 'ed25519', passphrase = '', comment = 'test'): Promise<string> {
  // A bigger RSA key takes a second to find.
  const bits = type === 'rsa' ? ['-b', '2048'] : [];
  await runProgram('ssh-keygen', ['-q', '-t', type, ...bits, '-N', passphrase, '-C', comment, '-f', file]);
  return file;
}

/** A loopback port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

// Promises of "This Machine": it behaves as a node over SSH does.
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalNode } from '../../../extension/nodes/local.ts';
import type { NodeConnection } from '../../../extension/nodes/node.ts';
import { FakePrompter } from './support/FakePrompter.ts';
import { makePlace, removePlace } from './support/place.ts';

let place: string;
let connection: NodeConnection;
beforeEach(async () => {
  place = await makePlace();
  const { signal } = new AbortController();
  connection = await new LocalNode().connect({ signal, prompter: new FakePrompter() });
});
afterEach(async () => {
  connection.dispose();
  await removePlace(place);
});

test('arguments, input, both outputs and exit status', async () => {
  const script = 'cat; printf %s "$1"; echo err >&2; exit 7';
  expect(await connection.exec(['sh', '-c', script, 'sh', 'a "b\n$c'], { stdin: 'in\n' })).toEqual({
    code: 7,
    stdout: 'in\na "b\n$c',
    stderr: 'err\n',
  });
});

test('a program that is not there is one clear error', async () => {
  await expect(connection.exec(['/nonexistent/program'])).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('/nonexistent/program could not be started') as string,
  });
});

test('a command that does not read its input is no failure', async () => {
  expect((await connection.exec(['true'], { stdin: 'x'.repeat(1_000_000) })).code).toBe(0);
});

test('output beyond 1 MiB is an error, not silence', async () => {
  await expect(connection.exec(['head', '-c', '3000000', '/dev/zero'])).rejects.toMatchObject({
    code: 'helper-failed',
  });
});

test('a command is cancelled while it runs', async () => {
  const stop = new AbortController();
  const command = await connection.run(['sleep', '1000'], { signal: stop.signal });
  stop.abort();
  expect(await command.done).toEqual({ code: undefined, signal: 'SIGKILL' });
});

test('an upload is whole with its mode, and leaves nothing when it fails', async () => {
  const path = join(place, 'file');
  await connection.upload(Buffer.from('data'), path, 0o711);
  expect(await readFile(path, 'utf8')).toBe('data');
  expect((await stat(path)).mode & 0o777).toBe(0o711);
  await mkdir(join(place, 'folder'));
  await expect(connection.upload(Buffer.from('x'), join(place, 'folder'), 0o600)).rejects.toMatchObject({
    code: 'upload-failed',
  });
  expect((await readdir(place)).sort()).toEqual(['file', 'folder']);
});

// The set-up says what it needs root for, and needs none when nothing is missing.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = join(import.meta.dirname, '../../setup/packages.sh');

let bin: string;
beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'packet-trail-setup-'));
  await program('id', 'echo 1000');
  await program('uname', 'echo x86_64');
});
afterEach(() => rm(bin, { recursive: true, force: true }));

/** Puts a program into the only folder that the script finds programs in; its arguments are kept in NAME.log. */
async function program(name: string, body: string): Promise<void> {
  const path = join(bin, name);
  await writeFile(path, `#!/bin/bash\necho "$*" >>"${path}.log"\n${body}\n`);
  await chmod(path, 0o755);
}

function setUp(): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile('/bin/bash', [script], { env: { PATH: bin } }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr }),
    );
  });
}

test('nothing is missing: no root, no word', async () => {
  await program('dpkg-query', 'echo -n installed');
  expect(await setUp()).toEqual({ code: 0, output: '' });
});

test('without sudo it prints the command for root to run', async () => {
  await program('dpkg-query', 'exit 1');
  const { code, output } = await setUp();
  expect(code).toBe(1);
  expect(output).toMatch(/needs root:\n {2}apt-get install --no-install-recommends .*\bqemu-system-x86\b/);
});

test('with a sudo that refuses it prints the same, and installs nothing', async () => {
  await program('dpkg-query', 'exit 1');
  await program('sudo', 'exit 1');
  const { code, output } = await setUp();
  expect(code).toBe(1);
  expect(output).toMatch(/Run that command as root, then try again\./);
  expect(await readFile(join(bin, 'sudo.log'), 'utf8')).toBe('true\n');
});

test('with sudo it installs what is missing, and only that', async () => {
  await program('dpkg-query', '[ "${!#}" = make ] || echo -n installed');
  await program('sudo', 'exit 0');
  const { code, output } = await setUp();
  expect(code).toBe(0);
  expect(output).toContain('== system packages: make\n');
  const asked = (await readFile(join(bin, 'sudo.log'), 'utf8')).trim().split('\n');
  expect(asked.at(-1)).toMatch(/ apt-get install .* make$/);
});

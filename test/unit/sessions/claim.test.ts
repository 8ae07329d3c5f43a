// A recording that a running window writes is claimed; one that was left behind is not.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claim, isClaimed, release } from '../../../extension/sessions/claim.ts';

let folder: string;
let recording: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packet-trail-claim-'));
  recording = join(folder, 'a.pkttrail');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('it is claimed until it is let go, and once', async () => {
  expect(await isClaimed(recording)).toBe(false);
  expect(await claim(recording)).toBe(true);
  expect(await isClaimed(recording)).toBe(true);
  expect(await claim(recording)).toBe(false);
  release(recording);
  expect(await isClaimed(recording)).toBe(false);
  expect(await claim(recording)).toBe(true);
});

test('another process claims it for as long as it runs, however it ends', async () => {
  const module = fileURLToPath(new URL('../../../extension/sessions/claim.ts', import.meta.url));
  const script = `require(${JSON.stringify(module)}).claim(${JSON.stringify(recording)}).then(() => console.log('claimed'));
    setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script]);
  await once(other.stdout, 'data');
  expect(await isClaimed(recording)).toBe(true);
  other.kill('SIGKILL');
  await once(other, 'exit');
  expect(await isClaimed(recording)).toBe(false);
});

test.runIf(process.platform === 'linux')(
  'a process that has got the number of one that ended claims nothing',
  async () => {
    await claim(recording);
    const file = `${recording}.claim`;
    await writeFile(file, (await readFile(file, 'utf8')).replace(/ \d+$/, ' 1'));
    expect(await isClaimed(recording)).toBe(false);
  },
);

test('a claim that is no claim is none', async () => {
  for (const text of ['', 'x', '0', '-1', '1e9', '99999999999999999999']) {
    await writeFile(`${recording}.claim`, text);
    expect(await isClaimed(recording), text).toBe(false);
  }
});

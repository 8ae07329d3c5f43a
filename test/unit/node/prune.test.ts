// The cache of the test node forgets what nobody uses, and nothing else.
import { mkdir, mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keep } from '../../node/prune.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'packet-trail-prune-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

const day = 24 * 3600_000;
const now = new Date();

async function made(name: string, days: number): Promise<void> {
  const used = new Date(now.getTime() - days * day);
  await mkdir(join(cache, name, 'inside'), { recursive: true });
  await utimes(join(cache, name), used, used);
}

test('an image that nobody has used for two weeks goes, one that another checkout used lately stays', async () => {
  await made('6.12-new', 20);
  await made('6.12-old', 15);
  await made('6.12-of-another', 13);
  await made('packages', 100);
  await keep(join(cache, '6.12-new'), /^6\.12-/, now);
  expect((await readdir(cache)).sort()).toEqual(['6.12-new', '6.12-of-another', 'packages']);
  expect((await stat(join(cache, '6.12-new'))).mtimeMs).toBeCloseTo(now.getTime(), -3);
});

test('a cache that is not there is no failure', async () => {
  await keep(join(cache, 'nowhere', 'x'), /./, now);
});

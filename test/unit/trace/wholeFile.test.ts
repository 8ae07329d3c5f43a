// Promises of a file that is written whole: all of it, or what was there before and nothing beside it.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { copyWhole, writeWhole } from '../../../extension/trace/wholeFile.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packet-trail-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a copy takes the place of what was there', async () => {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  await writeFile(from, 'new');
  await writeFile(to, 'old');
  await copyWhole(from, to);
  expect(await readFile(to, 'utf8')).toBe('new');
  expect(await readdir(folder)).toEqual(['from', 'to']);
});

test('what fails leaves what was there, nothing beside it, and words with the mend', async () => {
  const to = join(folder, 'to');
  await writeFile(to, 'old');
  const full = writeWhole(to, async (partial) => {
    await writeFile(partial, 'half');
    throw Object.assign(new Error('write'), { code: 'ENOSPC' });
  });
  await expect(full).rejects.toThrow(`the disk is full: ${to}: free some space or save elsewhere`);
  await expect(copyWhole(join(folder, 'missing'), to)).rejects.toThrow(`: ${to}: `);
  await expect(copyWhole(to, join(folder, 'none', 'to'))).rejects.toThrow('the folder does not exist');
  expect(await readFile(to, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['to']);
});

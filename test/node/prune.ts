// Keeps the cache from growing for ever: what has not been used for two weeks goes.
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const unusedMs = 14 * 24 * 3600_000;

/**
 * Notes that a folder is used now, and removes those beside it whose names match and that nobody has used for two weeks: images of
 * older kernels and of other states of the code, which another checkout may share. A failure to tidy up fails nothing.
 */
export async function keep(folder: string, others: RegExp, now = new Date()): Promise<void> {
  await fs.utimes(folder, now, now).catch(() => undefined);
  const parent = dirname(folder);
  const names = await fs.readdir(parent).catch(() => []);
  for (const name of names) {
    if (name === basename(folder) || !others.test(name)) continue;
    const path = join(parent, name);
    const used = await fs.stat(path).catch(() => undefined);
    if (used === undefined || now.getTime() - used.mtimeMs < unusedMs) continue;
    await fs.rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

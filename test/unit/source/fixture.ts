// What the source tests share: a copy of the fixture tree, the bundled indexer, and folders that go away.
import { cp, mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll } from 'vitest';
import { KernelIndexes } from '../../../extension/source/kernelIndex.ts';

/** The small tree of own-written C; tests that change one work on a {@link copyFixture}. */
export const fixtureTree = fileURLToPath(new URL('fixture', import.meta.url));

const folders: string[] = [];

/** A folder that is removed when the test file is done. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'packet-trail-source-'));
  folders.push(folder);
  return folder;
}

export async function copyFixture(): Promise<string> {
  const tree = join(await temporaryFolder(), 'tree');
  await cp(fixtureTree, tree, { recursive: true });
  return tree;
}

let program: Promise<string> | undefined;

/** The worker program, bundled as the extension's build bundles it. */
export function indexerProgram(): Promise<string> {
  program ??= (async () => {
    const outfile = join(await temporaryFolder(), 'indexer.js');
    await build({
      entryPoints: [fileURLToPath(new URL('../../../extension/source/indexer.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile,
      logLevel: 'error',
    });
    return outfile;
  })();
  return program;
}

/** Indexes with a cache of their own. */
export async function newIndexes(cache?: string): Promise<KernelIndexes> {
  return new KernelIndexes(await indexerProgram(), cache ?? join(await temporaryFolder(), 'cache'));
}

/** Makes a folder look changed, whatever the file system's clock resolution. */
export async function touch(path: string): Promise<void> {
  await utimes(path, new Date(), new Date(Date.now() + 60_000));
}

export const never = new AbortController().signal;

afterAll(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

// The index of a kernel tree: found again in the cache, built anew when the tree changed, and never trusted when damaged.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { IndexFile, IndexWriter } from '../../../extension/source/indexFile.ts';
import { progressText } from '../../../extension/source/kernelIndex.ts';
import { readTree } from '../../../extension/source/tree.ts';
import { copyFixture, fixtureTree, never, newIndexes, temporaryFolder, touch } from './fixture.ts';

/** Opens the index of a tree and tells whether it was built for it. */
async function open(folder: string, cache: string): Promise<{ index: IndexFile; built: boolean }> {
  let built = false;
  const indexes = await newIndexes(cache);
  const index = await indexes.open(await readTree(folder), { signal: never, onProgress: () => (built = true) });
  return { index, built };
}

describe('the index of a kernel tree', () => {
  test('finds every definition of a name, in every file', async () => {
    const { index } = await open(fixtureTree, await temporaryFolder());
    const files = (name: string): string[] =>
      index
        .lookUp(name)
        .map(({ file, line }) => `${file}:${line}`)
        .sort();
    expect(files('checksum')).toEqual([
      'arch/arm64/lib/checksum.c:2',
      'arch/x86/lib/checksum.c:2',
      'tools/net/checksum.c:2',
    ]);
    expect(files('feature')).toEqual(['include/linux/skbuff.h:5', 'net/core/feature.c:2']);
    expect(files('skb:kfree_skb')).toEqual(['include/trace/events/skb.h:6']);
    expect(files('no_such_function')).toEqual([]);
    expect(files('')).toEqual([]);
    expect(files('größe')).toEqual([]);
  });

  test('is built once, outside the tree, and then taken from the cache', async () => {
    const tree = await copyFixture();
    const cache = await temporaryFolder();
    const before = await readdir(tree, { recursive: true });
    expect((await open(tree, cache)).built).toBe(true);
    expect((await open(tree, cache)).built).toBe(false);
    expect((await readdir(tree, { recursive: true })).sort()).toEqual(before.sort());
    expect(await readdir(cache)).toHaveLength(1);
  });

  test('is built anew when files were added', async () => {
    const tree = await copyFixture();
    const cache = await temporaryFolder();
    await open(tree, cache);
    await writeFile(join(tree, 'net/core/added.c'), 'int added(void)\n{\n}\n');
    await touch(join(tree, 'net/core'));
    const { index, built } = await open(tree, cache);
    expect(built).toBe(true);
    expect(index.lookUp('added')).toHaveLength(1);
    expect(await readdir(cache)).toHaveLength(1);
  });

  test('is built anew when the tree is another version', async () => {
    const tree = await copyFixture();
    const cache = await temporaryFolder();
    await open(tree, cache);
    const makefile = await readFile(join(tree, 'Makefile'), 'utf8');
    await writeFile(join(tree, 'Makefile'), makefile.replace('SUBLEVEL = 7', 'SUBLEVEL = 8'));
    expect((await open(tree, cache)).built).toBe(true);
  });

  test('of a git work tree is built anew when another commit is checked out, not when objects are built', async () => {
    const tree = await copyFixture();
    const cache = await temporaryFolder();
    await mkdir(join(tree, '.git/refs/heads'), { recursive: true });
    await writeFile(join(tree, '.git/HEAD'), 'ref: refs/heads/main\n');
    await writeFile(join(tree, '.git/refs/heads/main'), `${'a'.repeat(40)}\n`);
    await open(tree, cache);
    await writeFile(join(tree, 'net/core/feature.o'), '');
    await touch(join(tree, 'net/core'));
    expect((await open(tree, cache)).built).toBe(false);
    await writeFile(join(tree, '.git/refs/heads/main'), `${'b'.repeat(40)}\n`);
    expect((await open(tree, cache)).built).toBe(true);
  });

  test.each([
    ['cut', (path: string): Promise<void> => truncate(path, 100)],
    ['empty', (path: string): Promise<void> => truncate(path, 0)],
    ['of another format', (path: string): Promise<void> => writeFile(path, Buffer.alloc(5000, 'x'))],
  ])('that is %s is built anew', async (_, damage) => {
    const cache = await temporaryFolder();
    await open(fixtureTree, cache);
    const [name = ''] = await readdir(cache);
    await damage(join(cache, name));
    const { index, built } = await open(fixtureTree, cache);
    expect(built).toBe(true);
    expect(index.lookUp('plain')).toHaveLength(1);
  });

  test('with any byte flipped gives answers or an error, never a crash or a hang', () => {
    const writer = new IndexWriter();
    const file = writer.addFile('net/a.c');
    for (const name of ['alpha', 'beta', 'gamma']) writer.add(name, file, 7, 1);
    const bytes = writer.encode({ root: '/tree', identity: 'x', tooLarge: 0, unreadable: 0, unreadableExample: '' });
    expect(IndexFile.decode(bytes).lookUp('beta')).toEqual([{ file: 'net/a.c', line: 7, flags: 1 }]);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      try {
        IndexFile.decode(damaged).lookUp('beta');
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });

  test('counts what it left out: very large files, and what it could not read; links are not followed', async () => {
    const tree = await copyFixture();
    await writeFile(join(tree, 'net/core/huge.h'), Buffer.alloc(4 * 1024 * 1024 + 1, '\n'));
    await symlink(tree, join(tree, 'net/core/loop'));
    await symlink('/dev/zero', join(tree, 'net/core/endless.c'));
    const { index } = await open(tree, await temporaryFolder());
    expect(index.details).toMatchObject({ tooLarge: 1, unreadable: 0 });
    expect(index.lookUp('plain')).toHaveLength(1);
  });

  test('shows progress, and stops and leaves nothing when it is cancelled', async () => {
    const tree = await copyFixture();
    // Enough work that the build is still on its way at the first progress.
    const many = join(tree, 'lib');
    await mkdir(many);
    const text = 'int function_in_a_file(int a)\n{\n\treturn a;\n}\n'.repeat(200);
    await Promise.all(Array.from({ length: 3000 }, (_, n) => writeFile(join(many, `file${n}.c`), text)));
    const cache = await temporaryFolder();
    const indexes = await newIndexes(cache);
    const abort = new AbortController();
    const seen: string[] = [];
    const result = indexes.open(await readTree(tree), {
      signal: abort.signal,
      onProgress: (done, total) => {
        seen.push(progressText(done, total));
        abort.abort();
      },
    });
    await expect(result).rejects.toMatchObject({ code: 'cancelled' });
    expect(seen[0]).toMatch(/^Indexing kernel source: 0 of 3,\d{3} files$/);
    expect(await readdir(cache)).toEqual([]);
  });

  test('is built once when two hops are clicked at a time, and one of them may be cancelled', async () => {
    const tree = await readTree(fixtureTree);
    const indexes = await newIndexes();
    const abort = new AbortController();
    const [first, second] = [
      indexes.open(tree, { signal: abort.signal, onProgress: () => abort.abort() }),
      indexes.open(tree, { signal: never }),
    ];
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    expect((await second).lookUp('plain')).toHaveLength(1);
  });

  test('that can not be kept says where, and how to mend it', async () => {
    const cache = join(await temporaryFolder(), 'file');
    await writeFile(cache, '');
    const indexes = await newIndexes(cache);
    const result = indexes.open(await readTree(fixtureTree), { signal: never });
    await expect(result).rejects.toMatchObject({
      code: 'index-failed',
      mend: expect.stringContaining(cache) as string,
    });
  });

  test('only the indexes of the last few trees are kept', async () => {
    const cache = await temporaryFolder();
    const folder = await mkdtemp(join(tmpdir(), 'packet-trail-source-'));
    try {
      for (let n = 0; n < 6; n++) {
        const tree = join(folder, `tree${n}`);
        await mkdir(join(tree, 'init'), { recursive: true });
        await writeFile(join(tree, 'Makefile'), 'VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\n');
        await writeFile(join(tree, 'init/main.c'), 'void start_kernel(void)\n{\n}\n');
        await open(tree, cache);
      }
      expect(await readdir(cache)).toHaveLength(4);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a folder that is no kernel source', () => {
  test('is refused with what is missing', async () => {
    const folder = await temporaryFolder();
    await expect(readTree(folder)).rejects.toMatchObject({
      code: 'no-tree',
      message: expect.stringContaining(folder) as string,
    });
    await expect(readTree(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'no-tree' });
    await expect(readTree('relative/path')).rejects.toMatchObject({ code: 'no-tree' });
  });

  test('beside a packed source, says to unpack it', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'linux-source-6.12.tar.xz'), '');
    await expect(readTree(folder)).rejects.toMatchObject({
      mend: expect.stringContaining('tar -xf linux-source-6.12.tar.xz') as string,
    });
  });

  test('above a kernel tree, names the tree', async () => {
    const folder = await temporaryFolder();
    const tree = join(folder, 'linux-source-6.12');
    await mkdir(tree);
    await writeFile(join(tree, 'Makefile'), 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n');
    await expect(readTree(folder)).rejects.toMatchObject({ mend: expect.stringContaining(tree) as string });
    // Headers have the Makefile, but no code.
    await expect(readTree(tree)).rejects.toMatchObject({ message: expect.stringContaining('init/main.c') as string });
  });
});

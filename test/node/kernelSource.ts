// The source tree of a node's kernel: Debian's linux-source package of exactly the version that the node runs.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, run, type Log } from './command.ts';
import { keep } from './prune.ts';
import { atomically, debianScript, exists, kernelPackages, nodeImage, type Kernel } from './image.ts';

/**
 * Gives the path of the unpacked tree (about 1.5 GB), which is made once and kept in the cache. When Debian no longer
 * has the source of the image's version, the image is renewed first, so that the two always match.
 */
export async function kernelSource(kernel: Kernel, log: Log, signal?: AbortSignal): Promise<string> {
  const { version } = await nodeImage(kernel, log, { signal });
  const folder = treeFolder(kernel, version);
  if (await exists(folder)) {
    await keep(folder, /^linux-source-/);
    return folder;
  }
  try {
    return await unpack(kernel, version, log, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const renewed = (await nodeImage(kernel, log, { renew: true, signal })).version;
    if (renewed === version) throw error;
    return unpack(kernel, renewed, log, signal);
  }
}

/** What of a tree {@link networkSource} has: all that the kernel's own networking is made of, and what makes it a tree. */
const networkParts = ['Makefile', 'init', 'include', 'net', 'drivers/net'];

/** The part of {@link kernelSource} in which packets travel, as a tree of its own: it is indexed in a fifth of the time. */
export async function networkSource(kernel: Kernel, log: Log, signal?: AbortSignal): Promise<string> {
  const whole = await kernelSource(kernel, log, signal);
  const folder = `${whole}-network`;
  if (!(await exists(folder))) {
    await atomically(folder, async (partial) => {
      await fs.mkdir(join(partial, 'drivers'));
      // Links to the same files.
      for (const part of networkParts) await run('cp', ['-al', join(whole, part), join(partial, part)], { signal });
    });
  }
  await keep(folder, /^linux-source-/);
  return folder;
}

const treeFolder = (kernel: Kernel, version: string): string =>
  join(cacheDirectory(), 'source', `linux-source-${kernel}_${version}`);

async function unpack(kernel: Kernel, version: string, log: Log, signal?: AbortSignal): Promise<string> {
  const folder = treeFolder(kernel, version);
  const { suite } = kernelPackages[kernel];
  const name = `linux-source-${kernel}`;
  await atomically(folder, async (partial) => {
    const download = join(partial, 'download');
    log(`downloading ${name} ${version}, about 150 MB`);
    const printed = await run(debianScript, ['download', suite, 'amd64', download, `${name}=${version}`], {
      signal,
    });
    log(`unpacking ${name}, about 1,500 MB`);
    const tree = join(partial, 'tree');
    await fs.mkdir(tree);
    const pipeline = `set -o pipefail
      dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" | xz --decompress --stdout --threads=0 |
        tar -x --strip-components=1 -C "$3" --checkpoint=25000 --checkpoint-action='echo=checkpoint %u'`;
    await run('bash', ['-c', pipeline, 'unpack', join(download, printed.trim()), name, tree], {
      signal,
      log: (line) => {
        // tar counts in records of 10 KiB.
        const records = /^checkpoint (\d+)/.exec(line.replace(/^tar: /, ''))?.[1];
        if (records) log(`unpacked ${Math.round((Number(records) * 10_240) / 1e6)} MB of ${name}`);
      },
    });
    // What becomes the folder's content is the tree alone.
    await fs.rm(download, { recursive: true });
    for (const entry of await fs.readdir(tree)) await fs.rename(join(tree, entry), join(partial, entry));
    await fs.rmdir(tree);
  });
  return folder;
}

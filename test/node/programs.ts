// Compiles the BPF programs that scenarios load in the node (programs/*.bpf.c), with Debian's clang, once for each change.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { run, type Log } from './command.ts';
import { atomically, exists } from './image.ts';

/** Compiles what isn't compiled yet and gives the folder of the objects: build/node-programs/HASH/NAME.bpf.o. */
export async function nodePrograms(log: Log, signal?: AbortSignal): Promise<string> {
  const sources = join(import.meta.dirname, 'programs');
  const names = (await fs.readdir(sources)).filter((name) => name.endsWith('.bpf.c')).sort();
  const hash = createHash('sha256');
  for (const name of names) hash.update(`${name}\0`).update(await fs.readFile(join(sources, name)));
  const folder = join(import.meta.dirname, '..', '..', 'build', 'node-programs', hash.digest('hex').slice(0, 12));
  if (await exists(folder)) return folder;
  log(`compiling ${names.length} BPF programs for the node`);
  await atomically(folder, async (partial) => {
    for (const name of names) {
      const object = join(partial, name.replace(/\.c$/, '.o'));
      // The node is x86-64 whatever this machine is; -g for BTF, by which hooks on the programs are made.
      const flags = ['-O2', '-g', '-Wall', '-Wextra', '-Werror', '-target', 'bpf'];
      await run('clang', [...flags, ...(await systemHeaders()), '-c', join(sources, name), '-o', object], { signal });
    }
  });
  return folder;
}

/** Debian keeps asm/ in a folder of the architecture, which clang doesn't search for the BPF target. */
async function systemHeaders(): Promise<string[]> {
  const architecture = (await run('gcc', ['-print-multiarch'])).trim();
  return architecture ? ['-isystem', `/usr/include/${architecture}`] : [];
}

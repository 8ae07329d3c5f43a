// Compiles the BPF programs that scenarios load in the node (programs/*.bpf.c), with Debian's clang, once for each change.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { run, type Log } from './command.ts';
import { atomically, exists, type Machine } from './image.ts';

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
      // -g for BTF, by which hooks on the programs are made; one has none, to see what becomes of it.
      const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-target', 'bpf'];
      if (!name.startsWith('stripped.')) flags.push('-g');
      await run('clang', [...flags, ...(await systemHeaders()), '-c', join(sources, name), '-o', object], { signal });
    }
  });
  return folder;
}

/** Compiles programs/NAME.c, static, for nodes of a machine (x86-64 when not given); gives its path. */
export async function nodeTool(name: 'loader' | 'numbers', log: Log, machine: Machine = 'x86_64'): Promise<string> {
  const source = join(import.meta.dirname, 'programs', `${name}.c`);
  const hash = createHash('sha256')
    .update(await fs.readFile(source))
    .digest('hex')
    .slice(0, 12);
  const folder = join(import.meta.dirname, '..', '..', 'build', 'node-programs', `${name}-${machine}-${hash}`);
  if (!(await exists(folder))) {
    log(`compiling the node’s ${name} for ${machine}`);
    await atomically(folder, async (partial) => {
      const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-static', ...(await foreignLibraries(machine))];
      const output = ['-o', join(partial, name)];
      await run(`${machine}-linux-gnu-gcc`, [source, ...flags, ...output, '-lbpf', '-lelf', '-lz']);
    });
  }
  return join(folder, name);
}

/** Where the libraries of another machine than this one are; nothing for this one. */
async function foreignLibraries(machine: Machine): Promise<string[]> {
  if ((await run('uname', ['-m'])).trim() === machine) return [];
  const script = join(import.meta.dirname, '..', '..', 'helper', 'sysroot.sh');
  await run(script, [machine]);
  const sysroot = (await run(script, ['--path', machine])).trim();
  return ['-isystem', `${sysroot}/usr/include`, `-L${sysroot}/usr/lib/${machine}-linux-gnu`];
}

/** Debian keeps asm/ in a folder of the architecture, which clang doesn't search for the BPF target. */
async function systemHeaders(): Promise<string[]> {
  const architecture = (await run('gcc', ['-print-multiarch'])).trim();
  return architecture ? ['-isystem', `/usr/include/${architecture}`] : [];
}

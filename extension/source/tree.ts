// What a kernel tree is: recognises one, reads its version, and gives it an identity that changes when its files may have.
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { reasonOf } from '../protocol/reason.ts';
import { SourceError } from './error.ts';
import type { KernelVersion } from './version.ts';

/** A folder with Linux kernel source. */
export interface KernelTree {
  /** Absolute, symbolic links resolved. */
  readonly root: string;
  readonly version: KernelVersion;
  /** Differs when the tree is another version, another commit, or had files added or removed. */
  readonly identity: string;
}

/** Recognises a kernel tree. Rejects with a {@link SourceError} that says what is missing and how to mend it. */
export async function readTree(folder: string): Promise<KernelTree> {
  if (!isAbsolute(folder)) {
    throw new SourceError('no-tree', `The kernel source folder "${folder}" is not an absolute path.`, chooseMend);
  }
  let root: string;
  try {
    root = await realpath(folder);
    if (!(await stat(root)).isDirectory()) throw new Error('it is not a folder');
  } catch (error) {
    throw new SourceError(
      'no-tree',
      `The kernel source folder ${folder} can't be read: ${reasonOf(error)}.`,
      chooseMend,
      {
        cause: error,
      },
    );
  }
  const makefile = await readHead(join(root, 'Makefile'));
  const version = makefile === undefined ? undefined : makefileVersion(makefile);
  if (version === undefined) {
    throw new SourceError(
      'no-tree',
      `${folder} is no kernel source: its Makefile names no kernel version.`,
      await hint(root),
    );
  }
  if ((await readHead(join(root, 'init', 'main.c'))) === undefined) {
    throw new SourceError(
      'no-tree',
      `${folder} has a kernel's Makefile but not its source (init/main.c is missing).`,
      'Header packages such as linux-headers are not enough; install and unpack the full source, such as linux-source on Debian, and choose that folder.',
    );
  }
  return { root, version, identity: await identify(root, makefile ?? '') };
}

const chooseMend =
  'Choose the folder that holds the kernel\'s top Makefile with "Packet Trail: Choose Kernel Source…".';

/** Reads VERSION, PATCHLEVEL, SUBLEVEL and EXTRAVERSION from the top of a kernel's Makefile. */
export function makefileVersion(makefile: string): KernelVersion | undefined {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}[ \\t]*=[ \\t]*([^\\s#]*)`, 'm').exec(makefile)?.[1];
  const [major, minor, sublevel] = ['VERSION', 'PATCHLEVEL', 'SUBLEVEL'].map(field);
  const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d{1,6}$/.test(text);
  if (!isNumber(major) || !isNumber(minor) || !isNumber(sublevel)) return undefined;
  const extra = field('EXTRAVERSION') ?? '';
  return { major: Number(major), minor: Number(minor), sublevel: Number(sublevel), extra };
}

/** A folder next to or above the tree is the usual mistake: says where the tree is. */
async function hint(root: string): Promise<string> {
  let entries: Dirent[];
  try {
    entries = await readdir(root, { withFileTypes: true });
  } catch {
    return chooseMend;
  }
  const names = entries.map(({ name }) => name).filter((name) => name.startsWith('linux-'));
  for (const name of names) {
    const makefile = await readHead(join(root, name, 'Makefile'));
    if (makefile !== undefined && makefileVersion(makefile) !== undefined) {
      return `The folder ${join(root, name)} looks like one; choose it instead.`;
    }
  }
  const archive = names.find((name) => /\.tar(\.\w+)?$/.test(name));
  return archive === undefined
    ? chooseMend
    : `Unpack ${join(root, archive)} first (tar -xf ${archive}), then choose the folder that it makes.`;
}

async function identify(root: string, makefile: string): Promise<string> {
  const hash = createHash('sha256').update(makefile);
  const head = await gitHead(root);
  if (head !== undefined) return hash.update(`git ${head}`).digest('hex');
  // Without git: a folder's time changes when files are added or removed in it. Files edited in place are caught when their
  // definition is opened, see definition.ts.
  for (const folder of [
    '.',
    'arch',
    'block',
    'drivers',
    'drivers/net',
    'fs',
    'include',
    'kernel',
    'lib',
    'mm',
    'net',
  ]) {
    hash.update(`${folder} ${await changed(join(root, folder))}\n`);
  }
  for (const parent of ['net', 'include']) {
    for (const name of (await readdir(join(root, parent)).catch((): string[] => [])).sort()) {
      hash.update(`${parent}/${name} ${await changed(join(root, parent, name))}\n`);
    }
  }
  return hash.digest('hex');
}

async function changed(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true ? found.mtimeMs : 0;
}

/** What git's HEAD points at, without running git; undefined when the tree is not a work tree's top. */
async function gitHead(root: string): Promise<string | undefined> {
  let folder = join(root, '.git');
  const link = /^gitdir: (.+)$/m.exec((await readHead(folder)) ?? '')?.[1];
  if (link !== undefined) folder = isAbsolute(link) ? link : join(root, link);
  const head = (await readHead(join(folder, 'HEAD')))?.trim();
  if (head === undefined) return undefined;
  const ref = /^ref: (refs\/[\w./-]+)$/.exec(head)?.[1];
  if (ref === undefined || ref.includes('..')) return head;
  const shared = (await readHead(join(folder, 'commondir')))?.trim();
  const common = shared === undefined ? folder : isAbsolute(shared) ? shared : join(folder, shared);
  const commit = (await readHead(join(common, ref)))?.trim();
  return commit ?? `${head} ${(await stat(join(common, 'packed-refs')).catch(() => undefined))?.mtimeMs ?? 0}`;
}

/** The first 64 KiB of a regular file; undefined when there is none that can be read. */
export async function readHead(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isFile()) return undefined;
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(65_536);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

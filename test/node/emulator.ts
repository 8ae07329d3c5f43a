// Chooses the QEMU that runs test nodes, and fetches a newer one where this machine's is old, which is a tenth slower.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, output, run, type Log } from './command.ts';
import { atomically, debianScript, exists, type Architecture } from './image.ts';

/** An emulator for one processor. */
export interface Emulator {
  readonly program: string;
  /** What must come before all other arguments. */
  readonly options: readonly string[];
  /** As QEMU tells it, for example "10.0.2". */
  readonly version: string;
}

const packages: Readonly<Record<Architecture, { readonly package: string; readonly program: string }>> = {
  amd64: { package: 'qemu-system-x86', program: 'qemu-system-x86_64' },
  arm64: { package: 'qemu-system-arm', program: 'qemu-system-aarch64' },
};

/** The first version that is not worth a newer one. */
const recent = [8, 1] as const;

/** Whether no newer version of QEMU need be fetched. */
export function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > recent[0] || (major === recent[0] && minor >= recent[1]);
}

/**
 * This machine's emulator if it is new enough, else that of Debian's backports, kept in the cache beside it; without those
 * this machine's all the same. Rejects when there is none at all.
 */
export async function emulatorFor(architecture: Architecture, log: Log, signal?: AbortSignal): Promise<Emulator> {
  const { program } = packages[architecture];
  const version = await versionOf(program);
  if (isRecent(version)) return { program, options: [], version };
  try {
    return await fetched(architecture, log, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    log(`QEMU ${version} runs the node, slower than a newer one would, which is not to be had (${reason})`);
    return { program, options: [], version };
  }
}

async function versionOf(program: string): Promise<string> {
  return /version (\d+\.\d+\.\d+)/.exec(await run(program, ['--version']))?.[1] ?? '0';
}

/** Debian's backports of this machine's release; they need its libraries and firmware, which its own QEMU has brought. */
async function fetched(architecture: Architecture, log: Log, signal?: AbortSignal): Promise<Emulator> {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await fs.readFile('/etc/os-release', 'utf8'))?.[1];
  if (!release) throw new Error('/etc/os-release names no release');
  const suite = `${release}-backports`;
  const host = (await run('dpkg', ['--print-architecture'])).trim();
  const names = [packages[architecture].package, 'qemu-system-common', 'qemu-system-data'];
  const recipe = createHash('sha256')
    .update([suite, host, ...names].join())
    .digest('hex')
    .slice(0, 12);
  const folder = join(cacheDirectory(), 'emulator', `${architecture}-${recipe}`);
  if (!(await exists(folder))) {
    log(`downloading ${names.join(', ')} of Debian's ${suite}`);
    await atomically(folder, async (partial) => {
      const downloads = join(partial, 'packages');
      const files = await run(debianScript, ['download', suite, host, downloads, ...names], { signal });
      for (const file of files.trim().split('\n')) {
        await run('dpkg-deb', ['-x', join(downloads, file), partial], { signal });
      }
      await fs.rm(downloads, { recursive: true });
      // One that doesn't run here must not stay.
      const unpacked = join(partial, 'usr', 'bin', packages[architecture].program);
      const { code, stderr } = await output(unpacked, ['--version']);
      if (code !== 0) throw new Error(stderr.trim());
    });
  }
  const program = join(folder, 'usr', 'bin', packages[architecture].program);
  const version = await versionOf(program);
  if (!isRecent(version)) throw new Error(`${suite} has QEMU ${version}`);
  const data = [join(folder, 'usr', 'share', 'qemu'), '/usr/share/seabios'];
  return { program, options: data.flatMap((path) => ['-L', path]), version };
}

// A file system that is soon full, for tests of what happens then.
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs `act` while a file system of so many bytes is mounted at `place`. Needs root or passwordless sudo on this machine. */
export async function withSmallDisk<T>(place: string, bytes: number, act: () => Promise<T>): Promise<T> {
  const asRoot = async (...command: readonly string[]): Promise<void> => {
    const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
    await run(program, args);
  };
  await mkdir(place, { recursive: true });
  await asRoot('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=777`, 'tmpfs', place);
  try {
    return await act();
  } finally {
    // Lazily: somebody may still look into it, such as an editor's watcher.
    await asRoot('umount', '--lazy', place);
  }
}

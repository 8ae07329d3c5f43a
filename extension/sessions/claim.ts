// Says which window writes a recording: a file beside it names the process, so that another window neither offers it as one
// that was left behind nor removes it. A process that ended claims nothing any more, however it ended.
import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';

/** Claims a recording for this process, until {@link release}. False when somebody has; rejects when the folder can't be written. */
export async function claim(recording: string): Promise<boolean> {
  try {
    await writeFile(claimFile(recording), (await identity(process.pid)) ?? '', { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Lets go of a recording; without a claim nothing happens. */
export function release(recording: string): void {
  rmSync(claimFile(recording), { force: true });
}

/** Whether a process that runs claims the recording. */
export async function isClaimed(recording: string): Promise<boolean> {
  const claimant = await readFile(claimFile(recording), 'utf8').catch(() => '');
  const pid = Number(/^\d+/.exec(claimant)?.[0] ?? 0);
  return pid > 0 && (await identity(pid)) === claimant;
}

function claimFile(recording: string): string {
  return `${recording}.claim`;
}

/** A running process's number, where the system tells with the time it started: numbers come again. Undefined when none runs. */
async function identity(pid: number): Promise<string | undefined> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // One of another user runs, too.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // proc_pid_stat(5): the 22nd field; the second may hold spaces and ends with the last parenthesis.
  const started = status.slice(status.lastIndexOf(')') + 2).split(' ')[19];
  return started === undefined ? String(pid) : `${pid} ${started}`;
}

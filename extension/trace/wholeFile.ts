// A file that is whole or untouched, whatever happens while it is written, and what a person reads when it can't be.
import { randomUUID } from 'node:crypto';
import { constants, copyFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../protocol/reason.ts';

/** A file that can't be written: what happened, where, and the mend. */
export class TraceWriteError extends Error {
  override readonly name = 'TraceWriteError';
  constructor(
    readonly path: string,
    what: string,
    mend: string,
    options?: ErrorOptions,
  ) {
    super(`${what}: ${path}: ${mend}`, options);
  }
}

/** The error of what went wrong with a file. */
export function writeError(path: string, error: unknown): TraceWriteError {
  if (error instanceof TraceWriteError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const cause = { cause: error };
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TraceWriteError(path, 'the disk is full', 'free some space or save elsewhere', cause);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new TraceWriteError(path, 'no permission to write', 'save to a folder that you may write to', cause);
    case 'ENOENT':
    case 'ENOTDIR':
      return new TraceWriteError(path, 'the folder does not exist', 'make it or save elsewhere', cause);
    default:
      return new TraceWriteError(path, reasonOf(error), 'save elsewhere', cause);
  }
}

/**
 * Writes a file under another name beside it, and gives it its own name when that is done.
 * @throws TraceWriteError; nothing of it is left then
 */
export async function writeWhole(target: string, fill: (partial: string) => Promise<void>): Promise<void> {
  const partial = join(dirname(target), `.${basename(target)}.${randomUUID()}.part`);
  try {
    await fill(partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw writeError(target, error);
  }
}

/** Copies a trace file. Throws as {@link writeWhole}. */
export async function copyWhole(from: string, target: string): Promise<void> {
  await writeWhole(target, (partial) => copyFile(from, partial, constants.COPYFILE_FICLONE));
}

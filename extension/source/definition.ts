// The definition in the file as it is now: an index may be older than an edit, so the place is looked up anew before it is shown.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Definition } from './indexFile.ts';
import { indexNames } from './locate.ts';
import { scan } from './scanner.ts';

/** A place of a file; lines and UTF-16 columns are 0-based. */
export interface SourceRange {
  /** Absolute. */
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Where a definition is written. */
export interface Place {
  /** Absolute path. */
  readonly path: string;
  /** 0-based line and UTF-16 column of the function's name. */
  readonly line: number;
  readonly column: number;
  /** Of the name; 0 when the name isn't written there (a macro makes it). */
  readonly length: number;
  /** The line's text, trimmed. */
  readonly preview: string;
}

const sizeLimit = 16 * 1024 * 1024;

/** Finds a definition's place in its file. Undefined when the file is gone or no longer defines it: the index is out of date. */
export async function findPlace(root: string, definition: Definition, symbol: string): Promise<Place | undefined> {
  const path = join(root, definition.file);
  let bytes: Buffer;
  try {
    const found = await stat(path);
    if (!found.isFile() || found.size > sizeLimit) return undefined;
    bytes = await readFile(path);
  } catch {
    return undefined;
  }
  const indexed = indexNames(symbol);
  // What of it stands in the source: a macro may make the rest.
  const written = indexed.map((name) => name.replace(/^\w*:|^(?:compat_)?sys_|^bpf_lsm_/, ''));
  let line: number | undefined;
  scan(bytes, (name, at) => {
    const same = indexed.includes(name);
    if (same && (line === undefined || Math.abs(at - definition.line) < Math.abs(line - definition.line))) line = at;
  });
  if (line === undefined) return undefined;
  const lines = bytes.toString('utf8').split('\n');
  const preview = (lines[line - 1] ?? '').trim();
  // Macros may have the name on a later line: TRACE_EVENT(\n\tname,
  for (let below = 0; below < 4; below++) {
    const text = lines[line - 1 + below] ?? '';
    for (const name of written) {
      const column = name === '' ? undefined : new RegExp(`\\b${name.replace(/[^\w]/g, '\\$&')}\\b`).exec(text)?.index;
      if (column !== undefined) return { path, line: line - 1 + below, column, length: name.length, preview };
    }
  }
  return { path, line: line - 1, column: 0, length: 0, preview };
}

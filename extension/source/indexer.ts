// The worker thread that indexes a kernel tree, so that the extension host never waits for it. It walks the tree, hands files
// in batches to scanning threads of the same program, and writes the index. Bundled as dist/indexer.js.
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
  type Dirent,
} from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { reasonOf } from '../protocol/reason.ts';
import { IndexWriter } from './indexFile.ts';
import { scan } from './scanner.ts';

/** What the extension host asks of the worker. */
export interface IndexTask {
  readonly role: 'index';
  /** This program's own path, to start the scanning threads from. */
  readonly program: string;
  readonly root: string;
  readonly identity: string;
  /** The index file to write: to `output + '.new'` first, then renamed. */
  readonly output: string;
  readonly threads: number;
}

/** What the worker answers: progress many times, then one of the others. */
export type IndexReport =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly message: string };

interface ScanTask {
  readonly role: 'scan';
  readonly root: string;
}

interface Batch {
  readonly first: number;
  readonly paths: readonly string[];
}

/** The definitions of a batch: names separated by newlines, and three numbers for each: file, line, flags. */
interface Scanned {
  readonly files: number;
  readonly names: string;
  readonly places: Uint32Array;
  readonly tooLarge: number;
  readonly unreadable: number;
  readonly unreadableExample: string;
}

/** Larger files hold register definitions, no functions worth the wait; none of Linux 6.12's network code is near. */
const fileLimit = 4 * 1024 * 1024;
const pathLimit = 500_000;
const depthLimit = 64;
const batchSize = 256;

/** The C files below `root`, relative. Symbolic links are not followed, so that loops and doubles can't be. */
function walk(root: string): { paths: string[]; unreadable: number; unreadableExample: string } {
  const paths: string[] = [];
  const folders: { path: string; depth: number }[] = [{ path: '', depth: 0 }];
  let unreadable = 0;
  let unreadableExample = '';
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: Dirent[];
    try {
      entries = readdirSync(join(root, folder.path), { withFileTypes: true });
    } catch {
      unreadable++;
      unreadableExample ||= folder.path;
      continue;
    }
    for (const entry of entries) {
      const path = folder.path === '' ? entry.name : `${folder.path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && folder.depth < depthLimit) folders.push({ path, depth: folder.depth + 1 });
      } else if (entry.isFile() && /\.[ch]$/.test(entry.name)) {
        if (paths.push(path) > pathLimit)
          throw new Error(`it holds more than ${pathLimit.toLocaleString('en')} C files`);
      }
    }
  }
  paths.sort();
  return { paths, unreadable, unreadableExample };
}

function scanBatch(root: string, batch: Batch, buffer: Buffer): Scanned {
  const names: string[] = [];
  const places: number[] = [];
  let tooLarge = 0;
  let unreadable = 0;
  let unreadableExample = '';
  batch.paths.forEach((path, index) => {
    try {
      const file = openSync(join(root, path), 'r');
      try {
        if (fstatSync(file).size > fileLimit) {
          tooLarge++;
          return;
        }
        let length = 0;
        for (;;) {
          const read = readSync(file, buffer, length, buffer.length - length, null);
          length += read;
          if (read === 0 || length === buffer.length) break;
        }
        scan(buffer.subarray(0, length), (name, line, flags) => {
          names.push(name);
          places.push(batch.first + index, line, flags);
        });
      } finally {
        closeSync(file);
      }
    } catch {
      unreadable++;
      unreadableExample ||= path;
    }
  });
  return {
    files: batch.paths.length,
    names: names.join('\n'),
    places: Uint32Array.from(places),
    tooLarge,
    unreadable,
    unreadableExample,
  };
}

async function index(task: IndexTask, report: (message: IndexReport) => void): Promise<void> {
  const { paths, unreadable, unreadableExample } = walk(task.root);
  const total = paths.length;
  report({ type: 'progress', done: 0, total });
  const writer = new IndexWriter();
  const left = { tooLarge: 0, unreadable, unreadableExample };
  for (const path of paths) writer.addFile(path);
  let next = 0;
  let done = 0;
  const take = (scanned: Scanned): void => {
    let at = 0;
    if (scanned.names !== '') {
      for (const name of scanned.names.split('\n')) {
        writer.add(name, scanned.places[at] ?? 0, scanned.places[at + 1] ?? 0, scanned.places[at + 2] ?? 0);
        at += 3;
      }
    }
    left.tooLarge += scanned.tooLarge;
    left.unreadable += scanned.unreadable;
    left.unreadableExample ||= scanned.unreadableExample;
    done += scanned.files;
    report({ type: 'progress', done, total });
  };
  const data: ScanTask = { role: 'scan', root: task.root };
  const threads = Array.from(
    { length: Math.max(1, Math.min(task.threads, Math.ceil(total / batchSize))) },
    () => new Worker(task.program, { workerData: data }),
  );
  try {
    await Promise.all(
      threads.map(
        (thread) =>
          new Promise<void>((resolve, reject) => {
            const give = (): void => {
              if (next >= total) {
                resolve();
                return;
              }
              const batch: Batch = { first: next, paths: paths.slice(next, next + batchSize) };
              next += batchSize;
              thread.postMessage(batch);
            };
            thread.on('message', (scanned: Scanned) => {
              take(scanned);
              give();
            });
            thread.on('error', reject);
            thread.on('exit', () => reject(new Error('a scanning thread ended early')));
            give();
          }),
      ),
    );
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  write(task.output, writer.encode({ root: task.root, identity: task.identity, ...left }));
  report({ type: 'done' });
}

/** Writes the file whole or not at all. */
function write(path: string, bytes: Buffer): void {
  const unfinished = `${path}.new`;
  try {
    const file = openSync(unfinished, 'w', 0o600);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

function serve(port: MessagePort, task: IndexTask | ScanTask): void {
  if (task.role === 'scan') {
    const buffer = Buffer.allocUnsafe(fileLimit);
    port.on('message', (batch: Batch) => port.postMessage(scanBatch(task.root, batch, buffer)));
    return;
  }
  const report = (message: IndexReport): void => port.postMessage(message);
  index(task, report).catch((error: unknown) => report({ type: 'failed', message: reasonOf(error) }));
}

if (!isMainThread && parentPort !== null) serve(parentPort, workerData as IndexTask | ScanTask);

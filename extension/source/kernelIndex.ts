// Keeps the index of each kernel tree: in a cache folder outside the tree, built when there is none that fits, in a worker
// thread, with progress and cancellation.
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { reasonOf } from '../protocol/reason.ts';
import { SourceError } from './error.ts';
import type { IndexReport, IndexTask } from './indexer.ts';
import { IndexFile } from './indexFile.ts';
import type { KernelTree } from './tree.ts';

export interface OpenIndexOptions {
  readonly signal: AbortSignal;
  /** Files scanned so far, of all. Not called when a cached index fits. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** "Indexing kernel source: 12,340 of 60,000 files". */
export function progressText(done: number, total: number): string {
  const count = (value: number): string => value.toLocaleString('en');
  return `Indexing kernel source: ${count(done)} of ${count(total)} files`;
}

/** Trees whose index is kept; the least recently used go. An index is about 25 MB. */
const keptIndexes = 4;

/** A build in flight; it is given up when nobody waits for it any more. */
interface Build {
  readonly result: Promise<IndexFile>;
  readonly abort: AbortController;
  readonly listeners: Set<(done: number, total: number) => void>;
  waiting: number;
}

/** The indexes of kernel trees. */
export class KernelIndexes {
  private readonly builds = new Map<string, Build>();
  private current: IndexFile | undefined;

  constructor(
    /** The bundled worker program, dist/indexer.js. */
    private readonly program: string,
    /** Where the indexes are kept: VS Code's globalStorage; made when it isn't there. */
    private readonly cacheFolder: string,
  ) {}

  /** The index of a tree, built when the cached one doesn't fit. Rejects with a {@link SourceError}. */
  async open(tree: KernelTree, options: OpenIndexOptions): Promise<IndexFile> {
    const fits = (index: IndexFile | undefined): index is IndexFile =>
      index?.details.identity === tree.identity && index.details.root === tree.root;
    if (fits(this.current)) return this.current;
    const path = this.path(tree);
    const cached = await IndexFile.open(path);
    if (fits(cached)) {
      // The time of use orders what is thrown out; a cache that can't be written still serves.
      await utimes(path, new Date(), new Date()).catch(() => undefined);
      return (this.current = cached);
    }
    return await this.build(tree, options);
  }

  /** Forgets the index of a tree and builds it anew. */
  async rebuild(tree: KernelTree, options: OpenIndexOptions): Promise<IndexFile> {
    await rm(this.path(tree), { force: true }).catch(() => undefined);
    this.current = undefined;
    return await this.build(tree, options);
  }

  /** Stops what is being built. */
  async dispose(): Promise<void> {
    const builds = [...this.builds.values()];
    for (const build of builds) build.abort.abort();
    await Promise.allSettled(builds.map(({ result }) => result));
    this.current = undefined;
  }

  private path(tree: KernelTree): string {
    return join(this.cacheFolder, `${createHash('sha256').update(tree.root).digest('hex').slice(0, 32)}.kernelindex`);
  }

  private async build(tree: KernelTree, { signal, onProgress }: OpenIndexOptions): Promise<IndexFile> {
    if (isAborted(signal)) throw cancelled();
    const key = `${tree.root}\n${tree.identity}`;
    const build = this.builds.get(key) ?? this.start(key, tree);
    if (onProgress !== undefined) build.listeners.add(onProgress);
    build.waiting++;
    let leave = (): void => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        reject(cancelled());
      };
    });
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([build.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      if (onProgress !== undefined) build.listeners.delete(onProgress);
      build.waiting--;
      if (isAborted(signal) && build.waiting === 0) {
        build.abort.abort();
        // Who cancels waits until the worker is gone, so that nothing runs on in the background.
        await build.result.catch(() => undefined);
      }
    }
  }

  private start(key: string, tree: KernelTree): Build {
    const abort = new AbortController();
    const listeners: Build['listeners'] = new Set();
    const result = this.run(tree, abort.signal, (done, total) => {
      for (const listener of listeners) listener(done, total);
    }).finally(() => this.builds.delete(key));
    // Whoever waits sees the failure; this only keeps one that nobody waits for any more from being unhandled.
    result.catch(() => undefined);
    const build: Build = { result, abort, listeners, waiting: 0 };
    this.builds.set(key, build);
    return build;
  }

  private async run(
    tree: KernelTree,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<IndexFile> {
    const path = this.path(tree);
    try {
      await mkdir(this.cacheFolder, { recursive: true });
      const data: IndexTask = {
        role: 'index',
        program: this.program,
        root: tree.root,
        identity: tree.identity,
        output: path,
        threads: Math.max(1, Math.min(2, availableParallelism())),
      };
      await runWorker(this.program, data, signal, onProgress);
    } catch (error) {
      await rm(`${path}.new`, { force: true }).catch(() => undefined);
      if (error instanceof SourceError) throw error;
      throw new SourceError(
        'index-failed',
        `The kernel source in ${tree.root} can't be indexed: ${reasonOf(error)}.`,
        `Make sure that the folder can be read and that ${this.cacheFolder} can be written and has 50 MB free, then run "Packet Trail: Rebuild Kernel Source Index".`,
        { cause: error },
      );
    }
    const index = await IndexFile.open(path);
    if (index === undefined) {
      throw new SourceError(
        'index-failed',
        `The index of the kernel source in ${tree.root} was written to ${path} but can't be read back.`,
        'Check that disk, then run "Packet Trail: Rebuild Kernel Source Index".',
      );
    }
    await this.discardOld();
    return (this.current = index);
  }

  private async discardOld(): Promise<void> {
    const names = (await readdir(this.cacheFolder)).filter((name) => name.endsWith('.kernelindex'));
    const aged = await Promise.all(
      names.map(async (name) => ({
        path: join(this.cacheFolder, name),
        used: (await stat(join(this.cacheFolder, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    aged.sort((a, b) => b.used - a.used);
    for (const { path } of aged.slice(keptIndexes)) await rm(path, { force: true }).catch(() => undefined);
  }
}

/** As a call, because the compiler takes a property that was false once for false for good. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

const cancelled = (): SourceError => new SourceError('cancelled', 'Indexing the kernel source was cancelled.', '');

async function runWorker(
  program: string,
  workerData: IndexTask,
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  if (isAborted(signal)) throw cancelled();
  const worker = new Worker(program, { workerData });
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => {
        reject(cancelled());
      };
      signal.addEventListener('abort', stop, { once: true });
      worker.on('error', reject);
      worker.on('exit', (code) => {
        reject(new Error(`the indexer ended early with code ${code}`));
      });
      worker.on('message', (report: IndexReport) => {
        switch (report.type) {
          case 'progress':
            onProgress(report.done, report.total);
            break;
          case 'done':
            resolve();
            break;
          case 'failed':
            reject(new Error(report.message));
            break;
        }
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

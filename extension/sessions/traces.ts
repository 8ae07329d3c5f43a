// The traces of this window: live ones and recordings that have not been saved yet. Views and commands ask here.
import { rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isLive, type TraceSource } from '../trace/source.ts';
import type { TraceFilter } from '../nodes/helperFlags.ts';
import type { Again } from './again.ts';
import { claim, isClaimed, release } from './claim.ts';
import { Emitter } from './emitter.ts';
import { OtherWindows } from './otherWindows.ts';

/** A trace that was started in this window. It lives until it is discarded or the window closes. */
export interface OpenTrace {
  readonly source: TraceSource;
  /** File that the trace is recorded into as it goes. */
  readonly recording: string;
  /** How it was started. */
  readonly started: { readonly target: string; readonly filter: TraceFilter };
  /** Writes the trace up to now to another file, which is whole or untouched. Rejects with what a person should read. */
  saveTo(target: string): Promise<void>;
  /** Ends the trace on the node if it is live, and closes the connection. */
  dispose(): void;
}

/** A recording on disk. */
export interface Recording {
  readonly path: string;
  readonly modifiedMs: number;
  readonly bytes: number;
}

/** Keeps the traces of this window and the folder of unsaved recordings. */
export class Traces {
  private readonly changed = new Emitter();
  /** Anything changed, as figures do several times a second. */
  readonly onDidChange = this.changed.on;
  private readonly listChanged = new Emitter();
  /** A trace or a recording came or went, or is called or faring otherwise: what a list of them shows. */
  readonly onDidChangeList = this.listChanged.on;
  private readonly traces: { readonly trace: OpenTrace; readonly listener: { dispose(): void } }[] = [];
  private readonly saved = new WeakMap<OpenTrace, string>();
  private readonly others: OtherWindows;
  /** The recordings as they were listed last; undefined before. */
  private listed: string | undefined;

  /** @param folder where recordings are kept until they are saved or discarded */
  constructor(readonly folder: string) {
    this.others = new OtherWindows(folder, () => void this.listAgain());
  }

  all(): readonly OpenTrace[] {
    return this.traces.map(({ trace }) => trace);
  }

  live(): readonly OpenTrace[] {
    return this.all().filter(({ source }) => isLive(source));
  }

  add(trace: OpenTrace): void {
    let said = wordsOf(trace.source);
    const listener = trace.source.onChange(() => {
      this.changed.fire();
      const says = wordsOf(trace.source);
      if (says === said) return;
      said = says;
      this.listChanged.fire();
    });
    this.traces.push({ trace, listener });
    this.fireBoth();
  }

  /** Notes that a trace that has ended is whole in another file: its recording is not needed beyond this window. */
  markSaved(trace: OpenTrace, file: string): void {
    this.saved.set(trace, file);
    // A window that is killed can't remove it: the next one does, by this mark.
    try {
      writeFileSync(savedMark(trace.recording), '');
    } catch {
      // Then it is listed once more than needed.
    }
    this.fireBoth();
  }

  isSaved(trace: OpenTrace): boolean {
    return this.saved.has(trace);
  }

  /** What finds the trace again when this window is gone. */
  again(trace: OpenTrace): Again {
    const { source, started, recording } = trace;
    const filter = { ...started.filter, expression: source.expression };
    return { path: this.saved.get(trace) ?? recording, ran: isLive(source), target: started.target, filter };
  }

  /** A new recording's path, claimed for this window; the folder is made when it is missing. */
  async newRecording(name: string): Promise<string> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
    const begin = join(this.folder, `${name.replace(/[^A-Za-z0-9._-]+/g, '-')}-${time}`);
    for (let tries = 1; ; tries += 1) {
      const recording = `${begin}${tries === 1 ? '' : `-${tries}`}.pkttrail`;
      if (await claim(recording)) return recording;
    }
  }

  /** Deletes the recording of a trace that did not start. */
  async abandon(recording: string): Promise<void> {
    await rm(recording, { force: true });
    release(recording);
    this.fireBoth();
  }

  /** Recordings on disk that no window is writing, newest first. */
  async recordings(): Promise<readonly Recording[]> {
    await this.removeSaved();
    let names: string[];
    try {
      names = await readdir(this.folder);
    } catch {
      return []; // no recording was ever made
    }
    const claimed: string[] = [];
    const own = new Set(this.all().map(({ recording }) => recording));
    const found = await Promise.all(
      names
        .filter((name) => name.endsWith('.pkttrail'))
        .map(async (name): Promise<Recording | undefined> => {
          const path = join(this.folder, name);
          if (await isClaimed(path)) {
            if (!own.has(path)) claimed.push(path);
            return undefined;
          }
          try {
            const { mtimeMs, size } = await stat(path);
            return { path, modifiedMs: mtimeMs, bytes: size };
          } catch {
            return undefined; // discarded meanwhile
          }
        }),
    );
    this.others.follow(claimed);
    const recordings = found.filter((recording) => recording !== undefined).sort((a, b) => b.modifiedMs - a.modifiedMs);
    this.listed = recordings.map(({ path }) => path).join('\n');
    return recordings;
  }

  /** Another window did something with the recordings. */
  private async listAgain(): Promise<void> {
    const before = this.listed;
    // A folder that can't be read is said to whoever asks for it.
    await this.recordings().catch(() => undefined);
    if (this.listed !== before) this.listChanged.fire();
  }

  /** Removes recordings that are whole in another file and whose window is gone. */
  private async removeSaved(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names.filter((candidate) => candidate.endsWith(savedMark('')))) {
      const recording = join(this.folder, name.slice(0, -savedMark('').length));
      if (await isClaimed(recording)) continue;
      await rm(recording, { force: true });
      await rm(savedMark(recording), { force: true });
      release(recording);
    }
  }

  /**
   * Lets go of a trace that has ended, and of its memory. What was not saved stays as a recording.
   * @throws Error when it runs
   */
  async close(trace: OpenTrace): Promise<void> {
    if (isLive(trace.source)) throw new Error(`${trace.source.title} still runs: stop it first.`);
    if (this.isSaved(trace)) {
      await this.discard(trace);
      return;
    }
    this.remove(trace);
    release(trace.recording);
    this.fireBoth();
  }

  /** Ends a trace and deletes its recording. */
  async discard(trace: OpenTrace): Promise<void> {
    this.remove(trace);
    await rm(trace.recording, { force: true });
    await rm(savedMark(trace.recording), { force: true });
    release(trace.recording);
  }

  /** Deletes a recording that no window is writing. */
  async discardRecording({ path }: Recording): Promise<void> {
    await rm(path, { force: true });
    release(path);
    this.fireBoth();
  }

  private remove(trace: OpenTrace): void {
    const at = this.traces.findIndex((entry) => entry.trace === trace);
    const [entry] = at < 0 ? [] : this.traces.splice(at, 1);
    entry?.listener.dispose();
    trace.dispose();
    this.fireBoth();
  }

  private fireBoth(): void {
    this.changed.fire();
    this.listChanged.fire();
  }

  dispose(): void {
    for (const { trace, listener } of this.traces.splice(0)) {
      listener.dispose();
      trace.dispose();
      // At once: the window doesn't wait.
      if (this.isSaved(trace)) {
        rmSync(trace.recording, { force: true });
        rmSync(savedMark(trace.recording), { force: true });
      }
      release(trace.recording);
    }
    this.others.dispose();
    this.changed.dispose();
    this.listChanged.dispose();
  }
}

/** All that a list says of a trace. */
function wordsOf({ title, node, filter, status, message }: TraceSource): string {
  return JSON.stringify([title, node, filter, status, message]);
}

/** The file beside a recording that says that it is whole elsewhere. */
function savedMark(recording: string): string {
  return `${recording}.saved`;
}

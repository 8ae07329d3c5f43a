// Follows what other windows do with the recordings: one that they make, let go of or delete, and one that is left behind when they end.
import { watch, type FSWatcher } from 'node:fs';
import { isClaimed } from './claim.ts';

/** Changes that come together are one. */
const settleMs = 200;
/** A process that was killed says nothing: whether it still runs has to be looked at. */
const lookMs = 3_000;

/** Calls back when the recordings may be others than they were. */
export class OtherWindows {
  #watcher: FSWatcher | undefined;
  #settle: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #over = false;

  constructor(
    private readonly folder: string,
    private readonly changed: () => void,
  ) {}

  /** Follows from now on. `claimed`: the recordings that other windows write. */
  follow(claimed: readonly string[]): void {
    if (this.#over) return;
    clearTimeout(this.#look);
    this.#look = claimed.length === 0 ? undefined : setTimeout(() => void this.#lookAt(claimed), lookMs);
    this.#look?.unref();
    if (this.#watcher !== undefined) return;
    try {
      // Events that come with each write are 'change'.
      this.#watcher = watch(this.folder, { persistent: false }, (event) => {
        if (event === 'rename') this.#soon();
      });
      this.#watcher.on('error', () => this.#stopWatching());
    } catch {
      // Where a folder can't be watched, or isn't there yet, the next list follows it.
    }
  }

  async #lookAt(claimed: readonly string[]): Promise<void> {
    const still = await Promise.all(claimed.map((recording) => isClaimed(recording)));
    if (still.every(Boolean)) this.follow(claimed);
    else if (!this.#over) this.changed();
  }

  #soon(): void {
    this.#settle ??= setTimeout(() => {
      this.#settle = undefined;
      this.changed();
    }, settleMs);
    this.#settle.unref();
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  dispose(): void {
    this.#over = true;
    clearTimeout(this.#settle);
    clearTimeout(this.#look);
    this.#stopWatching();
  }
}

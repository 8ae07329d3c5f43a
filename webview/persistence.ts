// Keeps the state of the view where VS Code has it when the tab is shown again: soon after a change, and when the tab is hidden.
import { readState, type SavedState } from './state.ts';

/** A change is kept this much later, with those that follow it. */
const delayMs = 250;

/** Where VS Code keeps a webview's state. */
export interface StateStore {
  getState(): unknown;
  setState(state: unknown): void;
}

/** Reads what was kept, and keeps what there is. */
export class Persistence {
  private saving: ReturnType<typeof setTimeout> | undefined;

  /** `collect` gives the state as it is now. */
  constructor(
    private readonly store: StateStore,
    private readonly collect: () => SavedState,
  ) {
    document.addEventListener('visibilitychange', () => this.save());
    window.addEventListener('pagehide', () => this.save());
  }

  /** What was kept; undefined when there is nothing that can be used. */
  read(): SavedState | undefined {
    return readState(this.store.getState());
  }

  /** Something changed that is worth keeping. */
  saveSoon(): void {
    this.saving ??= setTimeout(() => this.save(), delayMs);
  }

  private save(): void {
    clearTimeout(this.saving);
    this.saving = undefined;
    this.store.setState(this.collect());
  }
}

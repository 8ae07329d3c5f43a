// Which trace is meant when nobody says so: the one whose tab is in front, of this window or of a file. The one place that knows it.
import type { TraceSource } from '../trace/source.ts';
import { Emitter } from './emitter.ts';
import type { OpenTrace } from './traces.ts';

/** A trace that has a tab. */
export interface ShownTrace {
  readonly source: TraceSource;
  /** Undefined for a file. */
  readonly trace: OpenTrace | undefined;
  /** Of the file, as text; undefined for a trace of this window. */
  readonly uri: string | undefined;
}

/** Follows the tabs of traces. */
export class ShownTraces {
  /** Tabs by what stands for them, the one that was in front last at the end. */
  readonly #tabs = new Map<object, ShownTrace>();
  #front: object | undefined;
  readonly #changed = new Emitter();
  /** Another tab is in front, or none of a trace. */
  readonly onDidChange = this.#changed.on;

  /** The trace whose tab is in front; undefined when another kind of tab is. */
  get front(): ShownTrace | undefined {
    return this.#front && this.#tabs.get(this.#front);
  }

  /** The trace whose tab is in front, or was last among those that are open. */
  get last(): ShownTrace | undefined {
    return [...this.#tabs.values()].at(-1);
  }

  /** A tab was opened or shows another trace; `active`: it is in front. */
  open(tab: object, trace: ShownTrace, active: boolean): void {
    this.#tabs.set(tab, trace);
    this.activate(tab, active);
  }

  /** A tab came to the front, or went from there. */
  activate(tab: object, active: boolean): void {
    const trace = this.#tabs.get(tab);
    if (trace === undefined) return;
    if (active) {
      this.#tabs.delete(tab);
      this.#tabs.set(tab, trace);
      this.#front = tab;
    } else if (this.#front === tab) this.#front = undefined;
    this.#changed.fire();
  }

  close(tab: object): void {
    this.#tabs.delete(tab);
    if (this.#front === tab) this.#front = undefined;
    this.#changed.fire();
  }

  dispose(): void {
    this.#changed.dispose();
  }
}

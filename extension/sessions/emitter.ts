// Tells whoever wants to know that something happened; VS Code's own emitter is not for what must run without it.

/** Tells each listener of a value. One that throws keeps the later ones from hearing of it. */
export class Emitter<T = void> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Calls back with each value until the answer is disposed. */
  readonly on = (listener: (value: T) => void): { dispose(): void } => {
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  };

  fire(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }

  /** Lets go of all listeners. */
  dispose(): void {
    this.#listeners.clear();
  }
}

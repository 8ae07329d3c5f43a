// Typed change events: who holds something tells those who show it, without knowing them. Pure.

type Listener<A extends readonly unknown[]> = (...args: A) => void;

/** Tells of named changes. `Events` has, for each name, what its listeners get. */
export class Changes<Events extends { readonly [K in keyof Events]: readonly unknown[] }> {
  private readonly listeners: { [K in keyof Events]?: Listener<Events[K]>[] } = {};

  /** Calls `listener` after each change of this name, in the order in which listeners were added. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): void {
    const listeners: Listener<Events[K]>[] = this.listeners[name] ?? [];
    listeners.push(listener);
    this.listeners[name] = listeners;
  }

  /** Calls `listener` after a change of any of these names. */
  onAny(names: readonly (keyof Events)[], listener: () => void): void {
    for (const name of names) this.on(name, () => listener());
  }

  protected fire<K extends keyof Events>(name: K, ...args: Events[K]): void {
    for (const listener of this.listeners[name] ?? []) listener(...args);
  }
}

// How much memory a trace may take, in bytes, since a row can be as long as whoever wrote it likes. What is beyond is left out and said.

/** For the events and all that comes with each: as many as the event limit takes, on any node that was measured. */
export const mostEventBytes = 2 ** 31;
/** For what is said about the events: names, hooks, symbols, stacks, programs. A thousand BPF programs with all their lines are some 300 MB. */
const mostTableBytes = 2 ** 29;

/** What a row costs beside its texts: the object, its place in a Map, its list's head. */
const row = 192;

/** About as much as a row with these texts takes in memory. A character may take two bytes. */
export function rowBytes(...texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + 2 * length, row);
}

/** What all tables of a trace may take together. */
export class Ceiling {
  #left: number;
  #refused = 0;

  constructor(private readonly bytes = mostTableBytes) {
    this.#left = bytes;
  }

  /** Takes room for a row in the place of one that took `before`. When there isn't as much, nothing is taken, and it has to be left out. */
  take(bytes: number, before = 0): boolean {
    if (bytes - before > this.#left) {
      this.#refused++;
      return false;
    }
    this.#left -= bytes - before;
    return true;
  }

  /** What a person is told when something was left out; empty when nothing was. */
  get message(): string {
    if (this.#refused === 0) return '';
    return `More is said about the events than is kept in memory (${Math.ceil(this.bytes / 2 ** 20)} MB): ${this.#refused.toLocaleString('en')} names and descriptions are left out.`;
  }
}

// Names of namespaces, interfaces and tasks, which change while a trace runs: a device is renamed, and a number is given again, to another
// namespace or task. Each event keeps the names that held when it came.
import { rowBytes, type Ceiling } from './ceiling.ts';
import type { Iface, Name, Netns, Task } from './metadata.ts';

/** The newest: for whoever asks without an event. */
const now = Infinity;

/** Values by key, of which each holds from a point on. Points only grow. */
class Changing<K, V> {
  readonly #newest = new Map<K, V>();
  /** What a key had before, each up to a point. */
  readonly #older = new Map<K, { readonly until: number; readonly value: V }[]>();

  /** @param bytes what a value takes with its key */
  constructor(
    private readonly ceiling: Ceiling,
    private readonly bytes: (value: V) => number,
  ) {}

  /** The value that held at a point. O(log changes of the key). */
  get(key: K, at: number): V | undefined {
    const older = this.#older.get(key);
    if (older === undefined) return this.#newest.get(key);
    let low = 0;
    let high = older.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (at < (older[middle]?.until ?? Infinity)) high = middle;
      else low = middle + 1;
    }
    return low < older.length ? older[low]?.value : this.#newest.get(key);
  }

  /** Sets the value, also for what has come already. */
  set(key: K, value: V): void {
    const before = this.#newest.get(key);
    if (this.ceiling.take(this.bytes(value), before === undefined ? 0 : this.bytes(before)))
      this.#newest.set(key, value);
  }

  /** Sets the value that holds from a point on. */
  change(key: K, value: V, from: number): void {
    const before = this.#newest.get(key);
    if (before === undefined) {
      this.set(key, value);
      return;
    }
    if (!this.ceiling.take(this.bytes(value))) return;
    const older = this.#older.get(key);
    if (older === undefined) this.#older.set(key, [{ until: from, value: before }]);
    else older.push({ until: from, value: before });
    this.#newest.set(key, value);
  }
}

/** What the newest word makes of the one before: nothing, the same thing known better, or another name. */
type Step = 'same' | 'better' | 'other';

function netnsStep(before: Netns, after: Netns): Step {
  const told = before.cookie !== 0n && after.cookie !== 0n;
  if (told && before.cookie !== after.cookie) return 'other';
  const same = before.name === after.name && before.pod === after.pod && before.container === after.container;
  if (same) return before.cookie === after.cookie || after.cookie === 0n ? 'same' : 'better';
  // A namespace may get its name once packets have passed it.
  const unnamed = before.name === '' && before.pod === '' && before.container === '';
  return unnamed && (told || before.cookie === after.cookie) ? 'better' : 'other';
}

function ifaceStep(before: Iface, after: Iface): Step {
  if (before.name === after.name && before.kind === after.kind) return 'same';
  return before.name === '' || (before.name === after.name && before.kind === '') ? 'better' : 'other';
}

/**
 * The names. Where an event was is known by its place (index in the trace's places); who ran then, by his pid and how many others had
 * that before. Both are points from which names hold.
 */
export class NameTable {
  readonly #netns: Changing<number, Netns>;
  readonly #iface: Changing<string, Iface>;
  readonly #task: Changing<number, string>;
  readonly #owners = new Map<number, number>();
  /** Grows when a namespace's or an interface's name changed, for caches. */
  generation = 0;

  constructor(ceiling: Ceiling) {
    this.#netns = new Changing(ceiling, ({ name, pod, container }) => rowBytes(name, pod, container));
    this.#iface = new Changing(ceiling, ({ name, kind }) => rowBytes(name, kind));
    this.#task = new Changing(ceiling, (comm) => rowBytes(comm));
  }

  /**
   * Takes a name that holds from now on; `place` is the next place that will be new.
   * @returns whether the events that follow have to have new places, since the name of one that is known has changed
   */
  add({ netns, iface, task }: Name, place: number): boolean {
    if (netns !== undefined) {
      const before = this.#netns.get(netns.inum, now);
      const step = before === undefined ? 'better' : netnsStep(before, netns);
      return this.#take(this.#netns, netns.inum, netns, step, place);
    }
    if (iface !== undefined) {
      const key = `${iface.netns}/${iface.ifindex}`;
      const before = this.#iface.get(key, now);
      const step = before === undefined ? 'better' : ifaceStep(before, iface);
      return this.#take(this.#iface, key, iface, step, place);
    }
    if (task !== undefined) this.#addTask(task);
    return false;
  }

  #take<K, V>(table: Changing<K, V>, key: K, value: V, step: Step, place: number): boolean {
    if (step === 'same') return false;
    if (step === 'other') table.change(key, value, place);
    else table.set(key, value);
    this.generation++;
    return step === 'other';
  }

  #addTask({ pid, comm }: Task): void {
    const before = this.#task.get(pid, now);
    if (before === comm) return;
    if (before === undefined || before === '') {
      this.#task.set(pid, comm);
      return;
    }
    const owner = this.owner(pid) + 1;
    this.#task.change(pid, comm, owner);
    this.#owners.set(pid, owner);
  }

  netnsEntry(inum: number, place = now): Netns | undefined {
    return this.#netns.get(inum, place);
  }

  /** Name, else pod or container, else the inode number; empty for 0. */
  netns(inum: number, place = now): string {
    if (inum === 0) return '';
    const entry = this.netnsEntry(inum, place);
    const known = [entry?.name, entry?.pod, entry?.container].find((name) => name !== undefined && name !== '');
    return known ?? String(inum);
  }

  ifaceEntry(netns: number, ifindex: number, place = now): Iface | undefined {
    return this.#iface.get(`${netns}/${ifindex}`, place);
  }

  /** Name, else "if 3"; empty for 0. */
  iface(netns: number, ifindex: number, place = now): string {
    if (ifindex === 0) return '';
    const name = this.ifaceEntry(netns, ifindex, place)?.name ?? '';
    return name === '' ? `if ${ifindex}` : name;
  }

  /** How many tasks of other names have had this pid: what tells the events of one from those of the next. */
  owner(pid: number): number {
    return this.#owners.get(pid) ?? 0;
  }

  comm(pid: number, owner = now): string {
    return this.#task.get(pid, owner) ?? '';
  }
}

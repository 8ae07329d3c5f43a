// What the stream says about things that events only name by number: hooks, symbols, reasons, stacks; and names, in names.ts. Each
// table has a ceiling, so that a hostile stream can't grow them without bound.
import { LimitError } from './error.ts';
import { layers } from '../protocol/timeline.ts';
import { layerOf } from './layer.ts';
import type { Hook, HookStatus, KernelSymbol, Reason, Stack } from './metadata.ts';

/** Ceilings of the tables, far above what any kernel has. Exceeding one throws a LimitError. */
export const limits = {
  hooks: 1 << 18,
  names: 1 << 20,
  symbols: 1 << 20,
  reasons: 1 << 16,
  stackFrames: 1 << 23,
  gaps: 1 << 18,
  clocks: 1 << 18,
  programs: 1 << 16,
  /** Attachments, slots, images and names of all programs together. */
  programItems: 1 << 22,
  /** Characters of all programs' lines and logs together. */
  programText: 1 << 26,
} as const;

/** Sets an entry. Throws a LimitError when that would be one too many. */
export function bounded<K, V>(map: Map<K, V>, key: K, value: V, limit: number, what: string): void {
  if (map.size >= limit && !map.has(key)) throw new LimitError(`more than ${limit} ${what}`);
  map.set(key, value);
}

/** Hook table and what became of the hooks. */
export class HookTable {
  readonly #byId = new Map<number, Hook>();
  readonly #layer = new Map<number, number>();
  readonly #status = new Map<number, HookStatus>();
  readonly #skipped: HookStatus[] = [];
  readonly #count = new Map<HookStatus['state'], number>();
  /** Grows whenever the table does, for caches. */
  generation = 0;

  add(hooks: readonly Hook[]): void {
    for (const hook of hooks) {
      bounded(this.#byId, hook.id, hook, limits.hooks, 'hooks');
      this.#layer.set(hook.id, layers.indexOf(layerOf(hook)));
    }
    this.generation++;
  }

  setStatus(statuses: readonly HookStatus[]): void {
    const count = (state: HookStatus['state'], by: number): void => {
      this.#count.set(state, this.countOf(state) + by);
    };
    for (const status of statuses) {
      const before = this.#status.get(status.id);
      if (status.id !== 0) bounded(this.#status, status.id, status, limits.hooks, 'hook statuses');
      else if (this.#skipped.length < limits.hooks) this.#skipped.push(status);
      else throw new LimitError(`more than ${limits.hooks} skipped hooks`);
      if (before !== undefined) count(before.state, -1);
      count(status.state, 1);
    }
  }

  get(id: number): Hook | undefined {
    return this.#byId.get(id);
  }

  /** Whether other functions of the same module have the name. O(hooks). */
  sharesName({ id, function: name, module }: Hook): boolean {
    for (const other of this.#byId.values())
      if (other.id !== id && other.function === name && other.module === module) return true;
    return false;
  }

  /** The hook's function, "hook 7" when the table doesn't have it. */
  name(id: number): string {
    return this.#byId.get(id)?.function ?? `hook ${id}`;
  }

  /** Index in `layers`. */
  layer(id: number): number {
    return this.#layer.get(id) ?? layers.length - 1;
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): IterableIterator<Hook> {
    return this.#byId.values();
  }

  /** The newest status of each hook, then those that never got into the hook table. */
  statuses(): readonly HookStatus[] {
    return [...this.#status.values(), ...this.#skipped];
  }

  countOf(state: HookStatus['state']): number {
    return this.#count.get(state) ?? 0;
  }

  /** Hooks that are still to be attached: of which nothing was said yet. */
  get waiting(): number {
    return Math.max(0, this.#byId.size - this.#status.size);
  }

  /** Functions of the first few hooks in a state, in the order of the hook table. O(hooks). */
  first(state: HookStatus['state'], most: number): readonly string[] {
    const found: string[] = [];
    if (this.countOf(state) === 0) return found;
    for (const status of this.#status.values()) {
      if (status.state === state) found.push(status.function === '' ? this.name(status.id) : status.function);
      if (found.length === most) break;
    }
    return found;
  }
}

/** A symbol whose size isn't told ends with a page at the latest: nothing says that it is longer. */
const unknownSize = 4096;

/** Kernel symbols: address → name + offset. */
export class SymbolTable {
  /** In the order in which they came. */
  readonly #byAddress = new Map<bigint, KernelSymbol>();
  /** By address, none in another one's code. */
  #sorted: readonly KernelSymbol[] | undefined;

  add(symbols: readonly KernelSymbol[]): void {
    for (const symbol of symbols) {
      this.#byAddress.delete(symbol.address);
      bounded(this.#byAddress, symbol.address, symbol, limits.symbols, 'symbols');
    }
    this.#sorted = undefined;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  /** The symbol that holds the address. O(log n), after one sort whenever symbols came. */
  find(address: bigint): { readonly symbol: KernelSymbol; readonly offset: number } | undefined {
    this.#sorted ??= withoutReplaced([...this.#byAddress.values()]);
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const symbol = this.#sorted[middle];
      if (symbol !== undefined && symbol.address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.#sorted[low - 1];
    if (symbol === undefined) return undefined;
    const offset = address - symbol.address;
    return offset < (symbol.size || unknownSize) ? { symbol, offset: Number(offset) } : undefined;
  }

  /** "kfree_skb_reason+0x2c", "nft_do_chain+0x1a [nf_tables]", or the bare address in hex. */
  text(address: bigint): string {
    return symbolText(address, this.find(address), 0);
  }

  /**
   * The same of an address that a call returns to. The call is before it, and may be the last of its function: so the kernel itself reads
   * its stacks (sprint_backtrace, kernel/kallsyms.c).
   */
  returnText(address: bigint): string {
    return symbolText(address, this.find(address - 1n), 1);
  }
}

function symbolText(address: bigint, found: ReturnType<SymbolTable['find']>, behind: number): string {
  if (found === undefined) return hex64(address);
  const { symbol, offset } = found;
  const at = offset + behind === 0 ? '' : `+0x${(offset + behind).toString(16)}`;
  return `${symbol.name}${at}${symbol.module === '' ? '' : ` [${symbol.module}]`}`;
}

/** Symbols by address, less those that newer ones lie over: their module or program has gone, and others came to its place. */
function withoutReplaced(arrived: readonly KernelSymbol[]): readonly KernelSymbol[] {
  const order = arrived.map((symbol, age) => ({ symbol, age, end: symbol.address + BigInt(symbol.size) }));
  order.sort((a, b) => (a.symbol.address < b.symbol.address ? -1 : 1));
  const kept: typeof order = [];
  for (const next of order) {
    let last = kept.at(-1);
    while (last !== undefined && last.end > next.symbol.address && last.age < next.age) {
      kept.pop();
      last = kept.at(-1);
    }
    if (last === undefined || last.end <= next.symbol.address) kept.push(next);
  }
  return kept.map(({ symbol }) => symbol);
}

/** A 64-bit address as "0xffff888003a2b400". */
export function hex64(address: bigint): string {
  return `0x${address.toString(16).padStart(16, '0')}`;
}

/** Drop reasons of the traced kernel. */
export class ReasonTable {
  readonly #byValue = new Map<number, string>();
  generation = 0;

  add(reasons: readonly Reason[]): void {
    for (const { value, name } of reasons) bounded(this.#byValue, value, name, limits.reasons, 'drop reasons');
    this.generation++;
  }

  /** Kernels before 5.17 give none, which comes as an unnamed 0. */
  name(value: number): string {
    return this.#byValue.get(value) ?? (value === 0 ? 'no reason given' : `reason ${value}`);
  }
}

/** Call stacks by id. */
export class StackTable {
  readonly #byId = new Map<number, readonly bigint[]>();
  #frames = 0;

  add(stacks: readonly Stack[]): void {
    for (const stack of stacks) {
      this.#frames += stack.addresses.length + 1;
      if (this.#frames > limits.stackFrames) throw new LimitError(`more than ${limits.stackFrames} stack frames`);
      this.#byId.set(stack.id, stack.addresses);
    }
  }

  /** Innermost first; empty for an unknown id. */
  get(id: number): readonly bigint[] {
    return this.#byId.get(id) ?? [];
  }
}

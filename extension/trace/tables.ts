// What the stream says about things that events only name by number: hooks, symbols, reasons, stacks; and names, in names.ts. All tables
// of a trace are under one ceiling, so that a hostile stream can't grow them without bound.
import { layers } from '../protocol/timeline.ts';
import { rowBytes, type Ceiling } from './ceiling.ts';
import { layerOf } from './layer.ts';
import type { Hook, HookStatus, KernelSymbol, Reason, Stack } from './metadata.ts';

/** Hook table and what became of the hooks. */
export class HookTable {
  readonly #byId = new Map<number, Hook>();
  readonly #layer = new Map<number, number>();
  readonly #status = new Map<number, HookStatus>();
  readonly #skipped: HookStatus[] = [];
  readonly #count = new Map<HookStatus['state'], number>();
  /** Grows whenever the table does, for caches. */
  generation = 0;

  constructor(private readonly ceiling: Ceiling) {}

  add(hooks: Iterable<Hook>): void {
    for (const hook of hooks) {
      if (!this.ceiling.take(hookBytes(hook), hookBytes(this.#byId.get(hook.id)))) continue;
      this.#byId.set(hook.id, hook);
      this.#layer.set(hook.id, layers.indexOf(layerOf(hook)));
    }
    this.generation++;
  }

  setStatus(status: HookStatus): void {
    const before = this.#status.get(status.id);
    if (!this.ceiling.take(statusBytes(status), statusBytes(before))) return;
    if (status.id !== 0) this.#status.set(status.id, status);
    else this.#skipped.push(status);
    if (before !== undefined) this.#count.set(before.state, this.countOf(before.state) - 1);
    this.#count.set(status.state, this.countOf(status.state) + 1);
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

/** What a hook takes with its layer; nothing for none. */
function hookBytes(hook: Hook | undefined): number {
  return hook === undefined ? 0 : rowBytes(hook.function, hook.module, hook.prototype);
}

function statusBytes(status: HookStatus | undefined): number {
  return status === undefined ? 0 : rowBytes(status.reason, status.function, status.module);
}

/** A symbol whose size isn't told ends with a page at the latest: nothing says that it is longer. */
const unknownSize = 4096;

/** Kernel symbols: address → name + offset. */
export class SymbolTable {
  /** In the order in which they came. */
  readonly #byAddress = new Map<bigint, KernelSymbol>();
  /** By address, none in another one's code. */
  #sorted: readonly KernelSymbol[] | undefined;

  constructor(private readonly ceiling: Ceiling) {}

  add(symbols: Iterable<KernelSymbol>): void {
    for (const symbol of symbols) {
      if (!this.ceiling.take(symbolBytes(symbol), symbolBytes(this.#byAddress.get(symbol.address)))) continue;
      this.#byAddress.delete(symbol.address);
      this.#byAddress.set(symbol.address, symbol);
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

function symbolBytes(symbol: KernelSymbol | undefined): number {
  return symbol === undefined ? 0 : rowBytes(symbol.name, symbol.module);
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

  constructor(private readonly ceiling: Ceiling) {}

  add(reasons: Iterable<Reason>): void {
    for (const { value, name } of reasons) {
      const before = this.#byValue.get(value);
      if (this.ceiling.take(rowBytes(name), before === undefined ? 0 : rowBytes(before)))
        this.#byValue.set(value, name);
    }
    this.generation++;
  }

  /** Kernels before 5.17 give none, which comes as an unnamed 0. */
  name(value: number): string {
    return this.#byValue.get(value) ?? (value === 0 ? 'no reason given' : `reason ${value}`);
  }

  /** Whether this kernel has a reason of that name. */
  has(name: string): boolean {
    return [...this.#byValue.values()].includes(name);
  }
}

/** Call stacks by id. */
export class StackTable {
  readonly #byId = new Map<number, BigUint64Array>();

  constructor(private readonly ceiling: Ceiling) {}

  add(stacks: Iterable<Stack>): void {
    for (const { id, addresses } of stacks) {
      const stack = BigUint64Array.from(addresses);
      if (this.ceiling.take(stackBytes(stack), stackBytes(this.#byId.get(id)))) this.#byId.set(id, stack);
    }
  }

  /** Innermost first; empty for an unknown id. */
  get(id: number): readonly bigint[] {
    return [...(this.#byId.get(id) ?? [])];
  }
}

function stackBytes(stack: BigUint64Array | undefined): number {
  return stack === undefined ? 0 : rowBytes() + stack.byteLength;
}

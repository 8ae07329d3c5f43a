// The BPF programs of the node: what is known of each, whose code an address lies in, and who can tail-call whom.
import { rowBytes, type Ceiling } from './ceiling.ts';
import type { Hook } from './metadata.ts';
import type { Image, Program, ProgramSource, SourceLine, TailCall } from './programMessages.ts';

/** Image with its program, for the search by address. */
interface PlacedImage {
  readonly image: Image;
  readonly program: number;
}

/** Programs that were replaced may have left their place to others: this many images are looked at before giving up. */
const maxOverlap = 64;
/** Steps of a search through the tail-call graph; a graph that needs more has no one path. */
const maxSteps = 10_000;
/** MAX_TAIL_CALL_CNT of include/linux/bpf.h: no program gets further. */
const maxTailCalls = 33;
const keptPaths = 10_000;

/** Programs by id; the newest message about one wins. */
export class ProgramTable {
  readonly #byId = new Map<number, Program>();
  /** Hook id → program id, from the programs' own words. */
  readonly #byHook = new Map<number, number>();
  readonly #sources = new Map<number, readonly SourceLine[]>();
  #images: readonly PlacedImage[] | undefined;
  /** Program id → ids of those that have it in a slot. */
  #callers: ReadonlyMap<number, readonly number[]> | undefined;
  readonly #paths = new Map<string, readonly Program[] | undefined>();
  /** Grows whenever the table does, for caches. */
  generation = 0;

  constructor(private readonly ceiling: Ceiling) {}

  add(programs: Iterable<Program>): void {
    for (const told of programs) {
      const known = this.#byId.get(told.id);
      const program = known !== undefined && told.state === 'gone' ? remembered(known, told) : told;
      if (!this.ceiling.take(programBytes(program), known === undefined ? 0 : programBytes(known))) continue;
      this.#byId.set(program.id, program);
      for (const hook of [program.entryHook, program.verdictHook]) if (hook !== 0) this.#byHook.set(hook, program.id);
    }
    this.#images = undefined;
    this.#callers = undefined;
    this.#paths.clear();
    this.generation++;
  }

  /** Keeps a program's lines. */
  addSource({ program, lines }: ProgramSource): void {
    if (program === 0) return;
    if (this.ceiling.take(sourceBytes(lines), sourceBytes(this.source(program)))) this.#sources.set(program, lines);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: number): Program | undefined {
    return this.#byId.get(id);
  }

  all(): IterableIterator<Program> {
    return this.#byId.values();
  }

  /** The program's lines in the order of its instructions; empty while they aren't known. */
  source(id: number): readonly SourceLine[] {
    return this.#sources.get(id) ?? [];
  }

  /** The program whose entry or verdict a hook is; undefined for other hooks. */
  ofHook(hook: Hook | undefined): Program | undefined {
    if (hook === undefined || !isProgramHook(hook)) return undefined;
    return this.#byId.get(hook.program !== 0 ? hook.program : (this.#byHook.get(hook.id) ?? 0));
  }

  /**
   * The program whose code calls, at a time (CLOCK_MONOTONIC ns), what returns to this address. The call is before it, and may be the
   * last of the code.
   */
  at(caller: bigint, mono: bigint): Program | undefined {
    if (this.#byId.size === 0) return undefined;
    const address = caller - 1n;
    this.#images ??= [...this.#byId.values()]
      .flatMap(({ id, images }) => images.map((image) => ({ image, program: id })))
      .sort((a, b) => (a.image.address < b.image.address ? -1 : a.image.address > b.image.address ? 1 : 0));
    const images = this.#images;
    let low = 0;
    let high = images.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((images[middle]?.image.address ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= Math.max(0, low - maxOverlap); i--) {
      const found = images[i];
      if (found === undefined) continue;
      const program = this.#byId.get(found.program);
      if (program === undefined || (program.goneNs !== 0n && program.goneNs < mono)) continue;
      if (address < found.image.address + BigInt(found.image.size)) return program;
    }
    return undefined;
  }

  /**
   * The programs on the way from one to another by tail calls, the last included, when there is exactly one way;
   * undefined when there is none, several, or more than a person would want to wait for.
   */
  tailCallPath(from: number, to: number): readonly Program[] | undefined {
    const key = `${from} ${to}`;
    if (this.#paths.has(key)) return this.#paths.get(key);
    const path = this.#findPath(from, to);
    if (this.#paths.size < keptPaths) this.#paths.set(key, path);
    return path;
  }

  /** The first program that has another in a slot, with the slot; undefined when none has. */
  callerOf(id: number): { readonly program: Program; readonly slot: TailCall } | undefined {
    const program = this.#byId.get(this.#callersOf(id)[0] ?? 0);
    const slot = program?.tailCalls.find((call) => call.program === id);
    return program === undefined || slot === undefined ? undefined : { program, slot };
  }

  #findPath(from: number, to: number): readonly Program[] | undefined {
    // What can't reach the target is never walked into: so a second way is found soon if there is one.
    const reaching = new Set([to]);
    for (const id of reaching) for (const caller of this.#callersOf(id)) reaching.add(caller);
    const found: number[][] = [];
    const path: number[] = [];
    let steps = 0;
    const visit = (id: number): void => {
      for (const target of new Set(this.#byId.get(id)?.tailCalls.map(({ program }) => program))) {
        if (++steps > maxSteps || found.length > 1) return;
        if (target === to) found.push([...path, target]);
        else if (reaching.has(target) && target !== from && !path.includes(target) && path.length < maxTailCalls) {
          path.push(target);
          visit(target);
          path.pop();
        }
      }
    };
    visit(from);
    const [only] = found;
    if (only === undefined || found.length > 1 || steps > maxSteps) return undefined;
    const programs = only.map((id) => this.#byId.get(id)).filter((program) => program !== undefined);
    return programs.length === only.length ? programs : undefined;
  }

  #callersOf(id: number): readonly number[] {
    if (this.#callers === undefined) {
      const callers = new Map<number, number[]>();
      for (const { id: caller, tailCalls } of this.#byId.values()) {
        for (const { program } of tailCalls) {
          const list = callers.get(program);
          if (list === undefined) callers.set(program, [caller]);
          else if (list.at(-1) !== caller) list.push(caller);
        }
      }
      this.#callers = callers;
    }
    return this.#callers.get(id) ?? [];
  }
}

/** Whether a hook is a BPF program's own: its entry or its verdict. */
export function isProgramHook({ kind }: Pick<Hook, 'kind'>): boolean {
  return kind === 'BPF entry' || kind === 'BPF verdict';
}

function programBytes({ name, tag, reason, log, file, attachments, maps, pins, tailCalls, images }: Program): number {
  const parts = [
    rowBytes(name, tag, reason, log, file),
    ...attachments.map(({ kind, label }) => rowBytes(kind, label)),
    ...[...maps, ...pins].map((text) => rowBytes(text)),
    ...tailCalls.map(({ map }) => rowBytes(map)),
    ...images.map((image) => rowBytes(image.name)),
  ];
  // Its place in the list by address, and its hooks' in theirs.
  return parts.reduce((sum, bytes) => sum + bytes, 2 * rowBytes());
}

function sourceBytes(lines: readonly SourceLine[]): number {
  const names = new Set(lines.flatMap(({ file, function: name }) => [file, name]));
  return lines.reduce((sum, { text }) => sum + rowBytes(text), rowBytes(...names));
}

/** A program that is gone has no attachments any more; what it had still explains its earlier events. */
function remembered(known: Program, told: Program): Program {
  const list = <T>(now: readonly T[], before: readonly T[]): readonly T[] => (now.length > 0 ? now : before);
  return {
    ...told,
    type: told.type || known.type,
    name: told.name || known.name,
    tag: told.tag || known.tag,
    reason: told.reason || known.reason,
    log: told.log || known.log,
    attachments: list(told.attachments, known.attachments),
    maps: list(told.maps, known.maps),
    pins: list(told.pins, known.pins),
    tailCalls: list(told.tailCalls, known.tailCalls),
    images: list(told.images, known.images),
    entryHook: told.entryHook || known.entryHook,
    verdictHook: told.verdictHook || known.verdictHook,
    file: told.file || known.file,
    line: told.line || known.line,
  };
}

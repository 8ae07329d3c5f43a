// What a declaration at file scope of a C file defines, judged by its tokens: the shapes that kernel code gives functions and tracepoints.

/** What is known of a definition beyond its place; a bit mask. */
export const Flag = {
  static: 1,
  inline: 2,
  /** An inline function that does nothing, or returns at once: what headers give when an option is off. */
  stub: 4,
  weak: 8,
  /** Made by a macro: SYSCALL_DEFINE3(…), BPF_CALL_2(…). */
  macro: 16,
  /** TRACE_EVENT and its kin; the name is "system:event", and ":event" for the functions that are made of it. LSM_HOOK, too. */
  tracepoint: 32,
} as const;

/** What is defined: its name, the byte where it is named, and its {@link Flag} mask. */
export interface Declared {
  readonly name: string;
  readonly at: number;
  readonly flags: number;
}

/** What a token is. A group is a pair of parentheses with all that is inside. */
export const Kind = { word: 0, group: 1, string: 2, other: 3 } as const;
const tokenLimit = 512;

const star = '*'.charCodeAt(0);
const equals = '='.charCodeAt(0);

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Words that never make up a return type by themselves. */
const specifiers = words(`
  static inline extern const volatile register __inline __inline__ __always_inline noinline noinline_for_stack __init __exit
  asmlinkage notrace noinstr __must_check __weak __visible __cold __used __maybe_unused __bpf_kfunc __net_init __net_exit
  INDIRECT_CALLABLE_SCOPE TC_INDIRECT_SCOPE __sched __ref __cpuinit __meminit __noreturn __flatten __pure nokprobe_inline
  __latent_entropy __latent_hot __no_kasan_or_inline __no_sanitize_address __init_or_module __diag_push __diag_pop`);
/** Attributes that take arguments and may stand before or after a function's name. */
const attributes = words(`
  __attribute__ __attribute __aligned __section __printf __scanf __acquires __releases __must_hold __cond_acquires __must_hold_shared
  __acquires_shared __releases_shared __alloc_size __realloc_size __assume_aligned __malloc __no_sanitize __target __nonnull
  __context__ __diagnose_as __diag __diag_ignore __diag_ignore_all __counted_by __declspec _Alignas __alias
  __copy __cleanup __error __warning __gnu_printf`);
const typeOperators = words('typeof __typeof__ __typeof typeof_unqual _Atomic');
/** Words that start or continue a statement: what looks like a definition after them is a statement gone astray. */
const statements = words(`
  if else for while do switch return goto case default break continue sizeof typedef asm __asm__ _Static_assert static_assert`);

const tracepoints: ReadonlyMap<string, number> = new Map([
  // Macro → which argument names the event (include/linux/tracepoint.h, include/trace/define_trace.h).
  ['TRACE_EVENT', 0],
  ['TRACE_EVENT_CONDITION', 0],
  ['TRACE_EVENT_FN', 0],
  ['TRACE_EVENT_FN_COND', 0],
  ['TRACE_EVENT_SYSCALL', 0],
  ['DEFINE_EVENT', 1],
  ['DEFINE_EVENT_FN', 1],
  ['DEFINE_EVENT_PRINT', 1],
  ['DEFINE_EVENT_CONDITION', 1],
]);
/** Macros whose events have functions, but no tracepoint of that name in tracefs: the same, of the first argument. */
const bareTracepoints = words('DECLARE_EVENT_CLASS DECLARE_TRACE DECLARE_TRACE_CONDITION');

/** The tokens of the declaration that is being read, as columns. */
export class Tokens {
  readonly kinds = new Uint8Array(tokenLimit);
  readonly begins = new Int32Array(tokenLimit);
  private readonly ends = new Int32Array(tokenLimit);
  length = 0;
  /** Counts how often tokens were let go, to see whether those of before are still there. */
  resets = 0;

  constructor(private readonly bytes: Buffer) {}

  push(kind: number, begin: number, end: number): void {
    if (this.length === tokenLimit) {
      // A long run of macros without semicolons: only its end can belong to a definition.
      const half = tokenLimit / 2;
      for (const column of [this.kinds, this.begins, this.ends]) column.copyWithin(0, half);
      this.length = half;
      this.resets++;
    }
    this.kinds[this.length] = kind;
    this.begins[this.length] = begin;
    this.ends[this.length] = end;
    this.length++;
  }

  text(token: number): string {
    return this.bytes.toString('latin1', this.begins[token], this.ends[token]);
  }

  isGroup(token: number): boolean {
    return token < this.length && this.kinds[token] === Kind.group;
  }

  firstByte(token: number): number | undefined {
    return this.bytes[this.begins[token] ?? 0];
  }

  /** The text between a group's parentheses; of a long one the beginning. */
  inside(group: number): string {
    const begin = (this.begins[group] ?? 0) + 1;
    return this.bytes.toString('latin1', begin, Math.max(begin, Math.min(this.ends[group] ?? 0, begin + 399) - 1));
  }

  /** Begins anew. */
  forget(): void {
    this.length = 0;
    this.resets++;
  }
}

/** The function that the tokens before a body define; undefined when they define none. */
export function definedFunction(tokens: Tokens): Declared | undefined {
  let typed = false; // a return type was seen
  let flags = 0;
  let found: { name: string; at: number } | undefined;
  for (let token = 0; token < tokens.length; token++) {
    const kind = tokens.kinds[token];
    const beforeGroup = tokens.isGroup(token + 1);
    if (kind === Kind.word) {
      const word = tokens.text(token);
      if (statements.has(word)) return undefined;
      if (beforeGroup && tokens.isGroup(token + 2) && /[a-z]/.test(word)) {
        const inside = nameInside(tokens, token + 1);
        if (inside !== undefined) {
          found = inside;
          token += 2;
          continue;
        }
      }
      if (word === 'static') flags |= Flag.static;
      else if (/^_*(?:always_)?inline(?:__)?$|_inline$/.test(word) && word !== 'noinline') flags |= Flag.inline;
      else if (word === '__weak') flags |= Flag.weak;
      if (typeOperators.has(word)) {
        typed = true;
        if (beforeGroup) token++;
      } else if (beforeGroup) {
        const afterGroup = token > 0 && tokens.kinds[token - 1] === Kind.group && found !== undefined;
        if (attributes.has(word) || afterGroup) {
          if (word === '__attribute__' && /\bweak\b/.test(tokens.text(token + 1))) flags |= Flag.weak;
        } else if (typed) {
          found = { name: word, at: tokens.begins[token] ?? 0 };
        } else if (token + 2 < tokens.length) {
          flags = 0; // A macro invoked without a semicolon: what comes next starts anew.
        }
        token++;
      } else if (!specifiers.has(word)) {
        typed = true;
      }
    } else if (kind === Kind.group) {
      if (typed && beforeGroup) found = nameInside(tokens, token) ?? found;
    } else if (kind === Kind.string) {
      typed = false;
      found = undefined;
    } else if (tokens.firstByte(token) !== star) {
      if (tokens.firstByte(token) === equals) return undefined;
      typed = false;
      found = undefined;
    }
  }
  const last = tokens.length - 2;
  const byMacro =
    tokens.isGroup(last + 1) && tokens.kinds[last] === Kind.word ? macroDefinition(tokens, last, flags) : undefined;
  return byMacro ?? (found === undefined ? undefined : { ...found, flags });
}

/** The name in `int (*name(int a))(int b)`, a function that returns a pointer to one, or in `int (name)(int a)`. */
function nameInside(tokens: Tokens, group: number): { name: string; at: number } | undefined {
  const match = /^\(\s*(?:\*\s*(?:const\s+)?(?=\w+\s*\()|(?=\w+\s*\)))(\w+)/.exec(tokens.text(group));
  const name = match?.[1];
  if (name === undefined || match === null) return undefined;
  return { name, at: (tokens.begins[group] ?? 0) + match[0].length - name.length };
}

/** SYSCALL_DEFINE2(name, …) {, BPF_CALL_1(name, …) {, DEFINE_IDTENTRY(name) {. */
function macroDefinition(tokens: Tokens, token: number, flags: number): Declared | undefined {
  const macro = tokens.text(token);
  const syscall = /^(COMPAT_)?(?:\w+_)?SYSCALL(?:32)?_DEFINE\d$/.exec(macro);
  if (syscall === null && !/^BPF_CALL_\d$|(?:^|_)DEFINE(?:_|$)/.test(macro)) return undefined;
  const name = argument(tokens, token + 1, 0);
  if (name === undefined) return undefined;
  const prefix = syscall === null ? '' : syscall[1] === undefined ? 'sys_' : 'compat_sys_';
  return { name: prefix + name, at: tokens.begins[token] ?? 0, flags: flags | Flag.macro };
}

/**
 * The tracepoints, without their system, that the tokens before a semicolon define; `bare`: what only has functions made of its name
 * (__traceiter_NAME, trace_event_raw_event_NAME).
 */
export function* definedTracepoints(tokens: Tokens): Generator<Declared & { readonly bare: boolean }> {
  for (let token = 0; token + 1 < tokens.length; token++) {
    if (tokens.kinds[token] !== Kind.word || tokens.kinds[token + 1] !== Kind.group) continue;
    const macro = tokens.text(token);
    const bare = bareTracepoints.has(macro);
    const index = bare ? 0 : tracepoints.get(macro);
    const name = index === undefined ? undefined : argument(tokens, token + 1, index);
    if (name !== undefined) yield { name, at: tokens.begins[token] ?? 0, flags: Flag.tracepoint | Flag.macro, bare };
  }
}

const letterL = 'L'.charCodeAt(0);

/**
 * The function that the group which was read last makes of a security hook: LSM_HOOK(int, 0, NAME, …) of include/linux/lsm_hook_defs.h is
 * bpf_lsm_NAME() in kernel/bpf/bpf_lsm.c. No semicolon follows, so it is looked at at once.
 */
export function definedHook(tokens: Tokens): Declared | undefined {
  const token = tokens.length - 2;
  if (token < 0 || tokens.kinds[token] !== Kind.word || tokens.firstByte(token) !== letterL) return undefined;
  if (tokens.text(token) !== 'LSM_HOOK') return undefined;
  const name = argument(tokens, token + 1, 2);
  return name === undefined
    ? undefined
    : { name: `bpf_lsm_${name}`, at: tokens.begins[token] ?? 0, flags: Flag.tracepoint | Flag.macro };
}

/** The n-th argument of a macro call, when it is a plain name. */
function argument(tokens: Tokens, group: number, index: number): string | undefined {
  const all = tokens
    .inside(group)
    .replace(/\/\*[^]*?\*\//g, ' ')
    .split(',');
  const word = all[index]?.trim();
  return word !== undefined && /^\w+$/.test(word) ? word : undefined;
}

// Finds the function and tracepoint definitions in one C file of a kernel tree, without a compiler: a single pass over the
// bytes that knows comments, literals, preprocessor branches and the shape of a definition at file scope.

/** What is known of a definition beyond its place; a bit mask. */
export const Flag = {
  static: 1,
  inline: 2,
  /** An inline function that does nothing, or returns at once: what headers give when an option is off. */
  stub: 4,
  weak: 8,
  /** Made by a macro: SYSCALL_DEFINE3(…), BPF_CALL_2(…). */
  macro: 16,
  /** TRACE_EVENT and its kin; the name is "system:event". */
  tracepoint: 32,
} as const;

/** Receives each definition, in the file's order: its name, 1-based line and {@link Flag} mask. */
export type OnDefinition = (name: string, line: number, flags: number) => void;

const code = (text: string): number => text.charCodeAt(0);
const newline = code('\n');
const backslash = code('\\');
const star = code('*');
const slash = code('/');
const quote = code('"');
const apostrophe = code("'");
const hash = code('#');
const openBrace = code('{');
const closeBrace = code('}');
const openParen = code('(');
const closeParen = code(')');
const semicolon = code(';');
const equals = code('=');

const isSpace = table(' \t\r\n\f\v\\');
const isWord = table('_$0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ');
/** Bytes that matter inside a function body; everything else is skipped in a tight loop. */
const mattersInBody = table('"\'/#{}');
/** Bytes that matter inside parentheses at file scope. */
const mattersInParens = table('"\'/#{}()');

/** First letters of the directives that matter: if, ifdef, ifndef, elif, else, endif; define for TRACE_SYSTEM, mostly in short files. */
const directives = table('ied');

function table(members: string): Uint8Array {
  const bytes = new Uint8Array(256);
  for (const member of members) bytes[code(member)] = 1;
  return bytes;
}

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

const Kind = { word: 0, group: 1, string: 2, other: 3 } as const;
const tokenLimit = 512;
const nestingLimit = 256;

interface Branch {
  readonly braces: number;
  readonly parens: number;
  readonly tokens: number;
  /** Counts resets of the token list, to see whether the tokens of before the branch are still there. */
  readonly resets: number;
  /** The #else of this branch is not C: it is for the assembler. */
  readonly elseIsInactive: boolean;
}

/** Reports every definition in a file. Never throws on malformed C: what can't be understood is passed over. */
export function scan(bytes: Buffer, onDefinition: OnDefinition): void {
  new Scanner(bytes, onDefinition).run();
}

class Scanner {
  private position = 0;
  private braces = 0;
  private parens = 0;
  private groupBegin = 0;
  private readonly kinds = new Uint8Array(tokenLimit);
  private readonly begins = new Int32Array(tokenLimit);
  private readonly ends = new Int32Array(tokenLimit);
  private tokens = 0;
  private resets = 0;
  private readonly branches: Branch[] = [];
  private traceSystem = '';
  private pending: { name: string; at: number; flags: number; bodyBegin: number } | undefined;
  private lineAt = 0;
  private line = 1;

  constructor(
    private readonly bytes: Buffer,
    private readonly onDefinition: OnDefinition,
  ) {}

  run(): void {
    const { bytes } = this;
    const end = bytes.length;
    while (this.position < end) {
      if (this.braces > 0 || this.parens > 0) {
        const matters = this.braces > 0 ? mattersInBody : mattersInParens;
        let at = this.position;
        while (at < end && matters[bytes[at] ?? 0] === 0) at++;
        this.position = at;
        if (at >= end) break;
      }
      this.step(bytes[this.position] ?? 0);
    }
    this.flush(end);
  }

  private step(byte: number): void {
    const at = this.position;
    switch (byte) {
      case slash:
        this.comment();
        return;
      case quote:
        this.literal(quote);
        if (this.atFileScope()) this.push(Kind.string, at, this.position);
        return;
      case apostrophe:
        this.literal(apostrophe);
        return;
      case hash:
        this.hash();
        return;
      case openBrace:
        this.openBrace();
        return;
      case closeBrace:
        this.closeBrace();
        return;
      case openParen:
        if (this.braces === 0 && this.parens++ === 0) this.groupBegin = at;
        break;
      case closeParen:
        if (this.braces === 0 && this.parens > 0 && --this.parens === 0) this.push(Kind.group, this.groupBegin, at + 1);
        break;
      case semicolon:
        if (this.atFileScope()) this.endDeclaration();
        break;
      default:
        if (this.atFileScope() && isSpace[byte] === 0) {
          this.fileScopeToken(byte);
          return;
        }
    }
    this.position = at + 1;
  }

  private atFileScope(): boolean {
    return this.braces === 0 && this.parens === 0;
  }

  private fileScopeToken(byte: number): void {
    const begin = this.position;
    let at = begin + 1;
    if (isWord[byte] === 1) {
      while (at < this.bytes.length && isWord[this.bytes[at] ?? 0] === 1) at++;
      const isNumber = byte >= 48 && byte <= 57;
      this.push(isNumber ? Kind.other : Kind.word, begin, at);
    } else {
      this.push(Kind.other, begin, at);
    }
    this.position = at;
  }

  private push(kind: number, begin: number, end: number): void {
    if (this.tokens === tokenLimit) {
      // A long run of macros without semicolons: only its end can belong to a definition.
      const half = tokenLimit / 2;
      for (const column of [this.kinds, this.begins, this.ends]) column.copyWithin(0, half);
      this.tokens = half;
      this.resets++;
    }
    this.kinds[this.tokens] = kind;
    this.begins[this.tokens] = begin;
    this.ends[this.tokens] = end;
    this.tokens++;
  }

  private text(token: number): string {
    return this.bytes.toString('latin1', this.begins[token], this.ends[token]);
  }

  private forget(): void {
    this.tokens = 0;
    this.resets++;
  }

  // ---- what is not code ----

  private comment(): void {
    const { bytes } = this;
    const next = bytes[this.position + 1];
    if (next === star) {
      this.position = this.commentEnd(this.position + 2);
    } else if (next === slash) {
      this.position = this.lineEnd(this.position);
    } else {
      if (this.atFileScope()) this.push(Kind.other, this.position, this.position + 1);
      this.position++;
    }
  }

  /** The offset after the block comment whose text starts at `from`. Plain loops: a call out for each costs more. */
  private commentEnd(from: number): number {
    const { bytes } = this;
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] === star && bytes[at + 1] === slash) return at + 2;
    }
    return bytes.length;
  }

  /** Skips a string or character literal; an unclosed one ends with its line, so that it can't swallow the file. */
  private literal(delimiter: number): void {
    const { bytes } = this;
    let at = this.position + 1;
    for (; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === backslash) at++;
      else if (byte === delimiter) {
        at++;
        break;
      } else if (byte === newline) break;
    }
    this.position = Math.min(at, bytes.length);
  }

  /** The offset of the newline that ends the logical line at `from`: backslash continues it. */
  private lineEnd(from: number): number {
    const { bytes } = this;
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] !== newline) continue;
      const last = bytes[at - 1] === 13 ? at - 2 : at - 1;
      if (bytes[last] !== backslash) return at;
    }
    return bytes.length;
  }

  // ---- the preprocessor ----

  private startsLine(at: number): boolean {
    for (let before = at - 1; before >= 0; before--) {
      const byte = this.bytes[before] ?? 0;
      if (byte === newline) return true;
      // A comment may stand before the hash; what ends one counts as the line's start.
      if (isSpace[byte] === 0) return byte === slash && this.bytes[before - 1] === star;
    }
    return true;
  }

  private hash(): void {
    const begin = this.position;
    if (!this.startsLine(begin)) {
      this.position++;
      return;
    }
    this.position = this.directiveEnd(begin + 1);
    let at = begin + 1;
    while (this.bytes[at] === 32 || this.bytes[at] === 9) at++;
    if (directives[this.bytes[at] ?? 0] === 0) return;
    // "#define T": headers of registers have hundreds of thousands of others.
    if (this.bytes[at] === 100 && this.bytes[at + 7] !== 84) return;
    const head = this.bytes.toString('latin1', begin + 1, Math.max(begin + 1, Math.min(this.position, begin + 200)));
    const [, directive = '', rest = ''] = /^\s*([a-z]+)\s*(.*)/.exec(head) ?? [];
    switch (directive) {
      case 'if':
      case 'ifdef':
      case 'ifndef':
        this.enterBranch(directive, rest);
        break;
      case 'elif':
      case 'else':
        this.nextBranch(directive);
        break;
      case 'endif':
        this.branches.pop();
        break;
      case 'define': {
        const system = /^TRACE_SYSTEM\s+(\w+)/.exec(rest)?.[1];
        if (system !== undefined) this.traceSystem = system;
        break;
      }
    }
  }

  /** The end of a directive: its line, continued by backslashes and by block comments that start in it. */
  private directiveEnd(from: number): number {
    const { bytes } = this;
    let end = this.lineEnd(from);
    for (let at = from; at < end; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        // A quote in `#error don't` is no literal; one that doesn't close in the directive is passed over.
        let close = at + 1;
        while (close < end && bytes[close] !== quote) close += bytes[close] === backslash ? 2 : 1;
        if (close < end) at = close;
      } else if (byte === slash && bytes[at + 1] === slash) {
        break;
      } else if (byte === slash && bytes[at + 1] === star) {
        at = this.commentEnd(at + 2) - 1;
        if (at >= end) end = this.lineEnd(at);
      }
    }
    return end;
  }

  private enterBranch(directive: string, condition: string): void {
    const assembler = /__ASSEMBL(?:Y|ER)__/.test(condition);
    const negated = directive === 'ifndef' || /!\s*defined/.test(condition);
    if (this.branches.length < nestingLimit) {
      this.branches.push({
        braces: this.braces,
        parens: this.parens,
        tokens: this.tokens,
        resets: this.resets,
        elseIsInactive: assembler && negated,
      });
    }
    // Only what is C for no configuration at all is left out; both sides of every option are listed.
    if ((assembler && !negated) || (directive === 'if' && /^0\s*(?:$|\/)/.test(condition))) this.skipInactive();
  }

  /** An #else or #elif starts from where its #if did, so that branches with unbalanced braces don't derail the rest. */
  private nextBranch(directive: string): void {
    const branch = this.branches.at(-1);
    if (branch === undefined) return;
    if (branch.braces === 0 && this.braces > 0) this.flush(this.position);
    this.braces = branch.braces;
    this.parens = branch.parens;
    if (branch.resets === this.resets) this.tokens = Math.min(this.tokens, branch.tokens);
    else this.forget();
    if (directive === 'else' && branch.elseIsInactive) this.skipInactive();
  }

  /** Moves to the #else, #elif or #endif that ends the branch just entered. */
  private skipInactive(): void {
    const { bytes } = this;
    let depth = 0;
    while (this.position < bytes.length) {
      const next = bytes.indexOf(newline, this.position);
      if (next < 0) {
        this.position = bytes.length;
        return;
      }
      let at = next + 1;
      while (bytes[at] === 32 || bytes[at] === 9) at++;
      this.position = at;
      if (bytes[at] !== hash) continue;
      const directive = /^#\s*([a-z]+)/.exec(bytes.toString('latin1', at, Math.min(at + 32, bytes.length)))?.[1] ?? '';
      if (directive.startsWith('if')) depth++;
      else if (depth === 0 && (directive === 'endif' || directive === 'else' || directive === 'elif')) return;
      else if (directive === 'endif') depth--;
    }
  }

  // ---- braces and declarations ----

  private openBrace(): void {
    const at = this.position;
    this.position++;
    if (this.braces > 0) {
      this.braces++;
      return;
    }
    if (this.parens > 0) {
      // In kernel style only a function body opens in column 0: the parentheses before it were unbalanced.
      if (!this.inColumnZero(at)) {
        this.braces++;
        return;
      }
      this.parens = 0;
    }
    if (this.tokens === 2 && this.kinds[1] === Kind.string && this.text(0) === 'extern') {
      this.forget(); // extern "C" {: what is inside is at file scope too.
      return;
    }
    this.braces = 1;
    this.define(at);
    this.forget();
  }

  private closeBrace(): void {
    const at = this.position;
    this.position++;
    if (this.braces === 0) return;
    // Kernel style closes functions and types in column 0 and nothing else: a way back after an unbalanced branch.
    if (this.parens === 0 && this.inColumnZero(at)) this.braces = 1;
    if (--this.braces === 0 && this.parens === 0) {
      this.flush(at);
      this.forget();
    }
  }

  private inColumnZero(at: number): boolean {
    return at === 0 || this.bytes[at - 1] === newline;
  }

  /** A semicolon at file scope: only tracepoints are defined by what it ends. */
  private endDeclaration(): void {
    for (let token = 0; token + 1 < this.tokens; token++) {
      if (this.kinds[token] !== Kind.word || this.kinds[token + 1] !== Kind.group) continue;
      const argument = tracepoints.get(this.text(token));
      if (argument === undefined || this.traceSystem === '') continue;
      const name = this.argument(token + 1, argument);
      if (name !== undefined) {
        this.emit(`${this.traceSystem}:${name}`, this.begins[token] ?? 0, Flag.tracepoint | Flag.macro);
      }
    }
    this.forget();
  }

  /** The n-th argument of a macro call, when it is a plain name. */
  private argument(group: number, index: number): string | undefined {
    const begin = this.begins[group] ?? 0;
    const text = this.bytes.toString(
      'latin1',
      begin + 1,
      Math.max(begin + 1, Math.min(this.ends[group] ?? 0, begin + 400) - 1),
    );
    const all = text.replace(/\/\*[^]*?\*\//g, ' ').split(',');
    const argument = all[index]?.trim();
    return argument !== undefined && /^\w+$/.test(argument) ? argument : undefined;
  }

  /** Decides whether the tokens before the brace at `at` define a function, and holds the definition until its body ends. */
  private define(at: number): void {
    this.flush(at);
    const found = this.functionName();
    if (found !== undefined) this.pending = { ...found, bodyBegin: at + 1 };
  }

  private functionName(): { name: string; at: number; flags: number } | undefined {
    let typed = false; // a return type was seen
    let flags = 0;
    let found: { name: string; at: number } | undefined;
    for (let token = 0; token < this.tokens; token++) {
      const kind = this.kinds[token];
      const beforeGroup = this.isGroup(token + 1);
      if (kind === Kind.word) {
        const word = this.text(token);
        if (statements.has(word)) return undefined;
        if (beforeGroup && this.isGroup(token + 2) && /[a-z]/.test(word)) {
          const inside = this.nameInside(token + 1);
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
          const afterGroup = token > 0 && this.kinds[token - 1] === Kind.group && found !== undefined;
          if (attributes.has(word) || afterGroup) {
            if (word === '__attribute__' && /\bweak\b/.test(this.text(token + 1))) flags |= Flag.weak;
          } else if (typed) {
            found = { name: word, at: this.begins[token] ?? 0 };
          } else if (token + 2 < this.tokens) {
            flags = 0; // A macro invoked without a semicolon: what comes next starts anew.
          }
          token++;
        } else if (!specifiers.has(word)) {
          typed = true;
        }
      } else if (kind === Kind.group) {
        if (typed && beforeGroup) found = this.nameInside(token) ?? found;
      } else if (kind === Kind.string) {
        typed = false;
        found = undefined;
      } else if (this.bytes[this.begins[token] ?? 0] !== star) {
        if (this.bytes[this.begins[token] ?? 0] === equals) return undefined;
        typed = false;
        found = undefined;
      }
    }
    const last = this.tokens - 2;
    const byMacro =
      this.isGroup(last + 1) && this.kinds[last] === Kind.word ? this.macroDefinition(last, flags) : undefined;
    return byMacro ?? (found === undefined ? undefined : { ...found, flags });
  }

  private isGroup(token: number): boolean {
    return token < this.tokens && this.kinds[token] === Kind.group;
  }

  /** The name in `int (*name(int a))(int b)`, a function that returns a pointer to one, or in `int (name)(int a)`. */
  private nameInside(group: number): { name: string; at: number } | undefined {
    const match = /^\(\s*(?:\*\s*(?:const\s+)?(?=\w+\s*\()|(?=\w+\s*\)))(\w+)/.exec(this.text(group));
    const name = match?.[1];
    if (name === undefined || match === null) return undefined;
    return { name, at: (this.begins[group] ?? 0) + match[0].length - name.length };
  }

  /** SYSCALL_DEFINE2(name, …) {, BPF_CALL_1(name, …) {, DEFINE_IDTENTRY(name) {. */
  private macroDefinition(token: number, flags: number): { name: string; at: number; flags: number } | undefined {
    const macro = this.text(token);
    const syscall = /^(COMPAT_)?(?:\w+_)?SYSCALL(?:32)?_DEFINE\d$/.exec(macro);
    if (syscall === null && !/^BPF_CALL_\d$|(?:^|_)DEFINE(?:_|$)/.test(macro)) return undefined;
    const argument = this.argument(token + 1, 0);
    if (argument === undefined) return undefined;
    const prefix = syscall === null ? '' : syscall[1] === undefined ? 'sys_' : 'compat_sys_';
    return { name: prefix + argument, at: this.begins[token] ?? 0, flags: flags | Flag.macro };
  }

  /** Reports the definition whose body ends at `end`. */
  private flush(end: number): void {
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    let { flags } = pending;
    if ((flags & Flag.inline) !== 0 && end - pending.bodyBegin < 160) {
      const body = this.bytes.toString('latin1', pending.bodyBegin, end).replace(/\/\*[^]*?\*\//g, ' ');
      if (/^\s*(?:return(?:\s+-?\w+|\s+[A-Z_]+\(-?\w*\))?\s*;)?\s*$/.test(body)) flags |= Flag.stub;
    }
    this.emit(pending.name, pending.at, flags);
  }

  private emit(name: string, at: number, flags: number): void {
    if (at < this.lineAt) {
      this.lineAt = 0;
      this.line = 1;
    }
    for (let byte = this.lineAt; byte < at; byte++) if (this.bytes[byte] === newline) this.line++;
    this.lineAt = at;
    this.onDefinition(name, this.line, flags);
  }
}

// Finds the function and tracepoint definitions in one C file of a kernel tree, without a compiler: a single pass over the
// bytes that knows comments, literals and preprocessor branches; declaration.ts knows the shape of a definition at file scope.
import { definedFunction, definedHook, definedTracepoints, Flag, Kind, Tokens, type Declared } from './declaration.ts';

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
  private readonly tokens: Tokens;
  private readonly branches: Branch[] = [];
  private traceSystem = '';
  private pending: (Declared & { readonly bodyBegin: number }) | undefined;
  private lineAt = 0;
  private line = 1;

  constructor(
    private readonly bytes: Buffer,
    private readonly onDefinition: OnDefinition,
  ) {
    this.tokens = new Tokens(bytes);
  }

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
        if (this.atFileScope()) this.tokens.push(Kind.string, at, this.position);
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
        if (this.braces === 0 && this.parens > 0 && --this.parens === 0) this.group(at + 1);
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
      this.tokens.push(isNumber ? Kind.other : Kind.word, begin, at);
    } else {
      this.tokens.push(Kind.other, begin, at);
    }
    this.position = at;
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
      if (this.atFileScope()) this.tokens.push(Kind.other, this.position, this.position + 1);
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
        tokens: this.tokens.length,
        resets: this.tokens.resets,
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
    if (branch.resets === this.tokens.resets) this.tokens.length = Math.min(this.tokens.length, branch.tokens);
    else this.tokens.forget();
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
    if (this.tokens.length === 2 && this.tokens.kinds[1] === Kind.string && this.tokens.text(0) === 'extern') {
      this.tokens.forget(); // extern "C" {: what is inside is at file scope too.
      return;
    }
    this.braces = 1;
    this.define(at);
    this.tokens.forget();
  }

  private closeBrace(): void {
    const at = this.position;
    this.position++;
    if (this.braces === 0) return;
    // Kernel style closes functions and types in column 0 and nothing else: a way back after an unbalanced branch.
    if (this.parens === 0 && this.inColumnZero(at)) this.braces = 1;
    if (--this.braces === 0 && this.parens === 0) {
      this.flush(at);
      this.tokens.forget();
    }
  }

  private inColumnZero(at: number): boolean {
    return at === 0 || this.bytes[at - 1] === newline;
  }

  /** A pair of parentheses at file scope ended. */
  private group(end: number): void {
    this.tokens.push(Kind.group, this.groupBegin, end);
    const hook = definedHook(this.tokens);
    if (hook === undefined) return;
    this.emit(hook.name, hook.at, hook.flags);
    this.tokens.forget();
  }

  /** A semicolon at file scope: only tracepoints are defined by what it ends. */
  private endDeclaration(): void {
    if (this.traceSystem !== '') {
      for (const { name, at, flags, bare } of definedTracepoints(this.tokens)) {
        if (!bare) this.emit(`${this.traceSystem}:${name}`, at, flags);
        this.emit(`:${name}`, at, flags);
      }
    }
    this.tokens.forget();
  }

  /** Decides whether the tokens before the brace at `at` define a function, and holds the definition until its body ends. */
  private define(at: number): void {
    this.flush(at);
    const found = definedFunction(this.tokens);
    if (found !== undefined) this.pending = { ...found, bodyBegin: at + 1 };
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

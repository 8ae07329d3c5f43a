// Asks clangd which definitions the configured kernel really compiles.
//
// clangd can name the file of any function only from an index of the whole kernel, which takes it an hour of CPU and
// gigabytes. Our own index names the files in milliseconds, so clangd runs without its background index and answers what
// our index can't: which of several definitions is behind a true #if. It parses just those files. Where the tree has a clangd
// index already (someone keeps one), clangd is told to load it, and is asked for functions that only macros define, too.
import { join } from 'node:path';
import { reasonOf } from '../protocol/reason.ts';
import { compiledFiles, findCompileDatabase } from './compileDatabase.ts';
import type { SourceRange } from './definition.ts';
import type { Definition } from './indexFile.ts';

export interface ClangdOptions {
  /** `packetTrail.clangd.path`. */
  readonly program: string;
  /** `packetTrail.clangd.compileCommands`: folder or file; empty means the tree. */
  readonly compileCommands: string;
}

/** Receives what was decided and why; a vscode.LogOutputChannel is one. */
export interface SourceLog {
  info(message: string): void;
  warn(message: string): void;
}

/** A kernel tree as clangd is started for it. */
export interface ClangdTree {
  readonly root: string;
  /** Folder of compile_commands.json. */
  readonly database: string;
  /** clangd itself, as for execvp. */
  readonly program: string;
}

/** A symbol as clangd sees it. */
export interface ClangdSymbol {
  /** Without parameters. */
  readonly name: string;
  /** 1-based, as in the index. */
  readonly line: number;
}

/** Lists the symbols of a file; rejects when no answer comes in time. */
export type SymbolLister = (path: string, signal: AbortSignal) => Promise<readonly ClangdSymbol[]>;

/** A clangd that runs beside the editor, started when it is first needed. */
export interface ClangdServer {
  /** Who lists a tree's symbols; undefined when nobody can, and the log says why. */
  lister(tree: ClangdTree): Promise<SymbolLister | undefined>;
  /** Where clangd's own index of the tree has a function; undefined without such an index or function. Rejects when no answer comes. */
  find(tree: ClangdTree, name: string): Promise<SourceRange | undefined>;
  dispose(): Promise<void>;
}

/** Files that clangd is asked to parse for one click. */
const fileLimit = 4;

/** What clangd adds to what the index knows. */
export class Clangd {
  constructor(
    private readonly server: ClangdServer,
    private readonly log: SourceLog,
  ) {}

  /**
   * Of these definitions, those that the kernel is built from; undefined when clangd can't say (it isn't there, there is no
   * compile database, it failed): the reason is in the log, and the index decides.
   */
  async narrow(
    root: string,
    name: string,
    definitions: readonly Definition[],
    options: ClangdOptions,
    signal: AbortSignal,
  ): Promise<readonly Definition[] | undefined> {
    const database = await findCompileDatabase(root, options.compileCommands);
    if (database === undefined) {
      this.log.info(`clangd: not asked for ${name}: no compile_commands.json in ${options.compileCommands || root}.`);
      return undefined;
    }
    const sources = definitions.filter(({ file }) => file.endsWith('.c')).map(({ file }) => file);
    const compiled = (await compiledFiles(database, sources)) ?? new Set<string>();
    // A .c file outside the database isn't built; a header's turn is decided by who includes it, so it stays.
    const built =
      compiled.size === 0 ? definitions : definitions.filter(({ file }) => file.endsWith('.h') || compiled.has(file));
    const files = [...new Set(built.map(({ file }) => file))];
    if (built.length <= 1 || files.length > fileLimit) return built.length < definitions.length ? built : undefined;
    const list = await this.server.lister({ root, database, program: options.program });
    if (list === undefined) return built.length < definitions.length ? built : undefined;
    const active: Definition[] = [];
    for (const file of files) {
      const here = built.filter((definition) => definition.file === file);
      const symbols = await this.symbols(list, join(root, file), signal);
      if (symbols === undefined) return undefined;
      const lines = new Set(symbols.filter((symbol) => symbol.name === name).map(({ line }) => line));
      active.push(...here.filter(({ line }) => near(lines, line)));
    }
    this.log.info(`clangd: ${active.length} of ${definitions.length} definitions of ${name} are compiled.`);
    return active.length > 0 ? active : undefined;
  }

  /** Where clangd's own index of the tree, when someone keeps one, has a function that ours doesn't. */
  async find(root: string, name: string, options: ClangdOptions): Promise<SourceRange | undefined> {
    const database = await findCompileDatabase(root, options.compileCommands);
    if (database === undefined) return undefined;
    try {
      return await this.server.find({ root, database, program: options.program }, name);
    } catch (error) {
      this.log.warn(`clangd: no answer for ${name}: ${reasonOf(error)}. The index decides.`);
      return undefined;
    }
  }

  private async symbols(
    list: SymbolLister,
    path: string,
    signal: AbortSignal,
  ): Promise<readonly ClangdSymbol[] | undefined> {
    try {
      return await list(path, signal);
    } catch (error) {
      this.log.warn(`clangd: no answer for ${path}: ${reasonOf(error)}. The index decides.`);
      return undefined;
    }
  }

  async dispose(): Promise<void> {
    await this.server.dispose();
  }
}

/** A definition may start a line or two above its name: the return type has its own line. */
function near(lines: ReadonlySet<number>, line: number): boolean {
  return lines.has(line) || lines.has(line + 1) || lines.has(line - 1);
}

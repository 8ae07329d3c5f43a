// Asks clangd, through vscode-languageclient, which definitions the configured kernel really compiles.
//
// clangd can name the file of any function only from an index of the whole kernel, which takes it an hour of CPU and
// gigabytes. Our own index names the files in milliseconds, so clangd runs without its background index and answers what
// our index can't: which of several definitions is behind a true #if. It parses just those files. Where the tree has a clangd
// index already (someone keeps one), clangd is told to load it, and is asked for functions that only macros define, too.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import type { DocumentSymbol, LanguageClient, SymbolInformation } from 'vscode-languageclient/node';
import { reasonOf } from '../protocol/reason.ts';
import { escapeGlob } from '../glob.ts';
import { compiledFiles, findCompileDatabase } from './compileDatabase.ts';
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

/** A function as clangd sees it; lines are 1-based, as in the index. */
interface ClangdSymbol {
  readonly name: string;
  readonly line: number;
}

/** The extension that is clangd's own client; where it runs, its clangd is asked, and no second one started. */
const clangdExtension = 'llvm-vs-code-extensions.vscode-clangd';
/** Kernel files parse in one to three seconds; on a slow machine, more. Who waits sees progress and can cancel. */
const answerMs = 15_000;
/** Files that clangd is asked to parse for one click. */
const fileLimit = 4;
/** Failures in a row after which clangd is not tried again until the settings change. */
const failureLimit = 3;

interface Running {
  readonly key: string;
  readonly database: string;
  readonly hasIndex: boolean;
  readonly client: LanguageClient;
}

/** The clangd of the kernel tree: started when first needed, stopped with the extension. */
export class Clangd {
  private running: Running | undefined;
  private starting: Promise<Running | undefined> | undefined;
  private failures = 0;
  private failedKey = '';
  private disposed = false;
  private readonly output: vscode.OutputChannel;

  constructor(private readonly log: SourceLog) {
    this.output = vscode.window.createOutputChannel('Packet Trail: clangd');
  }

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
    const ask = await this.asker(root, database, options);
    if (ask === undefined) return built.length < definitions.length ? built : undefined;
    const active: Definition[] = [];
    for (const file of files) {
      const here = built.filter((definition) => definition.file === file);
      const symbols = await this.symbols(ask, join(root, file), signal);
      if (symbols === undefined) return undefined;
      const lines = new Set(symbols.filter((symbol) => symbol.name === name).map(({ line }) => line));
      active.push(...here.filter(({ line }) => near(lines, line)));
    }
    this.log.info(`clangd: ${active.length} of ${definitions.length} definitions of ${name} are compiled.`);
    return active.length > 0 ? active : undefined;
  }

  /** Where clangd's own index of the tree, when someone keeps one, has a function that ours doesn't. */
  async find(root: string, name: string, options: ClangdOptions): Promise<vscode.Location | undefined> {
    const database = await findCompileDatabase(root, options.compileCommands);
    if (database === undefined) return undefined;
    const running = await this.start(root, database, options);
    if (running?.hasIndex !== true) return undefined;
    try {
      const found = await limited(
        running.client.sendRequest<SymbolInformation[] | null>('workspace/symbol', { query: name }),
        answerMs,
      );
      const match = found?.find((symbol) => symbol.name === name && symbol.kind === 12); // SymbolKind.Function
      return match === undefined ? undefined : running.client.protocol2CodeConverter.asLocation(match.location);
    } catch (error) {
      this.log.warn(`clangd: no answer for ${name}: ${reasonOf(error)}. The index decides.`);
      return undefined;
    }
  }

  private async asker(
    root: string,
    database: string,
    options: ClangdOptions,
  ): Promise<((uri: vscode.Uri, signal: AbortSignal) => Promise<readonly ClangdSymbol[]>) | undefined> {
    if (vscode.extensions.getExtension(clangdExtension) !== undefined) {
      return async (uri) => {
        const found = await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>(
          'vscode.executeDocumentSymbolProvider',
          uri,
        );
        return (found ?? []).map((symbol) => ({
          name: plainName(symbol.name),
          line: symbol.selectionRange.start.line + 1,
        }));
      };
    }
    const running = await this.start(root, database, options);
    if (running === undefined) return undefined;
    return async (uri, signal) => {
      const cancel = new vscode.CancellationTokenSource();
      const stop = (): void => cancel.cancel();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const found = await running.client.sendRequest<(DocumentSymbol | SymbolInformation)[] | null>(
          'textDocument/documentSymbol',
          { textDocument: { uri: running.client.code2ProtocolConverter.asUri(uri) } },
          cancel.token,
        );
        return (found ?? []).map((symbol) => ({
          name: plainName(symbol.name),
          line: ('location' in symbol ? symbol.location.range : symbol.selectionRange).start.line + 1,
        }));
      } finally {
        signal.removeEventListener('abort', stop);
        cancel.dispose();
      }
    };
  }

  private async symbols(
    ask: (uri: vscode.Uri, signal: AbortSignal) => Promise<readonly ClangdSymbol[]>,
    path: string,
    signal: AbortSignal,
  ): Promise<readonly ClangdSymbol[] | undefined> {
    try {
      const uri = vscode.Uri.file(path);
      // Opening the document is what makes clangd parse it: the client sends didOpen.
      await vscode.workspace.openTextDocument(uri);
      return await limited(ask(uri, signal), answerMs);
    } catch (error) {
      this.failures++;
      this.log.warn(`clangd: no answer for ${path}: ${reasonOf(error)}. The index decides.`);
      return undefined;
    }
  }

  private async start(root: string, database: string, options: ClangdOptions): Promise<Running | undefined> {
    const key = [root, database, options.program].join('\n');
    if (this.disposed) return undefined;
    if (this.running?.key === key && this.running.client.isRunning()) return this.running;
    if (key !== this.failedKey) {
      this.failedKey = key;
      this.failures = 0;
    }
    if (this.failures >= failureLimit) return undefined;
    this.starting ??= this.launch(key, root, database, options).finally(() => (this.starting = undefined));
    return await this.starting;
  }

  private async launch(
    key: string,
    root: string,
    database: string,
    { program }: ClangdOptions,
  ): Promise<Running | undefined> {
    try {
      await this.stop();
      const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
      const hasIndex =
        (await stat(join(database, '.cache', 'clangd', 'index')).catch(() => undefined))?.isDirectory() === true;
      const { LanguageClient, RevealOutputChannelOn } = await import('vscode-languageclient/node');
      const client = new LanguageClient(
        'packetTrail.clangd',
        'Packet Trail: clangd',
        {
          command: program,
          args: [
            `--compile-commands-dir=${database}`,
            `--background-index=${hasIndex}`,
            '--clang-tidy=false',
            '--header-insertion=never',
            '-j=2',
            '--log=error',
          ],
          options: { cwd: root },
        },
        {
          documentSelector: [{ scheme: 'file', pattern: `${escapeGlob(root.replaceAll(sep, '/'))}/**/*.{c,h}` }],
          outputChannel: this.output,
          revealOutputChannelOn: RevealOutputChannelOn.Never,
          connectionOptions: { maxRestartCount: 2 },
          initializationFailedHandler: () => false,
          // A kernel built by gcc is full of what clang complains about; the person is here to read.
          middleware: { handleDiagnostics: () => undefined },
        },
      );
      await limited(client.start(), answerMs);
      this.log.info(
        `clangd: started ${/version \S+/.exec(stdout)?.[0] ?? program} with ${join(database, 'compile_commands.json')}.`,
      );
      return (this.running = { key, database, hasIndex, client });
    } catch (error) {
      this.failures++;
      this.log.warn(
        `clangd: ${program} could not be started: ${reasonOf(error)}. The index decides; check packetTrail.clangd.path.`,
      );
      return undefined;
    }
  }

  private async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    if (running === undefined) return;
    try {
      await running.client.dispose(3000);
    } catch (error) {
      this.log.warn(`clangd: it did not stop cleanly: ${reasonOf(error)}.`);
    }
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    await this.starting?.catch(() => undefined);
    await this.stop();
    this.output.dispose();
  }
}

/** A definition may start a line or two above its name: the return type has its own line. */
function near(lines: ReadonlySet<number>, line: number): boolean {
  return lines.has(line) || lines.has(line + 1) || lines.has(line - 1);
}

/** The C name out of a symbol's name: some versions add the parameters. */
function plainName(name: string): string {
  return /^\w+/.exec(name)?.[0] ?? name;
}

async function limited<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${ms / 1000} s`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

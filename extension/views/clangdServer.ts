// clangd by way of VS Code: that of its own extension where this is installed, else one of ours through vscode-languageclient.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import type { DocumentSymbol, LanguageClient, SymbolInformation } from 'vscode-languageclient/node';
import { escapeGlob } from '../glob.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { ClangdServer, ClangdSymbol, ClangdTree, SourceLog, SymbolLister } from '../source/clangd.ts';
import type { SourceRange } from '../source/definition.ts';

/** The extension that is clangd's own client; where it runs, its clangd is asked, and no second one started. */
const clangdExtension = 'llvm-vs-code-extensions.vscode-clangd';
/** Kernel files parse in one to three seconds; on a slow machine, more. Who waits sees progress and can cancel. */
const answerMs = 15_000;
/** Failures in a row after which clangd is not tried again until the settings change. */
const failureLimit = 3;

interface Running {
  readonly key: string;
  /** Whether it has loaded an index of the whole tree. */
  readonly hasIndex: boolean;
  readonly client: LanguageClient;
}

/** The clangd of the kernel tree: started when first needed, stopped with the extension. */
export class WindowClangd implements ClangdServer {
  private running: Running | undefined;
  private starting: Promise<Running | undefined> | undefined;
  private failures = 0;
  private failedKey = '';
  private disposed = false;
  private readonly output: vscode.OutputChannel;

  constructor(private readonly log: SourceLog) {
    this.output = vscode.window.createOutputChannel('Packet Trail: clangd');
  }

  async lister(tree: ClangdTree): Promise<SymbolLister | undefined> {
    const ask = await this.asker(tree);
    if (ask === undefined) return undefined;
    return async (path, signal) => {
      try {
        const uri = vscode.Uri.file(path);
        // Opening the document is what makes clangd parse it: the client sends didOpen.
        await vscode.workspace.openTextDocument(uri);
        return await limited(ask(uri, signal), answerMs);
      } catch (error) {
        this.failures++;
        throw error;
      }
    };
  }

  async find(tree: ClangdTree, name: string): Promise<SourceRange | undefined> {
    const running = await this.start(tree);
    if (running?.hasIndex !== true) return undefined;
    const { client } = running;
    const found = await limited(
      client.sendRequest<SymbolInformation[] | null>('workspace/symbol', { query: name }),
      answerMs,
    );
    const match = found?.find((symbol) => symbol.name === name && symbol.kind === 12); // SymbolKind.Function
    if (match === undefined) return undefined;
    const { uri, range } = client.protocol2CodeConverter.asLocation(match.location);
    const { start, end } = range;
    return {
      path: uri.fsPath,
      line: start.line,
      column: start.character,
      endLine: end.line,
      endColumn: end.character,
    };
  }

  private async asker(
    tree: ClangdTree,
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
    const running = await this.start(tree);
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

  private async start(tree: ClangdTree): Promise<Running | undefined> {
    const key = [tree.root, tree.database, tree.program].join('\n');
    if (this.disposed) return undefined;
    if (this.running?.key === key && this.running.client.isRunning()) return this.running;
    if (key !== this.failedKey) {
      this.failedKey = key;
      this.failures = 0;
    }
    if (this.failures >= failureLimit) return undefined;
    this.starting ??= this.launch(key, tree).finally(() => (this.starting = undefined));
    return await this.starting;
  }

  private async launch(key: string, { root, database, program }: ClangdTree): Promise<Running | undefined> {
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
      return (this.running = { key, hasIndex, client });
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

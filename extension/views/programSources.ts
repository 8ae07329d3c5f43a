// From a BPF program to its source: the file in the workspace or where the person says it is, else the lines that its BTF carries, as a
// document that can only be read.
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { OpenOptions, SourcePrompter } from '../source/openSource.ts';
import { listProgram, programPlace, type ProgramPlace } from '../source/programListing.ts';
import { likeliest, mapPath, nameGlob } from '../source/programPath.ts';
import type { Program, SourceLine } from '../trace/programMessages.ts';
import { programName } from '../trace/programText.ts';
import { showSelection } from './sourceEditor.ts';

/** Scheme of the documents that are made here. */
const programScheme = 'packet-trail-program';

/** Files of one name that are looked at in the workspace. */
const mostFiles = 200;

/** Which trace a program belongs to: its id means nothing elsewhere. */
export interface ProgramOrigin {
  /** Unique among the traces of this window. */
  readonly trace: string;
  readonly node: string;
}

const numbers = new WeakMap<object, number>();
let traces = 0;

/** The origin of a trace's programs. */
export function originOf(source: { readonly node: string }): ProgramOrigin {
  let number = numbers.get(source);
  if (number === undefined) numbers.set(source, (number = ++traces));
  return { trace: String(number), node: source.node };
}

/** Opens programs' sources and what the verifier said of them. */
export class ProgramSources implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly texts = new Map<string, string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly disposables: readonly { dispose(): unknown }[];

  /** @param pathMap the setting, read whenever it is needed */
  constructor(
    private readonly prompter: Pick<SourcePrompter, 'choose'>,
    private readonly pathMap: () => Readonly<Record<string, string>>,
  ) {
    this.disposables = [
      vscode.workspace.registerTextDocumentContentProvider(programScheme, this),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.texts.delete(uri.toString())),
      this.changed,
    ];
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? '// The trace that this was taken from is closed.\n';
  }

  /** Opens a program where its entry function begins; resolves with what was done, or why not, in words. */
  async open(
    program: Program,
    lines: readonly SourceLine[],
    origin: ProgramOrigin,
    options: OpenOptions,
  ): Promise<string> {
    const name = programName(program);
    const place = programPlace(program, lines);
    if (place === undefined) {
      return `${name} has no line information, so its source is not known. clang -g -O2 adds it when the program is compiled.`;
    }
    const found = await this.find(place);
    if (found === 'none chosen') return 'No file was chosen.';
    if (found !== undefined) {
      const document = await vscode.workspace.openTextDocument(found);
      const at = new vscode.Position(Math.min(place.line, document.lineCount) - 1, 0);
      const compiled = place.text.trim();
      const differs =
        place.line > document.lineCount || (compiled !== '' && document.lineAt(at.line).text.trim() !== compiled);
      await showSelection(document, new vscode.Range(at, at), options);
      const where = `${vscode.workspace.asRelativePath(found)}:${at.line + 1}`;
      return `Opened ${name} at ${where}.${differs ? ' The file is not the one that was compiled: lines may differ.' : ''}`;
    }
    const missing = `${place.file} is not in the workspace`;
    if (lines.length === 0) {
      return `${missing}: open its folder, or say where it is with the setting packetTrail.programSource.pathMap.`;
    }
    const listing = listProgram(program, lines);
    const uri = this.put(origin, program, posix.basename(place.file), listing.text);
    const document = await vscode.workspace.openTextDocument(uri);
    await showSelection(document, new vscode.Range(listing.line, 0, listing.line, 0), options);
    return `Opened the lines of ${name} that its BTF carries: ${missing} (setting packetTrail.programSource.pathMap).`;
  }

  /** Shows why a program isn't hooked, with what the verifier said last. */
  async showLog(program: Program, origin: ProgramOrigin): Promise<void> {
    const { reason, log } = program;
    const head = `${programName(program)}, BPF program ${program.id} on ${origin.node}: ${reason || 'not hooked'}`;
    const uri = this.put(origin, program, 'verifier.log', `${head}\n\n${log || 'The verifier said nothing.'}\n`);
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document, { preview: true });
  }

  private put({ trace, node }: ProgramOrigin, program: Program, file: string, text: string): vscode.Uri {
    const uri = vscode.Uri.from({ scheme: programScheme, path: `/${node}/${program.id}/${file}`, query: trace });
    this.texts.set(uri.toString(), text);
    this.changed.fire(uri);
    return uri;
  }

  /** The file here that is the place's; undefined when there is none. */
  private async find({ file, line, text }: ProgramPlace): Promise<vscode.Uri | 'none chosen' | undefined> {
    const mapped = mapPath(file, this.pathMap());
    if (mapped !== undefined) {
      const [folder] = vscode.workspace.workspaceFolders ?? [];
      const uri = posix.isAbsolute(mapped)
        ? (folder?.uri.with({ path: mapped }) ?? vscode.Uri.file(mapped))
        : folder && vscode.Uri.joinPath(folder.uri, mapped);
      if (uri !== undefined && (await isFile(uri))) return uri;
    }
    const glob = nameGlob(file);
    if (glob === undefined) return undefined;
    const files = await vscode.workspace.findFiles(glob, undefined, mostFiles);
    const best = likeliest(file, files, ({ path }) => path);
    if (best.length <= 1) return best[0];
    // Of several, the ones whose line reads as the compiled one did.
    const same = [];
    for (const uri of best) if (await reads(uri, line, text)) same.push(uri);
    const among = same.length > 0 ? same : best;
    if (among.length === 1) return among[0];
    const chosen = await this.prompter.choose(
      `Choose the source of ${posix.basename(file)}`,
      among.map((uri) => ({
        label: posix.basename(uri.path),
        description: vscode.workspace.asRelativePath(uri),
        detail: `compiled as ${file}:${line}`,
      })),
    );
    return (chosen === undefined ? undefined : among[chosen]) ?? 'none chosen';
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }
}

async function isFile(uri: vscode.Uri): Promise<boolean> {
  try {
    return ((await vscode.workspace.fs.stat(uri)).type & vscode.FileType.File) !== 0;
  } catch {
    return false;
  }
}

async function reads(uri: vscode.Uri, line: number, text: string): Promise<boolean> {
  if (text.trim() === '') return false;
  const document = await vscode.workspace.openTextDocument(uri);
  return line <= document.lineCount && document.lineAt(line - 1).text.trim() === text.trim();
}

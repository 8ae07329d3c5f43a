// The custom editor of `.pkttrail` files: the same timeline, read from wherever VS Code has the file, without a node. It follows the file.
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { escapeGlob } from '../glob.ts';
import { reasonOf } from '../protocol/reason.ts';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import { FileSource, openTraceFile } from '../trace/fileSource.ts';
import type { OpenBytes } from '../trace/reader.ts';
import type { TraceSource } from '../trace/source.ts';
import { TraceStore } from '../trace/store.ts';
import { abortSignal } from './abortSignal.ts';
import { TimelineHost, type TimelineActions } from './timelineHost.ts';
import { timelineHtml, timelineOptions } from './timelinePage.ts';

/** An opened trace file. */
class TraceDocument implements vscode.CustomDocument {
  /** Its timelines, the newest last: an editor can be split. */
  readonly timelines = new Map<vscode.WebviewPanel, TimelineHost>();
  private readonly end = new AbortController();
  private readonly watcher: vscode.FileSystemWatcher;
  /** Reads come one after the other; two changes that come meanwhile are one. */
  private reading = Promise.resolve();
  private queued = false;

  constructor(
    readonly uri: vscode.Uri,
    public source: TraceSource,
    private readonly changed: () => void,
    private readonly closed: () => void,
  ) {
    const folder = vscode.Uri.joinPath(uri, '..');
    this.watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(folder, escapeGlob(basename(uri.path))),
      false,
      false,
      // What is shown of a file that was deleted is all that there still is of it.
      true,
    );
    const reload = (): void => void this.reload();
    // A file that is saved over is changed, or comes anew.
    this.watcher.onDidChange(reload);
    this.watcher.onDidCreate(reload);
  }

  /** Shows what the file holds now; one that can't be read says why. */
  async reload(): Promise<void> {
    if (!this.queued) {
      this.queued = true;
      this.reading = this.reading.then(() => this.readAgain());
    }
    await this.reading;
  }

  private async readAgain(): Promise<void> {
    this.queued = false;
    const source = await read(this.uri, this.end.signal).catch(() => undefined);
    if (source === undefined) return; // closed meanwhile
    this.source = source;
    this.changed();
  }

  dispose(): void {
    this.end.abort();
    this.watcher.dispose();
    this.closed();
  }
}

/** VS Code keeps an editor's error to its log: a file that can't be read is shown as a trace that says why. Rejects when it is aborted. */
async function read(uri: vscode.Uri, signal: AbortSignal): Promise<TraceSource> {
  try {
    return await (uri.scheme === 'file'
      ? openTraceFile(uri.fsPath, signal)
      : openTraceFile(uri.path, signal, () => wholeFile(uri)));
  } catch (error) {
    if (signal.aborted) throw error;
    const message = reasonOf(error);
    return new FileSource(uri.path, { store: new TraceStore(), message }, 'failed');
  }
}

/** The most that is taken of a file that VS Code can give only as a whole. */
const mostBytes = 512 * 1024 * 1024;

/** A file that isn't on this machine's disk, or isn't known to be. */
async function wholeFile(uri: vscode.Uri): Promise<OpenBytes> {
  const { size } = await vscode.workspace.fs.stat(uri);
  if (size > mostBytes)
    throw new RangeError(
      `it has ${Math.ceil(size / 1e6)} MB, more than the ${Math.floor(mostBytes / 1e6)} that can be read of a ${uri.scheme}: file: save it to a folder of this machine first`,
    );
  const bytes = await vscode.workspace.fs.readFile(uri);
  return {
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    close: () => Promise.resolve(),
  };
}

/** Opens trace files, to look at only. */
export class TraceEditor implements vscode.CustomReadonlyEditorProvider<TraceDocument>, vscode.Disposable {
  static readonly viewType = 'packetTrail.traceFile';
  private readonly open = new Map<string, TraceDocument>();
  private readonly changed = new vscode.EventEmitter<undefined>();
  /** A file was opened, closed, or holds something else. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly shown: ShownTraces,
    private readonly actions: TimelineActions,
  ) {}

  /** The trace of a file that is open; undefined when it isn't. */
  find(uri: string): TraceSource | undefined {
    return this.open.get(uri)?.source;
  }

  /** The files that are open. */
  all(): readonly { readonly uri: vscode.Uri; readonly source: TraceSource }[] {
    return [...this.open.values()].map(({ uri, source }) => ({ uri, source }));
  }

  /** Brings a file's timeline to the front. */
  async show(uri: vscode.Uri): Promise<TimelineHost | undefined> {
    await vscode.commands.executeCommand('vscode.openWith', uri, TraceEditor.viewType);
    return [...(this.open.get(uri.toString())?.timelines.values() ?? [])].at(-1);
  }

  /** Reads the file in the active tab again; undefined when there is none. */
  async reload(): Promise<vscode.Uri | undefined> {
    const document = [...this.open.values()].find(({ timelines }) =>
      [...timelines.keys()].some(({ active }) => active),
    );
    await document?.reload();
    return document?.uri;
  }

  async openCustomDocument(
    uri: vscode.Uri,
    _context: unknown,
    token: vscode.CancellationToken,
  ): Promise<TraceDocument> {
    const key = uri.toString();
    const document: TraceDocument = new TraceDocument(
      uri,
      await read(uri, abortSignal(token)),
      () => {
        for (const panel of document.timelines.keys()) this.fill(document, panel);
        this.changed.fire(undefined);
      },
      () => {
        this.open.delete(key);
        this.changed.fire(undefined);
      },
    );
    this.open.set(key, document);
    this.changed.fire(undefined);
    return document;
  }

  resolveCustomEditor(document: TraceDocument, panel: vscode.WebviewPanel): void {
    panel.webview.options = timelineOptions(this.extensionUri);
    panel.onDidChangeViewState(() => this.shown.activate(panel, panel.active));
    panel.onDidDispose(() => {
      this.shown.close(panel);
      document.timelines.get(panel)?.dispose();
      document.timelines.delete(panel);
    });
    this.fill(document, panel);
  }

  /** Makes the page, anew where there was one of what the file held before. */
  private fill({ uri, timelines, source }: TraceDocument, panel: vscode.WebviewPanel): void {
    timelines.get(panel)?.dispose();
    this.shown.open(panel, { source, trace: undefined, uri: uri.toString() }, panel.active);
    timelines.set(panel, new TimelineHost(panel.webview, source, this.actions));
    panel.webview.html = timelineHtml(panel.webview, this.extensionUri);
  }

  dispose(): void {
    this.changed.dispose();
  }
}

// Trace files in a real VS Code: wherever a file is, its tab shows what it holds now.
import * as assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { PacketTrailApi } from '../../extension/api.ts';
import { timelineActions } from '../../extension/commands/timelineActions.ts';
import type { Sources } from '../../extension/commands/openHook.ts';
import { againText } from '../../extension/sessions/again.ts';
import { ShownTraces } from '../../extension/sessions/shownTraces.ts';
import { State } from '../../extension/sessions/state.ts';
import { everyPacket } from '../../extension/sessions/traceFilter.ts';
import { Traces } from '../../extension/sessions/traces.ts';
import { TimelinePanels } from '../../extension/views/timelinePanels.ts';
import { TraceRecorder } from '../../extension/trace/file.ts';
import { FrameSplitter } from '../../extension/trace/frames.ts';
import { bootMono, events, hello, hooks, join as bytes } from '../unit/trace/encode.ts';

/** A trace of so many packets, as a file. */
async function record(path: string, packets: number): Promise<void> {
  const recorder = await TraceRecorder.create(path, { node: 'demo', filter: 'icmp', title: 'demo: icmp' });
  const stream = bytes(
    hello(),
    hooks({ id: 1, name: 'ip_rcv' }),
    events(...Array.from({ length: packets }, (_, index) => ({ time: bootMono, hook: 1, packet: index + 1 }))),
  );
  new FrameSplitter().push(stream, (frame) => recorder.append(frame));
  await recorder.close();
}

/** Files that only VS Code can give, by path. */
class FakeRemoteFiles implements vscode.FileSystemProvider {
  readonly files = new Map<string, Uint8Array>();
  readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.changed.event;

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }
  stat(uri: vscode.Uri): vscode.FileStat {
    return { type: vscode.FileType.File, ctime: 0, mtime: 0, size: this.readFile(uri).length };
  }
  readFile(uri: vscode.Uri): Uint8Array {
    const file = this.files.get(uri.path);
    if (file === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    return file;
  }
  readDirectory(): [string, vscode.FileType][] {
    return [];
  }
  createDirectory(): void {
    throw vscode.FileSystemError.NoPermissions();
  }
  writeFile(): void {
    throw vscode.FileSystemError.NoPermissions();
  }
  delete(): void {
    throw vscode.FileSystemError.NoPermissions();
  }
  rename(): void {
    throw vscode.FileSystemError.NoPermissions();
  }
}

suite('trace files', () => {
  let folder = '';
  let api: PacketTrailApi;
  const remote = new FakeRemoteFiles();
  let registered: vscode.Disposable;

  suiteSetup(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packet-trail-host-'));
    const extension = vscode.extensions.getExtension<PacketTrailApi>('packet-trail.packet-trail');
    api = await (extension ?? assert.fail('VS Code does not know the extension')).activate();
    registered = vscode.workspace.registerFileSystemProvider('fake-remote', remote, { isReadonly: true });
  });
  suiteTeardown(async () => {
    registered.dispose();
    remote.changed.dispose();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await rm(folder, { recursive: true });
  });

  /** Resolves once the tab of the file shows so many packets, or says so. */
  async function shows(uri: vscode.Uri, what: number | RegExp): Promise<void> {
    for (;;) {
      const summary = await api.file(uri)?.summary();
      const { packets, message } = summary ?? { packets: undefined, message: '' };
      if (typeof what === 'number' ? packets === what : what.test(message)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test('a file that is saved over shows the new content, whatever is in its name', async () => {
    const path = join(folder, 'a [1]{x}.pkttrail');
    const uri = vscode.Uri.file(path);
    await record(path, 1);
    await vscode.commands.executeCommand('vscode.open', uri);
    await shows(uri, 1);
    await record(`${path}.new`, 2);
    await rename(`${path}.new`, path);
    await shows(uri, 2);
    await writeFile(path, 'Dear reader,\n');
    await shows(uri, /can't be shown/);
    await record(path, 3);
    await shows(uri, 3);
  });

  test('a tab of a window that is gone shows its trace as a file, and one that kept nothing goes away', async () => {
    const path = join(folder, 'gone.pkttrail');
    await record(path, 6);
    const log = vscode.window.createOutputChannel('test', { log: true });
    const traces = new Traces(folder);
    const actions = timelineActions(
      {} as Sources,
      traces,
      new State({ get: () => undefined, update: () => Promise.resolve() }),
      log,
    );
    const panels = new TimelinePanels(vscode.Uri.file(folder), traces, new ShownTraces(), actions);
    const tab = (): vscode.WebviewPanel =>
      vscode.window.createWebviewPanel('packetTrail.test', 'gone', vscode.ViewColumn.Active);
    const isOpen = (label: string): boolean =>
      vscode.window.tabGroups.all.some(({ tabs }) => tabs.some((one) => one.label === label));
    await panels.deserializeWebviewPanel(tab(), {
      again: againText({ path, ran: false, target: 'node', filter: everyPacket }),
    });
    await shows(vscode.Uri.file(path), 6);
    await panels.deserializeWebviewPanel(tab(), undefined);
    while (isOpen('gone')) await new Promise((resolve) => setTimeout(resolve, 50));
    traces.dispose();
    log.dispose();
  });

  test('a file that is nowhere on disk is read through VS Code, and again when that is asked for', async () => {
    const uri = vscode.Uri.parse('fake-remote://somewhere/traces/b.pkttrail');
    await record(join(folder, 'b.pkttrail'), 4);
    remote.files.set(uri.path, await readFile(join(folder, 'b.pkttrail')));
    await vscode.commands.executeCommand('vscode.open', uri);
    await shows(uri, 4);
    await record(join(folder, 'b5.pkttrail'), 5);
    // Without a word of the provider's.
    remote.files.set(uri.path, await readFile(join(folder, 'b5.pkttrail')));
    await vscode.commands.executeCommand('packetTrail.reloadTrace');
    await shows(uri, 5);
    remote.files.delete(uri.path);
    await vscode.commands.executeCommand('packetTrail.reloadTrace');
    await shows(uri, /b\.pkttrail can't be opened/);
  });
});

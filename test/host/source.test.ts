// Click-through in a real VS Code: a hook opens at its definition, clangd decides between branches, a person between the rest.
import * as assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { Clangd } from '../../extension/source/clangd.ts';
import { KernelIndexes } from '../../extension/source/kernelIndex.ts';
import { SourceOpener, type SourceChoice, type SourcePrompter } from '../../extension/source/openSource.ts';
import { State } from '../../extension/sessions/state.ts';
import type { SourceHook } from '../../extension/source/locate.ts';
import { WindowClangd } from '../../extension/views/clangdServer.ts';
import { WindowSourceEditor } from '../../extension/views/sourceEditor.ts';

/** Answers as the test says, and remembers what was asked. */
class FakePrompter implements SourcePrompter {
  readonly said: { readonly message: string; readonly buttons: readonly string[] }[] = [];
  readonly offered: (readonly SourceChoice[])[] = [];
  readonly browsed: string[] = [];
  choice: number | undefined;
  button: string | undefined;
  folder: string | undefined;

  choose(_: string, choices: readonly SourceChoice[]): Promise<number | undefined> {
    this.offered.push(choices);
    return Promise.resolve(this.choice);
  }

  chooseFolder(): Promise<string | undefined> {
    return Promise.resolve(this.folder);
  }

  say(_: string, message: string, buttons: readonly string[]): Promise<string | undefined> {
    this.said.push({ message, buttons });
    const { button } = this;
    return Promise.resolve(button !== undefined && buttons.includes(button) ? button : undefined);
  }

  browse(address: string): Promise<void> {
    this.browsed.push(address);
    return Promise.resolve();
  }

  progress<T>(_: string, task: (report: () => void, signal: AbortSignal) => Promise<T>): Promise<T> {
    return task(() => undefined, new AbortController().signal);
  }
}

const kernel = { release: '6.12.7-test', machine: 'x86_64' };
const hook = (name: string): SourceHook => ({ function: name, module: '', kind: 'kprobe.multi' });

suite('kernel source', () => {
  const log: string[] = [];
  let folder = '';
  let tree = '';
  let prompter: FakePrompter;
  let clangd: Clangd;
  let opener: SourceOpener;
  let state: State;

  const set = async (name: string, value: string | undefined): Promise<void> => {
    await vscode.workspace.getConfiguration('packetTrail').update(name, value, vscode.ConfigurationTarget.Global);
  };
  const open = (name: string): Promise<string> => opener.openHook(hook(name), kernel, { beside: false, preview: true });
  /** Where the active editor stands: file below the tree, 1-based line, selected text. */
  const place = (): string => {
    const editor = vscode.window.activeTextEditor;
    assert.ok(editor, 'no editor is open');
    const { document, selection } = editor;
    return `${document.uri.fsPath.slice(tree.length + 1)}:${selection.start.line + 1} ${document.getText(selection)}`;
  };
  /** Offers are followed up when nobody waits for them. */
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while (!holds()) {
      assert.ok(Date.now() < deadline, `${what}: not within 20 s`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  suiteSetup(async () => {
    const extension = vscode.extensions.getExtension('packet-trail.packet-trail');
    assert.ok(extension, 'VS Code does not know the extension');
    folder = await mkdtemp(join(tmpdir(), 'packet-trail-host-source-'));
    tree = join(folder, 'linux');
    await cp(join(extension.extensionPath, 'test', 'unit', 'source', 'fixture'), tree, { recursive: true });
    const sink = {
      info: (text: string): void => void log.push(text),
      warn: (text: string): void => void log.push(text),
    };
    const indexes = new KernelIndexes(join(extension.extensionPath, 'dist', 'indexer.js'), join(folder, 'index'));
    clangd = new Clangd(new WindowClangd(sink), sink);
    const kept = new Map<string, unknown>();
    state = new State({
      get: (key) => kept.get(key),
      update: (key, value) => Promise.resolve(void kept.set(key, value)),
    });
    // The prompter is replaced by each test; the opener asks whichever is current.
    const current: SourcePrompter = {
      choose: (...args) => prompter.choose(...args),
      chooseFolder: () => prompter.chooseFolder(),
      say: (...args) => prompter.say(...args),
      browse: (address) => prompter.browse(address),
      progress: (title, task) => prompter.progress(title, task),
    };
    opener = new SourceOpener(indexes, clangd, current, new WindowSourceEditor(), state, sink);
  });

  setup(async () => {
    prompter = new FakePrompter();
    await state.forgetSourceChoices();
    log.length = 0;
    await set('kernelSource', tree);
  });

  suiteTeardown(async () => {
    await set('kernelSource', undefined);
    await set('clangd.path', undefined);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await opener.dispose();
    await clangd.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  test('a hook opens at the name of its function', async () => {
    assert.equal(await open('plain.isra.0'), 'Opened plain at net/core/tricky.c:11.');
    assert.equal(place(), 'net/core/tricky.c:11 plain');
    assert.deepEqual(prompter.said, []);
  });

  test('a tracepoint opens where its event is defined', async () => {
    await open('skb:kfree_skb');
    assert.equal(place(), 'include/trace/events/skb.h:6 kfree_skb');
  });

  test('without a compile database a person chooses between the branches, and sees both lines', async () => {
    prompter.choice = 1;
    await open('branched');
    assert.equal(prompter.offered.length, 1);
    assert.deepEqual(
      prompter.offered[0]?.map(({ description, detail }) => `${description} ${detail}`),
      [6, 11].map((line) => `net/core/branches.c:${line} int branched(struct sk_buff *skb)`),
    );
    assert.equal(place(), 'net/core/branches.c:11 branched');
    assert.match(log.join('\n'), /clangd: not asked for branched: no compile_commands\.json/);
  });

  test('a choice is remembered for its function, and asked for anew once the index is', async () => {
    prompter.choice = 1;
    assert.match(await open('branched'), /^Opened branched at net\/core\/branches\.c:11\.$/);
    await open('plain');
    assert.match(await open('branched'), /branches\.c:11, as chosen before; Rebuild Kernel Source Index asks anew\.$/);
    assert.equal(place(), 'net/core/branches.c:11 branched');
    assert.equal(prompter.offered.length, 1);
    await opener.rebuildIndex();
    prompter.choice = 0;
    await open('branched');
    assert.equal(prompter.offered.length, 2);
    assert.equal(place(), 'net/core/branches.c:6 branched');
  });

  test('functions that share a name have a choice each', async () => {
    const shared = (address: bigint): Promise<string> =>
      opener.openHook({ ...hook('branched'), shared: true, address }, kernel, { beside: false });
    prompter.choice = 0;
    await shared(0x1000n);
    prompter.choice = 1;
    await shared(0x2000n);
    assert.equal(prompter.offered.length, 2);
    assert.match(await shared(0x1000n), /:6, as chosen before/);
    assert.match(await shared(0x2000n), /:11, as chosen before/);
  });

  test('who chooses none stays where they are', async () => {
    await open('plain');
    assert.equal(await open('branched'), 'No definition was chosen.');
    assert.equal(place(), 'net/core/tricky.c:11 plain');
  });

  test('clangd opens the branch that the kernel is built with, and nobody is asked', async function () {
    this.timeout(90_000);
    const file = join(tree, 'net/core/branches.c');
    const command = `clang -DCONFIG_ONE -c ${file}`;
    await writeFile(join(tree, 'compile_commands.json'), JSON.stringify([{ directory: tree, file, command }]));
    try {
      await open('branched');
      assert.deepEqual(prompter.offered, [], log.join('\n'));
      assert.equal(place(), 'net/core/branches.c:6 branched');
      assert.match(log.join('\n'), /clangd: 1 of 2 definitions of branched are compiled/);
    } finally {
      await rm(join(tree, 'compile_commands.json'));
    }
  });

  test('a clangd that does not start leaves the choice to the person, with the reason in the log', async () => {
    await set('clangd.path', join(folder, 'no-such-clangd'));
    const file = join(tree, 'net/core/branches.c');
    await writeFile(
      join(tree, 'compile_commands.json'),
      JSON.stringify([{ directory: tree, file, command: `clang -c ${file}` }]),
    );
    try {
      prompter.choice = 0;
      await open('branched');
      assert.equal(prompter.offered.length, 1);
      assert.match(log.join('\n'), /no-such-clangd could not be started: .*The index decides/);
    } finally {
      await rm(join(tree, 'compile_commands.json'));
      await set('clangd.path', undefined);
    }
  });

  test('without a tree the online cross-reference for the kernel version is offered, and opened only when asked', async () => {
    await set('kernelSource', '');
    assert.match(await open('ip_rcv'), /needs the Linux 6\.12\.7 source/);
    assert.deepEqual(prompter.said[0]?.buttons, [
      'Choose Kernel Source Folder…',
      'Open Online Cross-Reference',
      'Not Now',
    ]);
    assert.deepEqual(prompter.browsed, []);
    prompter.button = 'Open Online Cross-Reference';
    await open('ip_rcv');
    await until('the address is opened', () => prompter.browsed.length > 0);
    assert.deepEqual(prompter.browsed, ['https://elixir.bootlin.com/linux/v6.12.7/A/ident/ip_rcv']);
  });

  test('a tree that is chosen now is kept, and the hook opens in it', async () => {
    await set('kernelSource', '');
    prompter.button = 'Choose Kernel Source Folder…';
    prompter.folder = tree;
    await open('last');
    await until('the definition is open', () => place().endsWith(' last'));
    assert.equal(vscode.workspace.getConfiguration('packetTrail').get('kernelSource'), tree);
  });

  test('a folder that is no kernel source is refused with the mend', async () => {
    await set('kernelSource', folder);
    assert.match(await open('plain'), /is no kernel source.*Choose|looks like one; choose it instead/);
  });

  test('a tree of another version opens, and says so once', async () => {
    const other = { release: '6.1.0-49-amd64', machine: 'x86_64' };
    const openOther = (): Promise<string> => opener.openHook(hook('plain'), other, { beside: false, preview: true });
    assert.match(await openOther(), /^Opened/);
    await openOther();
    assert.deepEqual(
      prompter.said.map(({ message }) => message),
      ['The source is Linux 6.12.7, the node runs 6.1.x: lines may differ.'],
    );
  });

  test('a function that was added after the tree was indexed is found once the index is rebuilt', async () => {
    const file = join(tree, 'net/core/feature.c');
    // Makes the index. Another file than the one that changes: an editor that is open takes a change up in its own time.
    await open('plain');
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await writeFile(file, 'int feature_renamed(void)\n{\n\treturn 0;\n}\n');
    await opener.rebuildIndex();
    await open('feature_renamed');
    assert.equal(place(), 'net/core/feature.c:1 feature_renamed');
  });
});

// BPF programs in a real VS Code: their rows in the tree, their source in the workspace or out of their BTF, and a saved trace's programs.
import * as assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { PacketTrailApi } from '../../extension/api.ts';
import { programCommands, type ProgramCommandContext } from '../../extension/commands/programCommands.ts';
import type { SourceChoice } from '../../extension/source/openSource.ts';
import { ProgramSources } from '../../extension/views/programSources.ts';
import { StreamDecoder } from '../../extension/trace/decoder.ts';
import { TraceRecorder } from '../../extension/trace/file.ts';
import { FrameSplitter } from '../../extension/trace/frames.ts';
import type { Program } from '../../extension/trace/programMessages.ts';
import { programTree, type ProgramRow } from '../../extension/trace/programTree.ts';
import type { TraceQueries } from '../../extension/trace/queries.ts';
import type { TraceAbout, TraceSource } from '../../extension/trace/source.ts';
import { TraceStore } from '../../extension/trace/store.ts';
import { StoreQueries } from '../../extension/trace/storeQueries.ts';
import type { TraceSummary } from '../../extension/protocol/timeline.ts';
import { everyPacket, filterText } from '../../extension/sessions/traceFilter.ts';
import { programTreeItem, type ProgramItem, type ProgramTrace } from '../../extension/views/programsView.ts';
import { helperArguments, type TraceFilter } from '../../extension/nodes/helperFlags.ts';
import { statusText } from '../../extension/views/statusBar.ts';
import { traceSettings } from '../../extension/views/settings.ts';
import { bootMono, events, hello, hooks, join as bytes, names, programs, source } from '../unit/trace/encode.ts';

const stream = bytes(
  hello(),
  hooks({ id: 1, name: 'policy', kind: 3, program: 10 }, { id: 2, name: 'policy', kind: 4, program: 10 }),
  names({ netns: [{ inum: 5, name: 'web' }], iface: [{ netns: 5, ifindex: 2, name: 'eth0' }] }),
  programs(
    {
      id: 10,
      name: 'policy',
      entryHook: 1,
      verdictHook: 2,
      file: '/build/src/bpf/policy.c',
      line: 3,
      attachments: [
        { kind: 'tc', direction: 1, netns: 5, ifindex: 2, priority: 1, label: 'policy.o:[tc]', direct: true },
      ],
    },
    { id: 11, name: 'broken', state: 1, reason: 'the verifier refuses our hook', log: 'R1 invalid mem access' },
  ),
  source(
    10,
    { file: '/build/src/bpf/policy.c', line: 3, text: 'int policy(struct __sk_buff *skb)', function: 'policy' },
    { file: '/build/src/bpf/policy.c', line: 5, text: '\treturn TC_ACT_SHOT;', function: 'policy' },
  ),
  events({ time: bootMono, hook: 1, packet: 1, netns: 5, ifindex: 2 }, { time: bootMono + 9n, hook: 2, verdict: 2n }),
);

function decoded(): TraceStore {
  const store = new TraceStore();
  new StreamDecoder(store).feed(stream);
  return store;
}

suite('BPF programs', () => {
  const store = decoded();
  const about: TraceAbout = {
    node: 'demo',
    filter: '',
    expression: '',
    status: 'file',
    title: 'a.pkttrail',
    message: '',
  };
  const queries: TraceQueries = new StoreQueries({ ...about, store });
  const trace: ProgramTrace = {
    source: { ...about, queries } as TraceSource,
    trace: undefined,
    uri: vscode.Uri.file('/a.pkttrail'),
  };
  const origin = { trace: '1', node: 'demo' };
  const here = { beside: false };
  let root = '';
  let map: Readonly<Record<string, string>> = {};
  let offered: readonly SourceChoice[] = [];
  let choice: number | undefined;
  let sources: ProgramSources;

  const known = (id: number): Program => store.programs.get(id) ?? assert.fail(`no program ${id}`);
  const open = (fields: Partial<Program> = {}, lines = store.programs.source(10)): Promise<string> =>
    sources.open({ ...known(10), ...fields }, lines, origin, here);
  const place = (): string => {
    const editor = vscode.window.activeTextEditor ?? assert.fail('no editor is open');
    return `${vscode.workspace.asRelativePath(editor.document.uri)}:${editor.selection.start.line + 1}`;
  };
  const put = async (file: string, text: string): Promise<void> => {
    await mkdir(join(root, file, '..'), { recursive: true });
    await writeFile(join(root, file), text);
  };
  const text = '#include <x.h>\n\nint policy(struct __sk_buff *skb)\n{\n\treturn TC_ACT_SHOT;\n}\n';
  const rows = (list: readonly ProgramRow[]): ProgramRow[] => list.flatMap((row) => [row, ...rows(row.children)]);
  const row = (kind: ProgramRow['kind'], label: string): ProgramItem => {
    const found = rows(programTree(store)).find((each) => each.kind === kind && each.label === label);
    return { kind: 'row', of: trace, row: found ?? assert.fail(`no row ${label}`) };
  };

  suiteSetup(() => {
    root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? assert.fail('there is no workspace folder');
    const choose = (_: string, choices: readonly SourceChoice[]): Promise<number | undefined> => {
      offered = choices;
      return Promise.resolve(choice);
    };
    // The extension has its own provider for the scheme: both give what they know.
    sources = new ProgramSources({ choose }, () => map);
  });
  teardown(async () => {
    map = {};
    offered = [];
    choice = undefined;
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    for (const folder of ['bpf', 'other', 'src']) await rm(join(root, folder), { recursive: true, force: true });
  });
  suiteTeardown(() => sources.dispose());

  test('a program opens at its first line in the file that the path map names', async () => {
    await put('src/policy.c', text);
    map = { '/build/src/bpf': 'src' };
    assert.equal(await open(), 'Opened policy at src/policy.c:3.');
    assert.equal(place(), 'src/policy.c:3');
    map = { '/build/src/bpf': join(root, 'src') };
    assert.equal(await open(), 'Opened policy at src/policy.c:3.');
  });

  test('a file of the workspace is found by the end of its path, and that it was edited since is said', async () => {
    await put('bpf/policy.c', text);
    await put('other/policy.c', text);
    assert.equal(await open(), 'Opened policy at bpf/policy.c:3.');
    // Another file: an editor that is open takes a change up in its own time.
    await rm(join(root, 'bpf'), { recursive: true });
    await put('src/bpf/policy.c', `// a new first line\n${text}`);
    assert.match(await open(), /^Opened policy at src\/bpf\/policy\.c:3\. The file is not the one that was compiled/);
    assert.deepEqual(offered, []);
  });

  test('of several that fit, the one that reads as compiled opens, else the person chooses', async () => {
    await put('other/a/policy.c', 'int x;\n');
    await put('other/b/policy.c', text);
    assert.equal(await open({ file: 'policy.c' }, []), 'No file was chosen.');
    assert.deepEqual(offered.map(({ description }) => description).sort(), ['other/a/policy.c', 'other/b/policy.c']);
    const line = {
      file: 'policy.c',
      line: 3,
      column: 1,
      text: 'int policy(struct __sk_buff *skb)',
      function: 'policy',
    };
    assert.equal(await open({ file: 'policy.c' }, [line]), 'Opened policy at other/b/policy.c:3.');
    choice = offered.findIndex(({ description }) => description === 'other/a/policy.c');
    assert.match(await open({ file: 'policy.c' }, []), /other\/a\/policy\.c:2\. The file is not the one/);
    assert.equal(place(), 'other/a/policy.c:2');
  });

  test('a file that is nowhere opens as the lines that BTF carries, to be read only', async () => {
    assert.match(await open(), /^Opened the lines of policy that its BTF carries: .*policy\.c is not in the workspace/);
    const editor = vscode.window.activeTextEditor ?? assert.fail('no editor is open');
    assert.equal(editor.document.uri.scheme, 'packet-trail-program');
    assert.equal(editor.document.languageId, 'c');
    const line = editor.document.lineAt(editor.selection.start.line).text;
    assert.equal(line, '/* 3 */ int policy(struct __sk_buff *skb)');
    await vscode.commands.executeCommand('type', { text: 'x' });
    assert.equal(editor.document.isDirty, false);
  });

  test('without lines the message says what to do, and without line information how to get it', async () => {
    assert.match(await open({}, []), /policy\.c is not in the workspace: open its folder, or .*pathMap/);
    assert.match(await open({ file: '', line: 0 }, []), /no line information.*clang -g/);
    assert.equal(vscode.window.activeTextEditor, undefined);
  });

  test('why a program is not hooked can be read with the verifier’s last lines', async () => {
    await sources.showLog(known(11), origin);
    const shown = vscode.window.activeTextEditor?.document.getText() ?? '';
    assert.match(shown, /^broken, BPF program 11 on demo: the verifier refuses our hook\n\nR1 invalid mem access\n/);
  });

  test('the rows have words for a screen reader and what their menus go by', () => {
    const item = (kind: ProgramRow['kind'], label: string): vscode.TreeItem => programTreeItem(row(kind, label));
    assert.equal(item('interface', 'eth0').accessibilityInformation?.label, 'Interface eth0, netns web');
    const program = item('program', 'policy');
    assert.equal(program.accessibilityInformation?.label, 'BPF program policy, TC_ACT_SHOT 1, prio 1, policy.o');
    assert.equal(program.contextValue, 'programs.program.hooked.source');
    const verdict = item('verdict', 'TC_ACT_SHOT');
    assert.equal(verdict.accessibilityInformation?.label, 'Verdict TC_ACT_SHOT, drops the packet, once');
    assert.equal((verdict.iconPath as vscode.ThemeIcon).id, 'error');
    assert.equal(item('program', 'broken').contextValue, 'programs.program.reported.log');
    assert.equal(programTreeItem({ kind: 'trace', of: trace, programs: 2 }).description, 'a.pkttrail, 2 programs');
    const ids = rows(programTree(store)).map((each) => programTreeItem({ kind: 'row', of: trace, row: each }).id);
    assert.equal(new Set(ids).size, ids.length);
  });

  test('a row shows its packets in its trace’s timeline', async () => {
    const asked: string[] = [];
    const editor = { show: () => Promise.resolve({ find: (filter: string) => asked.push(filter) }) };
    const commands = programCommands({ sources, editor, panels: {} } as unknown as ProgramCommandContext);
    const run = async (id: string, argument: unknown): Promise<void> => {
      await (commands.find((command) => command.id === id) ?? assert.fail(id)).run(argument);
    };
    await run('showProgramPackets', row('program', 'policy'));
    await run('showProgramPackets', row('verdict', 'TC_ACT_SHOT'));
    assert.deepEqual(asked, ['prog:policy', 'verdict:policy=TC_ACT_SHOT']);
    await put('bpf/policy.c', text);
    await run('openProgramSource', row('program', 'policy'));
    assert.equal(place(), 'bpf/policy.c:3');
    await assert.rejects(run('openProgramSource', undefined), /Pick a program/);
  });

  test('a saved trace shows its programs while it is open', async () => {
    const extension = vscode.extensions.getExtension<PacketTrailApi>('packet-trail.packet-trail');
    const api = await (extension ?? assert.fail('VS Code does not know the extension')).activate();
    const file = join(root, 'programs.pkttrail');
    const recorder = await TraceRecorder.create(file, { node: 'demo', filter: 'icmp', title: 'demo: icmp' });
    new FrameSplitter().push(stream, (frame) => recorder.append(frame));
    await recorder.close();
    const uri = vscode.Uri.file(file);
    await vscode.commands.executeCommand('vscode.open', uri);
    await vscode.commands.executeCommand('packetTrail.programs.focus');
    const labels = rows((await api.file(uri)?.programs()) ?? []).map(
      ({ label, description }) => `${label}: ${description}`,
    );
    assert.deepEqual(labels, [
      'eth0: netns web',
      'tc ingress: ',
      'policy: TC_ACT_SHOT 1, prio 1, policy.o',
      'TC_ACT_SHOT: 1',
      'Loaded, not attached: 1',
      'broken: the verifier refuses our hook',
      'Not hooked: 1',
      'broken: the verifier refuses our hook',
    ]);
    await rm(file);
  });
});

suite('what a trace is started with', () => {
  const settings = { ...traceSettings(), include: [], exclude: [] };

  test('BPF programs are hooked unless the setting says no, and alone when asked', () => {
    assert.equal(traceSettings().programs, true);
    const plain = helperArguments(everyPacket, settings);
    assert.ok(!plain.includes('--no-programs') && !plain.includes('--programs-only'));
    assert.ok(helperArguments(everyPacket, { ...settings, programs: false }).includes('--no-programs'));
    const only = helperArguments({ ...everyPacket, hops: 'programs' }, { ...settings, programs: false });
    assert.ok(only.includes('--programs-only') && !only.includes('--no-programs'));
    assert.equal(filterText({ ...everyPacket, expression: 'icmp', hops: 'programs' }), 'icmp, tc/XDP programs only');
  });

  test('all functions are hooked unless the most telling are asked for', () => {
    assert.ok(!helperArguments(everyPacket, settings).includes('--telling'));
    const telling = helperArguments({ ...everyPacket, hops: 'telling' }, settings);
    assert.ok(telling.includes('--telling') && !telling.includes('--programs-only'));
    assert.equal(filterText({ ...everyPacket, hops: 'telling' }), 'most telling functions only');
  });

  test('BPF programs are chosen by the globs of the setting, and by none where no program is hooked', () => {
    assert.deepEqual(traceSettings().includePrograms, []);
    const named = { ...settings, includePrograms: ['cil_*', 'tc_main'] };
    const globs = (args: readonly string[]): string[] => args.filter((_, at) => args[at - 1] === '--program');
    assert.deepEqual(globs(helperArguments(everyPacket, settings)), []);
    assert.deepEqual(globs(helperArguments(everyPacket, named)), ['cil_*', 'tc_main']);
    assert.deepEqual(globs(helperArguments(everyPacket, { ...named, programs: false })), []);
    const only: TraceFilter = { ...everyPacket, hops: 'programs' };
    assert.deepEqual(globs(helperArguments(only, { ...named, programs: false })), ['cil_*', 'tc_main']);
  });

  test('an overhead budget is passed on when there is one', () => {
    assert.equal(traceSettings().maxOverhead, 0);
    assert.ok(!helperArguments(everyPacket, settings).includes('--max-overhead'));
    const args = helperArguments(everyPacket, { ...settings, maxOverhead: 12.5 });
    assert.equal(args[args.indexOf('--max-overhead') + 1], '12.5%');
  });

  test('a trace leaves out the connection that carries it unless the setting says otherwise', () => {
    assert.equal(traceSettings().ownConnection, false);
  });

  test('the status bar item says what the trace costs, and that hooks were shed', () => {
    const summary: TraceSummary = {
      title: 'demo',
      node: 'demo',
      filter: '',
      expression: '',
      leftOut: '',
      kernel: '',
      status: 'live',
      message: '',
      leaving: false,
      events: 10,
      packets: 1,
      drops: 0,
      lost: 0,
      missed: 0,
      eventsPerSecond: 1234,
      hooksAttached: 7,
      hooksWaiting: 0,
      hooksSkipped: 0,
      hooksShed: 3,
      shed: ['a', 'b', 'c'],
      overhead: 0.0345,
      durationNs: 1,
      startMs: 1,
    };
    const { text, tooltip } = statusText(summary);
    assert.equal(text, '$(pulse) demo 1,234 events/s, 3.5 % CPU, 0 lost');
    assert.match(tooltip, /3 hooks detached to keep within the overhead budget/);
    assert.match(tooltip, /3\.5 % of one core/);
    assert.match(statusText({ ...summary, overhead: 0.0004 }).text, /< 0\.1 % CPU/);
    assert.match(statusText({ ...summary, lost: 7 }).text, /CPU, \$\(warning\) 7 lost$/);
    const leaving = statusText({ ...summary, status: 'ended', overhead: undefined, leaving: true });
    assert.equal(leaving.text, '$(sync~spin) demo taking hooks off, 0 lost');
    const unseen = statusText({ ...summary, missed: 4000 });
    assert.match(unseen.text, /CPU, 0 lost$/);
    assert.match(unseen.tooltip, /4,000 hits, of whatever packets/);
    assert.equal(unseen.warn, false);
    const unmeasured = statusText({ ...summary, overhead: undefined, hooksShed: 0 });
    assert.equal(unmeasured.text, '$(pulse) demo 1,234 events/s, 0 lost');
    assert.doesNotMatch(unmeasured.tooltip, /core|budget/);
  });
});

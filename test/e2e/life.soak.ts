// A trace's life in VS Code beyond one journey: many that are opened and closed, two windows, a workspace that isn't trusted, the ssh
// program of this machine, and what was typed as a secret.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { TraceRecorder } from '../../extension/trace/file.ts';
import { FrameSplitter } from '../../extension/trace/frames.ts';
import type { TestNode } from '../node/vm.ts';
import { bootMono, end, events, hello, hooks } from '../unit/trace/encode.ts';
import { droppingNode, dropOf, host, openVSCode, ping, type OpenVSCode } from './journey.ts';
import { Workbench } from './workbench.ts';

let folder: string;
let node: TestNode;
const stops: (() => Promise<void>)[] = [];
const windows: (() => Promise<void>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packet-trail-e2e-'));
  stops.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  node = await droppingNode();
  stops.push(() => node.stop());
});
afterEach(async () => {
  for (const stop of windows.splice(0).reverse()) await stop();
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** A VS Code with what it keeps of its own. */
async function open(name: string, options: Parameters<typeof openVSCode>[2] = {}): Promise<OpenVSCode> {
  await mkdir(join(folder, name), { recursive: true });
  const opened = await openVSCode(join(folder, name), node, options);
  windows.push(() => opened.stop());
  return opened;
}

async function startTrace({ workbench, timeline }: OpenVSCode, target = host): Promise<void> {
  await workbench.runCommand('Packet Trail: Start Trace');
  await workbench.pick(target);
  await workbench.enter('icmp and host 10.77.0.2', /Start Trace on/);
  await timeline.until('a live trace', (model) => model.summary?.status === 'live', 180_000);
}

/** The extension host that a server runs: its process number. */
async function extensionHostOf(dataDirectory: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const words = async (pid: string | number): Promise<string> =>
    (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
  const parent = async (pid: string | number): Promise<number> =>
    Number(/^PPid:\s*(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1] ?? 0);
  for (const pid of pids) {
    if (!(await words(pid)).includes('--type=extensionHost')) continue;
    for (let above = await parent(pid); above > 1; above = await parent(above))
      if ((await words(above)).includes(dataDirectory)) return Number(pid);
  }
  throw new Error('there is no extension host');
}

/** What it holds now: memory in MB, and open files, watches and sockets. */
async function held(pid: number): Promise<{ memory: number; files: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const memory = Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) / 1000;
  return { memory, files: (await readdir(`/proc/${pid}/fd`)).length };
}

test('fifty traces that are opened and closed leave neither memory nor open files', async () => {
  const opened = await open('fifty');
  const { server, workbench, timeline } = opened;
  const file = join(folder, 'fifty', 'workspace', 'big.pkttrail');
  const recorder = await TraceRecorder.create(file, { node: 'demo', filter: '', title: 'demo' });
  const splitter = new FrameSplitter();
  const write = (frame: Uint8Array): void => splitter.push(frame, (whole) => recorder.append(whole));
  write(hello());
  write(hooks({ id: 1, name: 'ip_rcv' }));
  const [batches, size] = [400, 500];
  for (let batch = 0; batch < batches; batch++) {
    const time = bootMono + BigInt(batch * 1_000_000);
    write(events(...Array.from({ length: size }, (_, i) => ({ time: time + BigInt(i), hook: 1, packet: 1 + batch }))));
  }
  write(end(batches * size, batches * size, 0));
  await recorder.close();

  const openAndClose = async (): Promise<void> => {
    await workbench.openFile('big.pkttrail');
    await timeline.until('the file', (model) => model.summary?.events === batches * size);
    await workbench.closeAllEditors();
  };
  for (let i = 0; i < 10; i++) await openAndClose();
  const pid = await extensionHostOf(server.dataDirectory);
  const before = await held(pid);
  for (let i = 0; i < 50; i++) await openAndClose();
  const after = await held(pid);
  console.log(
    `an extension host after 10 and 60 files of ${batches * size} events: ${JSON.stringify([before, after])}`,
  );
  // One such trace takes some 15 MB: a leak of them would be 750.
  expect(after.memory - before.memory).toBeLessThan(150);
  expect(after.files - before.files).toBeLessThan(5);

  const trace = async (): Promise<void> => {
    await startTrace(opened);
    await workbench.runCommand('Packet Trail: Stop Trace');
    await timeline.until('an ended trace', (model) => model.summary?.status === 'ended' && !model.summary.leaving);
    await workbench.runCommand('Packet Trail: Close Trace');
    await expect.poll(() => workbench.tabs()).toEqual([]);
  };
  for (let i = 0; i < 3; i++) await trace();
  const first = await held(pid);
  for (let i = 0; i < 10; i++) await trace();
  const last = await held(pid);
  console.log(`after 3 and 13 live traces: ${JSON.stringify([first, last])}`);
  expect(last.memory - first.memory).toBeLessThan(150);
  expect(last.files - first.files).toBeLessThan(5);
}, 1_800_000);

test('a trace without a tab is closed when it ends, and stays as a recording', async () => {
  const opened = await open('unseen');
  const { workbench, timeline } = opened;
  await startTrace(opened);
  await node.exec(ping);
  await timeline.until('a dropped packet', dropOf('ICMP'));
  await workbench.openContainer('Packet Trail');
  await workbench.closeAllEditors();
  expect(await workbench.treeRow(/^packet-trail-6\.12: icmp/).count()).toBe(1);
  await workbench.runCommand('Packet Trail: Stop Trace');
  const row = workbench.treeRow(/^packet-trail-6\.12-\d.*\.pkttrail$/);
  await row.waitFor();
  await row.click();
  await timeline.until('the recording', (model) => model.summary?.status === 'file' && dropOf('ICMP')(model));
}, 300_000);

test('in a second window the first one’s trace is no recording until it was let go of', async () => {
  const first = await open('windows');
  await startTrace(first);
  await node.exec(ping);
  await first.timeline.until('a dropped packet', dropOf('ICMP'));
  await mkdir(join(folder, 'windows', 'other'));
  const second = await Workbench.open({ server: first.server, folder: join(folder, 'windows', 'other') });
  windows.push(() => second.close());
  await second.openContainer('Packet Trail');
  const row = second.treeRow(/^packet-trail-6\.12-\d.*\.pkttrail$/);
  await second.page.locator('.sidebar', { hasText: 'Packet Trail' }).waitFor();
  expect(await row.count()).toBe(0);
  await first.workbench.runCommand('Packet Trail: Stop Trace');
  await first.timeline.until('an ended trace', (model) => model.summary?.status === 'ended');
  expect(await row.count()).toBe(0);
  await first.workbench.runCommand('Packet Trail: Close Trace');
  await row.waitFor();
  await row.hover();
  await row.getByRole('button', { name: 'Discard Trace' }).click();
  await second.answerDialog(/Discard/, 'Discard');
  await row.waitFor({ state: 'detached' });
}, 400_000);

test('in a workspace that isn’t trusted saved traces open, and nothing is traced', async () => {
  const workspace = join(folder, 'restricted', 'workspace');
  await mkdir(workspace, { recursive: true });
  const recorder = await TraceRecorder.create(join(workspace, 'saved.pkttrail'), {
    node: 'demo',
    filter: '',
    title: '',
  });
  new FrameSplitter().push(hello(), (frame) => recorder.append(frame));
  await recorder.close();
  const { workbench, timeline } = await open('restricted', { restricted: true });
  await workbench.statusBarItem(/Restricted Mode/);
  await workbench.openFile('saved.pkttrail');
  await timeline.until('the file', (model) => model.summary?.status === 'file');
  await workbench.runCommand('Packet Trail: Start Trace');
  expect(await workbench.notification(/trusted workspace/)).toContain('Manage Workspace Trust');
}, 200_000);

test('by the ssh program of this machine a node is traced, and what was typed as a secret is written nowhere', async () => {
  const opened = await open('secrets', { settings: { 'packetTrail.sshClient': 'system' } });
  const { workbench } = opened;
  // A key with a passphrase, which ssh asks for, and an account that signs in, and becomes root, with a password.
  const secrets = ['hunter two of the passphrase', 'never the password', node.password];
  const [passphrase = '', wrong = '', password = ''] = secrets;
  const key = join(folder, 'secrets', 'key');
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', key]);
  await node.exec(`echo '${(await readFile(`${key}.pub`, 'utf8')).trim()}' >>~/.ssh/authorized_keys`);
  const config = join(folder, 'secrets', 'ssh_config');
  const original = await readFile(config, 'utf8');
  await writeFile(
    config,
    `Host guarded\n  HostName ${node.host}\n  Port ${node.port}\n  User root\n  IdentityFile ${key}\n  IdentityAgent none\n` +
      `  IdentitiesOnly yes\n  UserKnownHostsFile ${/UserKnownHostsFile (.*)/.exec(original)?.[1] ?? ''}\n${original}`,
  );
  await workbench.runCommand('Packet Trail: Start Trace');
  await workbench.pick('guarded');
  await workbench.enter('icmp and host 10.77.0.2', /Start Trace on/);
  await workbench.quickInputTitle(/^Packet Trail: guarded/);
  await workbench.screenshot('ssh-asks');
  await workbench.enter(passphrase, /^Packet Trail: guarded/);
  await opened.timeline.until('a live trace', (model) => model.summary?.status === 'live', 180_000);
  await node.exec(ping);
  await opened.timeline.until('a dropped packet', dropOf('ICMP'));
  await workbench.runCommand('Packet Trail: Stop Trace');
  await opened.timeline.until('an ended trace', (model) => model.summary?.status === 'ended');

  for (const client of ['system', 'built-in']) {
    await opened.server.configure({ 'packetTrail.sshClient': client });
    await workbench.reload();
    await workbench.runCommand('Packet Trail: Check Node');
    await workbench.pick(`${host}-locked`);
    for (const [asked, answer] of [
      [/^Password of/, wrong],
      [/not accepted\. Password of/, password],
      [/^sudo password/, wrong],
    ] as const) {
      await workbench.quickInputMessage(asked);
      await workbench.enter(answer, /^Packet Trail: packet-trail-6\.12-locked/);
    }
    await workbench.quickInputMessage(/not accepted\. sudo password/);
    await workbench.enter(password, /^Packet Trail: packet-trail-6\.12-locked/);
    await workbench.quickInputTitle(/can be traced/);
    await workbench.dismiss();
  }

  const found: string[] = [];
  for (const secret of secrets) {
    const grep = await promisify(execFile)('grep', ['-rlaF', '--', secret, join(folder, 'secrets')]).catch(
      () => undefined,
    );
    found.push(...(grep?.stdout.trim().split('\n') ?? []));
    const there = await node.exec(`grep -rlaF -- '${secret}' /root /home /tmp /var /etc /run 2>/dev/null; true`);
    found.push(...there.stdout.trim().split('\n'));
  }
  expect(found.filter(Boolean)).toEqual([]);
}, 600_000);

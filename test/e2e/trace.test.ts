// A person's way through Packet Trail in a real VS Code, against a real kernel over real SSH: from the palette to a dropped
// packet's trail, to the source line, to the saved file and back, and past everything that can be wrong on the way.
// Each step leaves a picture in test-output/screenshots.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Lane, TrailRow } from '../../extension/protocol/timeline.ts';
import { readTrace } from '../../extension/trace/reader.ts';
import { withSmallDisk } from '../node/smallDisk.ts';
import type { TestNode } from '../node/vm.ts';
import { connect, droppingNode, dropOf, host, openVSCode, ping } from './journey.ts';
import { type FunctionRecord, recordFunctions } from './kernelRecord.ts';
import type { TimelineModel, TimelinePage } from './timelinePage.ts';
import type { VSCodeServer } from './vscodeServer.ts';
import type { Workbench } from './workbench.ts';
import { memoryBytes } from '../unit/trace/encode.ts';

/** Typed where a password is asked for. */
const secret = 'never to be found in a file';
const filter = '(icmp or tcp port 8080) and host 10.77.0.2';

describe('Packet Trail in VS Code', () => {
  let folder: string;
  let node: TestNode;
  let record: FunctionRecord;
  let server: VSCodeServer;
  let workbench: Workbench;
  let timeline: TimelinePage;
  /** The dropped ping, and its trail as the timeline told it while the trace was live. */
  let dropped: Lane;
  let trail: readonly TrailRow[];
  const stops: (() => Promise<void>)[] = [];
  const inFolder = (name: string): string => join(folder, 'workspace', name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packet-trail-e2e-'));
    stops.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    node = await droppingNode();
    stops.push(() => node.stop());
    record = await recordFunctions(node, 'icmp and host 10.77.0.2');
    stops.push(() => record.stop());
    const opened = await openVSCode(folder, node);
    ({ server, workbench, timeline } = opened);
    stops.push(() => opened.stop());
  });

  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await workbench.screenshot(`failed-${task.name.replace(/\W+/g, '-').slice(0, 60)}`);
    console.log((await server.logs()).slice(-8000));
  });

  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  /** Waits for the one error that a person sees, checks that it is one, and clears it away. */
  const refused = async (reason: RegExp): Promise<string> => {
    const message = await workbench.notification(reason, 60_000);
    // What was in progress leaves the screen as well.
    const severities = async (): Promise<string[]> => (await workbench.notifications()).map(({ severity }) => severity);
    await expect.poll(severities, { timeout: 60_000 }).toEqual(['error']);
    expect(message).not.toMatch(/\n|Error:|\bat .*:\d+:\d+|\[object|undefined/);
    await workbench.screenshot('refused');
    await workbench.clearNotifications();
    return message;
  };

  /** Answers questions for a password with a wrong one, as often as it is asked for, until this error shows. */
  const answerWrongly = async (error: RegExp): Promise<void> => {
    const over = workbench.notification(error, 90_000).then(() => true);
    for (let tries = 0; tries < 5; tries += 1) {
      const asked = workbench.quickInputTitle(/^Packet Trail: packet-trail-6\.12-/).then(() => false);
      if (await Promise.race([over, asked.catch(() => over)])) return;
      await workbench.enter(secret);
      await workbench.quickInputGone();
    }
    await over;
  };

  test('the palette offers its commands', async () => {
    for (const command of ['Start Trace', 'Open Trace…', 'Add Node…', 'Check Node'])
      await workbench.waitForCommand(`Packet Trail: ${command}`);
  });

  test('an unknown host is refused with its name', async () => {
    await workbench.runCommand('Packet Trail: Start Trace');
    await workbench.pick('Add Node…');
    await workbench.enter('root@nowhere.invalid');
    await workbench.enter('icmp', /Start Trace on root@nowhere\.invalid/);
    expect(await refused(/does not resolve/)).toContain('nowhere.invalid');
  });

  test('a wrong password is refused with what was tried', async () => {
    await workbench.runCommand('Packet Trail: Start Trace');
    await workbench.pick(`${host}-locked`);
    await workbench.enter('icmp', /Start Trace on/);
    await answerWrongly(/did not let locked in/);
    expect(await refused(/did not let locked in/)).toContain('password');
  });

  test('a changed host key is refused with the command that mends it', async () => {
    await workbench.runCommand('Packet Trail: Start Trace');
    await workbench.pick('changed-key');
    await workbench.enter('icmp', /Start Trace on changed-key/);
    expect(await refused(/host key of changed-key has changed/)).toContain('ssh-keygen -f');
  });

  test('a filter that is none is refused with the reason, and the box stays open', async () => {
    await workbench.runCommand('Packet Trail: Start Trace');
    await workbench.screenshot('pick-node');
    await workbench.pick(host);
    await workbench.enter('icmp and and', /Start Trace on packet-trail-6\.12/);
    expect(await workbench.quickInputMessage(/syntax error/)).toContain('syntax error');
    await workbench.screenshot('bad-filter');
  });

  test('behind the gear fewer functions can be chosen, and all again', async () => {
    const choose = async (was: string, label: string): Promise<void> => {
      await workbench.pressQuickInputButton(/watch fewer functions/);
      await workbench.quickInputTitle(/More Filters/);
      expect(await workbench.picks()).toContain('Functions');
      await workbench.pick('Functions');
      await workbench.quickInputTitle(/Functions/);
      const offered = ['All functions', 'The most telling functions', 'tc and XDP programs only'];
      expect(await workbench.picks()).toEqual(expect.arrayContaining(offered));
      await workbench.screenshot(`functions-${was}`);
      await workbench.pick(label);
      await workbench.quickInputTitle(/Start Trace on/);
    };
    await choose('all', 'The most telling functions');
    expect((await workbench.readQuickInput()).message).toContain('most telling functions only');
    await choose('telling', 'All functions');
    expect((await workbench.readQuickInput()).message).not.toContain('most telling functions only');
  });

  test('with a good filter the timeline opens and is live', async () => {
    await workbench.enter(filter);
    const { summary } = await timeline.until('a live trace', (model) => model.summary?.status === 'live', 180_000);
    expect(summary?.node).toBe(host);
    expect(summary?.kernel).toContain(node.release);
    expect(await workbench.statusBarItem(/packet-trail-6\.12/)).toMatch(/lost/);
    // All functions at once: there is no quicker start to offer.
    expect(await workbench.notifications()).toEqual([]);
  });

  test('a dropped ping shows as a trail that ends in a drop with its reason and place', async () => {
    await node.exec(ping);
    const { lanes } = await timeline.until('a dropped packet', dropOf('ICMP'));
    const [lane] = lanes.filter(({ drop, label }) => drop !== undefined && label.startsWith('ICMP'));
    if (lane === undefined) throw new Error('no packet was dropped');
    dropped = lane;
    expect(dropped.label).toContain('10.77.0.1');
    expect(dropped.drop).toBe('NETFILTER_DROP');
    trail = await timeline.selectPacket(dropped);
    const end = trail.findLast((row) => row.drop !== undefined);
    expect(end?.drop?.reason).toBe('NETFILTER_DROP');
    expect(end?.drop?.where).toMatch(/^(nf_hook_slow|nft_do_chain)\+0x/);
    await workbench.screenshot('timeline-drop');
  });

  test('its functions are those that pwru saw of the same packet, one for one, in the same order', async () => {
    // pwru has no modules and no tracepoints: what both hook is what it hooks. Its record goes on while memory is freed.
    await expect.poll(() => record.packets().length, { timeout: 60_000 }).toBeGreaterThan(0);
    const [theirs] = record.packets();
    const copying = '__copy_skb_header';
    // There the first skb, which pwru looks at, is the copy that is being made.
    const ours = trail.map((row) => row.function).filter((name) => record.functions.has(name) && name !== copying);
    expect(ours.length).toBeGreaterThan(30);
    expect(ours).toEqual(theirs);
  });

  test('a dropped connection shows beside it', async () => {
    await node.exec(connect);
    const { lanes } = await timeline.until('a dropped connection', dropOf('TCP'));
    const tcp = lanes.find(({ label }) => label.startsWith('TCP'));
    expect(tcp?.label).toContain('10.77.0.2:8080');
    expect(tcp?.drop).toBe('NETFILTER_DROP');
  });

  // The first look at a tree makes its index: some thousand files.
  test('a click on a hop opens the line where its function is defined', { timeout: 300_000 }, async () => {
    const [lane] = (await timeline.until('the dropped ping', dropOf('ICMP'))).lanes.filter(
      ({ id }) => id === dropped.id,
    );
    if (lane !== undefined) await timeline.selectPacket(lane);
    await timeline.openHop('ip_rcv');
    const cursor = await workbench.cursorAt(/\bip_rcv\(struct sk_buff \*skb/, 240_000);
    expect(cursor.file).toBe('ip_input.c');
    await workbench.screenshot('source');
  });

  test('a full disk is told when a trace is saved there, half a file is not left, and the trace can be saved elsewhere', async () => {
    await workbench.clearNotifications();
    const left = await withSmallDisk(inFolder('full'), 4096, async () => {
      await workbench.runCommand('Packet Trail: Save Trace As…');
      await workbench.enterPath(inFolder('full/x.pkttrail'));
      expect(await refused(/disk is full/)).toContain('free some space');
      return readdir(inFolder('full'));
    });
    expect(left).toEqual([]);
    await workbench.runCommand('Packet Trail: Save Trace As…');
    await workbench.enterPath(inFolder('elsewhere.pkttrail'));
    await workbench.notification(/Saved elsewhere\.pkttrail/);
  });

  test('a saved trace shows the same after it was closed and opened again', async () => {
    await workbench.runCommand('Packet Trail: Stop Trace');
    await workbench.runCommand('Packet Trail: Show Trace');
    const shows = (model: TimelineModel): boolean => model.lanes.some(({ id }) => id === dropped.id);
    const before = await timeline.until('an ended trace', (model) => model.summary?.status === 'ended' && shows(model));
    await workbench.runCommand('Packet Trail: Save Trace As…');
    await workbench.enterPath(inFolder('dropped-ping.pkttrail'));
    await workbench.notification(/Saved dropped-ping\.pkttrail/);
    await workbench.closeAllEditors();
    await workbench.openFile('dropped-ping.pkttrail');
    const after = await timeline.until('the saved trace', (model) => model.summary?.status === 'file' && shows(model));
    for (const figure of ['events', 'packets', 'drops', 'lost', 'durationNs', 'startMs'] as const)
      expect(after.summary?.[figure]).toBe(before.summary?.[figure]);
    expect(after.lanes).toEqual(before.lanes);
    const again = after.lanes.find((lane) => lane.id === dropped.id);
    if (again !== undefined) expect(await timeline.selectPacket(again)).toEqual(trail);
    await workbench.screenshot('saved');
  });

  test('it wears every kind of theme', async () => {
    for (const theme of ['light', 'high-contrast'] as const) {
      await workbench.setTheme(theme);
      await timeline.until('the trace', (model) => model.summary?.status === 'file');
      await workbench.screenshot('timeline');
    }
  });

  test('a cut file shows what is whole of it, and says so', async () => {
    const whole = await readFile(inFolder('dropped-ping.pkttrail'));
    const eventsIn = (size: number): Promise<number> =>
      readTrace(memoryBytes(whole.subarray(0, size))).then(
        ({ store }) => store.eventCount,
        () => 0, // too short to be a trace
      );
    const all = await eventsIn(whole.length);
    // The most that can be kept without the last batch of events.
    let size = 0;
    for (let most = whole.length; most - size > 1;) {
      const middle = Math.floor((size + most) / 2);
      if ((await eventsIn(middle)) === all) most = middle;
      else size = middle;
    }
    await writeFile(inFolder('cut.pkttrail'), whole.subarray(0, size));
    await workbench.openFile('cut.pkttrail');
    const { summary } = await timeline.until('the cut trace', (model) => model.summary?.title === 'cut.pkttrail');
    expect(summary?.message).toMatch(/^The file was cut after \d+ events[^\n]*$/);
    expect(summary?.events).toBeGreaterThan(0);
    expect(summary?.events).toBeLessThan(all);
    await workbench.screenshot('cut-file');
  });

  test('a file that is no trace is refused in one sentence', async () => {
    await writeFile(inFolder('letter.pkttrail'), 'Dear reader,\n'.repeat(100));
    await workbench.openFile('letter.pkttrail');
    const { summary } = await timeline.until('the refusal', (model) => model.summary?.title === 'letter.pkttrail');
    expect(summary?.status).toBe('failed');
    expect(summary?.message).toMatch(/can't be shown: .*this is no Packet Trail trace/);
    expect(summary?.message).not.toMatch(/\n|\bat .*:\d+:\d+/);
    await workbench.screenshot('no-trace-file');
    await workbench.closeAllEditors();
  });

  test('what was typed as a password is written nowhere: no setting, log, state or trace has it', async () => {
    const grep = async (words: string): Promise<string> =>
      (await promisify(execFile)('grep', ['-rlaF', '--', words, folder]).catch(() => ({ stdout: '' }))).stdout;
    expect(await grep('did not let locked in')).toContain('.log');
    expect(await grep(secret)).toBe('');
  });
});

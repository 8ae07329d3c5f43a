// A person's way through Packet Trail in a real VS Code, against a real kernel over real SSH: from the palette to a dropped
// packet's trail, to the source line, to the saved file and back. Each step leaves a picture in test-output/screenshots.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Lane, TrailRow } from '../../extension/protocol/timeline.ts';
import { kernelSource } from '../node/kernelSource.ts';
import { type TestNode, bootNode } from '../node/vm.ts';
import { extensionPackage } from './extensionPackage.ts';
import { type FunctionRecord, recordFunctions } from './kernelRecord.ts';
import { TimelinePage } from './timelinePage.ts';
import { type VSCodeServer, startVSCodeServer } from './vscodeServer.ts';
import { Workbench } from './workbench.ts';

const host = 'packet-trail-6.12';

/** Two namespaces, a veth pair between them, and an nft rule that drops echo requests on their way in. */
const dropEchoRequests = `
set -e
ip netns add sender
ip netns add receiver
ip link add to-receiver netns sender type veth peer name to-sender netns receiver
ip -n sender addr add 10.77.0.1/24 dev to-receiver
ip -n receiver addr add 10.77.0.2/24 dev to-sender
ip -n sender link set to-receiver up
ip -n receiver link set to-sender up
ip netns exec receiver nft 'add table ip guard; add chain ip guard in { type filter hook input priority 0; policy accept; }; add rule ip guard in icmp type echo-request counter drop'
`;

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

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packet-trail-e2e-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const source = await kernelSource('6.12', (line) => console.log(line));
    node = await bootNode({ kernel: '6.12' });
    stops.push(() => node.stop());
    const { code, stderr } = await node.exec(dropEchoRequests);
    if (code !== 0) throw new Error(`the node's namespaces could not be made: ${stderr}`);
    server = await startVSCodeServer({
      extensions: [await extensionPackage()],
      settings: {
        'packetTrail.sshConfigFile': node.sshConfigFile,
        'packetTrail.kernelSource': source,
      },
    });
    stops.push(() => server.stop());
    workbench = await Workbench.open({ server, folder });
    stops.push(() => workbench.close());
    timeline = new TimelinePage(workbench);
  });

  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await workbench.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
    console.log((await server.logs()).slice(-8000));
  });

  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  test('the palette offers its commands', async () => {
    for (const command of ['Start Trace', 'Open Trace…', 'Add Node…', 'Check Node'])
      await workbench.waitForCommand(`Packet Trail: ${command}`);
  });

  test('a filter that is none is refused with the reason, and the box stays open', async () => {
    await workbench.runCommand('Packet Trail: Start Trace');
    await workbench.screenshot('pick-node');
    await workbench.pick(host);
    await workbench.enter('icmp and and', /Start Trace on packet-trail-6\.12/);
    expect(await workbench.quickInputMessage(/syntax error/)).toContain('syntax error');
    await workbench.screenshot('bad-filter');
  });

  test('with a good filter the timeline opens and is live', async () => {
    await workbench.enter('icmp and host 10.77.0.2');
    const { summary } = await timeline.until('a live trace', (model) => model.summary?.status === 'live', 180_000);
    expect(summary?.node).toBe(host);
    expect(summary?.kernel).toContain(node.release);
    expect(await workbench.statusBarItem(/packet-trail-6\.12/)).toMatch(/0 lost/);
  });

  test('a dropped ping shows as a trail that ends in a drop with its reason and place', async () => {
    record = await recordFunctions(node);
    stops.push(() => record.stop());
    await node.exec('ip netns exec sender ping -c 1 -W 1 10.77.0.2; true');
    const { lanes } = await timeline.until('a dropped packet', (model) =>
      model.lanes.some((lane) => lane.drop !== undefined),
    );
    const [lane] = lanes.filter(({ drop }) => drop !== undefined);
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

  test('the order of its functions is the one that ftrace recorded', async () => {
    const theirs = await record.read('ping');
    const ours = trail.map((row) => row.function).filter((name) => record.functions.has(name));
    // Where both hook one function the kernel may skip either ("missed"), so that each record may have holes; functions that
    // both saw once must come in the same order.
    const once = (names: readonly string[], name: string): boolean => names.indexOf(name) === names.lastIndexOf(name);
    const shared = ours.filter((name) => theirs.includes(name) && once(ours, name) && once(theirs, name));
    expect(shared.length).toBeGreaterThanOrEqual(5);
    expect(theirs.filter((name) => shared.includes(name))).toEqual(shared);
    // What they saw and we didn't can only be what came before the filter could match.
    const unseen = theirs.filter((name) => !ours.includes(name));
    expect(unseen.length).toBeLessThanOrEqual(2);
  });

  // The first look at a tree makes its index: some ten thousand files.
  test('a click on a hop opens the line where its function is defined', { timeout: 300_000 }, async () => {
    await timeline.openHop('ip_rcv');
    const cursor = await workbench.cursorAt(/\bip_rcv\(struct sk_buff \*skb/, 240_000);
    expect(cursor.file).toBe('ip_input.c');
    await workbench.screenshot('source');
  });

  test('a saved trace shows the same after it was closed and opened again', async () => {
    await workbench.runCommand('Packet Trail: Stop Trace');
    await workbench.runCommand('Packet Trail: Show Trace');
    const shows = (model: { readonly lanes: readonly Lane[] }): boolean =>
      model.lanes.some(({ id }) => id === dropped.id);
    const before = await timeline.until('an ended trace', (model) => model.summary?.status === 'ended' && shows(model));
    await workbench.runCommand('Packet Trail: Save Trace As…');
    await workbench.enterPath(join(folder, 'dropped-ping.pkttrail'));
    await workbench.notification(/Saved dropped-ping\.pkttrail/);
    await workbench.closeAllEditors();
    await workbench.openFile('dropped-ping.pkttrail');
    const after = await timeline.until('the saved trace', (model) => model.summary?.status === 'file' && shows(model));
    for (const figure of ['events', 'packets', 'drops', 'lost', 'durationNs', 'startMs'] as const)
      expect(after.summary?.[figure]).toBe(before.summary?.[figure]);
    const again = after.lanes.find((lane) => lane.id === dropped.id);
    expect(again).toEqual(before.lanes.find((lane) => lane.id === dropped.id));
    if (again !== undefined) expect(await timeline.selectPacket(again)).toEqual(trail);
    await workbench.screenshot('saved');
  });

  test('it wears every kind of theme', async () => {
    for (const theme of ['light', 'high-contrast', 'high-contrast-light', 'dark'] as const) {
      await workbench.setTheme(theme);
      await timeline.until('the trace', (model) => model.summary?.status === 'file');
      await workbench.screenshot('timeline');
    }
  });
});

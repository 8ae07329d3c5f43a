// Nothing of a trace is lost when VS Code ends in the middle of it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestNode } from '../node/vm.ts';
import { droppingNode, dropOf, host, openVSCode, ping } from './journey.ts';

let folder: string;
let node: TestNode;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packet-trail-e2e-'));
  stops.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  node = await droppingNode();
  stops.push(() => node.stop());
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

test('a trace that was running when VS Code ended is listed, and opens with what it had', async () => {
  const first = await openVSCode(folder, node);
  await first.workbench.runCommand('Packet Trail: Start Trace');
  await first.workbench.pick(host);
  await first.workbench.enter('icmp and host 10.77.0.2', /Start Trace on/);
  await first.timeline.until('a live trace', (model) => model.summary?.status === 'live', 180_000);
  await node.exec(ping);
  const { summary } = await first.timeline.until('a dropped packet', dropOf('ICMP'));
  await first.stop();

  const second = await openVSCode(folder, node);
  stops.push(() => second.stop());
  const { workbench, timeline } = second;
  await workbench.openContainer('Packet Trail');
  const row = workbench.treeRow(/^packet-trail-6\.12-\d.*\.pkttrail$/);
  await row.waitFor();
  expect(await row.textContent()).toContain('not saved');
  await workbench.screenshot('recovered');
  await row.click();
  const again = await timeline.until(
    'the recovered trace',
    (model) => model.summary?.status === 'file' && dropOf('ICMP')(model),
  );
  expect(again.summary?.events).toBeGreaterThanOrEqual(summary?.events ?? Infinity);

  await row.hover();
  await row.getByRole('button', { name: 'Save Trace As…' }).click();
  await workbench.enterPath(join(folder, 'workspace', 'kept.pkttrail'));
  await workbench.notification(/Saved kept\.pkttrail/);
  await row.waitFor({ state: 'detached' });
}, 300_000);

test('a window that is loaded anew shows the trace that ended with it, and starts it again when asked', async () => {
  const opened = await openVSCode(folder, node);
  stops.push(() => opened.stop());
  const { workbench, timeline } = opened;
  await workbench.runCommand('Packet Trail: Start Trace');
  await workbench.pick(host);
  await workbench.enter('icmp and host 10.77.0.2', /Start Trace on/);
  await timeline.until('a live trace', (model) => model.summary?.status === 'live', 180_000);
  await node.exec(ping);
  const { summary } = await timeline.until('a dropped packet', dropOf('ICMP'));

  await workbench.reload();
  const again = await timeline.until(
    'the trace as a file',
    (model) => model.summary?.status === 'file' && dropOf('ICMP')(model),
    60_000,
  );
  expect(again.summary?.events).toBeGreaterThanOrEqual(summary?.events ?? Infinity);
  const ended = /The trace of icmp and host 10\.77\.0\.2 on packet-trail-6\.12 ended with its window/;
  await workbench.notification(ended);
  await workbench.screenshot('loaded-anew');
  await workbench.answerNotification(ended, 'Start Again');
  await timeline.until('a live trace again', (model) => model.summary?.status === 'live', 180_000);
  await workbench.runCommand('Packet Trail: Stop Trace');
  await timeline.until('an ended trace', (model) => model.summary?.status === 'ended');

  // Its tab comes back, too, without an offer.
  await workbench.reload();
  await timeline.until('the ended trace as a file', (model) => model.summary?.status === 'file', 60_000);
  const told = (await workbench.notifications()).map(({ message }) => message);
  expect(told.filter((message) => message.includes(' ended with its window'))).toEqual([]);
}, 400_000);

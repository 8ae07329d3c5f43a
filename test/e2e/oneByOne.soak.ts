// On a kernel that lets functions be hooked one by one only, a person is offered a quicker start, and gets it at a click.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestNode } from '../node/vm.ts';
import { droppingNode, dropOf, openVSCode, type OpenVSCode, ping } from './journey.ts';

let folder: string;
let node: TestNode;
let opened: OpenVSCode;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packet-trail-e2e-'));
  stops.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  node = await droppingNode('6.1');
  stops.push(() => node.stop());
  opened = await openVSCode(folder, node);
  stops.push(() => opened.stop());
}, 300_000);
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

test('the most telling functions are offered while the rest is being hooked, and traced when that is taken', async () => {
  const { workbench, timeline } = opened;
  await workbench.runCommand('Packet Trail: Start Trace');
  await workbench.pick('packet-trail-6.1');
  await workbench.enter('icmp and host 10.77.0.2', /Start Trace on/);
  const offer = /lets functions be hooked one by one only: [\d,]+ are still to come/;
  await workbench.notification(offer, 180_000);
  const { summary: slow } = await timeline.until('hooks to come', ({ summary }) => (summary?.hooksWaiting ?? 0) > 0);
  expect(slow?.status).toBe('live');
  await workbench.screenshot('offer');
  await workbench.answerNotification(offer, 'Only the Most Telling');
  const { summary } = await timeline.until(
    'a trace of the most telling functions, all hooked',
    ({ summary: now }) =>
      now?.status === 'live' && now.filter.includes('most telling') && now.hooksWaiting === 0 && now.hooksAttached > 0,
    180_000,
  );
  expect(summary?.hooksAttached).toBeLessThan(200);
  await node.exec(ping);
  await timeline.until('a dropped packet', dropOf('ICMP'));
  await workbench.screenshot('telling');
}, 600_000);

test('the next trace of the node is of those, too, and offers nothing', async () => {
  const { workbench, timeline } = opened;
  await workbench.runCommand('Packet Trail: Stop Trace');
  await timeline.until('a trace that has ended', ({ summary }) => summary?.status !== 'live');
  await workbench.runCommand('Packet Trail: Start Trace');
  await workbench.pick('packet-trail-6.1');
  await workbench.quickInputTitle(/Start Trace on/);
  expect((await workbench.readQuickInput()).message).toContain('most telling functions only');
  await workbench.enter('icmp');
  await timeline.until('a live trace', ({ summary }) => summary?.status === 'live' && summary.hooksWaiting === 0);
  expect(await workbench.notifications()).toEqual([]);
}, 300_000);

// Promises of a window's traces: who shows a list of them hears what changes the list, and of nothing else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Emitter } from '../../../extension/sessions/emitter.ts';
import { Traces, type OpenTrace } from '../../../extension/sessions/traces.ts';
import { everyPacket } from '../../../extension/sessions/traceFilter.ts';
import type { TraceSource } from '../../../extension/trace/source.ts';

let folder: string;
let traces: Traces;
const heard = { all: 0, list: 0 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packet-trail-test-'));
  traces = new Traces(folder);
  Object.assign(heard, { all: 0, list: 0 });
  traces.onDidChange(() => (heard.all += 1));
  traces.onDidChangeList(() => (heard.list += 1));
});
afterEach(async () => {
  traces.dispose();
  await rm(folder, { recursive: true });
});

/** A trace that says what the test lets it say. */
async function fakeTrace(): Promise<{ trace: OpenTrace; tell: (words: Partial<TraceSource>) => void }> {
  const changed = new Emitter();
  const words = { title: 'node: icmp', node: 'node', filter: 'icmp', status: 'live', message: '' };
  const source = Object.assign(words, { onChange: changed.on }) as unknown as TraceSource;
  const recording = await traces.newRecording('node');
  await writeFile(recording, '');
  const trace: OpenTrace = {
    source,
    recording,
    started: { target: 'node', filter: everyPacket },
    saveTo: () => Promise.resolve(),
    dispose: () => {
      changed.dispose();
    },
  };
  return {
    trace,
    tell: (what) => {
      Object.assign(words, what);
      changed.fire();
    },
  };
}

test('a list hears of a trace that comes, fares otherwise and goes, not of its figures', async () => {
  const { trace, tell } = await fakeTrace();
  traces.add(trace);
  expect(heard.list).toBe(1);
  const before = heard.all;
  for (let tick = 0; tick < 10; tick++) tell({});
  expect(heard).toEqual({ all: before + 10, list: 1 });
  for (const [index, words] of [
    { title: 'node: tcp' },
    { filter: 'icmp, then tcp' },
    { message: 'The link broke.' },
    { status: 'failed' as const },
  ].entries()) {
    tell(words);
    expect(heard.list).toBe(2 + index);
  }
  traces.markSaved(trace, '/saved.pkttrail');
  expect(heard.list).toBe(6);
  await traces.discard(trace);
  expect(heard.list).toBe(7);
});

test('a list hears of recordings that go', async () => {
  await traces.abandon(await traces.newRecording('node'));
  expect(heard.list).toBe(1);
  const path = join(folder, 'left.pkttrail');
  await writeFile(path, '');
  const [recording] = await traces.recordings();
  expect(recording?.path).toBe(path);
  if (recording !== undefined) await traces.discardRecording(recording);
  expect(heard.list).toBe(2);
  expect(await traces.recordings()).toEqual([]);
});

test('a trace that is closed lets go of its memory; what was not saved stays, and can be discarded', async () => {
  const { trace, tell } = await fakeTrace();
  traces.add(trace);
  await expect(traces.close(trace)).rejects.toThrow('still runs: stop it first');
  expect(traces.all()).toEqual([trace]);
  tell({ status: 'ended' });
  expect(await traces.recordings()).toEqual([]); // it is listed as a trace
  await traces.close(trace);
  expect(traces.all()).toEqual([]);
  expect((await traces.recordings()).map(({ path }) => path)).toEqual([trace.recording]);
});

test('a trace that was saved leaves no recording when it is closed', async () => {
  const { trace, tell } = await fakeTrace();
  traces.add(trace);
  tell({ status: 'ended' });
  traces.markSaved(trace, '/saved.pkttrail');
  await traces.close(trace);
  expect(traces.all()).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

test('a list hears of recordings that another window makes, deletes, or leaves behind when it is killed', async () => {
  expect(await traces.recordings()).toEqual([]);
  const path = join(folder, 'left.pkttrail');
  await writeFile(path, '');
  await expect.poll(() => heard.list).toBe(1);
  await rm(path);
  await expect.poll(() => heard.list).toBe(2);

  const module = fileURLToPath(new URL('../../../extension/sessions/claim.ts', import.meta.url));
  const script = `require(${JSON.stringify(module)}).claim(${JSON.stringify(path)}).then(() => {
    require('node:fs').writeFileSync(${JSON.stringify(path)}, '');
    console.log('claimed');
  });
  setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script]);
  try {
    await once(other.stdout, 'data');
    // One that comes later hears nothing of the folder: killing changes nothing there.
    const later = new Traces(folder);
    let told = 0;
    later.onDidChangeList(() => (told += 1));
    expect(await later.recordings()).toEqual([]);
    other.kill('SIGKILL');
    await expect.poll(() => told, { timeout: 15_000 }).toBe(1);
    expect(await later.recordings()).toMatchObject([{ path }]);
    later.dispose();
  } finally {
    other.kill('SIGKILL');
  }
}, 30_000);

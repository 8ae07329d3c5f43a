// A live trace without a node: what it says while the helper's frames come, and how its filter changes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HelperProcess } from '../../../extension/nodes/helperProcess.ts';
import { NodeError, type NodeConnection } from '../../../extension/nodes/node.ts';
import { frameType } from '../../../extension/trace/frames.ts';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { LiveTrace } from '../../../extension/sessions/liveTrace.ts';
import { summarize } from '../../../extension/trace/summary.ts';
import { bootMono, end, events, hello, hooks, message } from '../trace/encode.ts';

/** A helper whose output is pushed by the test. */
class FakeHelper {
  readonly asked: string[] = [];
  readonly #queue: Uint8Array[] = [];
  #wake: () => void = () => undefined;
  #over = false;
  #finish: (error?: NodeError) => void = () => undefined;
  readonly ended = new Promise<NodeError | undefined>((resolve) => (this.#finish = resolve));

  readonly stdout: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        while (this.#queue.length === 0 && !this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
        const value = this.#queue.shift();
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
    }),
  };

  push(...frames: Uint8Array[]): void {
    this.#queue.push(...frames);
    this.#wake();
  }

  finish(error?: NodeError): void {
    this.#over = true;
    this.#wake();
    this.#finish(error);
  }

  filter(expression: string): Promise<void> {
    this.asked.push(expression);
    return Promise.resolve();
  }

  stop(): Promise<undefined> {
    this.asked.push('stop');
    return Promise.resolve(undefined);
  }
}

const answer = (expression: string, error = ''): Uint8Array =>
  message(frameType.filter, (w) => w.string(1, expression).string(2, error).fixed64(3, bootMono).uint(4, 1_000_000));
const live = message(frameType.progress, (w) => w.string(1, 'live'));
const counters = (ns: number, runNs: number): Uint8Array =>
  message(frameType.counters, (w) =>
    w
      .fixed64(1, bootMono + BigInt(ns))
      .uint(3, 0)
      .uint(8, runNs),
  );
const status = (...list: [id: number, state: number, name: string][]): Uint8Array =>
  message(frameType.status, (w) => {
    for (const [id, state, name] of list) w.message(1, (s) => s.uint(1, id).uint(2, state).string(4, name));
  });

let folder = '';
let helper: FakeHelper;
let trace: LiveTrace;

beforeEach(async () => {
  folder = await mkdtemp(path(tmpdir(), 'packet-trail-live-'));
  helper = new FakeHelper();
  trace = await LiveTrace.record({
    store: new TraceStore(10),
    node: 'demo',
    expression: 'icmp',
    also: 'netns blue',
    recording: path(folder, 'a.pkttrail'),
    helper: helper as unknown as HelperProcess,
    connection: { dispose: () => helper.finish() } as unknown as NodeConnection,
  });
  helper.push(hello(), live);
  await trace.started;
});
afterEach(async () => {
  trace.dispose();
  await trace.failed;
  await rm(folder, { recursive: true });
});

test('a filter that the helper takes is the trace’s filter from then on', async () => {
  expect([trace.filter, trace.expression, trace.title]).toEqual(['icmp, netns blue', 'icmp', 'demo: icmp, netns blue']);
  const problem = trace.capture('tcp port 80');
  helper.push(answer('tcp port 80'));
  expect(await problem).toBe('');
  expect(helper.asked).toEqual(['tcp port 80']);
  expect([trace.filter, trace.expression]).toEqual(['tcp port 80, netns blue', 'tcp port 80']);
});

test('a filter that the helper refuses says why and leaves the old one; answers belong to their questions', async () => {
  const first = trace.capture('tcp prot 80');
  const second = trace.capture('');
  helper.push(answer('tcp prot 80', 'syntax error at "prot"'), answer(''));
  expect(await first).toBe('syntax error at "prot"');
  expect(await second).toBe('');
  expect([trace.filter, trace.expression]).toEqual(['netns blue', '']);
});

test('a trace that ends answers what was asked, and takes no filter any more', async () => {
  const problem = trace.capture('udp');
  await expect.poll(() => helper.asked.length).toBe(1);
  helper.push(end(0, 0, 0));
  helper.finish();
  expect(await problem).toMatch(/ended before/);
  await trace.failed;
  expect(await trace.capture('udp')).toMatch(/does not run/);
  expect(trace.expression).toBe('icmp');
});

test('a helper that goes on beyond the limit is stopped once, and what came up to it is there', async () => {
  const some = events(...Array.from({ length: 8 }, () => ({ time: bootMono, hook: 1, packet: 1 })));
  helper.push(some);
  await expect.poll(() => trace.store.eventCount).toBe(8);
  expect(helper.asked).toEqual([]);
  helper.push(some, some, end(24, 24, 0));
  await expect.poll(() => trace.status).toBe('ended');
  expect(helper.asked).toEqual(['stop']);
  expect(trace.store.eventCount).toBe(10);
  expect(trace.message).toBe('The event limit was reached: 10 events.');
  helper.finish();
  expect(await trace.failed).toBeUndefined();
});

test('a recording that can’t be written, and names without room, are said while the trace goes on', async () => {
  const other = new FakeHelper();
  const full = await LiveTrace.record({
    store: new TraceStore(10, { tables: 1_000 }),
    node: 'demo',
    expression: '',
    also: '',
    recording: '/dev/full',
    helper: other as unknown as HelperProcess,
    connection: { dispose: () => other.finish() } as unknown as NodeConnection,
  });
  other.push(hello(), live, ...Array.from({ length: 10 }, (_, i) => hooks({ id: i + 1, name: 'ip_rcv' })));
  await expect
    .poll(() => full.message)
    .toMatch(/^Not recorded: the disk is full: \/dev\/full: .*\. More is said about/);
  expect(full.status).toBe('live');
  expect(trace.message).toBe('');
  full.dispose();
  await full.failed;
});

test('a trace that can’t begin is explained while its node can still be asked', async () => {
  const failing = new FakeHelper();
  const said: string[] = [];
  const started = LiveTrace.record({
    node: 'demo',
    expression: '',
    also: '',
    recording: path(folder, 'b.pkttrail'),
    helper: failing as unknown as HelperProcess,
    connection: { dispose: () => said.push('closed') } as unknown as NodeConnection,
    explain: async (error) => {
      said.push('asked');
      await Promise.resolve();
      return new NodeError('helper-failed', 'demo', `${error.message} No BTF.`, 'Install it.');
    },
  }).then((failed) => failed.started);
  failing.finish(new NodeError('helper-failed', 'demo', 'It ended.', ''));
  await expect(started).rejects.toMatchObject({ message: 'It ended. No BTF.', mend: 'Install it.' });
  expect(said).toEqual(['asked', 'closed']);
});

test('the end frame ends the trace for a person; it is over when the helper has gone', async () => {
  let over = false;
  void trace.failed.then(() => (over = true));
  helper.push(end(0, 0, 0));
  await expect.poll(() => trace.status).toBe('ended');
  expect([over, summarize(trace).leaving]).toEqual([false, true]);
  helper.finish();
  expect(await trace.failed).toBeUndefined();
  expect([trace.status, summarize(trace).leaving]).toEqual(['ended', false]);
});

test('the overhead is BPF run time between two counters, and unknown while it isn’t measured', async () => {
  helper.push(counters(0, 0), counters(1e9, 0));
  await expect.poll(() => trace.store.counters?.mono).toBe(bootMono + 1_000_000_000n);
  expect(summarize(trace).overhead).toBeUndefined();
  helper.push(counters(2e9, 50_000_000), counters(3e9, 80_000_000));
  await expect.poll(() => summarize(trace).overhead).toBeCloseTo(0.03);
});

test('the connection that is left out is told, and that none is', () => {
  const toldBy = (...args: readonly string[]): string => {
    const store = new TraceStore();
    new StreamDecoder(store).feed(hello((w) => args.forEach((arg) => w.string(12, arg))));
    return summarize({ title: '', node: '', filter: '', expression: '', status: 'live', message: '', store }).leftOut;
  };
  expect(toldBy('--stream', '--not-session', '10.0.0.1 4000 10.0.0.2 22', 'tcp')).toBe('10.0.0.1 4000 10.0.0.2 22');
  expect(toldBy('--stream', 'tcp')).toBe('');
});

test('hooks that were shed are counted and the first ones named; those that came back are not', async () => {
  const named = Array.from({ length: 8 }, (_, i): [number, number, string] => [i + 1, 0, `hook_${i}`]);
  helper.push(hooks(...named.map(([id, , name]) => ({ id, name }))), status(...named, [0, 1, 'gone_function']));
  await expect.poll(() => summarize(trace).hooksAttached).toBe(8);
  expect(summarize(trace).hooksWaiting).toBe(0);
  helper.push(status(...named.slice(1).map(([id, , name]): [number, number, string] => [id, 3, name])));
  await expect.poll(() => summarize(trace).hooksShed).toBe(7);
  expect(summarize(trace)).toMatchObject({
    hooksAttached: 1,
    hooksSkipped: 1,
    shed: ['hook_1', 'hook_2', 'hook_3', 'hook_4', 'hook_5'],
  });
  helper.push(status([2, 0, 'hook_1']));
  await expect.poll(() => summarize(trace).hooksShed).toBe(6);
});

test('hooks of which nothing was said yet are those that wait, as long as the trace runs', async () => {
  helper.push(hooks({ id: 1, name: 'ip_rcv' }, { id: 2, name: 'ip_output' }, { id: 3, name: 'tcp_v4_rcv' }));
  helper.push(status([1, 0, 'ip_rcv'], [2, 1, 'ip_output'], [0, 1, 'never in the table']));
  await expect.poll(() => summarize(trace).hooksAttached).toBe(1);
  expect(summarize(trace).hooksWaiting).toBe(1);
  helper.push(end(0, 0, 0));
  await expect.poll(() => trace.status).toBe('ended');
  expect(summarize(trace).hooksWaiting).toBe(0);
});

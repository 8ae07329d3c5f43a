// Numbers have the names that were theirs when an event came: devices are renamed, and a number is given again.
import { describe, expect, test } from 'vitest';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { PairTable } from '../../../extension/trace/intern.ts';
import { programTree } from '../../../extension/trace/programTree.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { bootMono, events, hello, hooks, join, names, programs, type FakeEvent } from './encode.ts';

function storeOf(...frames: Uint8Array[]): TraceStore {
  const store = new TraceStore();
  new StreamDecoder(store).feed(join(hello(), hooks({ id: 1, name: 'ip_rcv' }), ...frames));
  return store;
}

/** An event of packet 1, so many ns after the first. */
const at = (ns: number, event: Partial<FakeEvent> = {}): Uint8Array =>
  events({ time: bootMono + BigInt(ns), hook: 1, packet: 1, ...event });

const rows = (store: TraceStore, lane = 0) => store.trail(lane, 0, 99).rows;
const field = (store: TraceStore, event: number, wanted: string): string | undefined =>
  store.detail(event).fields.find(({ name }) => name === wanted)?.value;

describe('a device that is renamed', () => {
  const place = { netns: 5, ifindex: 2 };
  const called = (name: string): Uint8Array => names({ iface: [{ ...place, name }] });
  const renamed = (): TraceStore =>
    storeOf(
      called('eth0'),
      at(0, place),
      called('wan0'),
      at(1, place),
      // Told again, since the helper may have forgotten that it did.
      called('wan0'),
      at(2, { ...place, packet: 2 }),
    );

  test('has its new name in the events that follow, and the old one in those before', () => {
    const store = renamed();
    expect(rows(store).map(({ iface }) => iface)).toEqual(['eth0', 'wan0']);
    expect(store.hops([0, 1, 2]).map(({ iface }) => iface)).toEqual(['eth0', 'wan0', 'wan0']);
    expect(field(store, 0, 'Interface')).toBe('eth0 (2)');
    expect(field(store, 1, 'Interface')).toBe('wan0 (2)');
  });

  test('changes nothing of the packet that is there', () => {
    const store = renamed();
    expect(rows(store)[1]?.changes).toEqual([]);
    expect(field(store, 1, 'Changed here')).toBeUndefined();
  });

  test('is found by both', () => {
    const store = renamed();
    const found = (filter: string): readonly string[] => store.lanes(filter, 0, 9).lanes.map(({ id }) => id);
    expect(found('if:eth0')).toEqual(['1']);
    expect(found('if:wan0')).toEqual(['1', '2']);
  });

  test('is one place of a program, whose verdicts are counted together', () => {
    const verdict = { ...place, hook: 3, verdict: 0n };
    const store = storeOf(
      hooks({ id: 2, name: 'filter', kind: 3 }, { id: 3, name: 'filter', kind: 4 }),
      programs({
        id: 7,
        type: 3,
        name: 'filter',
        entryHook: 2,
        verdictHook: 3,
        attachments: [{ kind: 'tc', direction: 1, ...place, direct: true }],
      }),
      called('eth0'),
      at(0, verdict),
      called('wan0'),
      at(1, verdict),
    );
    const [iface] = programTree(store);
    expect(iface?.label).toBe('wan0');
    expect(iface?.children[0]?.children[0]?.children).toMatchObject([{ label: 'TC_ACT_OK', count: 2 }]);
    expect(rows(store).map(({ program }) => program?.where)).toEqual([
      'tc ingress eth0, filter',
      'tc ingress wan0, filter',
    ]);
  });

  test('costs no more memory when it is told the same again and again', () => {
    const store = renamed();
    const places = store.places.length;
    const generation = store.names.generation;
    const decoder = new StreamDecoder(store);
    decoder.feed(hello());
    for (let i = 0; i < 100; i++) decoder.feed(join(called('wan0'), at(3 + i, place)));
    expect(store.places.length).toBe(places);
    expect(store.names.generation).toBe(generation);
  });
});

describe('a namespace', () => {
  const called = (name: string, cookie = 0n): Uint8Array => names({ netns: [{ inum: 5, name, cookie }] });
  const there = (ns: number): Uint8Array => at(ns, { netns: 5 });

  test('that gets the number of another one has its own name, and the other keeps its', () => {
    const store = storeOf(called('blue', 7n), there(0), called('green', 8n), there(1), called('', 9n), there(2));
    expect(rows(store).map(({ netns }) => netns)).toEqual(['blue', 'green', '5']);
    expect(field(store, 0, 'Network namespace')).toBe('blue (5)');
    expect(store.lanes('netns:blue', 0, 9).total).toBe(1);
  });

  test('without a cookie is another one when its name is', () => {
    const store = storeOf(called('blue'), there(0), called('green'), there(1));
    expect(rows(store).map(({ netns }) => netns)).toEqual(['blue', 'green']);
  });

  test('that gets its name late has had it all along', () => {
    const store = storeOf(called('', 7n), there(0), called('blue', 7n), there(1));
    expect(rows(store).map(({ netns }) => netns)).toEqual(['blue', 'blue']);
    expect(rows(storeOf(there(0), called('blue'), there(1))).map(({ netns }) => netns)).toEqual(['blue', 'blue']);
  });

  test('whose cookie was forgotten is the same', () => {
    const store = storeOf(called('blue', 7n), there(0), called('blue'), there(1), called('blue', 7n), there(2));
    expect(store.places.length).toBe(2);
    expect(store.names.netnsEntry(5)?.cookie).toBe(7n);
  });

  test('that was renamed keeps each name for its time, however often', () => {
    const frames = Array.from({ length: 50 }, (_, i) => [called(`net${i}`, 7n), there(i)]).flat();
    expect(rows(storeOf(...frames)).map(({ netns }) => netns)).toEqual(Array.from({ length: 50 }, (_, i) => `net${i}`));
  });
});

test('a task that another one follows under its number keeps its name', () => {
  const called = (comm: string): Uint8Array => names({ task: [{ pid: 77, comm }] });
  const store = storeOf(called('bash'), at(0, { task: 77 }), called('curl'), at(1, { task: 77 }));
  expect([field(store, 0, 'Task'), field(store, 1, 'Task')]).toEqual(['bash (77)', 'curl (77)']);
  expect(store.lanes('', 0, 1).lanes[0]?.label).toBe('packet by bash');
});

test('a table that is renewed gives the same pairs new numbers, and keeps the old', () => {
  const table = new PairTable();
  const pairs = Array.from({ length: 300 }, (_, i) => [i, 7] as const);
  const before = pairs.map(([lo, hi]) => table.intern(lo, hi));
  table.renew();
  expect(table.find(1, 7)).toBe(0);
  const after = pairs.map(([lo, hi]) => table.intern(lo, hi));
  expect(new Set([...before, ...after]).size).toBe(600);
  expect(pairs.map(([lo, hi]) => table.intern(lo, hi))).toEqual(after);
  expect([...before, ...after].map((index) => table.lo(index))).toEqual([...pairs, ...pairs].map(([lo]) => lo));
  expect(table.intern(0, 0)).toBe(0);
});

// Packets that are made from packets: who came from whom is told both ways, and joins have their time.
import { describe, expect, test } from 'vitest';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { bootMono, events, hello, hooks, join, type FakeEvent } from './encode.ts';

const edge = { clone: 1, fragment: 4, reassembled: 5, merged: 7 } as const;

function storeOf(...list: readonly Omit<FakeEvent, 'time' | 'hook'>[]): TraceStore {
  const store = new TraceStore();
  const timed = list.map((event, at) => ({ ...event, hook: 1, time: bootMono + BigInt(10 * at) }));
  new StreamDecoder(store).feed(join(hello(), hooks({ id: 1, name: 'ip_rcv' }), events(...timed)));
  return store;
}

const from = (id: number, kind: keyof typeof edge): { parent: { id: number; edge: number } } => ({
  parent: { id, edge: edge[kind] },
});
const relatives = (store: TraceStore, lane: number): readonly string[] =>
  store.trail(lane, 0, 0).relatives.map(({ side, id, edge: how, event }) => `${side} ${id} ${how} ${event}`);

describe('a datagram that was cut and put together', () => {
  // 1 is cut into itself, 2 and 3, and they are put together to 4; 5 is a clone of that.
  const store = storeOf(
    { packet: 1 },
    { packet: 2, ...from(1, 'fragment') },
    { packet: 3, ...from(1, 'fragment') },
    { packet: 4, ...from(1, 'reassembled') },
    { packet: 4, ...from(2, 'reassembled') },
    { packet: 4, ...from(3, 'reassembled') },
    { packet: 5, ...from(4, 'clone') },
  );

  test('has its family on both sides, with the first event of each', () => {
    expect(relatives(store, 0)).toEqual(['child 2 fragment 1', 'child 3 fragment 2', 'child 4 reassembled 3']);
    expect(relatives(store, 1)).toEqual(['parent 1 fragment 0', 'child 4 reassembled 3']);
    expect(relatives(store, 3)).toEqual([
      'parent 1 reassembled 0',
      'parent 2 reassembled 1',
      'parent 3 reassembled 2',
      'child 5 clone 6',
    ]);
    expect(relatives(store, 99)).toEqual([]);
  });

  test('begins at its first fragment, and the others join it when they do', () => {
    expect(store.lanes('', 3, 1).lanes[0]).toMatchObject({
      parent: 0,
      joins: [
        { lane: 1, ns: 40 },
        { lane: 2, ns: 50 },
      ],
    });
    expect(store.lanes('', 1, 1).lanes[0]).toMatchObject({ parent: 0, joins: [] });
  });
});

test('what is merged into a packet is not what made it', () => {
  const store = storeOf({ packet: 1 }, { packet: 2 }, { packet: 1, ...from(2, 'merged') });
  expect(store.lanes('', 0, 2).lanes).toMatchObject([
    { parent: undefined, joins: [{ lane: 1, ns: 20 }] },
    { parent: undefined, joins: [] },
  ]);
  expect(relatives(store, 1)).toEqual(['child 1 merged 0']);
});

test('of a parent whose events are all lost, only the event’s own details tell', () => {
  const store = storeOf({ packet: 2, ...from(1, 'clone') });
  expect(relatives(store, 0)).toEqual([]);
  expect(store.detail(0).fields).toContainEqual({ name: 'Parent packet', value: '1 (clone)' });
});

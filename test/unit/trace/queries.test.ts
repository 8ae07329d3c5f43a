// A trace's queries answer what its store does, by promises that also carry what goes wrong.
import { expect, test } from 'vitest';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import type { TraceAbout } from '../../../extension/trace/source.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { StoreQueries } from '../../../extension/trace/storeQueries.ts';
import { join, programs, sampleStream } from './encode.ts';

const about: TraceAbout = { title: 'a', node: 'n1', filter: '', expression: '', status: 'file', message: '' };
const store = new TraceStore();
const decoder = new StreamDecoder(store);
decoder.feed(sampleStream());
const queries = new StoreQueries({ ...about, store });

test('they answer as the store does', async () => {
  expect(await queries.summary()).toMatchObject({ node: 'n1', status: 'file', events: store.eventCount });
  expect(await queries.lanes({ filter: 'arp', offset: 0, count: 9 })).toEqual(store.lanes('arp', 0, 9));
  expect(await queries.event({ event: 1 })).toEqual(store.detail(1));
  expect(await queries.hookOf(0)).toBe(store.hookOf(0));
});

test('an event that is not there rejects', async () => {
  await expect(queries.event({ event: 1e6 })).rejects.toThrow(RangeError);
  await expect(queries.hookOf(-1)).rejects.toThrow('no event -1');
});

test('hooks that are not attached are told apart, with their names', async () => {
  const { table, unattached } = await queries.hooks();
  expect(table).toHaveLength(store.hooks.size);
  expect(unattached.every(({ state, function: name }) => state !== 'attached' && name !== '')).toBe(true);
});

test('the version of the programs changes when their tree does', async () => {
  const before = await queries.programs();
  decoder.feed(join(programs({ id: 77, name: 'late', file: 'late.c', line: 1 })));
  const after = await queries.programs();
  expect(after.count).toBe(before.count + 1);
  expect(after.version).not.toBe(before.version);
  const found = await queries.program(77);
  expect(found).toMatchObject({ program: { name: 'late' }, lines: [] });
  const row = (await queries.programTree()).flatMap(({ children }) => children).find(({ program }) => program === 77);
  expect(row?.hasSource).toBe(true);
});

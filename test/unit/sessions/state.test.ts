// What is remembered of a node from one window to the next.
import { expect, test } from 'vitest';
import { State } from '../../../extension/sessions/state.ts';

function fakeMemento(kept: Readonly<Record<string, unknown>> = {}) {
  const values = new Map(Object.entries(kept));
  return {
    get: (key: string) => values.get(key),
    update: async (key: string, value: unknown) => {
      values.set(key, value);
      return Promise.resolve();
    },
  };
}

test('a node keeps its filter and how much was watched, unless another is given', async () => {
  const state = new State(fakeMemento());
  await state.remember('web', 'icmp', true);
  await state.remember('db', 'tcp');
  await state.remember('web');
  expect(state.recentNodes().map(({ target }) => target)).toEqual(['web', 'db']);
  expect(state.recentNode('web')).toMatchObject({ lastFilter: 'icmp', telling: true });
  expect(state.recentNode('db')).toMatchObject({ lastFilter: 'tcp', telling: false });
  await state.remember('web', '', false);
  expect(state.recentNode('web')).toMatchObject({ lastFilter: '', telling: false });
  expect(state.recentNode('nowhere')).toBeUndefined();
});

test('what an older version kept is read, and what is no node is not', () => {
  const older = { target: 'web', lastUsedMs: 1, lastFilter: 'udp' };
  const state = new State(fakeMemento({ 'recentNodes.v1': [older, { ...older, telling: 'yes' }, 'web', null] }));
  expect(state.recentNodes()).toEqual([older]);
});

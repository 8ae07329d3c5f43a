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

test('choices of sources are kept, the newest of them, until they are forgotten; damaged ones are not used', async () => {
  const memento = fakeMemento({ 'sourceChoices.v1': [['old', 'a.c:1'], ['bad'], 7, ['bad', 2]] });
  const state = new State(memento);
  expect(state.sourceChoice('old')).toBe('a.c:1');
  expect(state.sourceChoice('bad')).toBeUndefined();
  for (let i = 0; i < 200; i++) await state.keepSourceChoice(`f${i}`, `b.c:${i}`);
  expect(state.sourceChoice('old')).toBeUndefined();
  expect(state.sourceChoice('f0')).toBe('b.c:0');
  await state.keepSourceChoice('f0', 'c.c:1');
  expect(state.sourceChoice('f0')).toBe('c.c:1');
  await state.forgetSourceChoices();
  expect(state.sourceChoice('f0')).toBeUndefined();
});

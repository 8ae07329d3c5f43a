// Promises of which trace is meant: the one in front, never another because that runs or was there once.
import { expect, test } from 'vitest';
import { ShownTraces, type ShownTrace } from '../../../extension/sessions/shownTraces.ts';
import type { TraceSource } from '../../../extension/trace/source.ts';

const fakeTrace = (title: string): ShownTrace => ({ source: { title } as TraceSource, trace: undefined, uri: title });
const [a, b] = [fakeTrace('a'), fakeTrace('b')];

test('the tab in front is meant, whichever event of a change of tabs comes first', () => {
  const shown = new ShownTraces();
  const [left, right] = [{}, {}];
  expect([shown.front, shown.last]).toEqual([undefined, undefined]);
  shown.open(left, a, true);
  shown.open(right, b, false);
  expect(shown.front).toBe(a);
  shown.activate(left, false);
  shown.activate(right, true);
  expect(shown.front).toBe(b);
  shown.activate(left, true);
  shown.activate(right, false);
  expect([shown.front, shown.last]).toEqual([a, a]);
});

test('with another kind of tab in front none is, and the last one is remembered until it is closed', () => {
  const shown = new ShownTraces();
  const [left, right] = [{}, {}];
  shown.open(left, a, true);
  shown.open(right, b, true);
  shown.activate(right, false);
  expect([shown.front, shown.last]).toEqual([undefined, b]);
  shown.close(right);
  expect([shown.front, shown.last]).toEqual([undefined, a]);
  shown.activate(right, true);
  expect([shown.front, shown.last]).toEqual([undefined, a]);
  shown.close(left);
  expect(shown.last).toBeUndefined();
});

test('a tab that shows another trace stays where it is, and each change is told', () => {
  const shown = new ShownTraces();
  let told = 0;
  shown.onDidChange(() => (told += 1));
  const tab = {};
  shown.open(tab, a, true);
  shown.open(tab, b, true);
  expect([shown.front, told]).toEqual([b, 2]);
  shown.close(tab);
  expect(told).toBe(3);
});

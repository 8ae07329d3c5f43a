import { expect, test } from 'vitest';
import { createPage, markDrop } from '../../../extension/protocol/pages.ts';
import { hitMark, lowerBound, markOfEvent, nearestMark, type LoadedPage } from '../../../webview/marks.ts';

interface Mark {
  readonly time: number;
  readonly event: number;
  readonly width?: number;
  readonly count?: number;
  readonly flags?: number;
}

function load(fromNs: number, ...lanes: readonly (readonly Mark[])[]): LoadedPage {
  const marks = lanes.flat();
  const { page } = createPage(lanes.length, marks.length);
  let at = 0;
  lanes.forEach((lane, slot) => {
    page.first[slot] = at;
    at += lane.length;
  });
  page.first[lanes.length] = at;
  marks.forEach((mark, index) => {
    page.time[index] = mark.time;
    page.event[index] = mark.event;
    page.width[index] = mark.width ?? 0;
    page.count[index] = mark.count ?? 1;
    page.flags[index] = mark.flags ?? 0;
  });
  return { page, fromNs, toNs: fromNs + 1e6, slots: new Map(lanes.map((_, slot) => [slot, slot])) };
}

const viewport = { startNs: 1000, nsPerPx: 10 };

test('the mark nearest to the pointer is hit, on either side, in its own lane only', () => {
  const loaded = load(
    1000,
    [{ time: 5, event: 0 }],
    [
      { time: 1000, event: 1 },
      { time: 1100, event: 2 },
    ],
  );
  expect(hitMark(loaded, 1, viewport, 98)).toBe(1);
  expect(hitMark(loaded, 1, viewport, 107)).toBe(2);
  expect(hitMark(loaded, 0, viewport, 98)).toBeUndefined();
});

test('a drop close by is hit rather than the hop it covers', () => {
  const loaded = load(1000, [
    { time: 1000, event: 1 },
    { time: 1020, event: 2, flags: markDrop },
  ]);
  expect(hitMark(loaded, 0, viewport, 100.5)).toBe(1);
  expect(hitMark(loaded, 0, viewport, 104)).toBe(1);
});

test('between two hops the block of the first one is hit', () => {
  const loaded = load(1000, [
    { time: 1000, event: 1 },
    { time: 5000, event: 2 },
  ]);
  expect(hitMark(loaded, 0, viewport, 300)).toBe(0);
});

test('before the first and after the last hop nothing is hit', () => {
  const loaded = load(1000, [
    { time: 1000, event: 1 },
    { time: 2000, event: 2 },
  ]);
  expect(hitMark(loaded, 0, viewport, 50)).toBeUndefined();
  expect(hitMark(loaded, 0, viewport, 250)).toBeUndefined();
});

test('anywhere on a wide bucket hits it', () => {
  const loaded = load(1000, [{ time: 1000, event: 1, width: 500, count: 9 }]);
  expect(hitMark(loaded, 0, viewport, 140)).toBe(0);
});

test('the mark nearest in time is found from both sides and beyond the ends', () => {
  const loaded = load(1000, [
    { time: 100, event: 1 },
    { time: 200, event: 2 },
    { time: 900, event: 3 },
  ]);
  expect([0, 1140, 1160, 1560, 9e9].map((ns) => nearestMark(loaded, 0, ns))).toEqual([0, 0, 1, 2, 2]);
  expect(nearestMark(load(0, []), 0, 5)).toBeUndefined();
});

test('an event is found in the bucket that stands for it, and not in one that does not', () => {
  const loaded = load(1000, [
    { time: 100, event: 4, width: 50, count: 3 },
    { time: 400, event: 9 },
  ]);
  expect(markOfEvent(loaded, 0, 4, 1100)).toBe(0);
  expect(markOfEvent(loaded, 0, 6, 1130)).toBe(0);
  expect(markOfEvent(loaded, 0, 9, 1400)).toBe(1);
  expect(markOfEvent(loaded, 0, 77, 1300)).toBeUndefined();
});

test('lower bound agrees with a plain search', () => {
  const times = Float32Array.from([1, 1, 2, 5, 5, 9]);
  for (let value = 0; value <= 10; value++) {
    const plain = times.findIndex((time) => time >= value);
    expect(lowerBound(times, 0, times.length, value)).toBe(plain < 0 ? times.length : plain);
  }
});

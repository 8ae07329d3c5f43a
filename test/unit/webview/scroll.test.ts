import { expect, test } from 'vitest';
import { clampScroll, rowsInView, scrollEnd, scrollOfThumb, scrollToRow, thumb } from '../../../webview/scroll.ts';

const rowHeight = 22;

test('only rows in view are named, cut ones too', () => {
  expect(rowsInView(11, 100, rowHeight, 1000)).toEqual({ first: 0, end: 6 });
  expect(rowsInView(220, 110, rowHeight, 1000, 2)).toEqual({ first: 8, end: 17 });
  expect(rowsInView(0, 100, rowHeight, 2)).toEqual({ first: 0, end: 2 });
});

test('ten million lanes, 220 million px, can be scrolled to the very last', () => {
  const total = 10_000_000;
  const content = total * rowHeight;
  const end = scrollEnd(400, rowHeight, total);
  const { size } = thumb(0, 400, content, 400);
  const top = scrollOfThumb(400 - size, 400, content, 400);
  expect(top).toBe(end);
  expect(rowsInView(top, 400, rowHeight, total).end).toBe(total);
});

test('dragging the thumb to where it is drawn changes nothing', () => {
  const content = 5_000 * rowHeight;
  for (const top of [0, 1234, 50_000, content - 300]) {
    expect(scrollOfThumb(thumb(top, 300, content, 280).top, 300, content, 280)).toBeCloseTo(top, 6);
  }
});

test('a list that fits has no thumb and cannot scroll', () => {
  expect(thumb(0, 300, 200, 300).size).toBe(0);
  expect(clampScroll(500, 300, rowHeight, 5)).toBe(0);
});

test('revealing a row scrolls by the least', () => {
  expect(scrollToRow(5, 0, 220, rowHeight)).toBe(0);
  expect(scrollToRow(10, 0, 220, rowHeight)).toBe(22);
  expect(scrollToRow(2, 100, 220, rowHeight)).toBe(44);
});

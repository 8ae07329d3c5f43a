// How long attaching still takes, as the toolbar tells it.
import { expect, test } from 'vitest';
import { leftText, Pace } from '../../../webview/pace.ts';

test('the time that is left follows from what the last ten seconds got done', () => {
  const pace = new Pace();
  expect(pace.next(1000, 0)).toBeUndefined();
  expect(pace.next(990, 500), 'too short to tell').toBeUndefined();
  expect(pace.next(950, 1000)).toBe(19_000);
  expect(pace.next(900, 2000)).toBe(18_000);
  // Then the node gets ten times slower; a while later that alone counts.
  let left: number | undefined = 0;
  for (let second = 3; second <= 30; second++) left = pace.next(900 - 5 * (second - 2), second * 1000);
  expect(left).toBeCloseTo(((900 - 5 * 28) / 5) * 1000);
});

test('nothing is foretold while nothing gets done, nor from before more was to be done', () => {
  const pace = new Pace();
  expect([pace.next(10, 0), pace.next(10, 5000)]).toEqual([undefined, undefined]);
  pace.next(5, 6000);
  expect(pace.next(50, 7000)).toBeUndefined();
  expect(pace.next(40, 9000)).toBe(8000);
});

test('the words are no finer than what is known', () => {
  expect([1, 5000, 5001, 118_000].map(leftText)).toEqual(['5 s left', '5 s left', '10 s left', '2 min left']);
  expect(leftText(200_000)).toBe('4 min left');
});

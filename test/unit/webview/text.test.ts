import { describe, expect, test } from 'vitest';
import { formatCount, formatDuration, formatShare, formatTime, plural } from '../../../webview/format.ts';
import { niceStep, rulerBase, ticks } from '../../../webview/ruler.ts';

describe('numbers', () => {
  test('a duration has the unit that fits it', () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, '0'],
      [12, '12 ns'],
      [1200, '1.20 µs'],
      [12_340, '12.3 µs'],
      [340e6, '340 ms'],
      [2.5e9, '2.50 s'],
      [125e9, '2 min 5 s'],
      [-820, '−820 ns'],
    ];
    for (const [ns, text] of cases) expect(formatDuration(ns)).toBe(text);
  });

  test('a duration keeps three digits where it rounds up', () => {
    const cases: readonly (readonly [number, string])[] = [
      [999.6, '1.00 µs'],
      [9_996, '10.0 µs'],
      [99_960, '100 µs'],
      [999_600, '1.00 ms'],
      [59.97e9, '1 min 0 s'],
    ];
    for (const [ns, text] of cases) expect(formatDuration(ns)).toBe(text);
  });

  test('a time is exact to the nanosecond', () => {
    expect(formatTime(1_234_567_890)).toBe('1.234\u202f567\u202f89 s');
    expect(formatTime(12_500)).toBe('12.5 µs');
    expect(formatTime(7)).toBe('7 ns');
    expect(formatTime(3e9)).toBe('3 s');
  });

  test('counts are grouped, and one thing is not plural', () => {
    expect(formatCount(1_234_567)).toBe('1,234,567');
    expect(plural(1, 'event')).toBe('1 event');
    expect(plural(2000, 'event')).toBe('2,000 events');
  });

  test('a small loss is never shown as none', () => {
    expect(formatShare(1, 1_000_000)).toBe('< 0.1 %');
    expect(formatShare(0, 10)).toBe('0 %');
    expect(formatShare(1, 8)).toBe('13 %');
  });
});

describe('ruler', () => {
  test('steps are 1, 2 or 5 times a power of ten', () => {
    expect([0.3, 1, 3, 60, 180, 999].map(niceStep)).toEqual([1, 1, 5, 100, 200, 1000]);
  });

  test('ticks are far enough apart to be read at every zoom', () => {
    for (const nsPerPx of [0.05, 0.9, 33, 4567, 8e6, 3e9]) {
      const all = ticks({ startNs: 123_456_789, nsPerPx }, 1400);
      const gaps = all.slice(1).map(({ x }, at) => x - (all[at]?.x ?? 0));
      expect(Math.min(...gaps, Infinity)).toBeGreaterThanOrEqual(19.9);
      if (nsPerPx > 1) expect(Math.min(...gaps, Infinity)).toBeGreaterThanOrEqual(95.9);
    }
  });

  test('deep in a trace the labels stay short and say what they count from', () => {
    const viewport = { startNs: 49_299_000, nsPerPx: 17 };
    const labels = ticks(viewport, 960).map(({ label }) => label);
    expect(labels[0]).toMatch(/^\+\d+ µs$/);
    expect(rulerBase(viewport, 960)).toBe(49_000_000);
  });

  test('nothing is marked before the trace begins', () => {
    const all = ticks({ startNs: -5000, nsPerPx: 10 }, 1000);
    expect(all[0]?.label).toBe('0');
    expect(all.every(({ ns }) => ns >= 0)).toBe(true);
  });
});

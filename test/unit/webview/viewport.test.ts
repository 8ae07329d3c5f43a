import { describe, expect, test } from 'vitest';
import {
  clamp,
  ensureVisible,
  fit,
  minNsPerPx,
  nsAt,
  pageWindow,
  pan,
  xOf,
  zoomAt,
} from '../../../webview/viewport.ts';

describe('viewport', () => {
  test('zooming keeps the time under the pointer where it is, in and out', () => {
    const before = { startNs: 1_000_000, nsPerPx: 250 };
    for (const factor of [0.5, 0.9, 1.7, 10]) {
      const after = zoomAt(before, 321, factor);
      expect(nsAt(after, 321)).toBeCloseTo(nsAt(before, 321), 6);
      expect(after.nsPerPx).toBeCloseTo(250 * factor, 9);
    }
  });

  test('zooming stops where a pixel is a twentieth of a nanosecond', () => {
    expect(zoomAt({ startNs: 0, nsPerPx: 0.06 }, 0, 0.1).nsPerPx).toBe(minNsPerPx);
  });

  test('panning moves by pixels and keeps the scale', () => {
    expect(pan({ startNs: 100, nsPerPx: 5 }, -20)).toEqual({ startNs: 0, nsPerPx: 5 });
  });

  test('fitting shows both ends within the margins', () => {
    const viewport = fit(500, 1500, 1000, 20, 120);
    expect(xOf(viewport, 500)).toBeCloseTo(20);
    expect(xOf(viewport, 1500)).toBeCloseTo(880);
  });

  test('fitting a narrow view keeps most of it for the trace', () => {
    const viewport = fit(0, 1000, 200, 24, 150);
    expect(xOf(viewport, 1000) - xOf(viewport, 0)).toBeCloseTo(120);
  });

  test('fitting one single moment gives a scale, not nothing', () => {
    expect(fit(7, 7, 1000).nsPerPx).toBeGreaterThanOrEqual(minNsPerPx);
  });

  test('the trace can be neither lost out of sight nor shrunk to a dot', () => {
    const right = clamp({ startNs: 1e15, nsPerPx: 10 }, 1000, 100_000);
    expect(xOf(right, 100_000)).toBeGreaterThan(0);
    const left = clamp({ startNs: -1e15, nsPerPx: 10 }, 1000, 100_000);
    expect(xOf(left, 0)).toBeLessThan(1000);
    const far = clamp({ startNs: 0, nsPerPx: 1e12 }, 1000, 100_000);
    expect(100_000 / far.nsPerPx).toBeGreaterThanOrEqual(499);
  });

  test('bringing a time into view moves no more than needed when it is near', () => {
    const viewport = { startNs: 0, nsPerPx: 1 };
    expect(ensureVisible(viewport, 1000, 500)).toBe(viewport);
    expect(xOf(ensureVisible(viewport, 1000, 990), 990)).toBe(940);
    expect(xOf(ensureVisible(viewport, 1000, 50_000), 50_000)).toBe(500);
  });

  test('at 2^52 ns and the closest zoom a pixel is still a pixel', () => {
    const viewport = { startNs: 2 ** 52, nsPerPx: 1 };
    expect(xOf(viewport, 2 ** 52 + 137)).toBe(137);
  });
});

describe('page window', () => {
  test('a window covers one width on each side of the view', () => {
    const { fromNs, toNs } = pageWindow({ startNs: 1e9, nsPerPx: 1000 }, 1000, 1e10);
    expect(fromNs).toBeLessThanOrEqual(1e9 - 1e6);
    expect(toNs).toBeGreaterThanOrEqual(1e9 + 2e6);
  });

  test('buckets are a power of two ns, and one to two pixels wide', () => {
    for (const nsPerPx of [0.7, 3, 1000, 123_456]) {
      const { fromNs, toNs, buckets } = pageWindow({ startNs: 1e9, nsPerPx }, 1000, 1e12);
      const bucket = (toNs - fromNs) / buckets;
      expect(Number.isInteger(Math.log2(bucket))).toBe(true);
      expect(bucket / nsPerPx).toBeLessThanOrEqual(2);
      expect(bucket / nsPerPx).toBeGreaterThan(nsPerPx < 1 ? 0 : 1);
    }
  });

  test('a small pan needs no new page', () => {
    const base = pageWindow({ startNs: 1e9 + 1000, nsPerPx: 1000 }, 1000, 1e10);
    expect(pageWindow({ startNs: 1e9 + 9000, nsPerPx: 1000 }, 1000, 1e10)).toEqual(base);
  });

  test('a window starts no earlier than the trace and ends behind its last event', () => {
    const { fromNs, toNs } = pageWindow({ startNs: -5000, nsPerPx: 100 }, 1000, 20_000);
    expect(fromNs).toBe(0);
    expect(toNs).toBeGreaterThan(20_000);
  });

  test('the number of buckets is bounded by the width, not by the trace', () => {
    for (const nsPerPx of [0.05, 1, 1e6]) {
      expect(pageWindow({ startNs: 5e11, nsPerPx }, 1500, 1e12).buckets).toBeLessThan(6000);
    }
  });
});

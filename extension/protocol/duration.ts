// How a length of time reads, the same wherever it is shown: in the trail and the lanes (webview) and among an event's fields
// (extension host). Pure.

/** Units of time, the largest first: ns in one, and its sign. */
export const timeUnits: readonly (readonly [number, string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

/**
 * A length of time to three significant digits: "12 ns", "1.20 µs", "10.7 µs", "340 ms"; from a minute on "2 min 5 s". What
 * rounds up to the next unit is told in it: 999.6 ns are "1.00 µs".
 */
export function formatDuration(ns: number): string {
  if (ns < 0) return `−${formatDuration(-ns)}`;
  if (ns === 0) return '0';
  if (ns >= 59.95e9) {
    const seconds = Math.round(ns / 1e9);
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  for (const [size, unit] of timeUnits) {
    const value = ns / size;
    if (value < 0.9995) continue;
    // A fixed number of digits, so that a column of them can be compared at a glance.
    return `${value.toFixed(size === 1 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`;
  }
  return `${Number(ns.toFixed(2))} ns`;
}

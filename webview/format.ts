// How numbers read: durations, counts, shares and wall-clock times. Pure.

const units: readonly (readonly [number, string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** A length of time to three significant digits or better: "12 ns", "1.20 µs", "340 ms", "2 min 5 s". */
export function formatDuration(ns: number): string {
  if (ns < 0) return `−${formatDuration(-ns)}`;
  if (ns === 0) return '0';
  if (ns >= 60e9) {
    const seconds = Math.round(ns / 1e9);
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  for (const [size, unit] of units) {
    if (ns < size) continue;
    const value = ns / size;
    // A fixed number of digits, so that a column of them can be compared at a glance.
    return `${value.toFixed(size === 1 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
  }
  return `${trim(ns, 2)} ns`;
}

/** A point in time since the trace's start, exact to the ns: "1.234 567 890 s", "12.5 µs". */
export function formatTime(ns: number): string {
  if (ns < 0) return `−${formatTime(-ns)}`;
  const [size, unit] = units.find(([each]) => ns >= each) ?? [1, 'ns'];
  const whole = Math.floor(ns / size);
  if (size === 1) return `${trim(ns, 2)} ns`;
  const digits = Math.round(Math.log10(size));
  const rest = String(Math.round(ns - whole * size))
    .padStart(digits, '0')
    .replace(/0+$/, '');
  if (rest === '') return `${formatCount(whole)} ${unit}`;
  return `${formatCount(whole)}.${rest.replace(/(\d{3})(?=\d)/g, '$1\u202f')} ${unit}`;
}

/** "1,234,567". */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** "1 event", "2,000 events". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A share of a whole in per cent; a small one is never shown as nothing. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return '0 %';
  const percent = (100 * part) / whole;
  if (percent < 0.1) return '< 0.1 %';
  return `${trim(percent, percent < 10 ? 1 : 0)} %`;
}

/** Local wall-clock time with ms: "14:03:12.345". */
export function formatClock(ms: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/** How a packet ended by the kernel's word: "Dropped: NETFILTER_DROP", "Kernel reports NO_SOCKET: normal for an answered ping". */
export function endText(reason: string, benign: string): string {
  return benign === '' ? `Dropped: ${reason}` : `Kernel reports ${reason}: ${benign}`;
}

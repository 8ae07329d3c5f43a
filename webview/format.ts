// How numbers and names read: durations, counts, shares, wall-clock times, layers and ends. Pure.
import { timeUnits } from '../extension/protocol/duration.ts';
import type { Layer } from '../extension/protocol/timeline.ts';

export { formatDuration } from '../extension/protocol/duration.ts';

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** A point in time since the trace's start, exact to the ns: "1.234 567 890 s", "12.5 µs". */
export function formatTime(ns: number): string {
  if (ns < 0) return `−${formatTime(-ns)}`;
  const [size, unit] = timeUnits.find(([each]) => ns >= each) ?? [1, 'ns'];
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

/** How a packet ended: "Dropped: NETFILTER_DROP", "Discarded (NO_SOCKET): the raw socket of ping got a copy of it". */
export function endText(reason: string, discard: string): string {
  return discard === '' ? `Dropped: ${reason}` : `Discarded (${reason}): ${discard}`;
}

/** Layers in words. */
export const layerNames: Readonly<Record<Layer, string>> = {
  driver: 'driver',
  bpf: 'tc/XDP',
  core: 'core',
  bridge: 'bridge',
  netfilter: 'netfilter',
  ip: 'IP',
  transport: 'TCP/UDP',
  socket: 'socket',
  other: 'other',
};

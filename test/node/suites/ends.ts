// How the packets of a trace ended, in words.
import type { TraceStore } from '../../../extension/trace/store.ts';
import { trails } from '../tracing.ts';

/** "NO_SOCKET at icmp_rcv" of each drop, and of each discard with where the data went. */
export function endsOf(store: TraceStore): { readonly drops: readonly string[]; readonly discards: readonly string[] } {
  const ends = trails(store).flatMap((rows) => rows.flatMap(({ drop }) => (drop ? [drop] : [])));
  const text = ({ reason, where }: (typeof ends)[number]): string => `${reason} at ${where.split('+')[0] ?? ''}`;
  return {
    drops: ends.filter(({ discard }) => discard === '').map(text),
    discards: ends.filter(({ discard }) => discard !== '').map((end) => `${text(end)}: ${end.discard}`),
  };
}

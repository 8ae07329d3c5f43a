// What a trace captures, in words, and what it must be to be used.
import type { Hops, TraceFilter } from '../nodes/helperFlags.ts';

export const everyPacket: TraceFilter = { expression: '', netns: '', iface: '', mark: '', hops: 'all' };

/** Where packets are watched, in words; empty for everywhere. */
export const hopsText: Readonly<Record<Hops, string>> = {
  all: '',
  telling: 'most telling functions only',
  programs: 'tc/XDP programs only',
};

/** Why a text is no mark; undefined when it is one. */
export function markProblem(text: string): string | undefined {
  const parts = text.split('/');
  const fine =
    parts.length <= 2 &&
    parts.every((part) => /^(0x[0-9a-f]{1,8}|[0-9]{1,10})$/i.test(part) && Number(part) <= 0xffff_ffff);
  return fine ? undefined : 'A mark is VALUE or VALUE/MASK, each a 32-bit number such as 16 or 0x10.';
}

/** One line for a filter, as titles and descriptions show it. */
export function filterText(filter: TraceFilter): string {
  return [
    filter.expression,
    filter.netns && `netns ${filter.netns}`,
    filter.iface && `interface ${filter.iface}`,
    filter.mark && `mark ${filter.mark}`,
    hopsText[filter.hops],
  ]
    .filter(Boolean)
    .join(', ');
}

// Which packets a packet was made from, and which were made from it.
import type { Relative } from '../protocol/timeline.ts';
import { laneLabel } from './lanes.ts';
import { edgeText } from './text.ts';
import type { TraceData } from './traceData.ts';

/** Most relatives of one answer. */
const maxRelatives = 64;

/** The packets that this lane's was made from, then those that were made from it, each in order of arrival. */
export function relativesOf(data: TraceData, lane: number): Relative[] {
  const { columns, kinship, packets, parents } = data;
  const relative = (row: number, other: number, side: Relative['side']): Relative => ({
    lane: other,
    id: packets.id(other),
    label: laneLabel(data, other),
    edge: edgeText(parents.value(row, 3)),
    side,
    event: packets.head(other),
  });
  const childOf = (row: number): number => {
    const event = parents.value(row, 0);
    return columns.chunk(event).packet[columns.row(event)] ?? 0;
  };
  const from = kinship.parentsOf(lane).slice(0, maxRelatives);
  const to = kinship.childrenOf(lane).slice(0, maxRelatives - from.length);
  return [
    ...from.flatMap((row) => {
      const parent = packets.find(parents.value(row, 1), parents.value(row, 2));
      return parent === undefined ? [] : [relative(row, parent, 'parent')];
    }),
    ...to.map((row) => relative(row, childOf(row), 'child')),
  ];
}

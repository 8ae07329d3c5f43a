// A trace in memory as its views ask for it: the data that the decoder fills, with the queries over it and what they keep.
import type { EventDetail, GapMark, HopLabel, Lane, Relative, TrailRow } from '../protocol/timeline.ts';
import { eventDetail } from './detail.ts';
import { LaneList, readLane } from './lanes.ts';
import type { Hook } from './metadata.ts';
import { LaneOrders, placeOf, type LaneOrder } from './order.ts';
import { Overview } from './overview.ts';
import { packPage } from './pages.ts';
import { relativesOf } from './relatives.ts';
import { TraceData } from './traceData.ts';
import { hopLabel, trailWindow } from './trail.ts';

/** Most hops of one answer. */
const maxHops = 1_000;

/** One trace with its queries; see each for its cost. Times given out are ns since the trace's first event. */
export class TraceStore extends TraceData {
  readonly #orders = new LaneOrders(this.columns, this.packets, this.hooks);
  readonly #lanes = new LaneList(this);
  readonly #overview = new Overview(this);

  /** A window of the lanes that match the filter (query.ts). O(new events) a call for a filter that was asked before. */
  lanes(filter: string, offset: number, count: number): { total: number; lanes: Lane[] } {
    return this.#lanes.window(filter, offset, count);
  }

  /** The packed page of these lanes in [fromNs, toNs]: protocol/pages.ts; its cost: pages.ts. */
  page(lanes: readonly number[], fromNs: number, toNs: number, buckets: number): ArrayBuffer {
    const start = this.startTime;
    const orders = lanes.map((lane) => (this.#isLane(lane) ? this.#order(lane) : undefined));
    return packPage(orders, (fromNs || 0) + start, (toNs || 0) + start, buckets);
  }

  /** A window of a packet's trail, ordered by time, then arrival; and its relatives. */
  trail(lane: number, offset: number, count: number): { total: number; rows: TrailRow[]; relatives: Relative[] } {
    if (!this.#isLane(lane)) return { total: 0, rows: [], relatives: [] };
    const order = this.#order(lane);
    return {
      total: order.count,
      rows: trailWindow(this, order, offset, count),
      relatives: relativesOf(this, lane),
    };
  }

  /** Every field of an event. Throws a RangeError when there is no such event. */
  detail(event: number): EventDetail {
    return eventDetail(this, this.#order(this.laneOf(event)), event);
  }

  /** The hook that an event hit; undefined when the stream didn't say. Throws a RangeError when there is no such event. */
  hookOf(event: number): Hook | undefined {
    return this.hooks.get(this.columns.chunk(event).hook[this.columns.row(event)] ?? 0);
  }

  /** The lane of an event. Throws a RangeError when there is no such event. */
  laneOf(event: number): number {
    return this.columns.chunk(event).packet[this.columns.row(event)] ?? 0;
  }

  /** What many hops' labels need, in the order asked for; empty strings for an event that isn't there. */
  hops(events: readonly number[]): HopLabel[] {
    return events.slice(0, maxHops).map((event) => hopLabel(this, event));
  }

  /**
   * Where an event is: its packet, that packet's row among the lanes that match the filter (−1: none), the event's index in the
   * trail. Throws a RangeError when there is no such event.
   */
  locate(event: number, filter: string): { lane: Lane; row: number; index: number } {
    const lane = this.laneOf(event);
    const index = placeOf(this.#order(lane), event, this.columns.time(event));
    return { lane: readLane(this, lane), row: this.#lanes.row(filter, lane), index };
  }

  /** Events and drops in each of `buckets` equal parts of [0, durationNs]. O(new events) while the trace's scale stands. */
  overview(buckets: number): { events: number[]; drops: number[] } {
    return this.#overview.read(buckets);
  }

  /** The losses as the timeline draws them. */
  gapMarks(): GapMark[] {
    return this.gaps.map(({ from, to, ...rest }) => ({
      fromNs: this.sinceStart(from),
      toNs: this.sinceStart(to),
      ...rest,
    }));
  }

  /** The lane's events in time order. */
  #order(lane: number): LaneOrder {
    return this.#orders.get(lane);
  }

  #isLane(lane: number): boolean {
    return Number.isInteger(lane) && lane >= 0 && lane < this.packets.length;
  }
}

// Measures the decoder and the store: events a second, bytes an event, in the stream, in memory and in a file.
// Run alone: npx tsx test/bench/decoder.ts
import { pathToFileURL } from 'node:url';
import { StreamDecoder } from '../../extension/trace/decoder.ts';
import { pack } from '../../extension/trace/codec.ts';
import { TraceStore } from '../../extension/trace/store.ts';
import { bootMono, encodeBatch, hello, random, tcp, type FakeEvent } from '../unit/trace/encode.ts';
import { encodeFrame, frameType } from '../../extension/trace/frames.ts';

/** A row of the benchmark table. */
export interface BenchRow {
  readonly figure: string;
  /** Kernel release; empty where no kernel is involved. */
  readonly kernel: string;
  readonly unit: string;
  /** null: could not be measured. */
  readonly ours: number | null;
  /** null: the peer has no such figure. */
  readonly peer: number | null;
  readonly ratio: number | null;
}

const batchEvents = 1_000;
const hopsOfPacket = 50;
const lanesAtOnce = 50;

/** Batches as a helper sends them: packets of 50 hops, several under way at once, what changes seldom sent once. */
function makeBatches(events: number): Uint8Array[] {
  const next = random(1);
  const batches: Uint8Array[] = [];
  for (let done = 0; done < events; done += batchEvents) {
    const seen = new Set<number>();
    const list = Array.from({ length: batchEvents }, (_, i): FakeEvent => {
      const at = done + i;
      const packet = 1 + Math.floor(at / (hopsOfPacket * lanesAtOnce)) * lanesAtOnce + Math.floor(next() * lanesAtOnce);
      const event: FakeEvent = {
        time: bootMono + BigInt(at * 700 + Math.floor(next() * 600)),
        hook: 1 + Math.floor(next() * 200),
        packet,
        caller: BigInt(Math.floor(next() * 3_000) * 64),
      };
      if (seen.has(packet)) return event;
      seen.add(packet);
      const port = 1024 + (packet % 60_000);
      return Object.assign(event, {
        cpu: packet % 2,
        skb: 0xffff888000000000n + BigInt((packet % 4096) * 256),
        netns: 4026531840,
        ifindex: 2,
        len: 60 + (packet % 1400),
        protocol: 0x0800,
        tuple: tcp([10, 0, 0, 1], port, [10, 0, 0, 2], 8080),
        tcpFlags: 0x10,
      });
    });
    batches.push(encodeBatch(list));
  }
  return batches;
}

function row(figure: string, unit: string, ours: number): BenchRow {
  return { figure, kernel: '', unit, ours, peer: null, ratio: null };
}

/** Decodes `events` synthetic events and asks for pages of them. Figures are the best of several runs. */
export function decoderBench(events = 1_000_000): readonly BenchRow[] {
  const batches = makeBatches(events);
  const frames = batches.map((batch) => encodeFrame(frameType.events, batch));
  let best = Infinity;
  let store = new TraceStore();
  for (let run = 0; run < 4; run++) {
    store = new TraceStore();
    const decoder = new StreamDecoder(store);
    decoder.feed(hello());
    const start = performance.now();
    for (const frame of frames) decoder.feed(frame);
    best = Math.min(best, performance.now() - start);
  }
  const raw = batches.reduce((sum, { length }) => sum + length, 0);
  const sample = batches.slice(0, 50);
  const packed = sample.reduce((sum, batch) => sum + pack(batch).data.length, 0);
  const lanes = Array.from({ length: lanesAtOnce }, (_, i) => i);
  let page = Infinity;
  for (let run = 0; run < 50; run++) {
    const start = performance.now();
    store.page(lanes, run, store.durationNs, 2_000);
    page = Math.min(page, performance.now() - start);
  }
  const filterStart = performance.now();
  store.lanes('fn:hook port:8080', 0, 100);
  const filter = performance.now() - filterStart;
  return [
    row('decoder', 'events/s', Math.round((events / best) * 1000)),
    row('stream size', 'bytes/event', raw / events),
    row('store size', 'bytes/event', store.bytes / events),
    row('file size', 'bytes/event', packed / (sample.length * batchEvents)),
    row('timeline page of 50 lanes', 'ms', page),
    row(`first filter over ${events} events`, 'ms', filter),
  ];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const { figure, ours, unit } of decoderBench()) {
    console.log(
      `${figure.padEnd(36)} ${(ours ?? NaN).toLocaleString('en', { maximumFractionDigits: 2 }).padStart(14)} ${unit}`,
    );
  }
}

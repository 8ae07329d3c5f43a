// Measures how long the timeline takes to draw a frame, in a real browser that draws in software.
import { FakeSource, startHarness } from '../e2e/timelineHarness/harness.ts';
import { flood, type Event } from '../e2e/timelineHarness/traffic.ts';
import type { BenchRow } from './decoder.ts';

/** Every lane has an event in each bucket: the most marks that a page can have. */
function fullLanes(): readonly Event[] {
  const lanes = 60;
  const functions = ['ip_rcv', 'veth_xmit', 'nf_hook_slow', 'tcp_v4_rcv'] as const;
  return Array.from({ length: lanes * 1700 }, (_, at) => ({
    ns: Math.floor(at / lanes) * 10_000 + (at % lanes),
    packet: (at % lanes) + 1,
    function: functions[(at * 7 + Math.floor(at / lanes)) % 4] ?? 'ip_rcv',
  }));
}

/** Milliseconds of each of `count` frames, in rising order; each comes after one of `keys`, which move the view. */
async function framesOf(
  events: readonly Event[],
  size: { readonly width: number; readonly height: number },
  keys: readonly string[],
  count: number,
): Promise<{ readonly times: readonly number[]; readonly marks: number }> {
  const harness = await startHarness();
  try {
    const source = new FakeSource();
    source.add(events);
    const timeline = await harness.open(source, size);
    await timeline.until('page', (page) => page !== undefined, 'the first page');
    await timeline.page.locator('.surface').focus();
    const times: number[] = [];
    for (let at = 0; at < count; at++) {
      const before = (await timeline.read('frames')).count;
      await timeline.page.keyboard.press(keys[at % keys.length] ?? 'd');
      times.push((await timeline.until('frames', (frames) => frames.count > before, 'a frame')).lastMs);
    }
    const marks = (await timeline.read('page'))?.marks ?? 0;
    await timeline.close();
    return { times: times.sort((a, b) => a - b), marks };
  } finally {
    await harness.close();
  }
}

/** Nine of ten frames of a flood that is panned and zoomed, and what the frame of a full page costs at best. */
export async function framesBench(): Promise<readonly BenchRow[]> {
  const row = (figure: string, ours: number | undefined): BenchRow => {
    return { figure, kernel: '', unit: 'ms', ours: ours ?? null, peer: null, ratio: null };
  };
  const moves = ['w', 'w', 's', 'd', 'd', 'd', 'PageDown', 'PageDown', 'd', 'a'];
  const panned = await framesOf(flood(5000, 20, 20_000), { width: 1600, height: 1200 }, moves, 60);
  const full = await framesOf(fullLanes(), { width: 1920, height: 2000 }, ['d', 'a'], 30);
  return [
    row('a frame of 100,000 events, nine of ten within', panned.times[54]),
    // The quickest frames say what drawing costs; the others, what else the machine does meanwhile.
    row(`a frame of a page of ${full.marks.toLocaleString('en-US')} marks`, full.times[2]),
  ];
}

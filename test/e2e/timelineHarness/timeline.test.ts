// The timeline in a real browser over a real trace store: what a person sees, clicks and types.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Handlers } from '../../../extension/protocol/serve.ts';
import { FakeSource, startHarness, type Harness, type Opened, type OpenOptions } from './harness.ts';
import {
  counters,
  flood,
  fragmentTraffic,
  gap,
  hookCount,
  mixedTraffic,
  moreAttached,
  moreHooks,
  oneDroppedPing,
  programTraffic,
  shed,
  type Event,
} from './traffic.ts';

let harness: Harness;
let opened: Opened | undefined;

beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.close());
afterEach(async () => {
  const last = opened;
  opened = undefined;
  if (last === undefined) return;
  await last.close();
  expect(last.faults, 'console errors and policy violations').toEqual([]);
});

function sourceWith(...parts: readonly (readonly Event[] | Uint8Array)[]): FakeSource {
  const source = new FakeSource();
  source.add(...parts);
  return source;
}

async function show(source: FakeSource, options?: OpenOptions): Promise<Opened> {
  opened = await harness.open(source, options);
  if (source.store.eventCount > 0) await opened.until('page', (page) => page !== undefined, 'the first page');
  return opened;
}

const speech = (timeline: Opened): Promise<string> =>
  timeline.page.locator('[aria-live]').evaluate((element: { textContent: string }) => element.textContent);

async function clickHop(timeline: Opened, lane: number, event: number): Promise<void> {
  const place = await timeline.place(lane, event);
  if (place === undefined) throw new Error(`event ${event} is not in view`);
  await timeline.page.mouse.click(place.x, place.y);
  await timeline.until('selectedEvent', (selected) => selected === event, `event ${event} to be selected`);
}

describe('a packet', () => {
  test('a drop shows its reason and its place', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()));
    await clickHop(timeline, 0, 11);
    const row = timeline.page.locator('.trail-row.dropped');
    await row.waitFor();
    expect(await row.textContent()).toContain('NETFILTER_DROP at nft_do_chain+0x1b3');
    expect(await timeline.page.locator('.label .badge.drop').getAttribute('aria-label')).toBe(
      'dropped: NETFILTER_DROP',
    );
    await timeline.page.locator('.detail dd', { hasText: 'NETFILTER_DROP' }).first().waitFor();
    expect(await speech(timeline)).toContain('dropped, NETFILTER_DROP');
  });

  test('the trail lists every hop in order with what it changed', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()));
    await timeline.page.locator('.label').first().click();
    const trail = await timeline.until('trail', (rows) => rows.length === 12, 'the whole trail');
    expect(trail.map((row) => row.function)).toEqual(oneDroppedPing().map((event) => event.function));
    expect(trail[10]?.changes).toContain('netns init → web');
    expect(trail.slice(1).every((row) => row.sinceNs > 0)).toBe(true);
    const grid = timeline.page.getByRole('grid', { name: 'Trail of the selected packet' });
    expect(await grid.getAttribute('aria-rowcount')).toBe('13');
  });

  test('hovering a hop tells its function, layer and interface', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()));
    const place = await timeline.place(0, 9);
    await timeline.page.mouse.move((place?.x ?? 0) + 20, place?.y ?? 0);
    const tooltip = timeline.page.locator('.tooltip');
    await tooltip.getByText('veth_xmit').waitFor();
    expect(await tooltip.textContent()).toContain('driver · veth-web in init');
  });

  test('a click on a function opens its source, with Ctrl beside', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()));
    await timeline.page.locator('.label').first().click();
    const name = timeline.page.locator('.function-name', { hasText: 'nf_hook_slow' }).first();
    await name.click();
    await timeline.page.getByText('Opened the source of nf_hook_slow').waitFor();
    await name.click({ modifiers: ['Control'] });
    await expect
      .poll(() => timeline.openedSources)
      .toEqual([
        { event: 2, beside: false },
        { event: 2, beside: true },
      ]);
  });

  test('keyboard alone reaches the source of a hop', async () => {
    const timeline = await show(sourceWith(mixedTraffic()));
    await timeline.page.keyboard.press('/');
    await timeline.page.keyboard.type('drop:');
    await timeline.until('laneTotal', (total) => total === 6, 'the dropped packets');
    await timeline.page.keyboard.press('Escape');
    await timeline.page.keyboard.press('Escape');
    await timeline.until('laneTotal', (total) => total === 50, 'every packet');
    await timeline.page.keyboard.press('ArrowDown');
    const first = await timeline.until('selectedEvent', (event) => event !== undefined, 'a hop');
    await timeline.page.keyboard.press('Home');
    await timeline.page.keyboard.press('ArrowRight');
    await timeline.page.keyboard.press('ArrowRight');
    await expect.poll(() => speech(timeline)).toContain('Hop 3 of 18: nf_hook_slow');
    await timeline.page.keyboard.press('Enter');
    await expect.poll(() => timeline.openedSources.length).toBe(1);
    expect(first).toBeDefined();
  });

  test('every control can be reached with Tab and has a name', async () => {
    const source = sourceWith(mixedTraffic());
    source.status = 'live';
    const timeline = await show(source);
    await timeline.page.locator('.label').nth(3).click();
    await timeline.until('trailTotal', (total) => total > 0, 'a trail');
    const names: string[] = [];
    for (let at = 0; at < 20; at++) {
      await timeline.page.keyboard.press('Tab');
      names.push(
        await timeline.page.evaluate<string>(
          `(() => { const e = document.activeElement; return e === document.body ? '' : (e.getAttribute('aria-label') || e.title || e.textContent); })()`,
        ),
      );
    }
    const reached = new Set(names.filter((name) => name !== ''));
    for (const name of [
      'Filter packets by text',
      'Pause',
      'Stop',
      'Save…',
      'Follow live',
      'Packets over time',
      'Trail of the selected packet',
    ]) {
      expect(reached).toContain(name);
    }
  });

  test('a packet that was made from another says so, and a verdict has its name', async () => {
    const timeline = await show(sourceWith(mixedTraffic()));
    await timeline.page.locator('.label-child').first().waitFor();
    await timeline.page.locator('.label').nth(1).click();
    await timeline.page.locator('.verdict', { hasText: 'TC_ACT_OK' }).waitFor();
  });
});

describe('BPF programs', () => {
  const rowAt = (timeline: Opened, index: number): ReturnType<Opened['page']['locator']> =>
    timeline.page.locator(`.trail-body .trail-row[data-index="${index}"]`);

  test('a program’s entry and verdict say where it is attached, what it returned and where it redirects to', async () => {
    const timeline = await show(sourceWith(programTraffic()));
    await timeline.page.locator('.label').first().click();
    await timeline.until('trail', (rows) => rows.length === 10, 'the whole trail');
    const entered = await rowAt(timeline, 3).textContent();
    expect(entered).toContain('tc_ingress_policy▸');
    expect(entered).toContain('entered at tc ingress eth0, prio 1, policy.o tc_ingress_policy');
    expect(await rowAt(timeline, 6).textContent()).toContain('◆ TC_ACT_REDIRECT → if 3');
    expect(await rowAt(timeline, 4).textContent()).toContain('from tc_ingress_policy');
    expect(await rowAt(timeline, 5).textContent()).toContain('⤷ inferred tail call → policy_lookup → policy_deliver');
    await rowAt(timeline, 6).locator('.cpu').click();
    const detail = timeline.page.locator('.detail');
    await detail.getByText('tc_ingress_policy (id 41)').waitFor();
    await detail.getByText('policy_calls[1] → policy_lookup').waitFor();
    expect(await speech(timeline)).toContain('verdict TC_ACT_REDIRECT → if 3, tc ingress eth0, prio 1');
  });

  test('a verdict that drops looks like a drop, and is counted once', async () => {
    const timeline = await show(sourceWith(programTraffic()));
    const summary = await timeline.read('summary');
    expect(summary?.drops).toBe(2);
    const badges = timeline.page.locator('.label .badge.drop');
    expect(await badges.evaluateAll((list: Element[]) => list.map((each) => each.getAttribute('aria-label')))).toEqual([
      'dropped: TC_ACT_SHOT',
      'dropped: XDP_DROP',
    ]);
    await timeline.page.locator('.label').nth(1).click();
    await timeline.until('trail', (rows) => rows.length === 6, 'the whole trail');
    const dropped = timeline.page.locator('.trail-row.dropped');
    expect(await dropped.count()).toBe(1);
    expect(await dropped.textContent()).toContain('✕ TC_ACT_SHOT');
    expect(await dropped.textContent()).not.toContain('◆ TC_ACT_SHOT');
    expect(await rowAt(timeline, 5).textContent()).toContain("kernel's record: TC_INGRESS at nft_do_chain+0x1b3");
  });

  test('a packet’s relatives stand above its trail, and each can be gone to', async () => {
    const timeline = await show(sourceWith(fragmentTraffic()));
    const relatives = timeline.page.locator('.relatives .relative');
    await timeline.page.locator('.label').nth(3).click();
    await timeline.until('trail', (rows) => rows.length === 5, 'the whole trail');
    expect(await relatives.allTextContents()).toEqual(['⇠ #1 reassembled', '⇠ #2 reassembled', '⇠ #3 reassembled']);
    await relatives.nth(1).click();
    await timeline.until('selectedLane', (lane) => lane?.id === '2', 'the second fragment');
    await timeline.until('trail', (rows) => rows.length === 3, 'its trail');
    expect(await relatives.allTextContents()).toEqual(['⇠ #1 fragment', '⇢ #4 reassembled']);
    expect(await relatives.nth(1).getAttribute('aria-label')).toMatch(
      /^Packet 4 was made from this one \(reassembled\): ICMP/,
    );
    // Neither fragment was lost.
    expect((await timeline.read('summary'))?.drops).toBe(0);
    expect(await timeline.page.locator('.badge.discard').count()).toBe(2);
  });

  test('a packet that comes alone has no relatives', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()));
    await clickHop(timeline, 0, 11);
    expect(await timeline.page.locator('.relatives').isVisible()).toBe(false);
  });

  test('a discard is shown with where the data went, and does not look like a drop', async () => {
    const timeline = await show(sourceWith(programTraffic()));
    const label = timeline.page.locator('.label').nth(3);
    expect(await label.locator('.badge.discard').getAttribute('aria-label')).toBe(
      'Discarded (NO_SOCKET): a raw socket got a copy of it',
    );
    await label.click();
    await timeline.until('trail', (rows) => rows.length === 10, 'the whole trail');
    expect(await rowAt(timeline, 9).textContent()).toContain(
      '⊖ NO_SOCKET at icmp_rcv+0x1b3: a raw socket got a copy of it',
    );
    expect(await timeline.page.locator('.trail-row.dropped').count()).toBe(0);
  });

  test('a filter from outside shows the packets of a program, and can be cleared', async () => {
    const timeline = await show(sourceWith(programTraffic(), mixedTraffic()));
    const notice = { type: 'notice', name: 'find', argument: { filter: 'verdict:xdp_filter=XDP_DROP' } } as const;
    await timeline.notify(notice);
    await timeline.until('laneTotal', (total) => total === 1, 'the packet that XDP dropped');
    expect(await timeline.read('filter')).toBe('verdict:xdp_filter=XDP_DROP');
    await timeline.page.locator('.surface').focus();
    await timeline.page.keyboard.press('Escape');
    await timeline.until('laneTotal', (total) => total > 10, 'every packet');
  });

  test('hovering a program’s hop tells where it is attached and what it returned', async () => {
    const timeline = await show(sourceWith(programTraffic().filter(({ packet }) => packet === 2)));
    const place = await timeline.place(0, 1);
    await timeline.page.mouse.move(place?.x ?? 0, place?.y ?? 0);
    await timeline.page.locator('.tooltip').getByText('xdp eth0, xdp_filter: XDP_PASS').waitFor();
  });
});

describe('the captured filter', () => {
  test('of a running trace is changed in its box; one that is refused says why and leaves the old', async () => {
    const source = sourceWith(oneDroppedPing());
    source.status = 'live';
    const timeline = await show(source);
    const { page } = timeline;
    await page.locator('.capture-box vscode-button').first().click();
    const box = page.locator('.control-line');
    await box.waitFor();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('tcp prot 80');
    source.refusal = 'can’t parse the filter: syntax error at "prot"';
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('syntax error at "prot"').waitFor();
    expect((await timeline.read('summary'))?.expression).toBe('icmp or tcp port 8080');
    source.refusal = '';
    await page.keyboard.press('Control+a');
    await page.keyboard.type('tcp port 80');
    await page.keyboard.press('Enter');
    await timeline.until('summary', (summary) => summary?.filter === 'tcp port 80', 'the new filter');
    expect(await page.locator('code.capture').textContent()).toBe('tcp port 80');
    expect(await box.isVisible()).toBe(false);
  });

  test('stays as it is with Escape, and can’t be changed once the trace is over', async () => {
    const source = sourceWith(oneDroppedPing());
    source.status = 'live';
    const timeline = await show(source);
    const edit = timeline.page.locator('.capture-box vscode-button').first();
    expect(await edit.getAttribute('aria-label')).toBe('Change the packet filter of the running trace');
    await edit.click();
    await timeline.page.keyboard.type('x');
    await timeline.page.keyboard.press('Escape');
    expect(await timeline.page.locator('code.capture').textContent()).toBe('icmp or tcp port 8080');
    expect((await timeline.read('summary'))?.expression).toBe('icmp or tcp port 8080');
    await source.stop();
    await expect.poll(() => edit.isVisible()).toBe(false);
  });
});

describe('the view', () => {
  test('the selected hop survives a theme change, and the colours follow the theme', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()));
    await clickHop(timeline, 0, 9);
    // Through a copy: reading the canvas itself back would have the browser warn.
    const pixel = (): Promise<number[]> =>
      timeline.page.evaluate<number[]>(`(() => {
        const copy = document.createElement('canvas');
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(document.querySelector('.canvas canvas'), 20, 200, 1, 1, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
      })()`);
    const dark = await pixel();
    await timeline.theme('light');
    await expect.poll(async () => (await pixel())[0] ?? 0).toBeGreaterThan(200);
    expect(dark[0]).toBeLessThan(60);
    expect(await timeline.read('selectedEvent')).toBe(9);
    expect(await timeline.page.locator('.trail-row.selected').getAttribute('aria-rowindex')).toBe('11');
  });

  test('viewport, filter and selection come back when the view is shown again', async () => {
    const source = sourceWith(mixedTraffic());
    const timeline = await show(source);
    await timeline.page.keyboard.press('/');
    await timeline.page.keyboard.type('drop:');
    await timeline.until('laneTotal', (total) => total === 6, 'the dropped packets');
    await timeline.page.locator('.label').nth(1).dblclick();
    const event = await timeline.until('selectedEvent', (selected) => selected !== undefined, 'a selection');
    const viewport = await timeline.read('viewport');
    await timeline.page.reload();
    await timeline.until('summary', (summary) => summary !== undefined, 'the first answer');
    expect(await timeline.until('selectedEvent', (selected) => selected === event, 'the same selection')).toBe(event);
    expect(await timeline.read('filter')).toBe('drop:');
    const again = await timeline.read('viewport');
    expect(again.nsPerPx).toBeCloseTo(viewport.nsPerPx, 3);
    expect(again.startNs).toBeCloseTo(viewport.startNs, 0);
  });

  test('Ctrl and wheel zooms at the pointer, wheel scrolls, Shift and wheel pans, Shift and drag zooms to the range', async () => {
    const timeline = await show(sourceWith(mixedTraffic()));
    const { page } = timeline;
    const before = await timeline.read('viewport');
    const box = await page.locator('.canvas-box').boundingBox();
    if (box === null) throw new Error('the canvas has no place');
    const x = 400;
    await page.mouse.move(box.x + x, box.y + 100);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -100);
    await page.keyboard.up('Control');
    const zoomed = await timeline.until('viewport', (viewport) => viewport.nsPerPx < before.nsPerPx, 'a closer view');
    expect(zoomed.startNs + x * zoomed.nsPerPx).toBeCloseTo(before.startNs + x * before.nsPerPx, -2);
    await page.keyboard.down('Shift');
    await page.mouse.wheel(0, 100);
    await timeline.until('viewport', (viewport) => viewport.startNs > zoomed.startNs, 'a later view');
    const panned = await timeline.read('viewport');
    await page.mouse.down();
    await page.mouse.move(box.x + x + 100, box.y + 100, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up('Shift');
    const ranged = await timeline.until('viewport', (viewport) => viewport.nsPerPx < panned.nsPerPx / 2, 'the range');
    expect(ranged.startNs).toBeCloseTo(panned.startNs + x * panned.nsPerPx, -2);
    await page.mouse.wheel(0, 220);
    await timeline.until('lanes', (lanes) => lanes[0]?.index === 10, 'the eleventh lane on top');
  });

  test('a filter that matches nothing says so and can be cleared', async () => {
    const timeline = await show(sourceWith(mixedTraffic()));
    await timeline.page.keyboard.press('/');
    await timeline.page.keyboard.type('nowhere');
    await timeline.page.getByText('No packet matches “nowhere”').waitFor();
    await timeline.page.locator('.empty').getByText('Clear filter').click();
    await timeline.until('laneTotal', (total) => total === 50, 'every packet');
  });

  test('a reveal selects the event and brings it into view, past a filter that hides it', async () => {
    const timeline = await show(sourceWith(flood(3000, 10, 100_000)));
    await timeline.page.keyboard.press('/');
    await timeline.page.keyboard.type('drop:');
    await timeline.until('laneTotal', (total) => total === 30, 'the dropped packets');
    const event = 2345 * 10 + 3;
    await timeline.notify({ type: 'notice', name: 'reveal', argument: { lane: 2345, event } });
    await timeline.until('selectedEvent', (selected) => selected === event, 'the event');
    await timeline.until('lanes', (lanes) => lanes.some(({ index }) => index === 2345), 'its lane');
    const { startNs, nsPerPx } = await timeline.read('viewport');
    const row = (await timeline.read('trail')).find((each) => each.event === event);
    expect(row?.timeNs).toBeGreaterThan(startNs);
    expect(row?.timeNs).toBeLessThan(startNs + 900 * nsPerPx);
  });
});

describe('a live trace', () => {
  test('before the first packet it says what it waits for', async () => {
    const source = new FakeSource();
    source.status = 'live';
    const timeline = await show(source);
    await timeline.page.getByText('No packet has matched yet').waitFor();
    await timeline.page.getByText(`${hookCount} hooks attached on demo, filter “icmp or tcp port 8080”.`).waitFor();
    source.add(oneDroppedPing());
    await timeline.until('lanes', (lanes) => lanes.length === 1, 'the first lane');
    await expect.poll(() => timeline.page.locator('.empty').isVisible()).toBe(false);
  });

  test('it follows the newest packet until the person pans, and again when asked', async () => {
    const source = sourceWith(flood(200, 10, 10_000_000));
    source.status = 'live';
    const timeline = await show(source);
    expect(await timeline.read('follow')).toBe(true);
    source.add(flood(200, 10, 10_000_000, 201));
    await timeline.until('lanes', (lanes) => lanes.at(-1)?.index === 399, 'the newest lane at the bottom');
    const end = await timeline.read('viewport');
    const { durationNs = 0 } = (await timeline.read('summary')) ?? {};
    expect(end.startNs).toBeLessThan(durationNs);
    await timeline.page.locator('.surface').focus();
    await timeline.page.keyboard.press('a');
    await timeline.until('follow', (follow) => !follow, 'following to end');
    const kept = await timeline.read('viewport');
    source.add(flood(10, 10, 10_000_000, 401));
    await timeline.until('summary', (summary) => summary?.packets === 410, 'more packets');
    expect(await timeline.read('viewport')).toEqual(kept);
    await timeline.page.getByText('Follow live').click();
    await timeline.until('lanes', (lanes) => lanes.at(-1)?.index === 409, 'the newest lane again');
  });

  test('a loss is told with its count, drawn, and explained', async () => {
    const source = sourceWith(mixedTraffic());
    source.status = 'live';
    const timeline = await show(source);
    source.add(gap(1234, 2, 700_000_000, 760_000_000));
    await timeline.page.getByRole('alert').getByText('1,234 events').waitFor();
    await timeline.until('gaps', (gaps) => gaps.length === 1, 'the gap');
    const { startNs, nsPerPx } = await timeline.read('viewport');
    const box = await timeline.page.locator('.canvas-box').boundingBox();
    await timeline.page.mouse.move((box?.x ?? 0) + (730_000_000 - startNs) / nsPerPx, (box?.y ?? 0) + 60);
    await timeline.page.locator('.tooltip').getByText('1,234 events lost here').waitFor();
    expect(await timeline.page.locator('.tooltip').textContent()).toContain('CPU 2: 1,234, ring buffer full');
  });

  test('what it costs is shown, and hooks that were shed for that are named', async () => {
    const source = sourceWith(oneDroppedPing(), counters(1e9, 10_000_000), counters(2e9, 45_000_000));
    source.status = 'live';
    const timeline = await show(source);
    await timeline.page.locator('.figure.overhead', { hasText: '3.5 % of a core' }).waitFor();
    expect(await timeline.page.locator('.notice').isVisible()).toBe(false);
    source.add(shed(7));
    const notice = timeline.page.locator('.notice', {
      hasText: '7 hooks were detached to keep within the overhead budget',
    });
    await notice.waitFor();
    expect(await notice.textContent()).toContain(
      'ip_send_skb, __ip_local_out, nf_hook_slow, ip_output, ip_finish_output2',
    );
    expect(await notice.textContent()).toContain('and 2 more. Trails have no hops there any more.');
  });

  test('how far attaching is, is shown until all functions are hooked', async () => {
    const source = sourceWith(oneDroppedPing(), moreHooks(1000), moreAttached(250));
    source.status = 'live';
    const timeline = await show(source);
    const hooked = timeline.page.locator('.figure.hooked');
    await hooked.getByText(`${hookCount + 250} of 1,${String(hookCount).padStart(3, '0')}`).waitFor();
    // Each look finds less left: how long it takes can be told once they are a second apart.
    let attached = 250;
    await expect
      .poll(
        async () => {
          source.add(moreAttached((attached += 5)));
          return await hooked.textContent();
        },
        { interval: 200 },
      )
      .toMatch(/hooked, \d+ (s|min) left$/);
    source.add(moreAttached(1000));
    await hooked.waitFor({ state: 'hidden' });
  });

  test('Pause, Resume, Stop and Save reach the host, and the status says so', async () => {
    const source = sourceWith(oneDroppedPing());
    source.status = 'live';
    const timeline = await show(source);
    const click = (text: string): Promise<void> => timeline.page.locator('vscode-button', { hasText: text }).click();
    await click('Pause');
    await timeline.until('summary', (summary) => summary?.status === 'paused', 'a pause');
    await click('Resume');
    await timeline.until('summary', (summary) => summary?.status === 'live', 'the trace to go on');
    await click('Save…');
    await expect.poll(() => timeline.saves()).toBe(1);
    await click('Stop');
    await timeline.page.getByText('Ended').waitFor();
    expect(await timeline.page.locator('vscode-button', { hasText: 'Stop' }).isVisible()).toBe(false);
  });
});

describe('under stress', () => {
  test('stale pages are never drawn', async () => {
    const source = sourceWith(mixedTraffic());
    let hold: Promise<void> | undefined;
    let release = (): void => undefined;
    let held = 0;
    let late = 0;
    const timeline = await show(source, {
      wrap: (handlers): Handlers => ({
        ...handlers,
        page: async (argument) => {
          const wait = hold;
          hold = undefined;
          if (wait !== undefined) {
            held++;
            await wait;
            late++;
          }
          return handlers.page(argument);
        },
      }),
    });
    hold = new Promise((resolve) => (release = resolve));
    await timeline.page.locator('.surface').focus();
    for (let at = 0; at < 4; at++) await timeline.page.keyboard.press('+');
    await expect.poll(() => held).toBe(1);
    for (let at = 0; at < 6; at++) await timeline.page.keyboard.press('+');
    const { nsPerPx } = await timeline.read('viewport');
    const wanted = (page: { fromNs: number; toNs: number } | undefined): boolean =>
      page !== undefined && page.toNs - page.fromNs < 8000 * nsPerPx;
    await timeline.until('page', wanted, 'a page of a closer view');
    release();
    await expect.poll(() => late).toBe(1);
    // The late answer goes out before this question does, on the same channel.
    await timeline.page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
    expect(await timeline.read('page')).toSatisfy(wanted);
  });

  test('a request that fails is told once, and the timeline goes on', async () => {
    let broken = true;
    const timeline = await show(sourceWith(oneDroppedPing()), {
      wrap: (handlers): Handlers => ({
        ...handlers,
        event: (argument) => {
          if (broken) throw new Error('The trace file was cut while it was read.');
          return handlers.event(argument);
        },
      }),
    });
    await clickHop(timeline, 0, 9);
    await timeline.page.getByRole('alert').getByText('The trace file was cut while it was read.').waitFor();
    broken = false;
    await timeline.page.keyboard.press('ArrowLeft');
    await timeline.page.locator('.detail h2', { hasText: 'dev_hard_start_xmit' }).waitFor();
  });

  test('100,000 lanes scroll to the last with the scrollbar, and only those in view are asked for', async () => {
    const timeline = await show(sourceWith(flood(100_000, 1, 1000)));
    const track = await timeline.page.locator('.surface .scrollbar').boundingBox();
    if (track === null) throw new Error('there is no scrollbar');
    await timeline.page.mouse.move(track.x + 7, track.y + 5);
    await timeline.page.mouse.down();
    await timeline.page.mouse.move(track.x + 7, track.y + track.height + 50, { steps: 5 });
    await timeline.page.mouse.up();
    await timeline.until('lanes', (lanes) => lanes.at(-1)?.index === 99_999, 'the last lane');
    expect(timeline.requests.filter((name) => name === 'lanes').length).toBeLessThan(30);
    expect(await timeline.page.locator('.label').count()).toBeLessThan(60);
  });

  test('a hostile lane label stays text', async () => {
    const timeline = await show(sourceWith(oneDroppedPing()), {
      wrap: (handlers): Handlers => ({
        ...handlers,
        lanes: async (argument) => {
          const { total, lanes } = await handlers.lanes(argument);
          return { total, lanes: lanes.map((lane) => ({ ...lane, label: '<img src=x onerror=alert(1)>'.repeat(20) })) };
        },
      }),
    });
    await timeline.page.locator('.label-text', { hasText: '<img src=x' }).waitFor();
    expect(await timeline.page.locator('img').count()).toBe(0);
  });
});

// Pictures of the timeline for a person who judges how it looks, in test-output/timeline; what a test can judge, timeline.test.ts does.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeSource, startHarness, type Harness, type Opened, type ThemeName } from './harness.ts';
import { flood, fragmentTraffic, gap, mixedTraffic, oneDroppedPing, programTraffic, type Event } from './traffic.ts';

const themes: readonly ThemeName[] = ['dark', 'light', 'highContrast', 'highContrastLight'];
const shots = fileURLToPath(new URL('../../../test-output/timeline/', import.meta.url));

let harness: Harness;

beforeAll(async () => {
  await mkdir(shots, { recursive: true });
  harness = await startHarness();
});
afterAll(() => harness.close());

/** Shows a trace while `look` takes its pictures; nothing may be wrong on the page meanwhile. */
async function picture(
  theme: ThemeName,
  parts: readonly (readonly Event[] | Uint8Array)[],
  look: (timeline: Opened, take: (name: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const source = new FakeSource();
  source.add(...parts);
  const timeline = await harness.open(source, { theme });
  await timeline.until('page', (page) => page !== undefined, 'the first page');
  await look(timeline, async (name) => {
    await timeline.page.screenshot({ path: `${shots}${name}-${theme}.png` });
  });
  await timeline.close();
  expect(timeline.faults).toEqual([]);
}

test.each(themes)('one packet, many packets, programs and a big trace in %s', async (theme) => {
  await picture(theme, [oneDroppedPing()], async (timeline, take) => {
    const drop = (await timeline.place(0, 11)) ?? expect.fail('the drop is not in view');
    await timeline.page.mouse.click(drop.x, drop.y);
    await timeline.page.locator('.detail h2').waitFor();
    await take('one-drop');
  });
  await picture(theme, [mixedTraffic(), gap(1234, 2, 700_000_000, 760_000_000)], async ({ page }, take) => {
    await take('many');
    await page.locator('.label').nth(1).dblclick();
    await page.locator('.detail h2').waitFor();
    await take('packet');
  });
  await picture(theme, [programTraffic()], async ({ page }, take) => {
    await take('programs');
    await page.locator('.label').first().dblclick();
    await page.locator('.trail-body .trail-row[data-index="5"] .cpu').click();
    await page.locator('.detail h2').waitFor();
    await take('program-trail');
  });
  await picture(theme, [fragmentTraffic()], async ({ page }, take) => {
    await page.locator('.label').nth(3).dblclick();
    await page.locator('.detail h2').waitFor();
    await take('family');
  });
  await picture(theme, [flood(5000, 20, 2_000_000)], async (_, take) => {
    await take('big');
  });
});

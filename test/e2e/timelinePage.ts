// The timeline as a person and a test see it: its own model, and clicks on packets and hops.
import { setTimeout as delay } from 'node:timers/promises';
import type { Locator } from 'playwright-core';
import type { Lane, TraceSummary, TrailRow } from '../../extension/protocol/timeline.ts';
// Declares the object that the page offers to tests.
import type {} from '../../webview/inspection.ts';
import type { Workbench } from './workbench.ts';

/** What the timeline holds at one moment. */
export interface TimelineModel {
  readonly summary: TraceSummary | undefined;
  readonly lanes: readonly Lane[];
  readonly laneTotal: number;
  /** What the person has typed to see fewer lanes. */
  readonly filter: string;
  readonly selectedLane: Lane | undefined;
  readonly selectedEvent: number | undefined;
  readonly trail: readonly TrailRow[];
  readonly trailTotal: number;
  /** The time that is drawn, ns from the start of the trace. */
  readonly page: { readonly fromNs: number; readonly toNs: number } | undefined;
}

/** The timeline that the window shows. */
export class TimelinePage {
  constructor(private readonly workbench: Workbench) {}

  /** Its model now; undefined while the page is loading. */
  async model(): Promise<TimelineModel | undefined> {
    const frame = await this.workbench.webview('#timeline');
    return frame.evaluate(() => {
      const timeline = globalThis.packetTrailTimeline;
      if (timeline === undefined) return undefined;
      const { summary, filter, lanes, laneTotal, selectedLane, selectedEvent, trail, trailTotal, page } = timeline;
      return {
        summary,
        filter,
        lanes: [...lanes],
        laneTotal,
        selectedLane,
        selectedEvent,
        trail: [...trail],
        trailTotal,
        page,
      };
    });
  }

  /** Waits until the model is as `test` wants it, and returns it. The error at the end names `what` and shows the summary. */
  async until(what: string, test: (model: TimelineModel) => boolean, timeoutMs = 60_000): Promise<TimelineModel> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      // A frame that is being replaced can't be asked.
      const model = await this.model().catch(() => undefined);
      if (model !== undefined && test(model)) return model;
      if (Date.now() > deadline)
        throw new Error(
          `the timeline does not show ${what}: ${JSON.stringify({ ...model, trail: model?.trail.length })}`,
        );
      await delay(50);
    }
  }

  /** Filters what the timeline shows, and waits until it does. */
  async showOnly(filter: string): Promise<void> {
    const frame = await this.workbench.webview('#timeline');
    await frame.locator('.surface').focus();
    await this.workbench.page.keyboard.press('/');
    // Not Ctrl+A: VS Code selects all a moment later, what is being typed then, too.
    if ((await this.model())?.filter !== '') await this.workbench.page.keyboard.press('Escape');
    await this.until('no filter', (model) => model.filter === '');
    await this.workbench.page.keyboard.type(filter);
    await this.until(`only ${filter}`, (model) => model.filter === filter);
  }

  /** Clicks a packet's name and returns its whole trail, which the page loads as it is looked at. */
  async selectPacket(lane: Lane): Promise<readonly TrailRow[]> {
    const frame = await this.workbench.webview('#timeline');
    const label = frame.locator('.labels .label', { has: frame.getByText(`#${lane.id}`, { exact: true }) });
    const selected = (model: TimelineModel): boolean => model.selectedLane?.id === lane.id && model.trail.length > 0;
    // Packets that come may move the list under the pointer: a click that met another one is made again, as a person would.
    for (let clicks = 0; clicks < 20; clicks++) {
      await label.click();
      if ((await this.until('a packet', ({ selectedLane }) => selectedLane !== undefined)).selectedLane?.id === lane.id)
        break;
    }
    let { trail, trailTotal } = await this.until(`the trail of packet ${lane.id}`, selected);
    if (trail.length < trailTotal) {
      // Each key by the grid itself: one that came to the lanes would select another packet.
      const grid = frame.locator('.trail-grid');
      for (const key of ['End', ...Array<string>(100).fill('PageUp')]) {
        await grid.press(key);
        ({ trail, trailTotal } = await this.until(`the trail of packet ${lane.id}`, selected));
        if (trail.length === trailTotal) break;
      }
      await grid.press('Home');
    }
    if (trail.length < trailTotal)
      throw new Error(`of ${trailTotal} hops of packet ${lane.id} only ${trail.length} show`);
    return trail;
  }

  /** Zooms to the selected packet, and waits until that is drawn. */
  async zoomToPacket({ firstNs, lastNs }: Lane): Promise<void> {
    const frame = await this.workbench.webview('#timeline');
    await frame.locator('.surface').focus();
    await this.workbench.page.keyboard.press('z');
    await this.until('the packet’s time alone', ({ page }) => {
      const drawnNs = page === undefined ? Infinity : page.toNs - page.fromNs;
      return drawnNs < 10 * (lastNs - firstNs);
    });
  }

  /** Clicks a function's row in the trail beside its name, which selects that hop. */
  async selectHop(name: string): Promise<void> {
    const row = (await this.findHop(name)).locator('xpath=ancestor::*[contains(@class, "trail-row")]');
    await row.click({ position: { x: 4, y: 4 } });
    await this.until(`the hop ${name} selected`, ({ selectedEvent, trail }) =>
      trail.some(({ event, function: of }) => event === selectedEvent && of === name),
    );
  }

  /** Clicks the function's name in the trail, as a person does who wants its source. */
  async openHop(name: string): Promise<void> {
    await (await this.findHop(name)).click();
  }

  /** The function's name in the trail, brought into view. */
  private async findHop(name: string): Promise<Locator> {
    const frame = await this.workbench.webview('#timeline');
    const link = frame.locator('.trail-row .function-name', { hasText: new RegExp(`^${name}$`) }).first();
    const grid = frame.locator('.trail-grid');
    await grid.press('Home');
    // Only the rows in view exist.
    while (!(await link.isVisible())) {
      const before = (await this.model())?.selectedEvent;
      await grid.press('PageDown');
      const after = (await this.until('another hop', ({ selectedEvent }) => selectedEvent !== undefined)).selectedEvent;
      if (before === after) throw new Error(`the trail shows no hop ${name}`);
    }
    return link;
  }
}

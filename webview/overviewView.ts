// The strip above the lanes: where in the whole trace there are events and drops, and what part of it is in view.
import type { TimelineRequests } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';
import type { Palette } from './palette.ts';
import type { Viewport } from './viewport.ts';

type Overview = TimelineRequests['overview'][1];

/** The strip that shows the whole trace. */
export class OverviewView {
  readonly element = el('div', { class: 'overview', title: 'The whole trace; click or drag to go there' });
  private readonly canvas = el('canvas', { attributes: { role: 'img', 'aria-label': 'Overview of the whole trace' } });
  private width = 0;
  private height = 0;
  private ratio = 1;

  /** `onGo` hears a place in the trace, 0 … 1, that should be in the middle of the view. */
  constructor(onGo: (share: number) => void) {
    this.element.append(this.canvas);
    const go = (event: PointerEvent): void => {
      if (this.width > 0) onGo((event.clientX - this.element.getBoundingClientRect().left) / this.width);
    };
    this.element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.element.setPointerCapture(event.pointerId);
      go(event);
    });
    this.element.addEventListener('pointermove', (event) => {
      if (this.element.hasPointerCapture(event.pointerId)) go(event);
    });
  }

  /** Buckets to ask for: one every two pixels. */
  get buckets(): number {
    return Math.max(1, Math.min(2000, Math.round(this.width / 2)));
  }

  resize(width: number, height: number, ratio: number): void {
    [this.width, this.height, this.ratio] = [width, height, ratio];
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
  }

  draw(
    overview: Overview | undefined,
    viewport: Viewport,
    viewWidth: number,
    durationNs: number,
    palette: Palette,
  ): void {
    const context = this.canvas.getContext('2d');
    if (context === null) return;
    const { width, height } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { events, drops } = overview ?? { events: [], drops: [] };
    const most = events.reduce((a, b) => Math.max(a, b), 1);
    const step = width / Math.max(events.length, 1);
    const floor = height - 2;
    context.fillStyle = palette.highContrast ? palette.foreground : (palette.layers[0] ?? palette.foreground);
    events.forEach((count, at) => {
      // By square root, so that one event beside a burst of thousands can still be seen.
      const tall = count === 0 ? 0 : Math.max(2, Math.sqrt(count / most) * (height - 8));
      context.fillRect(at * step, floor - tall, Math.max(step, 1), tall);
    });
    context.fillStyle = palette.error;
    drops.forEach((count, at) => {
      if (count === 0) return;
      const x = (at + 0.5) * step;
      context.beginPath();
      context.moveTo(x - 3.5, 0);
      context.lineTo(x + 3.5, 0);
      context.lineTo(x, 6);
      context.fill();
    });
    if (durationNs <= 0) return;
    const from = Math.max(0, (viewport.startNs / durationNs) * width);
    const to = Math.min(width, ((viewport.startNs + viewWidth * viewport.nsPerPx) / durationNs) * width);
    context.fillStyle = palette.background;
    context.globalAlpha = 0.6;
    context.fillRect(0, 0, from, height);
    context.fillRect(to, 0, width - to, height);
    context.globalAlpha = 1;
    context.strokeStyle = palette.focus;
    context.lineWidth = palette.highContrast ? 2 : 1;
    context.strokeRect(Math.min(from, width - 3) + 0.5, 0.5, Math.max(2, to - from - 1), height - 1);
  }
}

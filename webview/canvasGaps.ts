// Where events were lost, and where hits went unseen.
import type { Sheet } from './canvasSheet.ts';
import type { Palette } from './palette.ts';
import type { Scene } from './renderer.ts';
import { xOf } from './viewport.ts';

/** Hatched bands across all lanes, and lines at the ruler where hits were missed; those that would share a pixel are joined. */
export function drawGaps({ context, palette, width, height }: Sheet, scene: Scene, hatch: CanvasPattern | null): void {
  let right = -Infinity;
  context.fillStyle = palette.dim;
  for (const gap of scene.gaps) {
    if (gap.lost > 0) continue;
    const from = Math.max(xOf(scene.viewport, gap.fromNs), -1);
    const to = Math.min(xOf(scene.viewport, gap.toNs), width + 1);
    if (to > from) context.fillRect(from, scene.rulerHeight - 2, to - from, 2);
  }
  for (const gap of scene.gaps) {
    if (gap.lost === 0) continue;
    const from = Math.max(Math.floor(xOf(scene.viewport, gap.fromNs)), right, -1);
    const to = Math.min(Math.max(Math.ceil(xOf(scene.viewport, gap.toNs)), from + 4), width + 1);
    if (to <= from || from > width) continue;
    right = to;
    context.fillStyle = hatch ?? palette.warning;
    context.fillRect(from, scene.rulerHeight, to - from, height);
    context.fillStyle = palette.warning;
    context.fillRect(from, scene.rulerHeight, 1, height);
    context.fillRect(to - 1, scene.rulerHeight, 1, height);
    context.fillRect(from, scene.rulerHeight - 4, to - from, 4);
  }
}

/** The pattern of lost events for a context that is scaled to CSS px, `ratio` device pixels each; null when the canvas is gone. */
export function makeHatch(context: CanvasRenderingContext2D, palette: Palette, ratio: number): CanvasPattern | null {
  const size = 8;
  const tile = document.createElement('canvas');
  tile.width = tile.height = Math.round(size * ratio);
  const pen = tile.getContext('2d');
  if (pen === null) return null;
  pen.scale(tile.width / size, tile.height / size);
  pen.strokeStyle = palette.warning;
  pen.globalAlpha = palette.highContrast ? 0.9 : 0.45;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  const hatch = context.createPattern(tile, 'repeat');
  hatch?.setTransform(new DOMMatrix().scale(1 / ratio));
  return hatch;
}

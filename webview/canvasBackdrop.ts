// What lies behind the marks and at the edges of the lanes: the rows' tints, the grid, lines from parents, arrows to what is out of view.
import { markHeight, type Sheet } from './canvasSheet.ts';
import type { Scene } from './renderer.ts';
import { ticks } from './ruler.ts';
import { xOf } from './viewport.ts';

/** Tints of the selected and the hovered row; outlines in high contrast. */
export function drawRowBackgrounds({ context, palette, width }: Sheet, scene: Scene): void {
  for (const row of scene.rows) {
    if (!row.selected && !row.hovered) continue;
    if (palette.highContrast) {
      context.strokeStyle = palette.focus;
      context.lineWidth = 1;
      if (!row.selected) context.setLineDash([3, 3]);
      context.strokeRect(-2, row.y + 0.5, width + 4, scene.rowHeight - 1);
      context.setLineDash([]);
    } else {
      context.fillStyle = row.selected ? palette.selection : palette.hover;
      context.fillRect(0, row.y, width, scene.rowHeight);
    }
  }
}

/** Lines at the ruler's ticks, and a shade where the trace has not begun or is over. */
export function drawGrid({ context, palette, width, height }: Sheet, scene: Scene): void {
  context.fillStyle = palette.grid;
  context.globalAlpha = palette.highContrast ? 0.35 : 0.6;
  for (const tick of ticks(scene.viewport, width)) {
    context.fillRect(Math.round(tick.x), scene.rulerHeight, 1, height);
  }
  context.globalAlpha = 1;
  // Where the trace begins and ends.
  context.fillStyle = palette.dim;
  context.globalAlpha = 0.08;
  const start = xOf(scene.viewport, 0);
  const end = xOf(scene.viewport, scene.durationNs);
  if (start > 0) context.fillRect(0, scene.rulerHeight, start, height);
  if (end < width) context.fillRect(end, scene.rulerHeight, width - end, height);
  context.globalAlpha = 1;
}

/**
 * Thin lines from a parent's lane down or up to the first hop of a packet that was made from it, and from what was put together to the
 * hop where that was.
 */
export function drawConnectors({ context, palette, width }: Sheet, scene: Scene): void {
  const byLane = new Map(scene.rows.map((row) => [row.lane, row]));
  const connect = (from: number | undefined, into: { readonly y: number }, ns: number): void => {
    const parent = from === undefined ? undefined : byLane.get(from);
    if (parent === undefined) return;
    const x = Math.round(xOf(scene.viewport, ns)) + 0.5;
    if (x < -10 || x > width + 10) return;
    const half = scene.rowHeight / 2;
    const edge = half + (markHeight / 2) * Math.sign(into.y - parent.y);
    const [begin, end] = [Math.round(parent.y + edge), Math.round(into.y + half) + 0.5];
    context.moveTo(x - 5, begin);
    context.lineTo(x - 5, end);
    context.lineTo(x, end);
    context.moveTo(x - 3, end - 3);
    context.lineTo(x, end);
    context.lineTo(x - 3, end + 3);
  };
  context.strokeStyle = palette.dim;
  context.lineWidth = 1;
  context.beginPath();
  for (const row of scene.rows) {
    connect(row.parent, row, row.firstNs);
    for (const { lane, ns } of row.joins) connect(lane, row, ns);
  }
  context.stroke();
}

/** Arrows at the edge of lanes whose packet was there before or will be later than what is in view. */
export function drawPointers({ context, palette, width }: Sheet, scene: Scene): void {
  context.fillStyle = palette.dim;
  context.beginPath();
  for (const row of scene.rows) {
    const y = row.y + scene.rowHeight / 2;
    if (xOf(scene.viewport, row.lastNs) < -2) {
      context.moveTo(4, y);
      context.lineTo(9, y - 4);
      context.lineTo(9, y + 4);
    } else if (xOf(scene.viewport, row.firstNs) > width + 2) {
      context.moveTo(width - 4, y);
      context.lineTo(width - 9, y - 4);
      context.lineTo(width - 9, y + 4);
    }
  }
  context.fill();
}

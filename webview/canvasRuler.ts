// The ruler above the lanes, and what follows the pointer across both: the time cursor, and a range that is being dragged out.
import type { Sheet } from './canvasSheet.ts';
import { formatTime } from './format.ts';
import type { Scene } from './renderer.ts';
import { rulerBase, ticks } from './ruler.ts';

/** Ticks with their times. */
export function drawRuler({ context, palette, width }: Sheet, scene: Scene): void {
  context.fillStyle = palette.border;
  context.fillRect(0, scene.rulerHeight - 1, width, 1);
  if (scene.empty) return;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const marks = ticks(scene.viewport, width);
  let free = 0;
  // What the short labels count from, when no tick in view says it.
  const base = rulerBase(scene.viewport, width);
  const firstStrong = marks.find(({ strong }) => strong)?.x ?? Infinity;
  if (base > 0 && firstStrong > 100) {
    context.font = `600 11px ${palette.font}`;
    context.fillStyle = palette.foreground;
    const text = formatTime(base);
    context.fillText(text, 4, scene.rulerHeight / 2 - 1);
    free = 4 + context.measureText(text).width + 8;
  }
  for (const tick of marks) {
    const x = Math.round(tick.x);
    context.fillStyle = tick.strong ? palette.foreground : palette.dim;
    context.fillRect(x, scene.rulerHeight - (tick.strong ? 8 : 5), 1, tick.strong ? 8 : 5);
    context.font = `${tick.strong ? '600 ' : ''}11px ${palette.font}`;
    const labelWidth = context.measureText(tick.label).width;
    if (x + 4 < free || x + 4 + labelWidth > width) continue;
    context.fillText(tick.label, x + 4, scene.rulerHeight / 2 - 1);
    free = x + 4 + labelWidth + 6;
  }
}

/** The range that is dragged out, else the cursor. */
export function drawCursor({ context, palette, height }: Sheet, scene: Scene): void {
  if (scene.range !== undefined) {
    const [from, to] = [Math.min(...scene.range), Math.max(...scene.range)];
    context.fillStyle = palette.focus;
    context.globalAlpha = 0.2;
    context.fillRect(from, 0, to - from, height);
    context.globalAlpha = 1;
    context.fillRect(from, 0, 1, height);
    context.fillRect(to, 0, 1, height);
  } else if (scene.cursor !== undefined) {
    context.fillStyle = palette.dim;
    context.globalAlpha = 0.5;
    context.fillRect(Math.round(scene.cursor), 0, 1, height);
    context.globalAlpha = 1;
  }
}

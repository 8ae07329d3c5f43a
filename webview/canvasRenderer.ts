// Draws the lanes with Canvas2D, in two layers: the lanes, and over them what follows the pointer and the selection. What is drawn is in
// files of its own, canvasBackdrop.ts to canvasSigns.ts.
import { drawConnectors, drawGrid, drawPointers, drawRowBackgrounds } from './canvasBackdrop.ts';
import { drawGaps, makeHatch } from './canvasGaps.ts';
import { CanvasMarks } from './canvasMarks.ts';
import { drawCursor, drawRuler } from './canvasRuler.ts';
import { belowRuler, type Sheet } from './canvasSheet.ts';
import { drawSelection, type Shape } from './canvasSigns.ts';
import { el } from './dom.ts';
import type { Palette } from './palette.ts';
import type { Renderer, Scene } from './renderer.ts';

/** The renderer behind which Canvas2D is. Its constructor throws where the browser has none. */
export class CanvasRenderer implements Renderer {
  readonly element = el('div', { class: 'canvas' });
  private readonly lanes = el('canvas', { attributes: { role: 'img', 'aria-label': 'Hops of packets over time' } });
  private readonly overlay = el('canvas', { attributes: { 'aria-hidden': 'true' } });
  private readonly context: CanvasRenderingContext2D;
  private readonly overlayContext: CanvasRenderingContext2D;
  private readonly marks = new CanvasMarks();
  private palette: Palette | undefined;
  /** Where the last frame drew the selected hop. */
  private selected: Shape | undefined;
  private hatch: CanvasPattern | null = null;
  private width = 0;
  private height = 0;
  private ratio = 1;

  constructor() {
    const context = this.lanes.getContext('2d', { alpha: false });
    const overlayContext = this.overlay.getContext('2d');
    if (context === null || overlayContext === null) {
      throw new Error('This browser has no Canvas2D, which the timeline is drawn with.');
    }
    this.context = context;
    this.overlayContext = overlayContext;
    this.element.append(this.lanes, this.overlay);
  }

  resize(width: number, height: number, ratio: number): void {
    [this.width, this.height, this.ratio] = [width, height, ratio];
    for (const canvas of [this.lanes, this.overlay]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    if (this.palette !== undefined) this.hatch = makeHatch(this.context, this.palette, ratio);
  }

  setPalette(palette: Palette): void {
    this.palette = palette;
    this.marks.setPalette(palette);
    this.hatch = makeHatch(this.context, palette, this.ratio);
  }

  draw(scene: Scene): void {
    const { context, palette, width, height } = this;
    if (palette === undefined || width === 0) return;
    const sheet: Sheet = { context, palette, width, height };
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = palette.background;
    context.fillRect(0, 0, width, height);
    belowRuler(sheet, scene, () => {
      drawRowBackgrounds(sheet, scene);
      drawGrid(sheet, scene);
      drawConnectors(sheet, scene);
      this.selected = this.marks.draw(sheet, scene, this.ratio);
      drawPointers(sheet, scene);
      drawGaps(sheet, scene, this.hatch);
    });
    drawRuler(sheet, scene);
  }

  drawOverlay(scene: Scene): void {
    const { overlayContext: context, palette, width, height, selected } = this;
    if (palette === undefined) return;
    const sheet: Sheet = { context, palette, width, height };
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    drawCursor(sheet, scene);
    if (selected !== undefined) belowRuler(sheet, scene, () => drawSelection(sheet, selected));
  }
}

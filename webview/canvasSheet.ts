// What each part of the drawing is drawn on.
import type { Palette } from './palette.ts';
import type { Scene } from './renderer.ts';

/** A canvas with its size, CSS px, and the colours to draw in. The context is scaled to CSS px. */
export interface Sheet {
  readonly context: CanvasRenderingContext2D;
  readonly palette: Palette;
  readonly width: number;
  readonly height: number;
}

/** Height of a mark in its row, px. */
export const markHeight = 14;

/** Has `draw` draw below the ruler only: rows in view may be cut by it. */
export function belowRuler({ context, width, height }: Sheet, { rulerHeight }: Scene, draw: () => void): void {
  context.save();
  context.beginPath();
  context.rect(0, rulerHeight, width, height - rulerHeight);
  context.clip();
  draw();
  context.restore();
}

// The functions' names on the lanes, cut to the room that they have.
import type { Sheet } from './canvasSheet.ts';

/** A name and where it stands, px. */
export interface Name {
  readonly x: number;
  readonly y: number;
  /** Free pixels to its right. */
  readonly room: number;
  readonly text: string;
}

/** Draws names, and remembers how wide each is. */
export class CanvasNames {
  private readonly widths = new Map<string, number>();

  /** The font is another one. */
  forget(): void {
    this.widths.clear();
  }

  /** Draws them all; what has no room is left out. */
  draw({ context, palette }: Sheet, names: readonly Name[]): void {
    context.font = `11px ${palette.font}`;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    context.fillStyle = palette.foreground;
    for (const { x, y, room, text } of names) {
      const cut = this.cut(context, text, room);
      if (cut !== '') context.fillText(cut, x, y + 0.5);
    }
  }

  /** As much of a text as fits, with an ellipsis when it is cut; nothing rather than two letters. */
  private cut(context: CanvasRenderingContext2D, text: string, room: number): string {
    const width = this.measure(context, text);
    if (width <= room) return text;
    for (let keep = Math.floor((text.length * room) / width); keep >= 4; keep--) {
      const short = `${text.slice(0, keep)}…`;
      if (this.measure(context, short) <= room) return short;
    }
    return '';
  }

  private measure(context: CanvasRenderingContext2D, text: string): number {
    let width = this.widths.get(text);
    if (width === undefined) {
      // Names of kernel functions: a few thousand at most. Forget all rather than grow with a hostile trace.
      if (this.widths.size > 10_000) this.widths.clear();
      width = context.measureText(text).width;
      this.widths.set(text, width);
    }
    return width;
  }
}

// What a renderer of the lanes gets to draw. Canvas2D is behind it (canvasRenderer.ts); another one needs only this.
import type { GapMark, Lane } from '../extension/protocol/timeline.ts';
import type { LoadedPage } from './marks.ts';
import type { Palette } from './palette.ts';
import type { Viewport } from './viewport.ts';

/** A lane in view. */
export interface SceneRow {
  /** Store index of the packet. */
  readonly lane: number;
  /** Top of the row, px below the canvas's top; rows may be cut at both ends. */
  readonly y: number;
  readonly firstNs: number;
  readonly lastNs: number;
  readonly drop: string | undefined;
  /** The drop is the usual end of such a packet. */
  readonly discarded: boolean;
  readonly parent: number | undefined;
  readonly joins: Lane['joins'];
  readonly selected: boolean;
  readonly hovered: boolean;
}

/** Everything that a frame shows. */
export interface Scene {
  readonly viewport: Viewport;
  /** Height of the ruler at the top, px; lanes are drawn below it. */
  readonly rulerHeight: number;
  readonly rowHeight: number;
  readonly rows: readonly SceneRow[];
  /** The newest marks that have come; may cover other lanes and times than the rows. */
  readonly loaded: LoadedPage | undefined;
  readonly gaps: readonly GapMark[];
  readonly durationNs: number;
  /** The trace has no event yet: there is no time to show. */
  readonly empty: boolean;
  readonly selected: { readonly event: number; readonly timeNs: number } | undefined;
  /** The function of an event, if it is known by now; asking for it has it loaded. */
  readonly label: (event: number) => string | undefined;
  /** Pointer position, px; draws the time cursor. */
  readonly cursor: number | undefined;
  /** A range that is being dragged out, px. */
  readonly range: readonly [number, number] | undefined;
}

/** What draws the lanes. */
export interface Renderer {
  /** The element that shows the drawing. */
  readonly element: HTMLElement;
  /** Sizes in CSS px; `ratio` device pixels each. */
  resize(width: number, height: number, ratio: number): void;
  setPalette(palette: Palette): void;
  /** Draws lanes and ruler. */
  draw(scene: Scene): void;
  /** Draws only what follows the pointer and the selection; cheap at any number of marks. */
  drawOverlay(scene: Scene): void;
}

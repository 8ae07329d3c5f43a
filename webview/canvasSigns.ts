// Signs on the marks, each a shape of its own so that nothing is said by colour alone: what ended a packet, what was returned,
// where a BPF program was entered, and which hop is selected.
import { markHeight, type Sheet } from './canvasSheet.ts';

/** Where a sign stands, px. */
export interface Shape {
  readonly x: number;
  readonly y: number;
  /** Dropped lane's reason, when this is the drop. */
  readonly text: string;
  /** Free pixels to its right. */
  readonly room: number;
}

/** A diamond above the tick: a verdict was returned here. */
export function drawVerdicts(sheet: Sheet, verdicts: readonly Shape[], colour: string): void {
  drawSigns(sheet, verdicts, colour, (context, x, y) => {
    context.moveTo(x, y - 4);
    context.lineTo(x + 4, y);
    context.lineTo(x, y + 4);
    context.lineTo(x - 4, y);
  });
}

/** A triangle above the tick: a BPF program was entered here. */
export function drawEntries(sheet: Sheet, entries: readonly Shape[], colour: string): void {
  drawSigns(sheet, entries, colour, (context, x, y) => {
    context.moveTo(x - 3, y - 4);
    context.lineTo(x + 4, y);
    context.lineTo(x - 3, y + 4);
  });
}

function drawSigns(
  { context, palette }: Sheet,
  signs: readonly Shape[],
  colour: string,
  outline: (context: CanvasRenderingContext2D, x: number, y: number) => void,
): void {
  context.beginPath();
  let last: Shape | undefined;
  for (const sign of signs) {
    // Signs that would lie on one another are one.
    if (last?.y === sign.y && sign.x - last.x < 3) continue;
    last = sign;
    outline(context, sign.x, sign.y);
    context.closePath();
  }
  context.fillStyle = colour;
  context.strokeStyle = palette.highContrast ? palette.foreground : palette.background;
  context.lineWidth = 1;
  context.fill();
  context.stroke();
}

/** A thin bar with a cap: the packet ended here in good order. */
export function drawFrees({ context, palette }: Sheet, frees: readonly Shape[]): void {
  context.fillStyle = palette.dim;
  for (const { x, y } of frees) context.fillRect(x + 1, y - 8, 1, 16);
}

/** A cross in a disc with the reason beside it: not to be taken for anything else, with or without colours. */
export function drawDrops(sheet: Sheet, drops: readonly Shape[]): void {
  drawEnds(sheet, drops, { colour: sheet.palette.error, weight: 600, line: 2 }, (context, x, y) => {
    const arm = 3.5;
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
    context.moveTo(x + arm, y - arm);
    context.lineTo(x - arm, y + arm);
  });
}

/** A bar in a thin disc: the kernel let go of it, and nothing was lost. */
export function drawDiscards(sheet: Sheet, discards: readonly Shape[]): void {
  drawEnds(sheet, discards, { colour: sheet.palette.dim, weight: 400, line: 1 }, (context, x, y) => {
    context.moveTo(x - 3.5, y);
    context.lineTo(x + 3.5, y);
  });
}

function drawEnds(
  { context, palette }: Sheet,
  drops: readonly Shape[],
  { colour, weight, line }: { readonly colour: string; readonly weight: number; readonly line: number },
  sign: (context: CanvasRenderingContext2D, x: number, y: number) => void,
): void {
  let last: Shape | undefined;
  context.lineCap = 'round';
  context.font = `${weight} 11px ${palette.font}`;
  context.textBaseline = 'middle';
  for (const drop of drops) {
    // Those that would lie on one another are one.
    if (last?.y === drop.y && drop.x - last.x < 3) continue;
    last = drop;
    const { x, y } = drop;
    context.fillStyle = palette.background;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = colour;
    context.lineWidth = 0.75 * line;
    context.beginPath();
    context.arc(x, y, 7, 0, 2 * Math.PI);
    context.stroke();
    context.lineWidth = line;
    context.beginPath();
    sign(context, x, y);
    context.stroke();
    // A sign that is out of view leaves its text to the arrow at the edge.
    if (drop.text === '' || x < 0) continue;
    const width = context.measureText(drop.text).width;
    // Beside the sign where there is room: after it, else before it.
    const after = drop.room > width + 16;
    if (!after && x < width + 20) continue;
    const left = after ? x + 12 : x - 12 - width;
    context.fillStyle = palette.background;
    context.globalAlpha = 0.8;
    context.fillRect(left - 3, y - 7, width + 6, 14);
    context.globalAlpha = 1;
    context.fillStyle = colour;
    context.fillText(drop.text, left, y + 0.5);
  }
}

/** An outline around the selected hop. */
export function drawSelection({ context, palette }: Sheet, { x, y, room, text }: Shape): void {
  context.strokeStyle = palette.background;
  context.lineWidth = 4;
  const box = [x - 3.5, y - markHeight / 2 - 2.5, room + 7, markHeight + 5] as const;
  const outline = (): void => {
    context.beginPath();
    // A drop is round.
    if (text === '') context.roundRect(...box, 3);
    else context.arc(x + room - 1, y, 9.5, 0, 2 * Math.PI);
    context.stroke();
  };
  outline();
  context.strokeStyle = palette.highContrast ? palette.focus : palette.foreground;
  context.lineWidth = 2;
  outline();
}

// The marks of the lanes in view: pixels of a strip a lane (strips.ts), so that a hundred thousand of them fit in a frame; what stands
// out of them (drops, verdicts, names) is gathered meanwhile, and drawn after them.
import { markDiscard, markDrop, markFree, markProgram, markVerdict } from '../extension/protocol/pages.ts';
import { layers } from '../extension/protocol/timeline.ts';
import { CanvasNames, type Name } from './canvasNames.ts';
import { markHeight, type Sheet } from './canvasSheet.ts';
import { drawDiscards, drawDrops, drawEntries, drawFrees, drawVerdicts, type Shape } from './canvasSigns.ts';
import { lowerBound, markOfEvent, marksOf, type LoadedPage } from './marks.ts';
import type { Palette } from './palette.ts';
import type { Scene, SceneRow } from './renderer.ts';
import { pixelOf, Strips } from './strips.ts';

/** What stands out of a lane's marks, sorted by how it is drawn. */
interface Batches {
  readonly drops: Shape[];
  /** Ends that are drops to the kernel only. */
  readonly discards: Shape[];
  readonly verdicts: Shape[];
  readonly programVerdicts: Shape[];
  readonly programEntries: Shape[];
  readonly frees: Shape[];
  readonly names: Name[];
}

/** Flags of marks that are drawn as a sign with a text of their own beside it. */
const markEnd = markDrop | markDiscard;

/** From this width on a block carries its function's name, px. */
const labelWidth = 48;
/** From this width on the time between two hops is shown as a block, px. */
const blockWidth = 4;

/** Draws marks, and keeps between frames what each frame needs again. */
export class CanvasMarks {
  /** Hops, a row a lane. */
  private readonly solid = new Strips();
  /** The time from a hop to the next one, likewise. */
  private readonly light = new Strips();
  private readonly names = new CanvasNames();
  /** Colours by layer index. */
  private pixels: readonly number[] = [];

  setPalette(palette: Palette): void {
    this.names.forget();
    this.pixels = palette.layers.map(pixelOf);
  }

  /** Draws what is loaded of the scene's rows, `ratio` device pixels a CSS px; returns where the selected hop is. */
  draw(sheet: Sheet, scene: Scene, ratio: number): Shape | undefined {
    const { context, palette, width } = sheet;
    const { loaded } = scene;
    if (loaded === undefined) return undefined;
    this.solid.begin(width, scene.rows.length, ratio);
    this.light.begin(width, scene.rows.length, ratio);
    const batches: Batches = {
      drops: [],
      discards: [],
      verdicts: [],
      programVerdicts: [],
      programEntries: [],
      frees: [],
      names: [],
    };
    let selected: Shape | undefined;
    for (const [at, row] of scene.rows.entries()) {
      const slot = loaded.slots.get(row.lane);
      if (slot === undefined) continue;
      selected = this.gather(width, scene, row, at, loaded, slot, batches) ?? selected;
    }
    context.globalAlpha = palette.highContrast ? 0.25 : 0.32;
    this.light.end();
    this.solid.end();
    const top = (scene.rowHeight - markHeight) / 2;
    scene.rows.forEach(({ y }, at) => this.light.draw(context, at, y + top, markHeight));
    context.globalAlpha = 1;
    scene.rows.forEach(({ y }, at) => this.solid.draw(context, at, y + top, markHeight));
    const program = palette.layers[layers.indexOf('bpf')] ?? palette.foreground;
    drawFrees(sheet, batches.frees);
    this.names.draw(sheet, batches.names);
    drawEntries(sheet, batches.programEntries, program);
    drawVerdicts(sheet, batches.programVerdicts, program);
    drawVerdicts(sheet, batches.verdicts, palette.foreground);
    drawDiscards(sheet, batches.discards);
    drawDrops(sheet, batches.drops);
    return selected;
  }

  /** Sorts a lane's visible marks into the batches; returns the selected one. */
  private gather(
    width: number,
    scene: Scene,
    row: SceneRow,
    at: number,
    loaded: LoadedPage,
    slot: number,
    batches: Batches,
  ): Shape | undefined {
    const { page, fromNs } = loaded;
    const { startNs, nsPerPx } = scene.viewport;
    const { time, width: widths, event, layer: markLayers, flags } = page;
    const [first, end] = marksOf(page, slot);
    const from = Math.max(first, lowerBound(time, first, end, startNs - fromNs) - 1);
    const offset = (fromNs - startNs) / nsPerPx;
    const top = row.y + (scene.rowHeight - markHeight) / 2;
    const middle = row.y + scene.rowHeight / 2;
    const selectedMark =
      scene.selected === undefined || !row.selected
        ? undefined
        : markOfEvent(loaded, slot, scene.selected.event, scene.selected.timeNs);
    let selected: Shape | undefined;
    for (let mark = from; mark < end; mark++) {
      const x = offset + (time[mark] ?? 0) / nsPerPx;
      if (x > width + 8) break;
      const next = mark + 1 < end ? offset + (time[mark + 1] ?? 0) / nsPerPx : Infinity;
      const pixel = this.pixels[markLayers[mark] ?? 0] ?? 0;
      const left = Math.round(x);
      const wide = Math.max(2, Math.round((widths[mark] ?? 0) / nsPerPx));
      const flag = flags[mark] ?? 0;
      if (next > 0 && Number.isFinite(next) && next - x >= blockWidth) {
        const right = Math.min(Math.round(next), width + 8);
        const start = Math.max(left + wide, -8);
        if (right - start > 1) this.light.add(at, start, right - 1, pixel);
        const labelStart = Math.max(start, 0) + 3;
        if (right - labelStart >= labelWidth && (flag & markEnd) === 0) {
          const text = scene.label(event[mark] ?? 0);
          if (text !== undefined) batches.names.push({ x: labelStart, y: middle, room: right - labelStart - 4, text });
        }
      }
      const room = Math.min(next, width) - left;
      if (left + wide >= 0) this.solid.add(at, left, left + wide, pixel);
      if (flag === 0 && mark !== selectedMark && next !== Infinity) continue;
      const shape = { x: left + wide / 2, y: middle, text: '', room };
      const sign = { ...shape, y: top };
      if (flag & markEnd) {
        const ends = flag & markDrop ? batches.drops : batches.discards;
        // The lane's reason is that of its last real drop.
        const text = flag & markDrop || row.discarded ? (row.drop ?? '') : '';
        ends.push({ ...shape, x: left + wide - 1, text });
      } else if (flag & markVerdict) (flag & markProgram ? batches.programVerdicts : batches.verdicts).push(sign);
      else if (flag & markProgram) batches.programEntries.push(sign);
      if (flag & markFree && !(flag & markEnd)) batches.frees.push({ ...shape, x: left + wide });
      // The last hop has nothing after it that would end its block: its name stands beside it.
      if (next === Infinity && nsPerPx < 2e4 && (flag & markEnd) === 0 && row.drop === undefined && first + 1 < end) {
        const text = left >= 0 && room > labelWidth ? scene.label(event[mark] ?? 0) : undefined;
        if (text !== undefined) batches.names.push({ x: left + wide + 6, y: middle, room: room - wide - 10, text });
      }
      if (mark === selectedMark) {
        selected = { ...shape, x: left, room: wide, text: flag & markEnd ? 'drop' : '' };
      }
    }
    return selected;
  }
}

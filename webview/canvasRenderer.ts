// Draws the lanes with Canvas2D. Marks become pixels of a strip a lane (strips.ts), so that a hundred thousand of them fit in a frame; what
// stands out (drops, verdicts, names) is drawn after them.
import { markBenign, markDrop, markFree, markProgram, markVerdict } from '../extension/protocol/pages.ts';
import { layers } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';
import { formatTime } from './format.ts';
import { lowerBound, markOfEvent, marksOf, type LoadedPage } from './marks.ts';
import type { Palette } from './palette.ts';
import type { Renderer, Scene, SceneRow } from './renderer.ts';
import { rulerBase, ticks } from './ruler.ts';
import { pixelOf, Strips } from './strips.ts';
import { xOf } from './viewport.ts';

/** A short text to draw after the marks. */
interface Text {
  readonly x: number;
  readonly y: number;
  readonly room: number;
  readonly text: string;
}

interface Shape {
  readonly x: number;
  readonly y: number;
  /** Dropped lane's reason, when this is the drop. */
  readonly text: string;
  /** Free pixels to its right. */
  readonly room: number;
}

/** What stands out of a lane's marks, sorted by how it is drawn. */
interface Batches {
  readonly drops: Shape[];
  /** Ends that are drops to the kernel only. */
  readonly benign: Shape[];
  readonly verdicts: Shape[];
  readonly programVerdicts: Shape[];
  readonly programEntries: Shape[];
  readonly frees: Shape[];
  readonly texts: Text[];
}

/** Flags of marks that are drawn as a sign with a text of their own beside it. */
const markEnd = markDrop | markBenign;

const markHeight = 14;
/** From this width on a block carries its function's name. */
const labelWidth = 48;
/** From this width on the time between two hops is shown as a block. */
const blockWidth = 4;

export class CanvasRenderer implements Renderer {
  readonly element = el('div', { class: 'canvas' });
  private readonly lanes = el('canvas', { attributes: { role: 'img', 'aria-label': 'Hops of packets over time' } });
  private readonly overlay = el('canvas', { attributes: { 'aria-hidden': 'true' } });
  private readonly context: CanvasRenderingContext2D;
  private readonly overlayContext: CanvasRenderingContext2D;
  /** Hops, a row a lane. */
  private readonly solid = new Strips();
  /** The time from a hop to the next one, likewise. */
  private readonly light = new Strips();
  private pixels: readonly number[] = [];
  private readonly widths = new Map<string, number>();
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
    this.makeHatch();
  }

  setPalette(palette: Palette): void {
    this.palette = palette;
    this.widths.clear();
    this.pixels = palette.layers.map(pixelOf);
    this.makeHatch();
  }

  draw(scene: Scene): void {
    const { context, palette } = this;
    if (palette === undefined || this.width === 0) return;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = palette.background;
    context.fillRect(0, 0, this.width, this.height);
    context.save();
    context.beginPath();
    context.rect(0, scene.rulerHeight, this.width, this.height - scene.rulerHeight);
    context.clip();
    this.drawRowBackgrounds(scene, palette);
    this.drawGrid(scene, palette);
    this.drawConnectors(scene, palette);
    this.drawMarks(scene, palette);
    this.drawPointers(scene, palette);
    this.drawGaps(scene, palette);
    context.restore();
    this.drawRuler(scene, palette);
  }

  drawOverlay(scene: Scene): void {
    const { overlayContext: context, palette } = this;
    if (palette === undefined) return;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.drawCursor(scene, palette);
    if (this.selected === undefined) return;
    context.save();
    context.beginPath();
    context.rect(0, scene.rulerHeight, this.width, this.height - scene.rulerHeight);
    context.clip();
    this.drawSelection(this.selected, palette);
    context.restore();
  }

  private drawRowBackgrounds(scene: Scene, palette: Palette): void {
    const { context } = this;
    for (const row of scene.rows) {
      if (!row.selected && !row.hovered) continue;
      if (palette.highContrast) {
        context.strokeStyle = palette.focus;
        context.lineWidth = 1;
        if (!row.selected) context.setLineDash([3, 3]);
        context.strokeRect(-2, row.y + 0.5, this.width + 4, scene.rowHeight - 1);
        context.setLineDash([]);
      } else {
        context.fillStyle = row.selected ? palette.selection : palette.hover;
        context.fillRect(0, row.y, this.width, scene.rowHeight);
      }
    }
  }

  private drawGrid(scene: Scene, palette: Palette): void {
    const { context } = this;
    context.fillStyle = palette.grid;
    context.globalAlpha = palette.highContrast ? 0.35 : 0.6;
    for (const tick of ticks(scene.viewport, this.width)) {
      context.fillRect(Math.round(tick.x), scene.rulerHeight, 1, this.height);
    }
    context.globalAlpha = 1;
    // Where the trace begins and ends.
    context.fillStyle = palette.dim;
    context.globalAlpha = 0.08;
    const start = xOf(scene.viewport, 0);
    const end = xOf(scene.viewport, scene.durationNs);
    if (start > 0) context.fillRect(0, scene.rulerHeight, start, this.height);
    if (end < this.width) context.fillRect(end, scene.rulerHeight, this.width - end, this.height);
    context.globalAlpha = 1;
  }

  /** Thin lines from a parent's lane down or up to the first hop of a packet that was made from it. */
  private drawConnectors(scene: Scene, palette: Palette): void {
    const { context } = this;
    const byLane = new Map(scene.rows.map((row) => [row.lane, row]));
    context.strokeStyle = palette.dim;
    context.lineWidth = 1;
    context.beginPath();
    for (const row of scene.rows) {
      const parent = row.parent === undefined ? undefined : byLane.get(row.parent);
      if (parent === undefined) continue;
      const x = Math.round(xOf(scene.viewport, row.firstNs)) + 0.5;
      if (x < -10 || x > this.width + 10) continue;
      const half = scene.rowHeight / 2;
      const edge = half + (markHeight / 2) * Math.sign(row.y - parent.y);
      const [from, to] = [Math.round(parent.y + edge), Math.round(row.y + half) + 0.5];
      context.moveTo(x - 5, from);
      context.lineTo(x - 5, to);
      context.lineTo(x, to);
      context.moveTo(x - 3, to - 3);
      context.lineTo(x, to);
      context.lineTo(x - 3, to + 3);
    }
    context.stroke();
  }

  private drawMarks(scene: Scene, palette: Palette): void {
    const { context } = this;
    const { loaded } = scene;
    this.selected = undefined;
    if (loaded === undefined) return;
    this.solid.begin(this.width, scene.rows.length, this.ratio);
    this.light.begin(this.width, scene.rows.length, this.ratio);
    const batches: Batches = {
      drops: [],
      benign: [],
      verdicts: [],
      programVerdicts: [],
      programEntries: [],
      frees: [],
      texts: [],
    };
    let selected: Shape | undefined;
    for (const [at, row] of scene.rows.entries()) {
      const slot = loaded.slots.get(row.lane);
      if (slot === undefined) continue;
      selected = this.gather(scene, row, at, loaded, slot, batches) ?? selected;
    }
    context.globalAlpha = palette.highContrast ? 0.25 : 0.32;
    this.light.end();
    this.solid.end();
    const top = (scene.rowHeight - markHeight) / 2;
    scene.rows.forEach(({ y }, at) => this.light.draw(context, at, y + top, markHeight));
    context.globalAlpha = 1;
    scene.rows.forEach(({ y }, at) => this.solid.draw(context, at, y + top, markHeight));
    const program = palette.layers[layers.indexOf('bpf')] ?? palette.foreground;
    this.drawFrees(batches.frees, palette);
    this.drawTexts(batches.texts, palette);
    this.drawEntries(batches.programEntries, program, palette);
    this.drawVerdicts(batches.programVerdicts, program, palette);
    this.drawVerdicts(batches.verdicts, palette.foreground, palette);
    this.drawDrops(batches.benign, { colour: palette.dim, weight: 400, line: 1 }, palette);
    this.drawDrops(batches.drops, { colour: palette.error, weight: 600, line: 2 }, palette);
    this.selected = selected;
  }

  /** Sorts a lane's visible marks into the batches; returns the selected one. */
  private gather(
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
      if (x > this.width + 8) break;
      const next = mark + 1 < end ? offset + (time[mark + 1] ?? 0) / nsPerPx : Infinity;
      const pixel = this.pixels[markLayers[mark] ?? 0] ?? 0;
      const left = Math.round(x);
      const wide = Math.max(2, Math.round((widths[mark] ?? 0) / nsPerPx));
      const flag = flags[mark] ?? 0;
      if (next > 0 && Number.isFinite(next) && next - x >= blockWidth) {
        const right = Math.min(Math.round(next), this.width + 8);
        const start = Math.max(left + wide, -8);
        if (right - start > 1) this.light.add(at, start, right - 1, pixel);
        const labelStart = Math.max(start, 0) + 3;
        if (right - labelStart >= labelWidth && (flag & markEnd) === 0) {
          const text = scene.label(event[mark] ?? 0);
          if (text !== undefined) batches.texts.push({ x: labelStart, y: middle, room: right - labelStart - 4, text });
        }
      }
      const room = Math.min(next, this.width) - left;
      if (left + wide >= 0) this.solid.add(at, left, left + wide, pixel);
      if (flag === 0 && mark !== selectedMark && next !== Infinity) continue;
      const shape = { x: left + wide / 2, y: middle, text: '', room };
      const sign = { ...shape, y: top };
      if (flag & markEnd) {
        const ends = flag & markDrop ? batches.drops : batches.benign;
        // The lane's reason is that of its last real drop.
        const text = flag & markDrop || row.benign ? (row.drop ?? '') : '';
        ends.push({ ...shape, x: left + wide - 1, text });
      } else if (flag & markVerdict) (flag & markProgram ? batches.programVerdicts : batches.verdicts).push(sign);
      else if (flag & markProgram) batches.programEntries.push(sign);
      if (flag & markFree && !(flag & markEnd)) batches.frees.push({ ...shape, x: left + wide });
      // The last hop has nothing after it that would end its block: its name stands beside it.
      if (next === Infinity && nsPerPx < 2e4 && (flag & markEnd) === 0 && row.drop === undefined && first + 1 < end) {
        const text = left >= 0 && room > labelWidth ? scene.label(event[mark] ?? 0) : undefined;
        if (text !== undefined) batches.texts.push({ x: left + wide + 6, y: middle, room: room - wide - 10, text });
      }
      if (mark === selectedMark) {
        selected = { ...shape, x: left, room: wide, text: flag & markEnd ? 'drop' : '' };
      }
    }
    return selected;
  }

  private drawTexts(texts: readonly Text[], palette: Palette): void {
    const { context } = this;
    context.font = `11px ${palette.font}`;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    context.fillStyle = palette.foreground;
    for (const { x, y, room, text } of texts) {
      const cut = this.cut(text, room);
      if (cut !== '') context.fillText(cut, x, y + 0.5);
    }
  }

  /** As much of a text as fits, with an ellipsis when it is cut; nothing rather than two letters. */
  private cut(text: string, room: number): string {
    const width = this.measure(text);
    if (width <= room) return text;
    for (let keep = Math.floor((text.length * room) / width); keep >= 4; keep--) {
      const short = `${text.slice(0, keep)}…`;
      if (this.measure(short) <= room) return short;
    }
    return '';
  }

  private measure(text: string): number {
    let width = this.widths.get(text);
    if (width === undefined) {
      // Names of kernel functions: a few thousand at most. Forget all rather than grow with a hostile trace.
      if (this.widths.size > 10_000) this.widths.clear();
      width = this.context.measureText(text).width;
      this.widths.set(text, width);
    }
    return width;
  }

  /** A diamond above the tick: a verdict was returned here. */
  private drawVerdicts(verdicts: readonly Shape[], colour: string, palette: Palette): void {
    this.drawSigns(verdicts, colour, palette, (context, x, y) => {
      context.moveTo(x, y - 4);
      context.lineTo(x + 4, y);
      context.lineTo(x, y + 4);
      context.lineTo(x - 4, y);
    });
  }

  /** A triangle above the tick: a BPF program was entered here. */
  private drawEntries(entries: readonly Shape[], colour: string, palette: Palette): void {
    this.drawSigns(entries, colour, palette, (context, x, y) => {
      context.moveTo(x - 3, y - 4);
      context.lineTo(x + 4, y);
      context.lineTo(x - 3, y + 4);
    });
  }

  private drawSigns(
    signs: readonly Shape[],
    colour: string,
    palette: Palette,
    outline: (context: CanvasRenderingContext2D, x: number, y: number) => void,
  ): void {
    const { context } = this;
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
  private drawFrees(frees: readonly Shape[], palette: Palette): void {
    this.context.fillStyle = palette.dim;
    for (const { x, y } of frees) this.context.fillRect(x + 1, y - 8, 1, 16);
  }

  /** A cross in a disc with the reason beside it: not to be taken for anything else, with or without colours. */
  private drawDrops(
    drops: readonly Shape[],
    { colour, weight, line }: { readonly colour: string; readonly weight: number; readonly line: number },
    palette: Palette,
  ): void {
    const { context } = this;
    const arm = 3.5;
    let last: Shape | undefined;
    context.lineCap = 'round';
    context.font = `${weight} 11px ${palette.font}`;
    context.textBaseline = 'middle';
    for (const drop of drops) {
      // Crosses that would lie on one another are one.
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
      context.moveTo(x - arm, y - arm);
      context.lineTo(x + arm, y + arm);
      context.moveTo(x + arm, y - arm);
      context.lineTo(x - arm, y + arm);
      context.stroke();
      // A sign that is out of view leaves its text to the arrow at the edge.
      if (drop.text === '' || x < 0) continue;
      const width = context.measureText(drop.text).width;
      // Beside the cross where there is room: after it, else before it.
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

  private drawSelection({ x, y, room, text }: Shape, palette: Palette): void {
    const { overlayContext: context } = this;
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

  /** Hatched bands across all lanes, and lines at the ruler where hits were missed; those that would share a pixel are joined. */
  private drawGaps(scene: Scene, palette: Palette): void {
    const { context } = this;
    let right = -Infinity;
    context.fillStyle = palette.dim;
    for (const gap of scene.gaps) {
      if (gap.lost > 0) continue;
      const from = Math.max(xOf(scene.viewport, gap.fromNs), -1);
      const to = Math.min(xOf(scene.viewport, gap.toNs), this.width + 1);
      if (to > from) context.fillRect(from, scene.rulerHeight - 2, to - from, 2);
    }
    for (const gap of scene.gaps) {
      if (gap.lost === 0) continue;
      const from = Math.max(Math.floor(xOf(scene.viewport, gap.fromNs)), right, -1);
      const to = Math.min(Math.max(Math.ceil(xOf(scene.viewport, gap.toNs)), from + 4), this.width + 1);
      if (to <= from || from > this.width) continue;
      right = to;
      context.fillStyle = this.hatch ?? palette.warning;
      context.fillRect(from, scene.rulerHeight, to - from, this.height);
      context.fillStyle = palette.warning;
      context.fillRect(from, scene.rulerHeight, 1, this.height);
      context.fillRect(to - 1, scene.rulerHeight, 1, this.height);
      context.fillRect(from, scene.rulerHeight - 4, to - from, 4);
    }
  }

  private makeHatch(): void {
    const { palette } = this;
    if (palette === undefined) return;
    const size = 8;
    const tile = document.createElement('canvas');
    tile.width = tile.height = Math.round(size * this.ratio);
    const context = tile.getContext('2d');
    if (context === null) return;
    context.scale(tile.width / size, tile.height / size);
    context.strokeStyle = palette.warning;
    context.globalAlpha = palette.highContrast ? 0.9 : 0.45;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const shift of [-size, 0, size]) {
      context.moveTo(shift - 1, size + 1);
      context.lineTo(shift + size + 1, -1);
    }
    context.stroke();
    this.hatch = this.context.createPattern(tile, 'repeat');
    this.hatch?.setTransform(new DOMMatrix().scale(1 / this.ratio));
  }

  /** Arrows at the edge of lanes whose packet was there before or will be later than what is in view. */
  private drawPointers(scene: Scene, palette: Palette): void {
    const { context } = this;
    context.fillStyle = palette.dim;
    context.beginPath();
    for (const row of scene.rows) {
      const y = row.y + scene.rowHeight / 2;
      if (xOf(scene.viewport, row.lastNs) < -2) {
        context.moveTo(4, y);
        context.lineTo(9, y - 4);
        context.lineTo(9, y + 4);
      } else if (xOf(scene.viewport, row.firstNs) > this.width + 2) {
        context.moveTo(this.width - 4, y);
        context.lineTo(this.width - 9, y - 4);
        context.lineTo(this.width - 9, y + 4);
      }
    }
    context.fill();
  }

  private drawRuler(scene: Scene, palette: Palette): void {
    const { context } = this;
    context.fillStyle = palette.border;
    context.fillRect(0, scene.rulerHeight - 1, this.width, 1);
    if (scene.empty) return;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    const marks = ticks(scene.viewport, this.width);
    let free = 0;
    // What the short labels count from, when no tick in view says it.
    const base = rulerBase(scene.viewport, this.width);
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
      const width = context.measureText(tick.label).width;
      if (x + 4 < free || x + 4 + width > this.width) continue;
      context.fillText(tick.label, x + 4, scene.rulerHeight / 2 - 1);
      free = x + 4 + width + 6;
    }
  }

  private drawCursor(scene: Scene, palette: Palette): void {
    const { overlayContext: context } = this;
    if (scene.range !== undefined) {
      const [from, to] = [Math.min(...scene.range), Math.max(...scene.range)];
      context.fillStyle = palette.focus;
      context.globalAlpha = 0.2;
      context.fillRect(from, 0, to - from, this.height);
      context.globalAlpha = 1;
      context.fillRect(from, 0, 1, this.height);
      context.fillRect(to, 0, 1, this.height);
    } else if (scene.cursor !== undefined) {
      context.fillStyle = palette.dim;
      context.globalAlpha = 0.5;
      context.fillRect(Math.round(scene.cursor), 0, 1, this.height);
      context.globalAlpha = 1;
    }
  }
}

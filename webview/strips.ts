// Many thin marks at once: each row of marks is one row of pixels, written straight into an image and stretched to the height of a
// mark when it is drawn. The cost is a few memory writes a mark, whatever their colours, where a fillRect each would cost a hundred times that.

/** A CSS colour as the bytes of a pixel, red lowest. */
export function pixelOf(colour: string): number {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) return 0;
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0] ?? 0;
}

/** Rows of pixels that are drawn as rows of marks. */
export class Strips {
  private readonly canvas = document.createElement('canvas');
  private image: ImageData | undefined;
  private pixels = new Uint32Array(0);
  private width = 0;
  private ratio = 1;

  /** Begins a frame of `rows` rows, `width` CSS px wide. */
  begin(width: number, rows: number, ratio: number): void {
    const wide = Math.max(1, Math.round(width * ratio));
    this.ratio = ratio;
    if (this.image?.width === wide && this.image.height >= rows) {
      this.pixels.fill(0);
      return;
    }
    // Some rows more, so that a row coming into view needs no new image.
    const tall = rows + 16;
    this.image = new ImageData(wide, tall);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.width = this.canvas.width = wide;
    this.canvas.height = tall;
  }

  /** Colours [left, right) of a row, CSS px; what is out of the image is left out. */
  add(row: number, left: number, right: number, pixel: number): void {
    const { width, ratio } = this;
    const from = row * width + Math.min(width, Math.max(0, Math.round(left * ratio)));
    const to = row * width + Math.min(width, Math.max(0, Math.round(right * ratio)));
    for (let at = from; at < to; at++) this.pixels[at] = pixel;
  }

  /** Hands the pixels over for drawing. */
  end(): void {
    if (this.image !== undefined) this.canvas.getContext('2d')?.putImageData(this.image, 0, 0);
  }

  /** Draws a row, `height` px tall at `y`, into a context that is scaled to CSS px. */
  draw(context: CanvasRenderingContext2D, row: number, y: number, height: number): void {
    context.imageSmoothingEnabled = false;
    context.drawImage(this.canvas, 0, row, this.width, 1, 0, y, this.width / this.ratio, height);
  }
}

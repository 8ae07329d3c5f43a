// Virtual scrolling: which rows are in view, and where a scrollbar's thumb is, for lists longer than a browser can scroll. Pure.

/** Rows [first, end) that are in view, with `over` more on each side. */
export function rowsInView(
  scrollTop: number,
  height: number,
  rowHeight: number,
  total: number,
  over = 0,
): { readonly first: number; readonly end: number } {
  const first = Math.min(total, Math.max(0, Math.floor(scrollTop / rowHeight) - over));
  const end = Math.max(first, Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + over));
  return { first, end };
}

/** The furthest that a list can scroll, px. */
export function scrollEnd(height: number, rowHeight: number, total: number): number {
  return Math.max(0, total * rowHeight - height);
}

/** The nearest offset that a list can be scrolled to, px. */
export function clampScroll(scrollTop: number, height: number, rowHeight: number, total: number): number {
  return Math.min(Math.max(0, scrollTop), scrollEnd(height, rowHeight, total));
}

/** The least scrolling that shows a row wholly. */
export function scrollToRow(row: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  return top + rowHeight > scrollTop + height ? top + rowHeight - height : scrollTop;
}

const minThumb = 24;

/** Place and size of the thumb in a track of `track` px; size 0 when all is in view. */
export function thumb(
  scrollTop: number,
  height: number,
  content: number,
  track: number,
): { readonly top: number; readonly size: number } {
  if (content <= height || track <= 0) return { top: 0, size: 0 };
  const size = Math.min(track, Math.max(minThumb, (track * height) / content));
  return { top: ((track - size) * scrollTop) / (content - height), size };
}

/** The inverse: how far the list is scrolled when the thumb's top is at `top`. */
export function scrollOfThumb(top: number, height: number, content: number, track: number): number {
  const { size } = thumb(0, height, content, track);
  if (size === 0 || size >= track) return 0;
  return (Math.min(Math.max(0, top), track - size) * (content - height)) / (track - size);
}

// The packed layout of a timeline page: what the webview draws for some lanes and a time range, in one ArrayBuffer.
//
//   u32 laneCount · u32 markCount
//   u32 first[laneCount + 1]        marks of lane i are first[i] … first[i + 1] − 1, ordered by time
//   f32 time[markCount]             ns since fromNs of the request (relative, so that f32 holds at every zoom)
//   f32 width[markCount]            ns from the first to the last event that the mark stands for; 0 for a single one
//   u32 event[markCount]            store index of the first event of the mark
//   u32 count[markCount]            events that the mark stands for, ≥ 1
//   u8  layer[markCount]            index in `layers`, of the topmost kind in the bucket
//   u8  flags[markCount]            bit 0 drop, bit 1 verdict, bit 2 free, bit 3 has a parent edge, bit 4 entry or verdict of a BPF
//                                   program, bit 5 the kernel's record of a drop that a verdict made, bit 6 a drop to the kernel
//                                   that is the usual end to a person

/** A page's columns, as views on its buffer. */
export interface Page {
  readonly first: Uint32Array;
  readonly time: Float32Array;
  readonly width: Float32Array;
  readonly event: Uint32Array;
  readonly count: Uint32Array;
  readonly layer: Uint8Array;
  readonly flags: Uint8Array;
}

export const markDrop = 1;
export const markVerdict = 2;
export const markFree = 4;
export const markProgram = 16;
export const markDiscard = 64;

/** Bytes of a page with these dimensions. */
function pageSize(lanes: number, marks: number): number {
  return 8 + 4 * (lanes + 1) + 18 * marks;
}

/** Lays a new, zeroed page out. */
export function createPage(lanes: number, marks: number): { readonly buffer: ArrayBuffer; readonly page: Page } {
  const buffer = new ArrayBuffer(pageSize(lanes, marks));
  new Uint32Array(buffer, 0, 2).set([lanes, marks]);
  return { buffer, page: openPage(buffer) };
}

/** Views a page that came in a message. Throws a RangeError when the buffer doesn't hold what its head says. */
export function openPage(buffer: ArrayBuffer): Page {
  if (buffer.byteLength < 8) throw new RangeError(`page: ${buffer.byteLength} bytes are too few for its head`);
  const [lanes = 0, marks = 0] = new Uint32Array(buffer, 0, 2);
  const size = pageSize(lanes, marks);
  if (size !== buffer.byteLength) throw new RangeError(`page: ${buffer.byteLength} bytes, ${size} expected`);
  let offset = 8;
  const take = (bytes: number): number => (offset += bytes) - bytes;
  return {
    first: new Uint32Array(buffer, take(4 * (lanes + 1)), lanes + 1),
    time: new Float32Array(buffer, take(4 * marks), marks),
    width: new Float32Array(buffer, take(4 * marks), marks),
    event: new Uint32Array(buffer, take(4 * marks), marks),
    count: new Uint32Array(buffer, take(4 * marks), marks),
    layer: new Uint8Array(buffer, take(marks), marks),
    flags: new Uint8Array(buffer, take(marks), marks),
  };
}

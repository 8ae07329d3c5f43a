// The frames about BPF programs as typed values: Program and Source of docs/stream-format.md. What a node or a file sends
// is not trusted: lists and texts are cut to what a kernel can have, values that can't be are left out.
import { each, repeated, type MessageReader } from './message.ts';

export const directions = ['none', 'ingress', 'egress'] as const;
export type Direction = (typeof directions)[number];

/** Where a program is attached. */
export interface Attachment {
  /** "tc", "tc action", "tcx", "netkit", "xdp", "xdp generic", "xdp offload", "freplace". */
  readonly kind: string;
  /** netkit: ingress is the peer, egress the primary. */
  readonly direction: Direction;
  readonly netns: number;
  /** 0: not attached to an interface. */
  readonly ifindex: number;
  readonly priority: number;
  readonly handle: number;
  /** BPF link id, 0 without one. */
  readonly link: number;
  /** freplace: id of the program one of whose functions it replaces. */
  readonly target: number;
  /** tc: the filter's name, "bpf_lxc.o:[tc]"; freplace: the function replaced. */
  readonly label: string;
  /** tc: its verdict is a TC_ACT_*; otherwise it is a class id. */
  readonly direct: boolean;
  readonly chain: number;
  /** netkit: ifindex of the other end, in its own namespace; 0: not known. */
  readonly peer: number;
  /** tc: the block that interfaces share; 0: none. */
  readonly block: number;
}

/** A slot of a program array that a program uses. */
export interface TailCall {
  readonly map: string;
  readonly index: number;
  readonly program: number;
}

/** One JITed function. */
export interface Image {
  readonly address: bigint;
  readonly size: number;
  readonly name: string;
}

const programStates = ['hooked', 'reported', 'gone'] as const;
/** "reported": not hooked, the reason says why. */
export type ProgramState = (typeof programStates)[number] | 'unknown';

export interface Program {
  /** The kernel's. */
  readonly id: number;
  /** enum bpf_prog_type. */
  readonly type: number;
  readonly name: string;
  readonly tag: string;
  readonly state: ProgramState;
  readonly reason: string;
  /** The verifier's last lines when it refused our hook; else empty. */
  readonly log: string;
  readonly attachments: readonly Attachment[];
  readonly maps: readonly string[];
  readonly pins: readonly string[];
  readonly tailCalls: readonly TailCall[];
  /** Entry function first. */
  readonly images: readonly Image[];
  /** 0: none. */
  readonly entryHook: number;
  readonly verdictHook: number;
  /** CLOCK_MONOTONIC ns when it was found gone; 0: not. */
  readonly goneNs: bigint;
  /** File of the entry function's first line, as the compiler knew it; empty without line information. */
  readonly file: string;
  /** 1-based; 0: not known. */
  readonly line: number;
}

export interface SourceLine {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly function: string;
}

/** A program's lines in the order of its instructions. */
export interface ProgramSource {
  readonly program: number;
  readonly lines: readonly SourceLine[];
}

/** What one program may say at most; more is cut. */
export const programLimits = {
  attachments: 1024,
  maps: 256,
  pins: 256,
  tailCalls: 16_384,
  images: 4096,
  /** Of docs/stream-format.md. */
  lines: 4096,
  /** Bytes of a name, of a path, of a line, of the verifier's log. */
  name: 256,
  path: 4096,
  text: 1024,
  log: 65_536,
  /** Bytes of one JITed function: a million instructions. */
  imageSize: 64 * 1024 * 1024,
} as const;

/** Adds to a list that has room left. */
function add<T>(list: T[], item: T, most: number): void {
  if (list.length < most) list.push(item);
}

function readAttachment(r: MessageReader): Attachment {
  const number = new Map<number, number>();
  let kind = '';
  let label = '';
  each(r, (field) => {
    if (field === 1) kind = r.string(programLimits.name);
    else if (field === 9) label = r.string(programLimits.name);
    else if (field <= 13) number.set(field, r.uint32());
    else return false;
    return true;
  });
  const get = (field: number): number => number.get(field) ?? 0;
  return {
    kind,
    direction: directions[get(2)] ?? 'none',
    netns: get(3),
    ifindex: get(4),
    priority: get(5),
    handle: get(6),
    link: get(7),
    target: get(8),
    label,
    direct: get(10) !== 0,
    chain: get(11),
    peer: get(12),
    block: get(13),
  };
}

function readTailCall(r: MessageReader): TailCall {
  let map = '';
  let index = 0;
  let program = 0;
  each(r, (field) => {
    if (field === 1) map = r.string(programLimits.name);
    else if (field === 2) index = r.uint32();
    else if (field === 3) program = r.uint32();
    else return false;
    return true;
  });
  return { map, index, program };
}

function readImage(r: MessageReader): Image {
  let address = 0n;
  let size = 0;
  let name = '';
  each(r, (field) => {
    if (field === 1) address = r.bigFixed64();
    else if (field === 2) size = r.count();
    else if (field === 3) name = r.string(programLimits.name);
    else return false;
    return true;
  });
  return { address, size, name };
}

function isPossible({ address, size }: Image): boolean {
  return address !== 0n && size > 0 && size <= programLimits.imageSize && address + BigInt(size) < 1n << 64n;
}

function readProgram(r: MessageReader): Program {
  const number = new Map<number, number>();
  const text = new Map<number, string>();
  const attachments: Attachment[] = [];
  const maps: string[] = [];
  const pins: string[] = [];
  const tailCalls: TailCall[] = [];
  const images: Image[] = [];
  let goneNs = 0n;
  each(r, (field) => {
    if (field === 8) add(attachments, readAttachment(r.message()), programLimits.attachments);
    else if (field === 9) add(maps, r.string(programLimits.name), programLimits.maps);
    else if (field === 10) add(pins, r.string(programLimits.path), programLimits.pins);
    else if (field === 11) {
      const call = readTailCall(r.message());
      if (call.program !== 0) add(tailCalls, call, programLimits.tailCalls);
    } else if (field === 12) {
      const image = readImage(r.message());
      if (isPossible(image)) add(images, image, programLimits.images);
    } else if (field === 15) goneNs = r.bigFixed64();
    else if (field === 3 || field === 4) text.set(field, r.string(programLimits.name));
    else if (field === 6) text.set(field, r.string(programLimits.text));
    // The verifier says last what is wrong.
    else if (field === 7) text.set(field, r.verbatimEnd(programLimits.log));
    else if (field === 16) text.set(field, r.string(programLimits.path));
    else if (field <= 17) number.set(field, r.uint32());
    else return false;
    return true;
  });
  const get = (field: number): number => number.get(field) ?? 0;
  const getText = (field: number): string => text.get(field) ?? '';
  return {
    id: get(1),
    type: get(2),
    name: getText(3),
    tag: getText(4),
    state: programStates[get(5)] ?? 'unknown',
    reason: getText(6),
    log: getText(7),
    attachments,
    maps,
    pins,
    tailCalls,
    images,
    entryHook: get(13),
    verdictHook: get(14),
    goneNs,
    file: getText(16),
    line: get(17),
  };
}

/** The programs of a frame; one without an id is none. */
export function* readPrograms(r: MessageReader): Generator<Program> {
  for (const program of repeated(r, 1, readProgram)) if (program.id !== 0) yield program;
}

function readSourceLine(r: MessageReader, shared: (name: string) => string): SourceLine {
  let file = '';
  let line = 0;
  let column = 0;
  let text = '';
  let name = '';
  each(r, (field) => {
    if (field === 1) file = shared(r.string(programLimits.path));
    else if (field === 2) line = r.uint32();
    else if (field === 3) column = r.uint32();
    else if (field === 4) text = r.verbatim(programLimits.text);
    else if (field === 5) name = shared(r.string(programLimits.name));
    else return false;
    return true;
  });
  return { file, line, column, text, function: name };
}

/** A program's lines; those without a number are left out. */
export function readSource(r: MessageReader): ProgramSource {
  let program = 0;
  const lines: SourceLine[] = [];
  // Thousands of lines are of a few files and functions.
  const names = new Map<string, string>();
  const shared = (name: string): string => {
    const known = names.get(name) ?? name;
    names.set(known, known);
    return known;
  };
  each(r, (field) => {
    if (field === 1) program = r.uint32();
    else if (field === 2) {
      const line = readSourceLine(r.message(), shared);
      if (line.line !== 0) add(lines, line, programLimits.lines);
    } else return false;
    return true;
  });
  return { program, lines };
}

// Message frames from bytes, and the one that this extension writes to bytes: field by field, as docs/stream-format.md numbers them.
import { each, MessageWriter, repeated, type MessageReader } from './message.ts';
import {
  gapCauses,
  hookKinds,
  hookStates,
  type Clock,
  type Context,
  type Counters,
  type End,
  type FilterChange,
  type Gap,
  type Hello,
  type Hook,
  type HookStatus,
  type Iface,
  type KernelSymbol,
  type Name,
  type Netns,
  type Progress,
  type Reason,
  type Stack,
  type Task,
} from './metadata.ts';

export function readClock(r: MessageReader): Clock {
  let mono = 0n;
  let wall = 0n;
  each(r, (field) => {
    if (field === 1) mono = r.bigFixed64();
    else if (field === 2) wall = r.bigFixed64();
    else return false;
    return true;
  });
  return { mono, wall };
}

/** Of the helper's command line. */
const mostArguments = 1024;

export function readHello(r: MessageReader): Hello {
  const text = new Map<number, string>();
  const args: string[] = [];
  let version = 0;
  let cpus = 0;
  let clock: Clock | undefined;
  let textBase = 0n;
  each(r, (field) => {
    if (field === 1) version = r.uint32();
    else if (field === 8) cpus = r.uint32();
    else if (field === 9) clock = readClock(r.message());
    else if (field === 10) textBase = r.bigFixed64();
    else if (field === 12) {
      const arg = r.string();
      if (args.length < mostArguments) args.push(arg);
    } else if (field === 11) text.set(field, r.verbatim());
    else if (field <= 13) text.set(field, r.string());
    else return false;
    return true;
  });
  const get = (field: number): string => text.get(field) ?? '';
  return {
    version,
    helper: get(2),
    buildId: get(3),
    host: get(4),
    bootId: get(5),
    release: get(6),
    machine: get(7),
    cpus,
    clock,
    textBase,
    filter: get(11),
    args,
    kernelVersion: get(13),
  };
}

function readHook(r: MessageReader): Hook {
  let id = 0;
  let kind = 0;
  let name = '';
  let module = '';
  let address = 0n;
  let prototype = '';
  let skbArgument = 0;
  let program = 0;
  each(r, (field) => {
    if (field === 1) id = r.uint32();
    else if (field === 2) kind = r.uint32();
    else if (field === 3) name = r.string();
    else if (field === 4) module = r.string();
    else if (field === 5) address = r.bigFixed64();
    else if (field === 6) prototype = r.string();
    else if (field === 7) skbArgument = r.uint32();
    else if (field === 8) program = r.uint32();
    else return false;
    return true;
  });
  const known = hookKinds[kind] ?? 'unknown';
  return { id, kind: known, function: name, module, address, prototype, skbArgument, program };
}

export function readHooks(r: MessageReader): Iterable<Hook> {
  return repeated(r, 1, readHook);
}

function readNetns(r: MessageReader): Netns {
  let inum = 0;
  let name = '';
  let cookie = 0n;
  let pod = '';
  let container = '';
  each(r, (field) => {
    if (field === 1) inum = r.uint32();
    else if (field === 2) name = r.string();
    else if (field === 3) cookie = r.bigFixed64();
    else if (field === 4) pod = r.string();
    else if (field === 5) container = r.string();
    else return false;
    return true;
  });
  return { inum, name, cookie, pod, container };
}

function readIface(r: MessageReader): Iface {
  let netns = 0;
  let ifindex = 0;
  let name = '';
  let kind = '';
  each(r, (field) => {
    if (field === 1) netns = r.uint32();
    else if (field === 2) ifindex = r.uint32();
    else if (field === 3) name = r.string();
    else if (field === 4) kind = r.string();
    else return false;
    return true;
  });
  return { netns, ifindex, name, kind };
}

function readTask(r: MessageReader): Task {
  let pid = 0;
  let comm = '';
  each(r, (field) => {
    if (field === 1) pid = r.uint32();
    else if (field === 2) comm = r.string();
    else return false;
    return true;
  });
  return { pid, comm };
}

export function* readNames(r: MessageReader): Generator<Name> {
  while (r.next()) {
    if (r.field === 1) yield { netns: readNetns(r.message()) };
    else if (r.field === 2) yield { iface: readIface(r.message()) };
    else if (r.field === 3) yield { task: readTask(r.message()) };
    else r.skip();
  }
}

function readSymbol(r: MessageReader): KernelSymbol {
  let address = 0n;
  let size = 0;
  let name = '';
  let module = '';
  each(r, (field) => {
    if (field === 1) address = r.bigFixed64();
    else if (field === 2) size = r.count();
    else if (field === 3) name = r.string();
    else if (field === 4) module = r.string();
    else return false;
    return true;
  });
  return { address, size, name, module };
}

export function readSymbols(r: MessageReader): Iterable<KernelSymbol> {
  return repeated(r, 1, readSymbol);
}

/** Frames of a stack: as many as the kernel takes by itself are 127 (PERF_MAX_STACK_DEPTH, include/uapi/linux/perf_event.h). */
const mostFrames = 1024;

function readStack(r: MessageReader): Stack {
  let id = 0;
  const addresses: bigint[] = [];
  each(r, (field) => {
    if (field === 1) id = r.uint32();
    else if (field === 2) r.fixed64List(addresses, mostFrames);
    else return false;
    return true;
  });
  return { id, addresses };
}

export function readStacks(r: MessageReader): Iterable<Stack> {
  return repeated(r, 1, readStack);
}

function readReason(r: MessageReader): Reason {
  let value = 0;
  let name = '';
  each(r, (field) => {
    if (field === 1) value = r.uint32();
    else if (field === 2) name = r.string();
    else return false;
    return true;
  });
  return { value, name };
}

export function readReasons(r: MessageReader): Iterable<Reason> {
  return repeated(r, 1, readReason);
}

export function readGap(r: MessageReader): Gap {
  let lost = 0;
  let cpu = 0;
  let from = 0n;
  let to = 0n;
  let cause = 0;
  let missed = 0;
  each(r, (field) => {
    if (field === 1) lost = r.count();
    else if (field === 2) cpu = r.uint32();
    else if (field === 3) from = r.bigFixed64();
    else if (field === 4) to = r.bigFixed64();
    else if (field === 5) cause = r.uint32();
    else if (field === 6) missed = r.count();
    else return false;
    return true;
  });
  return { lost, missed, cpu, from, to, cause: gapCauses[cause] ?? `cause ${cause}` };
}

function readHookStatus(r: MessageReader): HookStatus {
  let id = 0;
  let state = 0;
  let reason = '';
  let name = '';
  let module = '';
  each(r, (field) => {
    if (field === 1) id = r.uint32();
    else if (field === 2) state = r.uint32();
    else if (field === 3) reason = r.string();
    else if (field === 4) name = r.string();
    else if (field === 5) module = r.string();
    else return false;
    return true;
  });
  return { id, state: hookStates[state] ?? 'unknown', reason, function: name, module };
}

export function readStatus(r: MessageReader): Iterable<HookStatus> {
  return repeated(r, 1, readHookStatus);
}

export function readProgress(r: MessageReader): Progress {
  let phase = '';
  let done = 0;
  let total = 0;
  each(r, (field) => {
    if (field === 1) phase = r.string();
    else if (field === 2) done = r.uint32();
    else if (field === 3) total = r.uint32();
    else return false;
    return true;
  });
  return { phase, done, total };
}

export function readCounters(r: MessageReader): Counters {
  let mono = 0n;
  const counts = new Map<number, number>();
  each(r, (field) => {
    if (field === 1) mono = r.bigFixed64();
    else if (field <= 9) counts.set(field, r.count());
    else return false;
    return true;
  });
  const get = (field: number): number => counts.get(field) ?? 0;
  return {
    mono,
    sent: get(2),
    delivered: get(3),
    lost: get(4),
    packets: get(5),
    following: get(6),
    hits: get(7),
    runNs: get(8),
    missed: get(9),
  };
}

export function readEnd(r: MessageReader): End {
  let cause = '';
  let total: Counters | undefined;
  let error = '';
  each(r, (field) => {
    if (field === 1) cause = r.string();
    else if (field === 2) total = readCounters(r.message());
    else if (field === 3) error = r.string();
    else return false;
    return true;
  });
  return { cause, total, error };
}

export function readFilterChange(r: MessageReader): FilterChange {
  let expression = '';
  let error = '';
  let mono = 0n;
  let tookNs = 0;
  each(r, (field) => {
    if (field === 1) expression = r.verbatim();
    else if (field === 2) error = r.string();
    else if (field === 3) mono = r.bigFixed64();
    else if (field === 4) tookNs = r.count();
    else return false;
    return true;
  });
  return { expression, error, mono, tookNs };
}

export function readContext(r: MessageReader): Context {
  let node = '';
  let filter = '';
  let savedNs = 0n;
  let tool = '';
  let title = '';
  each(r, (field) => {
    if (field === 1) node = r.string();
    else if (field === 2) filter = r.string();
    else if (field === 3) savedNs = r.bigFixed64();
    else if (field === 4) tool = r.string();
    else if (field === 5) title = r.string();
    else return false;
    return true;
  });
  return { node, filter, savedNs, tool, title };
}

export function writeContext(context: Context): Uint8Array {
  return new MessageWriter()
    .string(1, context.node)
    .string(2, context.filter)
    .fixed64(3, context.savedNs)
    .string(4, context.tool)
    .string(5, context.title)
    .finish();
}

// Runs the helper in a test node and decodes its stream with the extension's own decoder: what tests of tracing stand on.
import { join } from 'node:path';
import { StreamDecoder } from '../../extension/trace/decoder.ts';
import type { Counters, End, FilterChange, HookStatus, Progress } from '../../extension/trace/metadata.ts';
import type { TrailRow } from '../../extension/protocol/timeline.ts';
import { TraceStore } from '../../extension/trace/store.ts';
import type { TestNode } from './vm.ts';

/** Where {@link installHelper} puts the helper in the node. */
export const helperPath = '/root/packet-trail-helper';

/** The helper for a machine, as `make -C helper ARCH=MACHINE` builds it. */
export const builtHelper = (machine: TestNode['machine']): string =>
  join(import.meta.dirname, `../../build/helper/${machine}/packet-trail-helper`);

/** Copies the helper into the node. */
export async function installHelper(node: TestNode): Promise<void> {
  await node.upload(builtHelper(node.machine), helperPath, '755');
}

/** Quotes a word for the node's shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A helper that traces in the node. */
export interface NodeTrace {
  readonly store: TraceStore;
  readonly statuses: readonly HookStatus[];
  /** Answers to filters that were sent. */
  readonly filters: readonly FilterChange[];
  /** What the helper has counted, about every second. */
  readonly counters: readonly Counters[];
  /** Bytes of the stream so far. */
  readonly bytes: () => number;
  /** Resolves when `test` holds for what has come, looked at again with each piece of the stream; rejects when the stream ends before. */
  until(test: (store: TraceStore) => boolean, what: string): Promise<void>;
  /** Sends a control line, with more fields than its command if need be. */
  tell(cmd: string, more?: Readonly<Record<string, string>>): void;
  /** Closes the helper's standard input without a word. */
  closeInput(): void;
  /** Cuts the ssh connection. */
  cut(): void;
  /** Stops reading the stream, so that the helper's output backs up. */
  stall(): void;
  unstall(): void;
  /** Asks for the end and waits for it. */
  stop(): Promise<End | undefined>;
  /** Resolves when the helper's channel is closed. */
  readonly closed: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** Ends each trace that still runs. */
const ends = new Set<() => Promise<void>>();

/** How long a helper may take to end once its standard input is closed; then the link to it is cut. */
const endMs = 10_000;

/**
 * Ends the traces that still run, as those of a test that failed do. Gently, since a helper that is cut off may still be there when
 * the next test looks for what is left.
 */
export async function endTraces(): Promise<void> {
  await Promise.all([...ends].map((end) => end()));
}

/**
 * Starts the helper with `--stream`, and resolves when its hooks are attached: all of them, unless `first` is true. `before` is
 * what its shell does first. Who doesn't stop it leaves that to {@link endTraces}.
 */
export async function trace(
  node: TestNode,
  args: readonly string[],
  options: { readonly first?: boolean; readonly before?: string } = {},
): Promise<NodeTrace> {
  const child = node.spawn(`${options.before ?? ''}${[helperPath, '--stream', ...args].map(quote).join(' ')}`);
  const store = new TraceStore();
  const statuses: HookStatus[] = [];
  const filters: FilterChange[] = [];
  const counters: Counters[] = [];
  const phases = new Map<string, Progress>();
  const waiting = new Set<() => void>();
  let end: End | undefined;
  let bytes = 0;
  let over = false;
  const decoder = new StreamDecoder(store, {
    onHookStatus: (status) => statuses.push(status),
    onCounters: (some) => counters.push(some),
    onFilter: (change) => filters.push(change),
    onProgress: (progress) => phases.set(progress.phase, progress),
    onEnd: (it) => (end = it),
  });
  let broken: unknown;
  const wake = (): void => {
    for (const look of [...waiting]) look();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    try {
      decoder.feed(chunk);
    } catch (error) {
      broken ??= error;
      child.kill();
    }
    wake();
  });
  const stderr: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined); // The helper may be over; `closed` says.
  const said = (): string => Buffer.concat(stderr).toString('utf8').trim();
  const closed = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      over = true;
      ends.delete(finish);
      wake();
      resolve({ code, stderr: said() });
    });
  });
  const finish = async (): Promise<void> => {
    child.stdout.resume();
    child.stdin.end();
    const cut = setTimeout(() => child.kill('SIGKILL'), endMs);
    await closed;
    clearTimeout(cut);
  };
  ends.add(finish);
  const wait = (test: () => boolean, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!test() && !over) return;
        waiting.delete(look);
        if (test()) resolve();
        else reject(new Error(`The helper ended before ${what}: ${said() || 'it said nothing'}`, { cause: broken }));
      };
      waiting.add(look);
      look();
    });
  const attached = (): boolean => {
    const live = phases.get('live');
    if (!live) return false;
    const done = Math.max(live.done, phases.get('attach')?.done ?? 0);
    return options.first === true || done >= live.total;
  };
  await wait(attached, 'its hooks were attached');
  return {
    store,
    statuses,
    filters,
    counters,
    bytes: () => bytes,
    until: (test, what) => wait(() => test(store), what),
    tell: (cmd, more = {}) => void child.stdin.write(`${JSON.stringify({ cmd, ...more })}\n`),
    closeInput: () => child.stdin.end(),
    cut: () => void child.kill('SIGKILL'),
    stall: () => void child.stdout.pause(),
    unstall: () => void child.stdout.resume(),
    stop: async () => {
      child.stdin.write('{"cmd":"stop"}\n');
      await closed;
      if (broken) throw new Error('The stream could not be decoded', { cause: broken });
      return end;
    },
    closed,
  };
}

/** Traces while `act` runs, then stops: the whole trace. */
export async function traceDuring(
  node: TestNode,
  args: readonly string[],
  act: () => Promise<unknown>,
  options: Parameters<typeof trace>[2] = {},
): Promise<{ readonly store: TraceStore; readonly end: End; readonly bytes: number }> {
  const running = await trace(node, args, options);
  await act();
  const end = await running.stop();
  if (!end) throw new Error(`The helper gave no end frame: ${(await running.closed).stderr}`);
  return { store: running.store, end, bytes: running.bytes() };
}

/** Traces with each of these lists of arguments at once, so that all see the same packets. */
export async function traceAll(
  node: TestNode,
  lists: readonly (readonly string[])[],
  act: () => Promise<unknown>,
): Promise<readonly TraceStore[]> {
  const running = await Promise.all(lists.map((args) => trace(node, args)));
  await act();
  await Promise.all(running.map((one) => one.stop()));
  return running.map(({ store }) => store);
}

/** All hops of a packet. */
export function trailOf(store: TraceStore, lane: number): readonly TrailRow[] {
  return store.trail(lane, 0, Number.MAX_SAFE_INTEGER).rows;
}

/** The hops of every packet. */
export function trails(store: TraceStore): readonly (readonly TrailRow[])[] {
  return Array.from({ length: store.packetCount }, (_, lane) => trailOf(store, lane));
}

/** What the kernel calls our processes; it cuts names after 15 characters. */
const helperName = 'packet-trail-he';
const guardName = 'trail-guard';

/** Shell that prints a line for each process of these names. The node has no pgrep. */
const find = (...names: readonly string[]): string =>
  `grep -s -x ${names.map((name) => `-e ${name}`).join(' ')} /proc/[0-9]*/comm`;

async function running(node: TestNode, ...names: readonly string[]): Promise<readonly number[]> {
  const { stdout } = await node.exec(`${find(...names)}; true`);
  return [...stdout.matchAll(/^\/proc\/(\d+)\//gm)].map(([, pid]) => Number(pid)).sort((a, b) => a - b);
}

/** The process ids of the helper in the node, oldest first. */
export const helpersRunning = (node: TestNode): Promise<readonly number[]> => running(node, helperName);

/** Those of the guards that clean up after helpers which are killed. */
export const guardsRunning = (node: TestNode): Promise<readonly number[]> => running(node, guardName);

/** What a helper could leave in the node, each with the shell command that counts it. */
const counting = {
  processes: `${find(helperName, guardName)} | wc -l`,
  programs: "bpftool prog show | grep -c '^[0-9]'",
  links: "bpftool link show | grep -c '^[0-9]'",
  functions: 'wc -l < /sys/kernel/tracing/enabled_functions',
  kprobes: 'wc -l < /sys/kernel/debug/kprobes/list',
  expedited: 'cat /sys/kernel/rcu_expedited',
} as const;

/** How much there is of each in the node, ours and others'. */
export type Leftovers = Readonly<Record<keyof typeof counting, number>>;

const kinds = Object.keys(counting) as (keyof Leftovers)[];

/** Counts what a helper could leave in the node. */
export async function leftovers(node: TestNode): Promise<Leftovers> {
  const { stdout } = await node.exec(kinds.map((kind) => `echo $(${counting[kind]})`).join('\n'));
  const counts = stdout.trim().split('\n');
  if (!kinds.every((_, i) => /^\d+$/.test(counts[i] ?? ''))) throw new Error(`This can't be counted: ${stdout}`);
  return Object.fromEntries(kinds.map((kind, i) => [kind, Number(counts[i])])) as Leftovers;
}

/**
 * What there is more of in the node than `before`. Less is nothing left, too: the kernel frees programs a moment after the process
 * that loaded them is gone, so that `before` may hold some of a trace that had just ended.
 */
export async function leftSince(node: TestNode, before: Leftovers): Promise<Partial<Leftovers>> {
  const now = await leftovers(node);
  return Object.fromEntries(kinds.filter((kind) => now[kind] > before[kind]).map((kind) => [kind, now[kind]]));
}

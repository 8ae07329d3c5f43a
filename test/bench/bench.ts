// `npm run bench [-- --json FILE] [--kernel 6.12]… [--quick]`: measures the helper beside pwru on one node in one run, the
// decoder, and the timeline's frames.
// --quick measures the helper alone, with few hooks on one kernel, in a minute: its figures say only that the bench works.
// Figures from emulated machines whose clock counts instructions: the ratios carry over, the milliseconds don't. docs/performance.md says how to read them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchRow, decoderBench } from './decoder.ts';
import { framesBench } from './frames.ts';
import type { TraceSource } from '../../extension/trace/source.ts';
import { startTrace } from '../node/reach.ts';
import { helperPath, installHelper, quote, trace } from '../node/tracing.ts';
import { bootNode, type Kernel, kernels, type TestNode } from '../node/vm.ts';

/** What measure.sh prints of one tool; empty when the tool could not be measured. */
type Figures = Readonly<Record<string, number>>;

const began = Date.now();
const say = (line: string): void =>
  void process.stderr.write(`== ${line} (${Math.round((Date.now() - began) / 1000)} s)\n`);

/** The functions that the peer hooks; the helper is told to hook the same. */
const functionsFile = '/run/bench-functions';

/** The functions of a quick run. */
const fewFunctions = ['ip_output', '__dev_queue_xmit', 'ip_rcv', 'icmp_rcv', 'udp_rcv'];

async function measure(node: TestNode, tool: readonly string[], quick = false): Promise<Figures> {
  return await figuresOf(node, ['env', ...(quick ? ['QUICK=1'] : []), '/root/measure.sh', functionsFile, ...tool]);
}

/** Runs a script that prints KEY=VALUE lines. */
async function figuresOf(node: TestNode, command: readonly string[]): Promise<Figures> {
  const { code, stdout, stderr } = await node.exec(command.map(quote).join(' '), { timeoutMs: 1_800_000 });
  if (code !== 0) say(`${node.kernel}: "${command.join(' ')}" didn't give all figures: ${stderr.trim()}`);
  const pairs = stdout.split('\n').map((line) => line.split('='));
  return Object.fromEntries(pairs.flatMap(([key, value]) => (key && value ? [[key, Number(value)]] : [])));
}

/** What the hooks on a tc program cost. It stays where it is attached. */
async function program(node: TestNode, quick = false): Promise<Figures> {
  await node.scenario('tc', 'build', 'pass');
  return await figuresOf(node, ['env', ...(quick ? ['QUICK=1'] : []), '/root/program.sh', helperPath]);
}

/** What the stream says of a flood of pings. */
async function flood(node: TestNode, pings: number, args: readonly string[] = []): Promise<Figures> {
  const running = await trace(node, [...args, 'icmp']);
  const before = { bytes: running.bytes(), events: running.store.eventCount };
  await node.scenario('flood', 'send', pings);
  const { total } = (await running.stop()) ?? {};
  const { store } = running;
  return {
    ...(total !== undefined && { SENT: total.sent }),
    RECEIVED: store.eventCount,
    LOST: store.lost,
    BYTES: (running.bytes() - before.bytes) / (store.eventCount - before.events),
  };
}

async function until(live: TraceSource, test: () => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const listener = live.onChange(look);
    function look(): void {
      if (!test()) return;
      listener.dispose();
      resolve();
    }
    look();
  });
}

/** A person's wait: from Start Trace, connecting included, to the first event in the store; and from Stop to the end. */
async function wait(node: TestNode): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'packet-trail-bench-'));
  const pings = node.spawn('exec ip netns exec client ping -q -i 0.05 10.10.0.2');
  try {
    const figures: Record<string, number> = {};
    for (const which of ['FIRST', 'AGAIN'] as const) {
      const start = performance.now();
      const live = await startTrace(node, join(folder, `${which}.pkttrail`), ['icmp']);
      await until(live, () => live.store.eventCount > 0);
      figures[`${which}_MS`] = performance.now() - start;
      const stop = performance.now();
      const stopped = live.stop();
      await until(live, () => live.status === 'ended');
      figures['STOP_MS'] = performance.now() - stop;
      await stopped;
    }
    return figures;
  } finally {
    pings.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Here kprobes come and go one by one: 1,300 of the peer's are an hour where the clock counts instructions. See {@link countedHits}. */
const oneByOne: readonly Kernel[] = ['5.10', '6.1'];

/** With a clock that counts instructions; not every kernel starts with one, and that is said. */
async function boot(kernel: Kernel): Promise<TestNode> {
  const log = (line: string): void => say(`${kernel}: ${line}`);
  if (oneByOne.includes(kernel)) return await bootNode({ kernel, log });
  try {
    return await bootNode({ kernel, countInstructions: true, bootTimeoutMs: 90_000, log });
  } catch (error) {
    log(`no clock that counts instructions: ${error instanceof Error ? error.message : String(error)}`);
    return await bootNode({ kernel, log });
  }
}

/** Puts all that measuring takes on a node. Rejects when its figures would be those of its clock. */
async function prepare(node: TestNode): Promise<void> {
  await installHelper(node);
  for (const script of ['measure.sh', 'changes.sh', 'program.sh'])
    await node.upload(join(import.meta.dirname, script), `/root/${script}`, '755');
  await node.scenario('pair');
  // An emulated device's time stamp would cost more than the rest of an event.
  const { stdout } = await node.exec('cat /sys/devices/system/clocksource/clocksource0/current_clocksource');
  const clock = stdout.trim();
  say(`${node.kernel}: clocksource ${clock}`);
  const wanted = node.machine === 'x86_64' ? 'tsc' : 'arch_sys_counter';
  if (clock !== wanted) throw new Error(`the node with ${node.kernel} has the clock ${clock}: measure with ${wanted}`);
}

/** One row of each kind that can be had without the peer and without every hook. */
async function quickNode(kernel: Kernel): Promise<readonly BenchRow[]> {
  say(`booting ${kernel}`);
  await using node = await bootNode({ kernel, log: (line) => say(`${kernel}: ${line}`) });
  await prepare(node);
  await node.exec(`printf '%s\\n' ${fewFunctions.map(quote).join(' ')} >${functionsFile}`);
  say(`${kernel}: the helper, ${fewFunctions.length} functions`);
  const ours = await measure(node, [helperPath], true);
  say(`${kernel}: the flood as a stream`);
  const stream = await flood(
    node,
    300,
    fewFunctions.flatMap((name) => ['--function', name]),
  );
  say(`${kernel}: a tc program`);
  const hooked = await program(node, true);
  const rows = rowsOf(kernel, { pings: 300, ours, peer: {}, changes: {}, person: {}, stream, hooked });
  return rows.filter(({ ours: figure }) => figure !== null);
}

/** Both tools' programs per hit by counted instructions, which few hooks tell as well as all. */
async function countedHits(kernel: Kernel): Promise<Pick<Measured, 'ours' | 'peer' | 'hooked'>> {
  const log = (line: string): void => say(`${kernel}: ${line}`);
  log('the time of a hit, on a node of its own');
  await using node = await bootNode({ kernel, countInstructions: true, bootTimeoutMs: 90_000, log });
  await prepare(node);
  const few = ['--backend', 'kprobe', '--output-tuple', '--filter-func', '^(ip|icmp|udp)_.*'];
  const peer = await measure(node, ['pwru', ...few], true);
  const ours = await measure(node, [helperPath], true);
  const hits = (figures: Figures): Figures =>
    Object.fromEntries(Object.entries(figures).filter(([name]) => /^(OTHER|MATCHING)_/.test(name)));
  return { ours: hits(ours), peer: hits(peer), hooked: await program(node, true) };
}

async function benchNode(kernel: Kernel): Promise<readonly BenchRow[]> {
  const figures = await measureNode(kernel);
  const { ours, peer, hooked } = oneByOne.includes(kernel) ? await countedHits(kernel) : figures;
  return rowsOf(kernel, {
    ...figures,
    ours: { ...figures.ours, ...ours },
    peer: { ...figures.peer, ...peer },
    hooked,
  });
}

async function measureNode(kernel: Kernel): Promise<Measured> {
  say(`booting ${kernel}`);
  await using node = await boot(kernel);
  await prepare(node);
  // Left alone it takes single kprobes on some kernels that have better.
  const multi = await node.exec(`${helperPath} --check --json; true`);
  const backend = multi.stdout.includes('"kprobe.multi","state":"pass"') ? 'kprobe-multi' : 'kprobe';
  say(`${kernel}: pwru, ${backend}`);
  const peer = await measure(node, ['pwru', '--backend', backend, '--output-tuple']);
  say(`${kernel}: the helper, same functions, same filter`);
  const ours = await measure(node, [helperPath]);
  say(`${kernel}: a new filter, a module that is loaded`);
  const changes = await figuresOf(node, ['/root/changes.sh', helperPath]);
  say(`${kernel}: Start Trace to first event, as the extension does it`);
  const person = await wait(node);
  say(`${kernel}: the flood as a stream, everything at its default`);
  const stream = await flood(node, 3000);
  say(`${kernel}: a tc program`);
  const hooked = oneByOne.includes(kernel) ? {} : await program(node);
  return { pings: 3000, ours, peer, changes, person, stream, hooked };
}

/** All that was measured on a node; figures that could not be had are missing. */
interface Measured {
  readonly pings: number;
  readonly ours: Figures;
  readonly peer: Figures;
  readonly changes: Figures;
  readonly person: Figures;
  readonly stream: Figures;
  readonly hooked: Figures;
}

function rowsOf(kernel: Kernel, { pings, ours, peer, changes, person, stream, hooked }: Measured): readonly BenchRow[] {
  const rows: BenchRow[] = [];
  const add = (figure: string, unit: string, a: number | undefined, b?: number): void => {
    const both = a !== undefined && b !== undefined && b !== 0;
    rows.push({ figure, kernel, unit, ours: a ?? null, peer: b ?? null, ratio: both ? a / b : null });
  };
  const both = (figure: string, unit: string, of: (figures: Figures) => number | undefined): void =>
    add(figure, unit, of(ours), of(peer));
  both('start to first event', 's', (f) => per(f['FIRST_EVENT_MS'], 1000));
  both('start to all functions hooked', 's', (f) => per(f['ATTACH_MS'], 1000));
  both('functions hooked', 'functions', (f) => f['HOOKED']);
  both('stop to the end of the trace', 's', (f) => per(f['END_MS'], 1000));
  both('stop to the tool has ended', 's', (f) => per(f['EXIT_MS'], 1000));
  both('stop to no probe left', 's', (f) => per(f['DETACH_MS'], 1000));
  both('BPF time per non-matching hit', 'ns', (f) => per(f['OTHER_NS'], f['OTHER_HITS']));
  both('BPF time per matching hit', 'ns', (f) => per(f['MATCHING_NS'], f['MATCHING_HITS']));
  // The peer's package can't: "fentry_tc: unrecognized attach type".
  add('BPF time per program entry and verdict', 'ns', per(hooked['PROGRAM_NS'], hooked['PROGRAM_HITS']));
  const flooded = `flood of ${pings.toLocaleString('en-US')} pings`;
  // The peer gives an event for each hit of a matching packet, and nothing else is going on.
  add(`${flooded}: events produced`, 'events', stream['SENT'], peer['FLOOD_HITS']);
  add(`${flooded}: events received`, 'events', stream['RECEIVED'], peer['FLOOD_LINES']);
  add(`${flooded}: events reported lost`, 'events', stream['LOST'], peer['FLOOD_HITS'] && 0);
  const silent = (sent?: number, received?: number, lost = 0): number | undefined =>
    sent === undefined || received === undefined ? undefined : sent - received - lost;
  const ourSilence = silent(stream['SENT'], stream['RECEIVED'], stream['LOST']);
  const peersSilence = silent(peer['FLOOD_HITS'], peer['FLOOD_LINES']);
  add(`${flooded}: events lost in silence`, 'events', ourSilence, peersSilence);
  both('peak RSS', 'MiB', (f) => per(f['RSS_KIB'], 1024));
  add('bytes per event on the wire', 'bytes', stream['BYTES'], per(peer['FLOOD_BYTES'], peer['FLOOD_LINES']));
  both('idle CPU', '% of a core', (f) => per(f['IDLE_TICKS'], f['IDLE_SECONDS']));
  add('a new filter in force', 'ms', changes['FILTER_MS']);
  add("a module's functions hooked after it was loaded", 'ms', changes['MODULE_MS']);
  add('Start Trace to first event, helper sent', 's', per(person['FIRST_MS'], 1000));
  add('Start Trace to first event, helper there', 's', per(person['AGAIN_MS'], 1000));
  add('Stop Trace to the end of the trace', 's', per(person['STOP_MS'], 1000));
  return rows;
}

function per(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || !by ? undefined : value / by;
}

/** As Markdown, which reads well in a terminal, too. */
function print(rows: readonly BenchRow[]): void {
  const number = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 });
  const cell = (value: number | null): string => (value === null ? '–' : number.format(value));
  const table = [
    ['figure', 'kernel', 'unit', 'ours', 'pwru', 'ratio'],
    ...rows.map((row) => [row.figure, row.kernel, row.unit, cell(row.ours), cell(row.peer), cell(row.ratio)]),
  ];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
  const pad = (text: string, i: number): string =>
    i < 3 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0);
  const lines = table.map((line) => `| ${line.map(pad).join(' | ')} |`);
  const rule = `| ${widths.map((width, i) => (i < 3 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  console.log([lines[0], rule, ...lines.slice(1)].join('\n'));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      kernel: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
    },
  });
  const chosen = values.kernel ?? (values.quick ? ['6.12'] : kernels);
  const unknown = chosen.find((name) => !kernels.some((kernel) => kernel === name));
  if (unknown !== undefined) throw new Error(`--kernel ${unknown}: there is ${kernels.join(', ')}`);
  say('decoder');
  const rows: BenchRow[] = [...decoderBench(values.quick ? 100_000 : undefined)];
  if (!values.quick) {
    say('the timeline');
    rows.push(...(await framesBench()));
  }
  const bench = values.quick ? quickNode : benchNode;
  for (const kernel of kernels) {
    if (!chosen.includes(kernel)) continue;
    try {
      rows.push(...(await bench(kernel)));
    } catch (error) {
      // The other kernels' figures are good all the same.
      console.error(`packet-trail: ${kernel}: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
  print(rows);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}

main().catch((error: unknown) => {
  console.error(`packet-trail: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});

// `npm run bench [-- --json FILE] [--kernel 6.12]`: measures the helper beside pwru on one node in one run, and the decoder.
// Figures from emulated machines: the ratios carry over, the milliseconds don't.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decoderBench, type BenchRow } from './decoder.ts';
import { helperPath, installHelper, quote, traceDuring } from '../node/tracing.ts';
import { bootNode, kernels, type Kernel, type TestNode } from '../node/vm.ts';

/** What measure.sh prints of one tool. */
type Figures = Readonly<Record<string, number>>;

const say = (line: string): void => void process.stderr.write(`== ${line}\n`);

async function measure(node: TestNode, backend: 'multi' | 'kprobe', tool: readonly string[]): Promise<Figures> {
  const command = ['/root/measure.sh', backend, ...tool].map(quote).join(' ');
  const { code, stdout, stderr } = await node.exec(command, { timeoutMs: 540_000 });
  if (code !== 0) throw new Error(`${tool.join(' ')} could not be measured: ${stderr.trim()}`);
  const pairs = stdout.split('\n').map((line) => line.split('='));
  return Object.fromEntries(pairs.flatMap(([key, value]) => (key && value ? [[key, Number(value)]] : [])));
}

async function benchNode(kernel: Kernel): Promise<readonly BenchRow[]> {
  say(`booting ${kernel}`);
  await using node = await bootNode({ kernel });
  await installHelper(node);
  await node.upload(join(import.meta.dirname, 'measure.sh'), '/root/measure.sh', '755');
  await node.scenario('pair');
  const backend = kernel === '6.1' ? 'kprobe' : 'multi';
  const named = backend === 'multi' ? 'kprobe.multi' : 'kprobe';
  say(`${kernel}: the helper, ${named}`);
  // The peer hooks no modules by default: the same function set for both.
  const ours = await measure(node, backend, [helperPath, '--no-modules', '--backend', named, 'icmp']);
  say(`${kernel}: pwru, ${named}`);
  const pwru = ['pwru', '--backend', backend === 'multi' ? 'kprobe-multi' : 'kprobe', '--output-tuple', 'icmp'];
  const peer = await measure(node, backend, pwru);
  say(`${kernel}: the flood as a stream`);
  const stream = await traceDuring(node, ['icmp'], () => node.scenario('flood', 3000));
  const total = stream.end.total;

  const row = (figure: string, unit: string, of: (figures: Figures) => number | undefined): BenchRow =>
    compare(figure, kernel, unit, of(ours), of(peer));
  const per = (name: string) => (figures: Figures) => ratio(figures[`${name}_NS`], figures[`${name}_HITS`]);
  return [
    row('start to first event', 's', (f) => seconds(f['FIRST_EVENT_MS'])),
    row('start to all hooks attached', 's', (f) => seconds(f['ATTACH_MS'])),
    row('stop to the tool is gone', 's', (f) => seconds(f['EXIT_MS'])),
    row('stop to no probe left', 's', (f) => seconds(f['DETACH_MS'])),
    row('BPF time per matching hit', 'ns', per('MATCHING')),
    row('BPF time per non-matching hit', 'ns', per('OTHER')),
    row('hits in a flood of 3,000 pings', 'hits', (f) => f['FLOOD_HITS']),
    row('events shown of that flood', 'events', (f) => f['FLOOD_LINES']),
    row('peak RSS', 'MiB', (f) => ratio(f['RSS_KIB'], 1024)),
    row('idle CPU', '%', (f) => ratio(f['IDLE_TICKS'], 5)),
    compare('flood as a stream: events sent', kernel, 'events', total?.sent, undefined),
    compare('flood as a stream: events received', kernel, 'events', stream.store.eventCount, undefined),
    compare('flood as a stream: events reported lost', kernel, 'events', stream.store.lost, undefined),
    compare('bytes per event on the wire', kernel, 'bytes', ratio(stream.bytes, stream.store.eventCount), undefined),
  ];
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function ratio(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || !by ? undefined : value / by;
}

function compare(
  figure: string,
  kernel: string,
  unit: string,
  ours: number | undefined,
  peer: number | undefined,
): BenchRow {
  const both = ours !== undefined && peer !== undefined && peer !== 0;
  return { figure, kernel, unit, ours: ours ?? null, peer: peer ?? null, ratio: both ? ours / peer : null };
}

function print(rows: readonly BenchRow[]): void {
  const number = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 });
  const cell = (value: number | null): string => (value === null ? '–' : number.format(value));
  const table = [
    ['figure', 'kernel', 'unit', 'ours', 'pwru', 'ratio'],
    ...rows.map((row) => [row.figure, row.kernel, row.unit, cell(row.ours), cell(row.peer), cell(row.ratio)]),
  ];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
  for (const line of table) {
    console.log(
      line.map((text, i) => (i < 3 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  '),
    );
  }
}

const { values } = parseArgs({ options: { json: { type: 'string' }, kernel: { type: 'string', multiple: true } } });
const chosen = values.kernel ?? kernels;
const unknown = chosen.find((name) => !kernels.some((kernel) => kernel === name));
if (unknown !== undefined) throw new Error(`--kernel ${unknown}: there is ${kernels.join(', ')}`);
const rows: BenchRow[] = [...decoderBench()];
for (const kernel of kernels) if (chosen.includes(kernel)) rows.push(...(await benchNode(kernel)));
print(rows);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);

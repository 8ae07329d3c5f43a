// `npm start` keeps its promise: from the repository to a VS Code in the browser that traces the demo node, and Ctrl+C ends it all.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lane } from '../../extension/protocol/timeline.ts';
import { cacheDirectory } from '../node/command.ts';
import { type TimelineModel, TimelinePage } from './timelinePage.ts';
import { Workbench } from './workbench.ts';

const root = join(import.meta.dirname, '..', '..');

/** How the demo's ping is labelled. */
const ping = 'ICMP 10.20.0.1 → 10.30.0.1';

/** Whether there are lanes in view, all such ones. */
const shows = ({ lanes }: TimelineModel, test: (lane: Lane) => boolean): boolean =>
  lanes.length > 0 && lanes.every(test);

/** A command with its output, in a process group of its own, as a terminal starts it. */
class Running {
  private text = '';
  readonly ended: Promise<number | undefined>;
  readonly group: number;

  constructor(program: string, args: readonly string[]) {
    const child: ChildProcess = spawn(program, args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid === undefined) throw new Error(`${program} could not be started`);
    this.group = child.pid;
    const take = (text: string): void => void (this.text += text);
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    this.ended = new Promise((resolve) => child.on('close', (code) => resolve(code ?? undefined)));
  }

  get output(): string {
    return this.text;
  }

  /** Waits until the output matches; rejects when the command ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) return found;
      const over = await Promise.race([this.ended.then(() => true), delay(100, false)]);
      if (over) throw new Error(`it ended without saying ${String(pattern)}:\n${this.text.slice(-4000)}`);
    }
  }

  /** What Ctrl+C in a terminal does. */
  interrupt(): void {
    process.kill(-this.group, 'SIGINT');
  }

  kill(): void {
    try {
      process.kill(-this.group, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  }
}

/** Every process that descends from this one, by its parents as they are now: process id to command line. */
async function descendants(ancestor: number): Promise<ReadonlyMap<number, string>> {
  const parents = new Map<number, number>();
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  await Promise.all(
    names.map(async (name) => {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
      const parent = /\) \S (\d+)/.exec(stat)?.[1];
      if (parent !== undefined) parents.set(Number(name), Number(parent));
    }),
  );
  const found = new Map<number, string>();
  for (const start of parents.keys()) {
    let at: number | undefined = start;
    while (at !== undefined && at !== ancestor) at = parents.get(at);
    if (at === undefined) continue;
    const line = await readFile(`/proc/${start}/cmdline`, 'utf8').catch(() => '');
    found.set(start, line.replaceAll('\0', ' ').trim());
  }
  return found;
}

describe('npm start', () => {
  let demo: Running;
  let url = '';
  let workbench: Workbench | undefined;

  beforeAll(() => {
    demo = new Running('npm', ['start']);
  });

  afterAll(async () => {
    await workbench?.close();
    demo.kill();
    await demo.ended;
  });

  test('it prints the address of a VS Code that answers', { timeout: 600_000 }, async () => {
    url = (await demo.says(/http:\/\/127\.0\.0\.1:\d+\/\S*/))[0];
    expect((await fetch(url)).status).toBe(200);
    expect(demo.output).toMatch(/Node to trace: +demo-node \(Linux 6\.12/);
  });

  test('VS Code opens on what to do next, and asks nothing', async () => {
    const opened = await Workbench.open({
      server: { url: () => url },
      folder: join(cacheDirectory(), 'demo', 'workspace'),
    });
    workbench = opened;
    await opened.tab('[Preview] README.md');
    expect(await opened.notifications()).toEqual([]);
    await opened.screenshot('demo-welcome');
  });

  test('the demo node is the one to trace, and its dropped packets show', async () => {
    const window = workbench ?? expect.fail('VS Code did not open');
    await window.runCommand('Packet Trail: Start Trace');
    expect(await window.picks()).toEqual(['demo-node', 'This Machine', 'Add Node…']);
    await window.pick('demo-node');
    await window.enter('icmp or tcp port 8080', /Start Trace on demo-node/);
    const timeline = new TimelinePage(window);
    const isDropped = ({ drop }: Lane): boolean => drop === 'NETFILTER_DROP';
    await timeline.until('a dropped packet', ({ lanes }) => lanes.some(isDropped), 180_000);
    const isPing = ({ label }: Lane): boolean => label.startsWith(ping);
    await timeline.until('a ping', ({ lanes }) => lanes.some(isPing), 180_000);
    // What is shown moves on while packets come.
    await window.runCommand('Packet Trail: Stop Trace');
    await timeline.showOnly('drop:NETFILTER_DROP');
    const { lanes } = await timeline.until('drops alone', (model) => shows(model, isDropped));
    await timeline.selectPacket(lanes[0] ?? expect.fail('no dropped packet'));
    await window.screenshot('demo-drop');
  });

  test('a ping shows the tc program that handled it: its verdict, where it is attached, and on a click its source', async () => {
    const window = workbench ?? expect.fail('VS Code did not open');
    const timeline = new TimelinePage(window);
    await timeline.showOnly('prog:trail_mark proto:icmp');
    const isPing = ({ label }: Lane): boolean => label.startsWith(ping);
    const { lanes } = await timeline.until('pings alone', (model) => shows(model, isPing));
    const packet = lanes[0] ?? expect.fail('no ping');
    const trail = await timeline.selectPacket(packet);
    const hops = trail.filter(({ program }) => program !== undefined);
    expect(hops.map((hop) => [hop.program?.kind, hop.function, hop.verdict])).toEqual([
      ['entry', 'trail_mark', undefined],
      ['verdict', 'trail_mark', 'TC_ACT_OK'],
    ]);
    for (const { program } of hops) expect(program?.where).toMatch(/^tc ingress eth-server\b.*\btrail_mark\b/);
    await timeline.zoomToPacket(packet);
    await timeline.selectHop('trail_mark');
    await window.screenshot('demo-tc');
    await timeline.openHop('trail_mark');
    const cursor = await window.cursorAt(/\bint trail_mark\(struct __sk_buff \*skb\)/);
    expect(cursor.file).toBe('tc.bpf.c');
    await window.screenshot('demo-tc-source');
  });

  test('Ctrl+C ends everything that it started', async () => {
    const started = await descendants(demo.group);
    const running = [...started.values()].join('\n');
    expect(running).toContain('qemu-system-x86_64');
    expect(running).toContain('server-main.js');
    demo.interrupt();
    await demo.ended;
    // Orphans would have another parent by now, so they are looked for by their process ids.
    const left = async (): Promise<string[]> => {
      const lines = await Promise.all(
        [...started].map(async ([pid, was]) => {
          const is = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
          return is !== '' && is.replaceAll('\0', ' ').trim() === was ? [`${pid} ${was}`] : [];
        }),
      );
      return lines.flat();
    };
    await expect.poll(left, { timeout: 60_000 }).toEqual([]);
    await expect(fetch(url)).rejects.toThrow();
  });
});

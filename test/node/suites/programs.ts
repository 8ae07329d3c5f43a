// BPF programs, whoever wrote them: each is hooked or reported with the reason, and none keeps a trace from starting. The
// objects are programs/*.bpf.c, loaded by programs/loader.c.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { programTree, type ProgramRow } from '../../../extension/trace/programTree.ts';
import type { TrailRow } from '../../../extension/protocol/timeline.ts';
import type { Program } from '../../../extension/trace/programMessages.ts';
import type { TraceStore } from '../../../extension/trace/store.ts';
import { readEvent } from '../../../extension/trace/trail.ts';
import { nodeTool } from '../programs.ts';
import {
  helperPath,
  helpersRunning,
  leftovers,
  leftSince,
  quote,
  trace,
  traceAll,
  traceDuring,
  trails,
  type NodeTrace,
} from '../tracing.ts';
import type { TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

const loaderPath = '/root/loader';

/** A loader that holds its programs. */
interface Held {
  /** Of the programs it loaded, by name; of two with one name the later. */
  readonly ids: Readonly<Record<string, number>>;
  /** All that it printed. */
  readonly said: string;
  end(): Promise<void>;
}

export const programs: Suite = (kernel, booted, whole) => {
  let node: TestNode;
  let facts: Record<string, string>;
  let held: Held[] = [];

  beforeAll(async () => {
    node = booted();
    await node.upload(await nodeTool('loader', console.log), loaderPath);
  });
  beforeEach(async () => {
    facts = await node.scenario('pair');
  });
  afterEach(async () => {
    for (const one of held) await one.end();
    held = [];
    await node.scenario('clean');
  });

  const fact = (name: string): string => {
    const value = facts[name];
    if (value === undefined) throw new Error(`the scenario told no ${name}`);
    return value;
  };

  /** Runs the loader's steps in a namespace; `hold` as the last one keeps it until the test is over. */
  const loader = async (netns: string, steps: string): Promise<Held> => {
    const child = node.spawn(`exec ip netns exec ${netns} ${loaderPath} ${steps}`);
    let said = '';
    const ready = steps.endsWith('hold');
    const over = new Promise<void>((resolve) => child.on('close', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (ready && said.includes('ready\n')) resolve();
      });
      child.on('close', (code) => (code === 0 && !ready ? resolve() : reject(new Error(`loader ${steps}: ${said}`))));
    });
    const ids: Record<string, number> = {};
    for (const [, name = '', id] of said.matchAll(/^ID_(.*)=(\d+)$/gm)) ids[name] = Number(id);
    const one: Held = {
      ids,
      said,
      end: async () => {
        child.stdin.end();
        await over;
      },
    };
    if (ready) held.push(one);
    return one;
  };
  const id = ({ ids }: Held, name: string): number => {
    const value = ids[name];
    if (value === undefined) throw new Error(`the loader loaded no ${name}`);
    return value;
  };
  const known = (store: TraceStore, number: number): Program => {
    const program = store.programs.get(number);
    if (!program) throw new Error(`program ${number} is not in the trace`);
    return program;
  };

  const ping = (count = 3, ...more: string[]) =>
    node.exec(`ip netns exec client ping -q -c ${count} -i 0.1 -W 1 ${more.join(' ')} ${fact('SERVER_ADDRESS')}`);
  const udp = async (port: number, count = 3) => {
    for (let i = 0; i < count; i++) {
      await node.exec(`echo hello | ip netns exec client socat -u STDIN UDP4-SENDTO:${fact('SERVER_ADDRESS')}:${port}`);
    }
  };

  /** Hops of a program, each packet's by itself. */
  const hopsOf = (store: TraceStore, name: string, kind: 'entry' | 'verdict'): readonly TrailRow[] =>
    trails(store)
      .flat()
      .filter((row) => row.function === name && row.program?.kind === kind);
  const verdictsOf = (store: TraceStore, name: string): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { verdict = 'none' } of hopsOf(store, name, 'verdict')) counts[verdict] = (counts[verdict] ?? 0) + 1;
    return counts;
  };

  /** Ids of the programs that see packets, as the kernel tells them. */
  const loaded = async (): Promise<number[]> => {
    const { stdout } = await node.exec('bpftool --json prog show');
    const all = JSON.parse(stdout) as readonly { readonly id: number; readonly type: string }[];
    return all.filter(({ type }) => ['sched_cls', 'sched_act', 'xdp', 'ext'].includes(type)).map((one) => one.id);
  };
  /** Every loaded program is hooked or reported with a reason. */
  const expectAllAccounted = async (store: TraceStore): Promise<void> => {
    const ids = await loaded();
    expect(ids.length).toBeGreaterThan(0);
    for (const number of ids) {
      const program = known(store, number);
      if (program.state === 'hooked') {
        expect(program.entryHook + program.verdictHook, `hooks of ${program.name}`).toBeGreaterThan(0);
      } else {
        expect(program.state, program.name).toBe('reported');
        expect(program.reason, `why ${program.name} isn't hooked`).not.toBe('');
      }
    }
  };

  /** Not where it is by default, which `ip netns exec` hides. */
  const mountPins = () => node.exec('mkdir -p /run/pins && mount -t bpf bpf /run/pins');

  /** Loader's steps for what Cilium 1.11 has at a container's interface; the slots stay as long as their arrays are pinned. */
  const containers = [
    'load endpoint slot calls 1 __send_drop_notify slot calls 7 tail_handle_ipv4 slot policies 42 handle_policy',
    'pinmap calls /run/pins/calls pinmap policies /run/pins/policies',
    'tc handle_xgress eth-server ingress 1 tc handle_to_container eth-server egress 1',
  ].join(' ');

  /** tcx and netkit came with 6.6 and 6.7. */
  const hasLinks = kernel !== '5.10' && kernel !== '6.1';

  test("Subprog __send_drop_notify doesn't exist", async () => {
    await mountPins();
    const endpoint = await loader('server', `${containers} naive handle_xgress`);
    // The counter-example: the first FUNC of the BTF, which is another program's, is refused by the kernel …
    expect(endpoint.said).toContain('NAIVE_FUNC=__send_drop_notify\n');
    expect(endpoint.said).toContain('NAIVE_RESULT=refused\n');
    expect(endpoint.said).toContain("NAIVE_LOG=Subprog __send_drop_notify doesn't exist\n");
    // … and the program is traced all the same, at its own entry.
    const args = ['--function', 'ip_rcv', '--function', 'bpf_*', 'icmp', 'or', 'udp', 'port', '9'];
    const { store } = await traceDuring(node, args, async () => {
      await ping(3);
      await udp(9, 2);
    });
    await node.exec('umount /run/pins');
    await expectAllAccounted(store);
    const entered = known(store, id(endpoint, 'handle_xgress'));
    expect(entered).toMatchObject({ name: 'handle_xgress', state: 'hooked', reason: '' });
    expect(entered.attachments).toMatchObject([
      { kind: 'tc', direction: 'ingress', priority: 1, handle: 1, direct: true },
    ]);
    expect(entered.tailCalls).toContainEqual({ map: 'calls', index: 7, program: id(endpoint, 'tail_handle_ipv4') });
    expect(verdictsOf(store, 'handle_xgress')).toEqual({ TC_ACT_OK: 3, TC_ACT_SHOT: 2 });
    expect(verdictsOf(store, 'handle_to_container')).toEqual({ TC_ACT_OK: 3 });
    // A tail call doesn't come back: the verdict is that of the last program, whose own hooks stay silent.
    for (const name of ['tail_handle_ipv4', 'handle_policy', '__send_drop_notify']) {
      expect(known(store, id(endpoint, name)).state).toBe('hooked');
      expect(hopsOf(store, name, 'entry'), name).toEqual([]);
    }
    const returnedBy = (verdict: string): (string | undefined)[] =>
      hopsOf(store, 'handle_xgress', 'verdict')
        .filter((row) => row.verdict === verdict)
        .map(({ event }) => store.detail(event).fields.find(({ name }) => name === 'Returned by')?.value);
    const by = (name: string): RegExp => new RegExp(`^${name} \\(id \\d+\\), reached by a tail call`);
    for (const text of returnedBy('TC_ACT_OK')) expect(text).toMatch(by('handle_policy'));
    for (const text of returnedBy('TC_ACT_SHOT')) expect(text).toMatch(by('__send_drop_notify'));
    // The same packets as the kernel's functions around it.
    const trail = trails(store).find((rows) => rows.some((row) => row.verdict === 'TC_ACT_OK'));
    const names = trail?.map((row) => row.function) ?? [];
    expect(names.indexOf('ip_rcv')).toBeGreaterThan(names.indexOf('handle_xgress'));
  });

  if (whole)
    test('every object here loaded at once: the trace starts, all are accounted for, and verdicts are as many as the packets', async () => {
      await mountPins();
      const objects = ['shared', 'chain', 'stripped', 'lines', 'eliminated', 'redirect', 'tc', 'dispatcher'];
      const endpoint = await loader('server', `${objects.map((name) => `load ${name}`).join(' ')} ${containers} hold`);
      const client = await loader(
        'client',
        'load xdp replace component component pass_all pass_all xdp pass_all eth-client native hold',
      );
      const send = async () => {
        await ping(3);
        await udp(9, 2);
      };
      const { store, end } = await traceDuring(node, ['icmp or udp port 9'], send, { first: true });
      await node.exec('umount /run/pins');
      await expectAllAccounted(store);
      expect(store.programs.size).toBeGreaterThanOrEqual(
        Object.keys(endpoint.ids).length + Object.keys(client.ids).length,
      );
      expect(verdictsOf(store, 'handle_xgress')).toEqual({ TC_ACT_OK: 3, TC_ACT_SHOT: 2 });
      expect(verdictsOf(store, 'handle_to_container')).toEqual({ TC_ACT_OK: 3 });
      expect(end.total?.sent).toBe(store.eventCount + store.lost);
    });

  test('verdicts are as many as the packets, a drop among them, with the place where the program is attached', async () => {
    const built = await node.scenario('tc', 'build', 'drop_icmp');
    const filters = ['icmp', 'tcp'].map((filter) => ['--function', 'ip_rcv', filter]);
    const [store, other] = await traceAll(node, filters, () => node.scenario('tc', 'send', 'drop_icmp', 4));
    if (store === undefined || other === undefined) throw new Error('two traces were asked for');
    expect(verdictsOf(other, 'trail_drop_icmp')).toEqual({});
    expect(verdictsOf(store, 'trail_drop_icmp')).toEqual({ TC_ACT_SHOT: 4 });
    expect(hopsOf(store, 'trail_drop_icmp', 'entry')).toHaveLength(4);
    const program = known(store, Number(built['PROGRAM_ID']));
    expect(program.attachments).toHaveLength(1);
    expect(program.attachments[0]).toMatchObject({
      kind: 'tc',
      direction: 'ingress',
      netns: Number(built['SERVER_NETNS']),
      ifindex: Number(built['SERVER_IFINDEX']),
      label: 'tc.bpf.o:[tc/drop_icmp]',
      direct: true,
    });
    const hop = hopsOf(store, 'trail_drop_icmp', 'verdict')[0];
    expect(hop?.drop?.reason).toBe('TC_ACT_SHOT');
    expect(hop?.program?.where).toMatch(/^tc ingress eth-server, prio \d+, tc\.bpf\.o trail_drop_icmp$/);
  });

  // In the gate it is the filter alone.
  if (whole)
    test('a packet that does not match gives no event on a program either', async () => {
      await loader('server', 'load shared tc quiet eth-server ingress 1');
      const device = `server/${fact('SERVER_INTERFACE')}`;
      const cases: (readonly [string, readonly string[], number])[] = [
        ['filter, namespace, interface and mark match', ['--interface', device, '--mark', '0', 'icmp'], 2],
        ['another filter', ['tcp'], 0],
        ['another interface', ['--interface', 'server/lo', 'icmp'], 0],
        ['another namespace', ['--netns', '/proc/1/ns/net', 'icmp'], 0],
        ['another mark', ['--mark', '0x7', 'icmp'], 0],
      ];
      const lists = cases.map(([, args]) => ['--programs-only', '--no-follow', ...args]);
      const stores = await traceAll(node, lists, () => ping(2));
      for (const [i, store] of stores.entries()) {
        const [what = '', , count] = cases[i] ?? [];
        expect(hopsOf(store, 'quiet', 'entry').length, what).toBe(count);
        expect(hopsOf(store, 'quiet', 'verdict').length, what).toBe(count);
      }
    }, 300_000);

  if (whole)
    test('--limit holds for the events of programs, and what comes on top is counted', async () => {
      await loader('server', 'load shared tc quiet eth-server ingress 1');
      const running = await trace(node, ['--programs-only', '--limit', '3', 'icmp']);
      await ping(4);
      await running.closed;
      const end = await running.stop();
      expect(end?.cause).toBe('limit');
      expect(running.store.eventCount).toBe(3);
      expect(end?.total?.sent).toBe((end?.total?.delivered ?? 0) + (end?.total?.lost ?? 0));
    });

  if (whole)
    test('--stack and pause hold for functions and programs', async () => {
      await loader('server', 'load shared tc quiet eth-server ingress 1');
      const running = await trace(node, ['--function', 'ip_rcv', '--stack', 'icmp']);
      let answers = 0;
      // Control lines take effect in order: the answer to a filter says that the line before has.
      const tell = async (command: string): Promise<void> => {
        answers += 1;
        running.tell(command);
        running.tell('filter', { filter: 'icmp' });
        await running.until(() => running.filters.length === answers, `an answer after ${command}`);
      };
      await ping(2);
      await tell('pause');
      await ping(3);
      await tell('resume');
      await ping(1);
      await running.stop();
      const entries = hopsOf(running.store, 'quiet', 'entry');
      const received = trails(running.store)
        .flat()
        .filter((row) => row.function === 'ip_rcv' && row.netns === 'server');
      expect([entries.length, received.length]).toEqual([3, 3]);
      expect(verdictsOf(running.store, 'quiet')).toEqual({ TC_ACT_OK: 3 });
      for (const { event } of [...entries, ...received])
        expect(running.store.detail(event).stack.join(' ')).toContain('__netif_receive_skb');
    });

  if (whole)
    test('--no-programs hooks none, --programs-only hooks no other function', async () => {
      const shared = await loader('server', 'load shared tc quiet eth-server ingress 1');
      const without = await traceDuring(node, ['--no-programs', '--function', 'ip_rcv', 'icmp'], () => ping(1));
      expect(without.store.programs.size).toBe(0);
      expect(hopsOf(without.store, 'quiet', 'entry')).toHaveLength(0);
      const only = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(1));
      expect(known(only.store, id(shared, 'quiet')).state).toBe('hooked');
      const kinds = new Set([...only.store.hooks.all()].map(({ kind }) => kind));
      expect([...kinds].filter((kind) => kind === 'kprobe' || kind === 'kprobe.multi')).toEqual([]);
      const both = await node.exec(`${helperPath} --programs-only --no-programs`);
      expect(both.code).toBe(2);
    });

  if (whole)
    test('--program hooks those whose name matches, and reports the others as left out', async () => {
      const shared = await loader('server', 'load shared tc quiet eth-server ingress 1 hold');
      const args = ['--programs-only', '--program', 'qui*', '--program', 'link[0-9]', 'icmp'];
      const { store } = await traceDuring(node, args, () => ping(2));
      await expectAllAccounted(store);
      expect(verdictsOf(store, 'quiet')).toEqual({ TC_ACT_OK: 2 });
      expect(known(store, id(shared, 'quiet')).images.map(({ name }) => name)).toEqual(['quiet', 'is_short']);
      const other = known(store, id(shared, 'notifying'));
      expect(other).toMatchObject({ state: 'reported', entryHook: 0, verdictHook: 0 });
      expect(other.reason).toMatch(/isn't one of those that --program names/);
    });

  if (whole)
    test('two programs of one name are two programs', async () => {
      const first = await loader('server', 'load shared tc quiet eth-server ingress 1');
      const second = await loader('client', 'load shared tc quiet eth-client ingress 1');
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2));
      expect(id(first, 'quiet')).not.toBe(id(second, 'quiet'));
      const hops = hopsOf(store, 'quiet', 'verdict');
      expect(hops.map(({ iface }) => iface).sort()).toEqual(['eth-client', 'eth-client', 'eth-server', 'eth-server']);
      for (const one of [first, second]) expect(known(store, id(one, 'quiet')).state).toBe('hooked');
      expect(known(store, id(first, 'quiet')).entryHook).not.toBe(known(store, id(second, 'quiet')).entryHook);
    });

  if (whole)
    test('a tail-call chain of five is inferred from what its programs call, and from the program array', async () => {
      const slots = [1, 2, 3, 4].map((index) => `slot links ${index} link${index}`).join(' ');
      const chain = await loader('server', `load chain ${slots} tc link0 eth-server ingress 1 hold`);
      const { store } = await traceDuring(node, ['--function', 'ip_rcv', '--function', 'bpf_skb_*', 'icmp'], () =>
        ping(1),
      );
      const link0 = known(store, id(chain, 'link0'));
      expect(link0.maps).toEqual(['links']);
      expect(link0.tailCalls).toEqual(
        [1, 2, 3, 4].map((index) => ({ map: 'links', index, program: id(chain, `link${index}`) })),
      );
      const calls = trails(store)
        .flat()
        .filter((row) => row.function === 'bpf_skb_pull_data');
      expect(calls.map(({ calledFrom }) => calledFrom?.program)).toEqual(['link0', 'link1', 'link2', 'link3', 'link4']);
      expect(calls.map(({ calledFrom }) => calledFrom?.tailCalls)).toEqual([
        [],
        ['link1'],
        ['link2'],
        ['link3'],
        ['link4'],
      ]);
      // The verdict is the last one's, told where the chain was entered; fentry doesn't fire for a tail call.
      expect(verdictsOf(store, 'link0')).toEqual({ TC_ACT_OK: 1 });
      expect(hopsOf(store, 'link1', 'entry')).toHaveLength(0);
    });

  // The unwinder of older kernels stops at the code of a BPF program.

  if (whole && kernel !== '5.10' && kernel !== '6.1')
    test('a stack through a program that was loaded meanwhile names it', async () => {
      const running = await trace(node, ['--function', 'bpf_skb_*', '--stack', 'icmp']);
      await loader('server', 'load chain tc link0 eth-server ingress 1 hold');
      await ping(1);
      await running.stop();
      const call = trails(running.store)
        .flat()
        .find((row) => row.function === 'bpf_skb_pull_data');
      if (!call) throw new Error('the program called no helper');
      expect(running.store.detail(call.event).stack.join(' ')).toMatch(/\bbpf_prog_[0-9a-f]{16}_link0\b/);
    });

  test('programs that can’t be hooked are reported, each with its reason, and the trace starts', async () => {
    const stripped = await loader('server', 'load stripped tc stripped eth-server ingress 1');
    const lines = await loader('client', 'load lines tc lines_only eth-client ingress 1');
    const full = await loader(
      'server',
      'load shared trace quiet quiet 64 load xdp replace component component pass_all pass_all hold',
    );
    expect(full.said).toContain('FULL=');
    const { store } = await traceDuring(node, ['--function', 'ip_rcv', 'icmp'], async () => {
      await ping(1);
    });
    await expectAllAccounted(store);
    const reported: readonly (readonly [number, RegExp])[] = [
      [id(stripped, 'stripped'), /no BTF/],
      [id(lines, 'lines_only'), /no func_info/],
      [id(full, 'quiet'), /as many hooks as the kernel allows/],
      [id(full, 'pass_all'), /freplace program has replaced/],
    ];
    for (const [number, reason] of reported) {
      expect(known(store, number)).toMatchObject({ state: 'reported', entryHook: 0, verdictHook: 0 });
      expect(known(store, number).reason).toMatch(reason);
    }
    expect(known(store, id(full, 'notifying')).state).toBe('hooked');
    expect(store.eventCount).toBeGreaterThan(0);
  });

  test('one of our own programs that the kernel refuses takes only itself away, and is told', async () => {
    const shared = await loader(
      'server',
      'load shared tc quiet eth-server ingress 1 refuse on_copy refuse on_tc_entry hold',
    );
    const running = await trace(node, ['--function', 'ip_rcv', 'icmp']);
    await ping(2);
    await running.stop();
    const { store, statuses } = running;
    const stateOf = (name: string) => {
      const hook = [...store.hooks.all()].find(({ function: of }) => of === name);
      return statuses.findLast(({ id: of }) => of === hook?.id);
    };
    expect(stateOf('__copy_skb_header')).toMatchObject({ state: 'skipped' });
    expect(stateOf('__copy_skb_header')?.reason).toMatch(/refuses our program/);
    for (const name of ['ip_rcv', 'skb:kfree_skb', 'skb:consume_skb'])
      expect(stateOf(name)?.state, name).toBe('attached');
    expect(verdictsOf(store, 'quiet')).toEqual({ TC_ACT_OK: 2 });
    expect(hopsOf(store, 'quiet', 'entry')).toEqual([]);
    expect(known(store, id(shared, 'quiet')).reason).toMatch(/^verdicts only: the kernel refuses our program/);
  });

  if (whole)
    test('a program whose first subprogram was eliminated is hooked, and its code carries the right names', async () => {
      const both = await loader('server', 'load eliminated tc eliminating eth-server ingress 1 load shared hold');
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2));
      const program = known(store, id(both, 'eliminating'));
      expect(program).toMatchObject({ name: 'eliminating', state: 'hooked', reason: '' });
      expect(program.images.map(({ name }) => name)).toEqual(['eliminating', 'kept']);
      // In one program of an object it is there, in the other it isn't.
      expect(known(store, id(both, 'notifying')).images.map(({ name }) => name)).toContain('drop_short');
      expect(known(store, id(both, 'quiet')).images.map(({ name }) => name)).not.toContain('drop_short');
      expect(verdictsOf(store, 'eliminating')).toEqual({ TC_ACT_OK: 2 });
    });

  /** Rows of the tree from the top: interface, direction, program; a program's verdicts with how often. */
  const tree = (store: TraceStore, name: string): Record<string, Record<string, number>> => {
    const found: Record<string, Record<string, number>> = {};
    const walk = (rows: readonly ProgramRow[], path: string): void => {
      for (const row of rows) {
        if (row.kind === 'program' && row.label === name) {
          found[path] = Object.fromEntries(row.children.map(({ label, count }) => [label, count]));
        } else walk(row.children, path === '' ? row.label : `${path}, ${row.label}`);
      }
    };
    walk(programTree(store), '');
    return found;
  };

  if (whole)
    test('one program on both directions of an interface, and on another: each place has its own verdict count', async () => {
      const server = 'eth-server';
      // Not below /sys, of which each namespace has its own.
      await mountPins();
      const steps = `load shared tc quiet ${server} ingress 1 tc quiet ${server} egress 1 pin quiet /run/pins/quiet`;
      const shared = await loader('server', steps);
      const { code, stderr } = await node.exec(
        `tc -n client qdisc add dev eth-client clsact &&
         tc -n client filter add dev eth-client egress prio 3 bpf da object-pinned /run/pins/quiet &&
         umount /run/pins`,
      );
      expect(code, stderr).toBe(0);
      const { store } = await traceDuring(node, ['--programs-only', 'udp or icmp'], async () => {
        await ping(2);
        await udp(9, 3);
      });
      expect(known(store, id(shared, 'quiet')).attachments).toHaveLength(3);
      const counts = tree(store, 'quiet');
      expect(counts[`${server}, tc ingress`]).toEqual({ TC_ACT_OK: 5 });
      expect(counts['eth-client, tc egress']).toEqual({ TC_ACT_OK: 5 });
      // Echo replies, and as many of the answers that nobody listens as their rate limit lets through.
      const up = counts[`${server}, tc egress`]?.['TC_ACT_OK'] ?? 0;
      expect(up).toBe(hopsOf(store, 'quiet', 'verdict').length - 10);
      expect(up).toBeGreaterThanOrEqual(2);
      expect(up).toBeLessThanOrEqual(5);
    });

  if (whole)
    test('a filter in a block that interfaces share is told at its interface, with the block', async () => {
      const { code, stderr } = await node.exec(
        `tc -n server qdisc add dev eth-server ingress_block 22 clsact &&
         tc -n server filter add block 22 prio 7 bpf da obj /programs/tc.bpf.o sec tc/pass`,
      );
      expect(code, stderr).toBe(0);
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2));
      const [program] = [...store.programs.all()].filter(({ name }) => name === 'trail_pass');
      expect(program?.attachments).toHaveLength(1);
      const place = {
        kind: 'tc',
        direction: 'ingress',
        ifindex: Number(fact('SERVER_IFINDEX')),
        priority: 7,
        block: 22,
      };
      expect(program?.attachments[0]).toMatchObject(place);
      expect(tree(store, 'trail_pass')).toEqual({ 'eth-server, tc ingress': { TC_ACT_OK: 2 } });
    });

  if (whole)
    test('a program that is the action of a filter is told at that filter', async () => {
      const { code, stderr } = await node.exec(
        `modprobe -a -q act_bpf cls_matchall
         tc -n server qdisc add dev eth-server clsact &&
         tc -n server filter add dev eth-server ingress prio 4 matchall action bpf object-file /programs/tc.bpf.o section tc/drop_icmp`,
      );
      expect(code, stderr).toBe(0);
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2));
      const [program] = [...store.programs.all()].filter(({ name }) => name === 'trail_drop_icmp');
      expect(program?.attachments).toHaveLength(1);
      const place = { kind: 'tc action', direction: 'ingress', ifindex: Number(fact('SERVER_IFINDEX')), priority: 4 };
      expect(program?.attachments[0]).toMatchObject(place);
      expect(tree(store, 'trail_drop_icmp')).toEqual({ 'eth-server, tc action ingress': { TC_ACT_SHOT: 2 } });
    });

  if (whole)
    test('another filter holds for programs at once: no packet is told twice or not at all', async () => {
      await loader('server', 'load shared tc quiet eth-server ingress 1');
      const running = await trace(node, ['--programs-only', '--no-follow', 'udp']);
      await ping(2);
      expect(hopsOf(running.store, 'quiet', 'entry')).toHaveLength(0);
      const change = async (filter: string): Promise<void> => {
        const before = running.filters.length;
        running.tell('filter', { filter });
        await running.until(() => running.filters.length > before, `the filter "${filter}" was answered`);
        expect(running.filters.at(-1)?.error).toBe('');
      };
      await change('icmp');
      const count = 400;
      const sending = { over: false };
      const pings = node
        .exec(`ip netns exec client ping -q -c ${count} -i 0.004 -W 1 ${fact('SERVER_ADDRESS')}`)
        .finally(() => (sending.over = true));
      let changes = 1;
      for (; !sending.over; changes++) await change(`icmp or tcp port ${changes}`);
      await pings;
      await change('tcp');
      await ping(2);
      const end = await running.stop();
      expect(hopsOf(running.store, 'quiet', 'entry')).toHaveLength(count);
      // Each change exchanges two hooks, and each that comes or goes keeps the kernel from running fexit where the program is
      // running just then, on one CPU here (bpf_tramp_image_put(), kernel/bpf/trampoline.c).
      const { TC_ACT_OK: told = 0, ...others } = verdictsOf(running.store, 'quiet');
      expect(others).toEqual({});
      expect(told).toBeLessThanOrEqual(count);
      expect(told).toBeGreaterThanOrEqual(count - 4 * changes);
      expect(end?.total?.sent).toBe(running.store.eventCount + running.store.lost);
    });

  if (whole)
    test('hooks on programs count against the budget: they are shed when it is used up, and stay when it is not', async () => {
      const shared = await loader('server', 'load shared tc quiet eth-server ingress 1');
      const copies = async (): Promise<number> =>
        Number((await node.exec('bpftool prog show | grep -c -E "name (entry|verdict) " || true')).stdout);
      const flood = (): Promise<unknown> =>
        node.exec(`ip netns exec client ping -n -f -q -w 3 ${fact('SERVER_ADDRESS')}`);
      const shed = (running: NodeTrace): string[] =>
        running.statuses.filter((one) => one.state === 'shed' && one.function === 'quiet').map(({ reason }) => reason);

      const ample = await trace(node, ['--programs-only', '--max-overhead', '800%', 'icmp']);
      await flood();
      const end = await ample.stop();
      expect(shed(ample)).toEqual([]);
      // What they took is in the account: more than all that runs when no program is hooked.
      const packets = hopsOf(ample.store, 'quiet', 'verdict').length;
      expect(packets).toBeGreaterThan(0);
      expect(end?.total?.runNs).toBeGreaterThan(0);
      expect(end?.total?.sent).toBe(ample.store.eventCount + ample.store.lost);

      const tight = await trace(node, ['--programs-only', '--max-overhead', '0.2%', 'icmp']);
      // What runs by itself may use up so little: then they are gone before anyone looks.
      const hooked = tight.statuses.filter((one) => one.state === 'attached' && one.function === 'quiet');
      expect(hooked).toHaveLength(2);
      await Promise.all([flood(), tight.until(() => shed(tight).length === 2, 'both hooks were shed')]);
      for (const reason of shed(tight)) expect(reason).toMatch(/^shed to keep --max-overhead/);
      await expect.poll(copies, { timeout: 60_000 }).toBe(0);
      // One that comes later isn't hooked when nothing is left, and is hooked when the budget holds: reported or hooked, never lost.
      await expectAllAccounted(tight.store);
      expect(known(tight.store, id(shared, 'quiet')).reason).toMatch(/shed to keep --max-overhead/);
      const last = await tight.stop();
      expect(last?.total?.sent).toBe(tight.store.eventCount + tight.store.lost);
    });

  if (hasLinks)
    test('tcx links are told with direction and link', async () => {
      const shared = await loader(
        'server',
        'load shared tcx quiet eth-server ingress tcx notifying eth-server egress hold',
      );
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2));
      expect(verdictsOf(store, 'quiet')).toEqual({ TCX_PASS: 2 });
      expect(verdictsOf(store, 'notifying')).toEqual({ TCX_PASS: 2 });
      const { attachments } = known(store, id(shared, 'quiet'));
      expect(attachments).toHaveLength(1);
      expect(attachments[0]).toMatchObject({
        kind: 'tcx',
        direction: 'ingress',
        ifindex: Number(fact('SERVER_IFINDEX')),
      });
      expect(attachments[0]?.link).toBeGreaterThan(0);
      expect(known(store, id(shared, 'notifying')).attachments[0]?.direction).toBe('egress');
    });

  if (whole && hasLinks)
    test.each([
      ['two programs', 'quiet', 'notifying'],
      ['one program', 'quiet', 'quiet'],
    ])('%s on both sides of a netkit pair: each side has its own verdict count', async (_, primary, peer) => {
      await node.exec(
        `set -e
         ip -n client link add nk0 type netkit peer name nk1
         ip -n client link set nk1 netns server
         ip -n client address add 10.11.0.1/24 dev nk0; ip -n client link set nk0 up
         ip -n server address add 10.11.0.2/24 dev nk1; ip -n server link set nk1 up`,
      );
      const shared = await loader('client', `load shared netkit ${primary} nk0 primary netkit ${peer} nk0 peer hold`);
      const { store } = await traceDuring(node, ['--programs-only', 'icmp[0] == 8'], () =>
        node.exec(
          `ip netns exec client ping -q -c 2 -i 0.1 10.11.0.2; ip netns exec server ping -q -c 3 -i 0.1 10.11.0.1`,
        ),
      );
      const sides = known(store, id(shared, primary)).attachments.map(({ kind, direction }) => `${kind} ${direction}`);
      expect(sides).toContain('netkit egress');
      expect(known(store, id(shared, peer)).attachments.at(-1)?.kind).toBe('netkit');
      const counts = { ...tree(store, primary), ...tree(store, peer) };
      expect(counts).toMatchObject({
        'nk0, netkit primary': { NETKIT_PASS: 2 },
        'nk0, netkit peer': { NETKIT_PASS: 3 },
      });
    });

  test('native XDP on veth: verdicts are as many as the packets, and a frame and its skb are one trail', async () => {
    await loader('client', 'load xdp xdp pass_all eth-client native hold');
    const sorting = await loader(
      'server',
      `load xdp value target ${fact('SERVER_IFINDEX')} xdp sort_udp eth-server native hold`,
    );
    const { store } = await traceDuring(node, ['--function', 'ip_*', '--function', 'udp_*', 'udp'], async () => {
      await udp(9, 3);
      await udp(10, 2);
      await udp(11, 1);
      await udp(12, 1);
      await udp(13, 4);
    });
    const program = known(store, id(sorting, 'sort_udp'));
    expect(program.attachments[0]).toMatchObject({ kind: 'xdp', ifindex: Number(fact('SERVER_IFINDEX')) });
    const redirect = `XDP_REDIRECT → ${fact('SERVER_INTERFACE')}`;
    expect(verdictsOf(store, 'sort_udp')).toEqual({
      XDP_DROP: 3,
      XDP_ABORTED: 2,
      XDP_TX: 1,
      [redirect]: 1,
      XDP_PASS: 4,
    });
    const trailsOf = (verdict: string) =>
      trails(store).filter((rows) => rows.some((row) => row.function === 'sort_udp' && row.verdict === verdict));
    for (const rows of trailsOf('XDP_PASS')) {
      const names = rows.map((row) => row.function);
      const after = names.slice(names.lastIndexOf('sort_udp') + 1);
      expect(
        after.some((name) => /^(ip|udp)_/.test(name)),
        names.join(' '),
      ).toBe(true);
    }
    for (const rows of trailsOf('XDP_DROP')) expect(rows.find((row) => row.drop)?.drop?.reason).toBe('XDP_DROP');
    // Sent back through the pair: the other end's program sees the same packet.
    for (const rows of trailsOf('XDP_TX')) {
      expect(rows.filter((row) => row.function === 'pass_all').map((row) => row.iface)).toContain('eth-client');
    }
    // What was dropped at XDP is a packet that ends; none is followed for ever.
    expect(trailsOf('XDP_DROP')).toHaveLength(3);
  });

  // XDP knows frames of several buffers since 5.18.
  if (whole && kernel !== '5.10')
    test('an XDP frame of several buffers has its whole length', async () => {
      for (const side of ['client', 'server']) {
        await node.exec(`ip -n ${side} link set eth-${side} mtu 9000`);
      }
      await loader('server', 'load frags xdp pass_frags eth-server native hold');
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2, '-s 8000'));
      const hops = hopsOf(store, 'pass_frags', 'verdict');
      expect(hops.map(({ verdict }) => verdict)).toEqual(['XDP_PASS', 'XDP_PASS']);
      // Ethernet, IP and ICMP headers.
      expect(hops.map(({ event }) => readEvent(store, event).len)).toEqual([8042, 8042]);
    });

  if (whole)
    test('generic XDP: the events belong to the packet that the skb is', async () => {
      await loader('server', 'load xdp xdp sort_udp eth-server generic hold');
      const { store } = await traceDuring(
        node,
        ['--function', '__dev_queue_xmit', '--function', 'ip_rcv', 'udp'],
        async () => {
          await udp(9, 2);
          await udp(13, 2);
        },
      );
      expect(verdictsOf(store, 'sort_udp')).toEqual({ XDP_DROP: 2, XDP_PASS: 2 });
      for (const rows of trails(store).filter((some) => some.some((row) => row.function === 'sort_udp'))) {
        const names = rows.map((row) => row.function);
        expect(names.indexOf('__dev_queue_xmit')).toBe(0);
        expect(names.includes('ip_rcv')).toBe(rows.some((row) => row.verdict === 'XDP_PASS'));
      }
    });

  if (whole)
    test('a component of an XDP dispatcher is hooked inside of it', async () => {
      const both = await loader(
        'server',
        'load dispatcher xdp dispatch eth-server generic replace component component dispatch place0 hold',
      );
      const running = await trace(node, ['--function', 'ip_rcv', 'icmp']);
      await expectAllAccounted(running.store);
      await ping(2);
      await running.stop();
      const { store } = running;
      // Whose verdict it is isn't known where the kernel doesn't tell the target: a number then.
      expect(verdictsOf(store, 'component')).toEqual(kernel === '5.10' ? { '2': 2 } : { XDP_PASS: 2 });
      expect(verdictsOf(store, 'dispatch')).toEqual({ XDP_PASS: 2 });
      const rows = trails(store).find((some) => some.some((row) => row.function === 'component')) ?? [];
      const order = rows.map((row) => row.function).filter((name) => name === 'dispatch' || name === 'component');
      expect(order).toEqual(['dispatch', 'component', 'component', 'dispatch']);
      const [place] = known(store, id(both, 'component')).attachments;
      expect(place?.kind).toBe('freplace');
      expect(place?.link).toBeGreaterThan(0);
      // The kernel tells a tracing link's target since 5.13.
      if (kernel !== '5.10') expect(place).toMatchObject({ target: id(both, 'dispatch'), label: 'place0' });
    });

  if (whole)
    test('a redirect is told with the interface it goes to', async () => {
      await loader('server', 'load redirect tc send_back eth-server ingress 1');
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () => ping(2));
      expect(verdictsOf(store, 'send_back')).toEqual({ [`TC_ACT_REDIRECT → ${fact('SERVER_INTERFACE')}`]: 2 });
    });

  if (whole)
    test('a program that loads during the trace is picked up, one that unloads is marked gone, each soon', async () => {
      const running = await trace(node, ['--programs-only', 'icmp']);
      const { store } = running;
      // By the stream's own times: the first event of a packet every 50 ms, and when it was found gone. A second is what it takes at most;
      // an emulated node has stalls of its own.
      const soonNs = 5e9;
      const pings = node.exec(`ip netns exec client ping -q -c 60 -i 0.05 -W 1 ${fact('SERVER_ADDRESS')}`);
      const shared = await loader('server', 'load shared tc quiet eth-server ingress 1 time');
      const attached = BigInt(/^TIME=(\d+)$/m.exec(shared.said)?.[1] ?? 0);
      await running.until(({ programs: table }) => table.get(id(shared, 'quiet'))?.state === 'hooked', 'it was hooked');
      await pings;
      await ping(1);
      const removed = await loader('server', 'time');
      await node.exec('tc -n server filter del dev eth-server ingress');
      await running.until(({ programs: table }) => table.get(id(shared, 'quiet'))?.state === 'gone', 'it was gone');
      await running.stop();
      const first = Math.min(...hopsOf(store, 'quiet', 'verdict').map(({ timeNs }) => timeNs));
      expect(first - (store.sinceStartOf(attached) ?? -Infinity), 'ns until it was picked up').toBeLessThan(soonNs);
      const { goneNs } = known(store, id(shared, 'quiet'));
      expect(
        Number(goneNs - BigInt(/^TIME=(\d+)$/m.exec(removed.said)?.[1] ?? 0)),
        'ns until it was gone',
      ).toBeLessThan(soonNs);
      // The kernel has let go of it: our hooks don't hold what others have unloaded.
      const ids = await loaded();
      expect(ids).not.toContain(id(shared, 'quiet'));
    });

  if (whole)
    test('the lines of a program are its source', async () => {
      const built = await node.scenario('tc', 'build', 'mark');
      const { store } = await traceDuring(node, ['--programs-only', 'icmp'], () =>
        node.scenario('tc', 'send', 'mark', 1),
      );
      const program = known(store, Number(built['PROGRAM_ID']));
      const lines = store.programs.source(program.id);
      const source = (await readFile(join(import.meta.dirname, '../programs/tc.bpf.c'), 'utf8')).split('\n');
      expect(program.file).toMatch(/tc\.bpf\.c$/);
      expect(source[program.line - 1]).toContain('trail_mark');
      expect(lines.length).toBeGreaterThan(0);
      for (const { line, text } of lines) expect(source[line - 1]?.trim()).toBe(text);
      expect(lines.some(({ text }) => text.includes('skb->mark = TRAIL_MARK'))).toBe(true);
    });

  if (whole)
    test('--json tells program, verdict and redirect', async () => {
      await loader('server', 'load redirect tc send_back eth-server ingress 1');
      const { stdout } = await node.exec(
        `${helperPath} --json --programs-only icmp >/tmp/json 2>/tmp/said &
         until grep -q live: /tmp/said; do sleep 0.1; done
         ip netns exec client ping -q -c 1 -W 1 ${quote(fact('SERVER_ADDRESS'))} >/dev/null
         kill -INT $!; wait; grep '"function":"send_back"' /tmp/json`,
      );
      const events = stdout
        .trim()
        .split('\n')
        .map(
          (line) =>
            JSON.parse(line) as { program: number; verdict: number | null; redirect: number; direction: string },
        );
      expect(events.map(({ verdict }) => verdict)).toEqual([null, 7]);
      expect(events.map(({ redirect }) => redirect)).toEqual([0, Number(fact('SERVER_IFINDEX'))]);
      expect(events.map(({ direction }) => direction)).toEqual(['', 'ingress']);
      expect(events.every(({ program }) => program > 0)).toBe(true);
    });

  // Longer on one kernel.
  const seconds = kernel === '6.12' ? 30 : 15;
  if (whole)
    test(`a program that is swapped every 100 ms for ${seconds} s leaks nothing and ends no trace`, async () => {
      const clean = await leftovers(node);
      const running = await trace(node, ['--programs-only', 'icmp']);
      const [pid = 0] = await helpersRunning(node);
      const held = async (): Promise<number> => Number((await node.exec(`ls /proc/${pid}/fd | wc -l`)).stdout);
      const before = await held();
      const pings = ping(2 * seconds, '-i 0.3');
      const { said } = await loader('server', `swap shared quiet eth-server 100 ${seconds}`);
      await pings;
      const told = (what: string): number => Number(new RegExp(`^${what}=(\\d+)$`, 'm').exec(said)?.[1]);
      expect(told('SWAPPED')).toBeGreaterThan(seconds);
      const quiet = (store: TraceStore): Program[] => [...store.programs.all()].filter(({ name }) => name === 'quiet');
      const alone = (store: TraceStore): boolean =>
        store.programs.get(told('LAST'))?.state === 'hooked' &&
        quiet(store).every(({ id: which, state }) => which === told('LAST') || state === 'gone');
      await running.until(alone, 'the last one alone was hooked');
      // One that lived shorter than a look at the table takes may never be seen.
      expect(quiet(running.store).length).toBeGreaterThan(seconds / 2);
      // None is met a second time while its hooks are taken away.
      const entries = [...running.store.hooks.all()].filter(
        ({ kind, function: of }) => kind === 'BPF entry' && of === 'quiet',
      );
      expect(new Set(entries.map(({ program }) => program)).size).toBe(entries.length);
      const last = (): number => {
        const counts = [...running.store.verdictCounts.of(known(running.store, told('LAST')).verdictHook)];
        return counts.reduce(
          (sum, { values }) => sum + [...values.values()].reduce((some, count) => some + count, 0),
          0,
        );
      };
      const earlier = last();
      await ping(2);
      await running.until(() => last() === earlier + 2, 'its verdicts came');
      await expect.poll(held, { timeout: 60_000 }).toBeLessThanOrEqual(before + 8);
      await running.stop();
      await node.exec('tc -n server filter del dev eth-server ingress');
      await expect.poll(() => leftSince(node, clean), { timeout: 60_000 }).toEqual({});
    }, 300_000);
};

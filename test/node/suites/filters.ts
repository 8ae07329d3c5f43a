// Every option of the helper that chooses what is traced, on real kernels: one case that lets packets through, one that doesn't.
import { beforeAll, expect, test } from 'vitest';
import type { TrailRow } from '../../../extension/protocol/timeline.ts';
import type { TraceStore } from '../../../extension/trace/store.ts';
import { helperPath, quote, trace, traceAll, traceDuring, trails } from '../tracing.ts';
import type { Kernel, TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

/** Few functions, so that attaching is quick; the packet passes each of them once or more. */
const fewNames = ['ip_rcv', 'ip_local_deliver', 'icmp_rcv', 'ip_output', 'veth_xmit', '__dev_queue_xmit'];
const few = fewNames.flatMap((name) => ['--function', name]);

/** Hops of the chosen functions: the end of a packet that has matched is always told, wherever it ends. */
function fewHops(store: TraceStore): readonly TrailRow[] {
  return trails(store)
    .flat()
    .filter((row) => fewNames.includes(row.function));
}

/** Kernels that Debian has built with FPROBE. */
const withMulti: readonly Kernel[] = ['6.12', '7.2'];

export const filters: Suite = (kernel, booted, whole) => {
  let node: TestNode;
  let facts: Record<string, string>;
  beforeAll(async () => {
    node = booted();
    facts = await node.scenario('pair');
  });

  const fact = (name: string): string => {
    const value = facts[name];
    if (value === undefined) throw new Error(`the scenario told no ${name}`);
    return value;
  };
  const ping = (count = 2, ...more: string[]) =>
    node.exec(`ip netns exec client ping -q -c ${count} -i 0.1 -W 2 ${more.join(' ')} ${fact('SERVER_ADDRESS')}`);
  const udp = () =>
    node.exec(`echo hello | ip netns exec client socat -u STDIN UDP4-SENDTO:${fact('SERVER_ADDRESS')}:9999`);
  const eventsOf = async (args: readonly string[], act: () => Promise<unknown>): Promise<number> =>
    (await traceDuring(node, args, act)).store.eventCount;
  /** Traces pings with each of these options. */
  const storesOf = (options: readonly (readonly string[])[], act: () => Promise<unknown>) =>
    traceAll(
      node,
      options.map((some) => [...few, ...some, 'icmp']),
      act,
    );
  /** What would be hooked with these options. */
  const hooked = async (...args: string[]) => {
    const { stdout, code } = await node.exec([helperPath, '--list-hooks', '--json', ...args].map(quote).join(' '));
    expect(code).toBe(0);
    const listed = JSON.parse(stdout) as readonly {
      readonly function: string;
      readonly module: string;
      readonly skipped: string | null;
    }[];
    return listed.filter(({ skipped }) => skipped === null);
  };
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await node.exec([helperPath, ...args].map(quote).join(' '));
    expect(code, stderr).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    return stderr.trim();
  };

  test('a packet filter lets its packets through and no others', async () => {
    const lists = [['icmp'], ...(whole ? [['tcp', 'port', '8080']] : [])];
    const [pings, others] = await traceAll(
      node,
      lists.map((filter) => [...few, ...filter]),
      async () => {
        await udp();
        await ping();
      },
    );
    expect(pings?.eventCount).toBeGreaterThan(0);
    const labels = pings?.lanes('', 0, 1000).lanes.map(({ label }) => label) ?? [];
    expect(
      labels.every((label) => label.startsWith('ICMP')),
      labels.join('; '),
    ).toBe(true);
    if (whole) expect(others?.eventCount).toBe(0);
  });

  if (whole)
    test('a packet filter may look into the link layer', async () => {
      const { stdout } = await node.exec(`ip netns exec server cat /sys/class/net/${fact('SERVER_INTERFACE')}/address`);
      expect(await eventsOf([...few, `ether dst ${stdout.trim()}`], () => ping())).toBeGreaterThan(0);
      expect(await eventsOf([...few, 'ether dst 02:00:00:00:00:77'], () => ping())).toBe(0);
    });

  test('a bad packet filter is refused with the reason', async () => {
    expect(await refused('icmp and and')).toMatch(/filter.*syntax error/i);
    // What no packet could ever match is no trace that stays empty: the helper's own tests have the list.
    expect(await refused('inbound and icmp')).toMatch(/filter.*inbound.*--interface/);
  });

  test('a packet filter says of a VLAN tag beside the packet what tcpdump says, and of a header to come what it will be', async () => {
    await node.scenario('vlan', 'build');
    const below = ['__dev_queue_xmit eth-client', '__dev_queue_xmit eth-server'];
    const above = ['ip_output '];
    // A packet has its tag in the device below: before it no filter can say so.
    const expected = {
      'vlan 100 and icmp': below,
      'icmp and not ether broadcast': above,
      ...(whole && {
        'vlan 200 and icmp': [],
        icmp: above,
        '(vlan 100 and icmp) or (vlan 200 and icmp)': below,
        'icmp and not vlan': above,
        'icmp and not multicast': above,
        'icmp and ether broadcast': [],
        'icmp and len > 90': above,
        'icmp and len < 90': [],
      }),
    };
    const names = ['ip_output', '__dev_queue_xmit', 'ip_rcv', 'icmp_rcv'].flatMap((name) => ['--function', name]);
    const stores = await traceAll(
      node,
      Object.keys(expected).map((filter) => [...names, filter]),
      () => node.scenario('vlan', 'send', 2),
    );
    // It has made its namespaces anew.
    facts = await node.scenario('pair');
    // What ping gets is a clone, of which nothing but the end is told.
    const packets = stores.map((store) => trails(store).filter(([row]) => !row?.function.startsWith('skb:')));
    const began = packets.map((each) => [...new Set(each.map(([row]) => `${row?.function} ${row?.iface}`))].sort());
    expect(Object.fromEntries(Object.keys(expected).map((filter, at) => [filter, began[at]]))).toEqual(expected);
    expect(packets[0]).toHaveLength(4);
  });

  test('a packet filter may look into the payload, wherever that lies', async () => {
    const send = (text: string) =>
      `ip netns exec server socat -u TCP4-LISTEN:4430,reuseaddr OPEN:/dev/null & receiver=$!
       until ip netns exec server grep -q :114E /proc/net/tcp; do sleep 0.1; done
       printf '${text}' | ip netns exec client socat -u - TCP4:${fact('SERVER_ADDRESS')}:4430 || exit
       wait $receiver`;
    const lists = ['0x16', ...(whole ? ['0x17'] : [])].map((byte) => [
      '--function',
      'ip_output',
      `tcp dst port 4430 and tcp[((tcp[12:1] & 0xf0) >> 2):1] = ${byte}`,
    ]);
    const stores = await traceAll(node, lists, async () => {
      const { code, stderr } = await node.exec(send('\\026\\003\\001hello'), { timeoutMs: 60_000 });
      expect(code, stderr).toBe(0);
    });
    const began = stores.map((store) => trails(store).map(([row]) => `${row?.function} ${row?.iface}`));
    // Where a page is, arm64 doesn't tell.
    expect(began).toEqual([kernel.endsWith('arm64') ? [] : ['ip_output '], ...(whole ? [[]] : [])]);
  });

  if (whole)
    test('--netns keeps to one network namespace, by number, name and path', async () => {
      const other = '/proc/1/ns/net';
      const specs = ['server', fact('SERVER_NETNS'), '/run/netns/server', other];
      const stores = await storesOf(
        specs.map((spec) => ['--no-follow', '--netns', spec]),
        () => ping(1),
      );
      const seen = stores.map((store) => [...new Set(fewHops(store).map(({ netns }) => netns))]);
      expect(seen).toEqual(specs.map((spec) => (spec === other ? [] : ['server'])));
      expect(await refused('--netns', 'nowhere')).toMatch(/netns.*nowhere/);
    });

  test(`--interface keeps to one interface, by ${whole ? 'name and index' : 'name'}`, async () => {
    const lists = [
      ['--no-follow', '--interface', `server/${fact('SERVER_INTERFACE')}`],
      ...(whole
        ? [
            ['--no-follow', '--netns', 'server', '--interface', fact('SERVER_IFINDEX')],
            ['--interface', 'server/lo'],
          ]
        : []),
    ];
    const stores = await storesOf(lists, () => ping(1));
    const seen = stores.map((store) => [...new Set(fewHops(store).map(({ iface }) => iface))]);
    expect(seen).toEqual(lists.map((list) => (list.includes('server/lo') ? [] : [fact('SERVER_INTERFACE')])));
    expect(await refused('--interface', 'nothing0')).toMatch(/interface.*nothing0/);
  });

  if (whole)
    test('--mark keeps to packets with that mark, and respects a mask', async () => {
      const specs = ['0x20/0xf0', '0x20', '0x21'].map((mark) => ['--mark', mark]);
      const matched = async (...pinged: string[]): Promise<boolean[]> =>
        (await storesOf(specs, () => ping(1, ...pinged))).map((store) => store.eventCount > 0);
      expect(await matched('-m', '33')).toEqual([true, false, true]);
      expect(await matched()).toEqual([false, false, false]);
      expect(await refused('--mark', '0x1ffffffff')).toMatch(/mark/);
    });

  test('--function and --exclude choose the hooks by glob, and --exclude wins', async () => {
    const { store } = await traceDuring(node, ['--function', 'ip_*', '--exclude', '*_deliver', 'icmp'], () => ping(1));
    const names = new Set(trails(store).flatMap((rows) => rows.map((row) => row.function)));
    const hooks = [...store.hooks.all()].filter(({ kind }) => kind === 'kprobe' || kind === 'kprobe.multi');
    expect(names).toContain('ip_rcv');
    expect(hooks.every((hook) => hook.function.startsWith('ip_'))).toBe(true);
    expect(hooks.map((hook) => hook.function)).not.toContain('ip_local_deliver');
    const { code, stderr } = await node.exec(`${helperPath} --function no_such_function_at_all`);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/no_such_function_at_all/);
  });

  if (whole)
    test('--telling hooks only the functions that tell most, and programs as ever', async () => {
      const names = async (...args: string[]) => new Set((await hooked(...args)).map((one) => one.function));
      const [all, telling] = [await names(), await names('--telling')];
      expect(all.size).toBeGreaterThan(1000);
      expect(telling.size).toBeGreaterThan(80);
      expect(telling.size).toBeLessThan(200);
      expect([...telling].filter((name) => !all.has(name))).toEqual([]);
      expect([...telling]).toEqual(expect.arrayContaining(['ip_rcv', '__dev_queue_xmit', 'skb_release_head_state']));
      expect([...telling]).not.toContain('skb_push');
      // A glob chooses among them.
      expect([...(await names('--telling', '--function', 'tcp_*'))]).not.toContain('ip_rcv');
      expect(await refused('--telling', '--programs-only')).toMatch(/--programs-only --telling/);
    });

  if (whole)
    test('modules are hooked unless --no-modules or another --module says otherwise', async () => {
      const modules = async (...args: string[]) => new Set((await hooked(...args)).map(({ module }) => module));
      // Modules have BTF from 5.11 on; without it nothing tells which of their functions take an skb.
      if (kernel === '5.10') {
        expect([...(await modules())]).toEqual(['']);
        return;
      }
      expect(await modules()).toContain('veth');
      expect([...(await modules('--no-modules'))]).toEqual(['']);
      expect([...(await modules('--module', 'veth'))].sort()).toEqual(['', 'veth']);
    });

  test('--limit ends the trace after exactly that many events', async () => {
    const running = await trace(node, [...few, '--limit', '5', 'icmp']);
    await ping(5);
    await running.closed;
    expect(running.store.eventCount).toBe(5);
    expect(running.store.end?.cause).toBe('limit');
    expect(await refused('--limit', '5x')).toMatch(/limit.*5x/);
  });

  if (whole)
    test('--duration ends the trace after that time', async () => {
      // It may be over before the last of the hooks, which are attached once the trace runs.
      const running = await trace(node, [...few, '--duration', '1'], { first: true });
      const { code } = await running.closed;
      expect(code).toBe(0);
      expect(running.store.end?.cause).toBe('duration');
    });

  test('--stack sends symbolised kernel stacks, and without it there are none', async () => {
    const lists = [['--stack'], ...(whole ? [[]] : [])].map((some) => ['--function', 'icmp_rcv', ...some, 'icmp']);
    const stacks = (await traceAll(node, lists, () => ping(1))).map((store) =>
      trails(store)
        .flat()
        .filter((row) => row.function === 'icmp_rcv')
        .map(({ event }) => store.detail(event).stack),
    );
    expect(stacks[0]?.[0]?.some((frame) => frame.startsWith('ip_local_deliver'))).toBe(true);
    if (!whole) return;
    expect(stacks[1]?.length).toBeGreaterThan(0);
    expect(stacks[1]?.flat()).toEqual([]);
  });

  if (whole)
    test('--backend tracepoints sees a packet queued, received and ended, and no other packet', async () => {
      const lists = [['icmp'], ['tcp', 'port', '8080']].map((words) => ['--backend', 'tracepoints', ...words]);
      const [pings, others] = await traceAll(node, lists, async () => {
        await ping(1);
        await udp();
      });
      if (!pings) throw new Error('no trace');
      const names = trails(pings).map((rows) => rows.map((row) => row.function));
      const passage = ['net:net_dev_queue', 'net:net_dev_start_xmit', 'net:netif_rx', 'net:netif_receive_skb'];
      expect(names.some((trail) => passage.every((name) => trail.includes(name)))).toBe(true);
      expect(pings.lanes('', 0, 1000).lanes.every(({ label }) => label.startsWith('ICMP'))).toBe(true);
      expect(others?.eventCount).toBe(0);
    });

  if (whole)
    test('--backend kprobe traces on every kernel; kprobe.multi where the kernel has it, else it is refused', async () => {
      expect(await eventsOf([...few, '--backend', 'kprobe', 'icmp'], () => ping(1))).toBeGreaterThan(0);
      if (!withMulti.includes(kernel)) {
        const { code, stderr } = await node.exec(`${helperPath} --backend kprobe.multi --duration 1 icmp`);
        expect(code).toBe(1);
        expect(stderr).toMatch(/kprobe\.multi/);
      } else {
        expect(await eventsOf([...few, '--backend', 'kprobe.multi', 'icmp'], () => ping(1))).toBeGreaterThan(0);
      }
      expect(await refused('--backend', 'magic')).toMatch(/backend.*magic/);
    });

  if (whole)
    test('where tracefs can’t be had, functions are hooked one by one, and --list-hooks says what it can’t know', async () => {
      // A folder that looks like tracefs and has nothing in it.
      const hidden = (helper: string, more = ':') =>
        node.exec(
          `mkdir -p /tmp/no-tracefs/events
           ip netns exec client ping -q -i 0.2 -w 30 ${fact('SERVER_ADDRESS')} >/dev/null & pings=$!
           unshare -m sh -c ${quote(`mount --bind /tmp/no-tracefs /sys/kernel/tracing && ${more} && exec ${helper}`)}
           code=$?; kill $pings; exit $code`,
        );
      const args = ['--json', '--backend', 'kprobe', '--limit', '6', '--duration', '20', ...few, 'icmp'].map(quote);
      const { code, stdout, stderr } = await hidden([helperPath, ...args].join(' '));
      expect(code, stderr).toBe(0);
      expect(stdout.trim().split('\n')).toHaveLength(6);
      expect(stdout).toContain('"function":"icmp_rcv"');
      // The functions' own code tells as much as the list.
      const list = [helperPath, '--list-hooks', '--function', 'ip_rcv'].join(' ');
      const listed = await hidden(list, 'mount --bind /dev/null /proc/kcore');
      expect(listed.code).toBe(0);
      expect(listed.stderr).toMatch(/available_filter_functions.*may be refused/);
      const shown = await node.exec([helperPath, '--list-hooks', '--function', 'ip_rcv'].join(' '));
      expect(shown.stderr).toBe('');
    });

  if (whole)
    test('--btf stands in for the BTF that a kernel does not show', async () => {
      const without = (...args: string[]) => {
        const helper = [helperPath, '--json', '--limit', '1', '--duration', '30', ...few, ...args, 'icmp']
          .map(quote)
          .join(' ');
        const hide = 'mkdir -p /tmp/no-btf && mount --bind /tmp/no-btf /sys/kernel/btf';
        return node.exec(
          `cp /sys/kernel/btf/vmlinux /tmp/vmlinux.btf
           ip netns exec client ping -q -i 0.2 -w 60 ${fact('SERVER_ADDRESS')} >/dev/null &
           unshare -m sh -c ${quote(`${hide} && exec ${helper}`)}
           code=$?; kill $!; exit $code`,
        );
      };
      const { code, stdout, stderr } = await without('--btf', '/tmp/vmlinux.btf');
      expect(code, stderr).toBe(0);
      expect((JSON.parse(stdout) as { readonly daddr: string }).daddr).toMatch(/^10\./);
      const refusal = await without();
      expect(refusal.code).toBe(1);
      expect(refusal.stderr).toMatch(/BTF.*--btf/);
    });

  test('--btf that points at nothing gives one clear message', async () => {
    const { code, stderr } = await node.exec(`${helperPath} --btf /nowhere/vmlinux icmp`);
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/BTF.*\/nowhere\/vmlinux \(No such file/);
    const none = await node.exec(`${helperPath} --btf ${helperPath} icmp`);
    expect(none.stderr).toMatch(/^[^\n]*no BTF: \/root\/\S+ \(it holds no BTF\)[^\n]*--btf[^\n]*$/m);
  });

  test('--check passes here and says what is missing to somebody who is not root', async () => {
    const root = await node.exec(`${helperPath} --check`);
    expect(root.code, root.stdout).toBe(0);
    await node.exec(`cp ${helperPath} /tmp/helper && chmod 755 /tmp/helper`);
    const guest = await node.exec('/tmp/helper --check', { user: 'guest' });
    expect(guest.code).toBe(1);
    expect(guest.stdout).toMatch(/fail.*root/);
  });
};

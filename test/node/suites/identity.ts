// Packets keep their identity, drops their reason, and losses their count, on real kernels.
import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import type { TrailRow } from '../../../extension/protocol/timeline.ts';
import {
  guardsRunning,
  helperPath,
  helpersRunning,
  leftovers,
  leftSince,
  trace,
  traceDuring,
  trailOf,
  trails,
  type NodeTrace,
} from '../tracing.ts';
import type { TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

export const identity: Suite = (kernel, booted, whole) => {
  let node: TestNode;
  beforeAll(() => {
    node = booted();
  });

  // Where functions are hooked one by one, those that tell most of a packet's way are enough here; the others follow meanwhile.
  const first = { first: true };

  /** Has the helper end, and kills in that second when it waits for the kernel. */
  const killWhileHooksGo = async (helper: number, kill: string): Promise<void> => {
    const { stdout } = await node.exec(
      `kill -TERM ${helper}; until grep -qvx 0 /sys/kernel/rcu_expedited; do kill -0 ${helper} || exit; done; ${kill}; echo killed`,
    );
    expect(stdout).toBe('killed\n');
  };

  const lastOf = (rows: readonly TrailRow[]): TrailRow => {
    const row = rows.at(-1);
    if (!row) throw new Error('an empty trail');
    return row;
  };

  test('a ping that nft drops ends as a drop, told with the reason and the place', async () => {
    const { store } = await traceDuring(node, ['icmp'], () => node.scenario('nft-drop', 'icmp'), first);
    const dropped = trails(store).filter((rows) => rows.some(({ drop }) => drop));
    expect(dropped.length).toBeGreaterThan(0);
    const trail = dropped[0] ?? [];
    const drop = trail.find((row) => row.drop)?.drop;
    // The kernel tells reasons from 5.17 on.
    expect(drop?.reason).toBe(kernel === '5.10' ? 'no reason given' : 'NETFILTER_DROP');
    expect(drop?.where).toMatch(/^(nf_hook_slow|nft_do_chain)\+0x/);
    const names = trail.map((row) => row.function);
    const order = ['ip_local_out', '__dev_queue_xmit', 'veth_xmit', 'ip_rcv', 'ip_local_deliver', 'nf_hook_slow'];
    expect(order.filter((name) => names.includes(name)).length).toBeGreaterThanOrEqual(4);
    const places = order.map((name) => names.lastIndexOf(name)).filter((place) => place >= 0);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  test('a DNATed packet keeps its id', async () => {
    const running = await trace(node, ['tcp', 'dst', 'port', '80'], first);
    const facts = await node.scenario('dnat');
    await running.stop();
    const { store } = running;
    const natted = trails(store).filter((rows) =>
      rows.some(({ changes }) => changes.some((change) => change.includes('dst'))),
    );
    expect(natted.length, JSON.stringify(facts)).toBeGreaterThan(0);
    for (const rows of natted) {
      // The filter says port 80 only; what comes after the translation is there because the packet is followed.
      const after = rows.slice(rows.findIndex(({ changes }) => changes.some((change) => change.includes('8080'))));
      expect(after.some((row) => row.netns === 'server')).toBe(true);
    }
  });

  if (whole)
    test('without following, a packet is lost at the translation', async () => {
      const running = await trace(node, ['--no-follow', 'tcp', 'dst', 'port', '80'], first);
      await node.scenario('dnat');
      await running.stop();
      // What is told of the packet after that is only its end.
      const received = trails(running.store)
        .flat()
        .filter((row) => row.function === 'ip_rcv');
      const seen = new Set(received.map(({ netns }) => netns));
      expect(seen).toContain('router');
      expect(seen).not.toContain('server');
    });

  test('a packet id ends with its skb: no trail holds two packets', async () => {
    const { store } = await traceDuring(node, ['icmp'], () => node.scenario('flood', 200), first);
    for (let lane = 0; lane < store.packetCount; lane++) {
      const rows = trailOf(store, lane);
      const tuples = new Set(rows.flatMap((row) => row.changes.filter((change) => /^(src|dst)/.test(change))));
      expect(tuples.size, `lane ${lane}`).toBe(0);
      // A ping's packet passes the sender's stack once.
      expect(rows.filter((row) => row.function === 'veth_xmit').length).toBeLessThanOrEqual(1);
      expect(lastOf(rows).timeNs - (rows[0]?.timeNs ?? 0)).toBeLessThan(10e9);
    }
  });

  if (whole)
    test('what GRO merged goes on in the whole, and nothing is followed once the transfer is done', async () => {
      // A longer segment's headers are in a page until it is merged (page_to_skb(), drivers/net/virtio_net.c).
      const segments = async (size: string): Promise<void> => {
        const { code, stderr } = await node.exec(`ip route replace 10.0.2.0/24 dev eth0 src 10.0.2.15 ${size}`);
        expect(code, stderr).toBe(0);
      };
      await segments('advmss 64');
      const functions = ['tcp_gro_receive', 'tcp_v4_rcv'].flatMap((name) => ['--function', name]);
      const running = await trace(node, [...functions, 'tcp dst port 22']);
      const transfer = node.spawn('cat >/dev/null');
      const over = once(transfer, 'close');
      transfer.stdin.end(Buffer.alloc(100_000));
      expect(await over).toEqual([0, null]);
      await expect.poll(() => running.counters.at(-1)?.following, { timeout: 20_000 }).toBe(0);
      await running.stop();
      await segments('');
      const { lanes } = running.store.lanes('', 0, running.store.packetCount);
      const whole = lanes.find(({ joins }) => joins.length > 1);
      expect(whole).toBeDefined();
      const { relatives } = running.store.trail(whole?.index ?? 0, 0, 0);
      expect(new Set(relatives.map(({ side, edge }) => `${side} ${edge}`))).toEqual(new Set(['parent merged']));
      expect(running.store.droppedPackets).toBe(0);
    });

  if (whole)
    test('no trail begins where an skb ends, or its socket lets go of it', async () => {
      await node.scenario('pair', 'build');
      // What waits to be read when the trace begins is seen for the first time when it is read and freed.
      const { code, stderr } = await node.exec(
        `cd /run; rm -f unread-*
       exec >unread-log 2>&1
       ip netns exec server socat -u UDP4-RECV:7073 CREATE:unread-udp & echo $! >unread-pids
       ip netns exec server socat -u TCP4-LISTEN:7074 CREATE:unread-tcp & echo $! >>unread-pids
       until ip netns exec server grep -q :1BA1 /proc/net/udp; do sleep 0.1; done
       until ip netns exec server grep -q :1BA2 /proc/net/tcp; do sleep 0.1; done
       echo first | ip netns exec client socat -u - UDP4:10.10.0.2:7073 || exit
       mkfifo unread-more
       (echo first; cat unread-more) | ip netns exec client socat -u - TCP4:10.10.0.2:7074 & echo $! >>unread-pids
       until [ -s unread-udp ] && [ -s unread-tcp ]; do sleep 0.1; done
       head -n 2 unread-pids | xargs kill -STOP
       for i in 1 2 3; do echo more | ip netns exec client socat -u - UDP4:10.10.0.2:7073 || exit; done
       head -c 30000 /dev/zero >unread-more
       until ip netns exec server grep -q ':0000753[0-9A-F] ' /proc/net/tcp; do sleep 0.1; done`,
        { timeoutMs: 60_000 },
      );
      expect(code, stderr).toBe(0);
      const quick = ['5.10', '6.1'].includes(kernel)
        ? ['*free*', 'skb_co*', 'skb_release*', '*_recv_skb', '*_rcv', '*_xmit'].flatMap((glob) => ['--function', glob])
        : [];
      const filter = 'host 10.10.0.2 or (icmp and host 10.0.2.2)';
      const { store } = await traceDuring(node, [...quick, filter], async () => {
        // What one CPU made and another has sent is freed by its socket first, and later by the first CPU
        // (napi_consume_skb(), net/core/skbuff.c, since 6.19): one of these two isn't that of the device's interrupt.
        const { code, stderr } = await node.exec(
          `cd /run; head -n 2 unread-pids | xargs kill -CONT; until [ $(stat -c %s unread-tcp) -gt 30000 ]; do sleep 0.1; done
          for cpu in 0 1; do taskset -c $cpu ping -q -c 5 -i 0.01 10.0.2.2 || exit; done`,
        );
        expect(code, stderr).toBe(0);
      });
      const began = trails(store).map(([row]) => row?.function ?? '');
      expect(began.length).toBeGreaterThan(10);
      // A drop is shown even where an interrupt in a probe hid all functions that the packet passed.
      const ends =
        /^(?!skb:).*(free_|_free|kfree|release|destruct|cache_put|reuse_skb|wfree|rfree|efree|edemux|recycle)/;
      expect(began.filter((name) => ends.test(name))).toEqual([]);
      await node.exec('cd /run; xargs kill -9 <unread-pids; rm -f unread-*');
    });

  if (whole)
    test('of 3,000 flood pings nothing is lost: sent = received', async () => {
      const { store, end } = await traceDuring(node, ['icmp'], () => node.scenario('flood', 3000), first);
      const { total } = end;
      if (!total) throw new Error('the end frame has no totals');
      expect(store.packetCount).toBeGreaterThan(1000);
      expect(total.delivered).toBe(store.eventCount);
      expect([total.lost, store.lost]).toEqual([0, 0]);
      expect(total.sent).toBe(store.eventCount);
    }, 300_000);

  if (whole)
    test('a reader that stalls makes counted gaps, and the trace goes on', async () => {
      const running = await trace(node, ['icmp'], first);
      running.stall();
      await node.scenario('flood', 3000);
      running.unstall();
      const end = await running.stop();
      expect(end?.total?.sent).toBe(running.store.eventCount + running.store.lost);
    }, 300_000);

  // How soon is for the bench to say: an emulated node has stalls of its own. In the gate the smoke tests see the cut link.
  if (whole)
    test.each([
      ['the link is cut', (running: NodeTrace) => running.cut()],
      ['standard input closes', (running: NodeTrace) => running.closeInput()],
    ] as const)('nothing is left when %s', async (_name, end) => {
      const clean = await leftovers(node);
      const running = await trace(node, ['icmp'], first);
      expect(await leftSince(node, clean)).not.toEqual({});
      end(running);
      await expect.poll(() => leftSince(node, clean), { timeout: 60_000, interval: 200 }).toEqual({});
    });

  if (whole)
    test('nothing is left when the helper is killed while its hooks go away', async () => {
      const clean = await leftovers(node);
      const running = await trace(node, ['icmp'], first);
      const [pid = 0] = await helpersRunning(node);
      await killWhileHooksGo(pid, `kill -KILL ${pid}`);
      await running.closed;
      await expect.poll(() => leftSince(node, clean), { timeout: 60_000, interval: 200 }).toEqual({});
    });

  if (whole)
    test('nothing is left when all of the session that the helper is in is killed', async () => {
      const clean = await leftovers(node);
      const session = '/sys/fs/cgroup/session';
      const before = `mkdir ${session} && echo $$ >${session}/cgroup.procs && `;
      const running = await trace(node, ['icmp'], { ...first, before });
      const [pid = 0] = await helpersRunning(node);
      const [guard = 0] = await guardsRunning(node);
      const { stdout: processes } = await node.exec(`cat ${session}/cgroup.procs`);
      expect(processes.split('\n')).toContain(String(pid));
      expect(processes.split('\n')).not.toContain(String(guard));
      // cgroup.kill is there from 5.14 on.
      await killWhileHooksGo(
        pid,
        `if [ -e ${session}/cgroup.kill ]; then echo 1 >${session}/cgroup.kill; else kill -KILL $(cat ${session}/cgroup.procs); fi`,
      );
      await running.closed;
      await expect.poll(() => leftSince(node, clean), { timeout: 60_000, interval: 200 }).toEqual({});
      expect((await node.exec(`rmdir ${session}`)).code).toBe(0);
    });

  if (whole)
    test('what a helper leaves when its guard is killed with it is put back by the next, and by --check', async () => {
      const clean = await leftovers(node);
      for (const next of ['--check', '--duration 1 --function ip_rcv icmp']) {
        const running = await trace(node, ['icmp'], first);
        const [pid = 0] = await helpersRunning(node);
        const [guard = 0] = await guardsRunning(node);
        // Stopped, it doesn't see that the helper ends before it does.
        await killWhileHooksGo(pid, `kill -STOP ${guard}; kill -KILL ${pid} ${guard}`);
        await running.closed;
        await expect.poll(() => guardsRunning(node), { timeout: 60_000 }).toEqual([]);
        expect((await leftovers(node)).expedited).not.toBe(0);
        expect((await node.exec(`${helperPath} ${next}`)).code).toBe(0);
        expect((await leftovers(node)).expedited).toBe(0);
      }
      await expect.poll(() => leftSince(node, clean), { timeout: 60_000, interval: 200 }).toEqual({});
    });

  // One kernel tells for all: it is the helper that looks.
  if (whole && kernel === '6.12')
    test('what a person set in rcu_expedited stays, whether the helper ends or is killed', async () => {
      const one = async (end: (running: NodeTrace, pid: number) => Promise<unknown>): Promise<void> => {
        const running = await trace(node, ['--function', 'ip_rcv', 'icmp']);
        const [pid = 0] = await helpersRunning(node);
        await end(running, pid);
        await running.closed;
        await expect.poll(() => guardsRunning(node), { timeout: 60_000 }).toEqual([]);
        expect((await leftovers(node)).expedited).toBe(1);
      };
      await node.exec('echo 1 >/sys/kernel/rcu_expedited');
      try {
        await one((running) => running.stop());
        await one((_, pid) => node.exec(`kill -KILL ${pid}`));
        expect((await node.exec(`${helperPath} --check`)).code).toBe(0);
        expect((await leftovers(node)).expedited).toBe(1);
      } finally {
        await node.exec('echo 0 >/sys/kernel/rcu_expedited');
      }
    });

  test('a helper that hears no heartbeat ends by itself', async () => {
    const clean = await leftovers(node);
    const running = await trace(node, ['--heartbeat', '1', '--function', 'ip_rcv', 'icmp'], first);
    await running.closed;
    expect(running.store.end?.cause).toBe('heartbeat');
    await expect.poll(() => leftSince(node, clean), { timeout: 60_000, interval: 200 }).toEqual({});
  });
};

// What may happen to a node while it is traced: namespaces, CPUs and modules go and come, and no count is wrong for it.
import { beforeAll, expect, test } from 'vitest';
import { trace, trails, type NodeTrace } from '../tracing.ts';
import type { TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

const few = ['ip_rcv', 'icmp_rcv', '__dev_queue_xmit'].flatMap((name) => ['--function', name]);

export const safety: Suite = (kernel, booted, whole) => {
  let node: TestNode;
  beforeAll(() => {
    node = booted();
  });

  const balance = async (running: NodeTrace): Promise<void> => {
    const end = await running.stop();
    const { store } = running;
    expect(end).toMatchObject({ cause: 'stop', total: { delivered: store.eventCount, lost: store.lost } });
    expect(end?.total?.sent).toBe(store.eventCount + store.lost);
  };
  /** Pings that nobody waits for. */
  const pinging = 'ip netns exec client ping -n -q -i 0.01 -w 30 10.10.0.2 >/dev/null 2>&1 </dev/null &';

  if (whole)
    test('network namespaces may go while packets are in them, and others come', async () => {
      await node.scenario('pair', 'build');
      const running = await trace(node, [...few, 'icmp']);
      await node.exec(pinging);
      await running.until((store) => store.packetCount > 20, 'packets of the first namespaces');
      await node.scenario('clean');
      const { packetCount } = running.store;
      await node.scenario('pair');
      await running.until((store) => store.packetCount > packetCount, 'packets of the next namespaces');
      await balance(running);
      expect(new Set(trails(running.store).flatMap((rows) => rows.map(({ netns }) => netns)))).toContain('server');
    }, 60_000);

  if (whole)
    test('a CPU may go and come back', async () => {
      const online = '/sys/devices/system/cpu/cpu1/online';
      await node.scenario('pair', 'build');
      const running = await trace(node, [...few, 'icmp']);
      await node.exec(pinging);
      const { store } = running;
      const cpus = (from: number): Set<number> =>
        new Set(trails(store).flatMap((rows) => rows.filter(({ event }) => event >= from).map(({ cpu }) => cpu)));
      try {
        expect((await node.exec(`echo 0 >${online}`)).code).toBe(0);
        const gone = store.eventCount;
        await running.until(() => store.eventCount > gone + 200, 'events without the CPU');
      } finally {
        await node.exec(`echo 1 >${online}`);
      }
      const back = store.eventCount;
      await node.exec('taskset 2 ip netns exec client /usr/bin/ping -n -q -c 20 -i 0.01 10.10.0.2');
      await running.until(() => cpus(back).has(1), 'events of the CPU that is back');
      await node.scenario('clean');
      await balance(running);
    }, 60_000);

  const rooms = [
    { room: 64, full: true },
    { room: 512, full: false },
  ];
  test.each(rooms.filter(({ full }) => whole || full))(
    'with room for $room packets, those that wait in a queue of 200 are followed or told as lost',
    async ({ room, full }) => {
      await node.scenario('udp', 'build');
      const send = (count: number): Promise<unknown> =>
        node.exec(
          `head -c ${2 * count} /dev/zero | ip netns exec client socat -u -b 2 STDIN UDP4-SENDTO:10.10.0.2:9000`,
        );
      const running = await trace(node, ['--packets', String(room), ...few, 'udp port 9000']);
      const { store } = running;
      await node.exec('kill -STOP $(ip netns pids server)');
      await send(200);
      await node.exec('kill -CONT $(ip netns pids server)');
      if (full) await running.until(() => store.lost > 0, 'word of packets without room');
      else await running.until(() => store.packetCount >= 200, 'all packets');
      const queued = store.packetCount;
      const losses = store.gapMarks().filter(({ lost }) => lost > 0);
      expect(new Set(losses.map(({ cause }) => cause))).toEqual(new Set(full ? ['table full'] : []));
      // Their room is free again.
      await send(20);
      await running.until(() => store.packetCount >= queued + 20, 'packets that come after them');
      // The receiver may take a while.
      const over = (): boolean => {
        const last = running.counters.at(-1);
        return last?.sent === store.eventCount + store.lost && last.following === 0;
      };
      // What another CPU is to free waits there until that one receives something (skb_attempt_defer_free, since 6.19 for these, too).
      const receive = 'for cpu in 0 1; do taskset -c $cpu ping -q -c 2 -i 0.2 127.0.0.1 >/dev/null || exit; done';
      while (!over()) expect((await node.exec(receive)).code).toBe(0);
      const end = await running.stop();
      expect(end?.total).toMatchObject({ sent: store.eventCount + store.lost, lost: store.lost, following: 0 });
      expect(store.lost > 0).toBe(full);
      await node.scenario('clean');
    },
    60_000,
  );

  if (whole)
    test('a drop in a module that was loaded meanwhile is told at its place in that module', async () => {
      await node.exec('rmmod wireguard 2>/dev/null; true');
      // Without hooks in modules nothing else looks for them.
      const running = await trace(node, [...few, '--no-modules', 'icmp and dst 10.78.0.2']);
      // A device without peers has no key for anybody.
      const device = `ip link add wg7 type wireguard && ip address add 10.78.0.1/24 dev wg7 && ip link set wg7 up`;
      const { code, stderr } = await node.exec(`${device} && { ping -q -c 2 -i 0.2 -W 1 10.78.0.2; true; }`);
      expect(code, stderr).toBe(0);
      await balance(running);
      const drops = trails(running.store).flatMap((rows) => rows.flatMap(({ drop }) => (drop ? [drop.where] : [])));
      expect(drops).toHaveLength(2);
      for (const where of drops) expect(where).toMatch(/^wg_xmit\+0x[0-9a-f]+ \[wireguard\]$/);
      await node.exec('ip link delete wg7; rmmod wireguard');
    }, 60_000);

  // Nothing tells on 5.10 which functions of a module take an skb.
  if (whole && kernel !== '5.10')
    test('a module that is loaded is hooked soon after its first packet, and may be unloaded', async () => {
      await node.exec('rmmod dummy 2>/dev/null; true');
      const running = await trace(node, [...few, '--function', 'dummy_xmit', 'udp port 4444']);
      const sends = `ip link add dummy7 type dummy && ip address add 10.77.0.1/24 dev dummy7 && ip link set dummy7 up
        ip neighbour replace 10.77.0.2 lladdr 02:00:00:00:77:02 dev dummy7 nud permanent
        for i in $(seq 100); do echo $i | socat -u STDIN UDP4-SENDTO:10.77.0.2:4444; sleep 0.05; done`;
      const { code, stderr } = await node.exec(`modprobe dummy numdummies=0 && ${sends}`);
      expect(code, stderr).toBe(0);
      const hops = trails(running.store)
        .flat()
        .filter(({ iface }) => iface === 'dummy7');
      const first = (name: string): number => hops.find((row) => row.function === name)?.timeNs ?? Infinity;
      // Packets were sent since the module was there. Reading the kernel's symbols and types takes emulated CPUs, beside other
      // work, a few times the second that it should.
      const waited = (first('dummy_xmit') - first('__dev_queue_xmit')) / 1e9;
      console.log(`hooked ${waited.toFixed(2)} s after the module's first packet`);
      expect(waited).toBeLessThan(10);
      await node.exec('ip link delete dummy7; rmmod dummy');
      await balance(running);
    }, 60_000);
};

// The least that a kernel is held to with every change: a trace starts there, shows where a ping is dropped and what a tc program
// returned, and leaves nothing.
import { expect, test } from 'vitest';
import { helperPath, leftovers, leftSince, trace, traceDuring, trails } from '../tracing.ts';
import type { Suite } from './suite.ts';

const few = ['ip_output', '__dev_queue_xmit', 'ip_rcv', 'ip_local_deliver', 'icmp_rcv'].flatMap((name) => [
  '--function',
  name,
]);

export const smoke: Suite = (kernel, booted) => {
  test('--check passes and a trace starts; where it fails, none does', async () => {
    const helper = (...args: string[]) => booted().exec([helperPath, ...args].join(' '));
    for (const [code, ...args] of [[0], [1, '--btf', '/dev/null']] as const) {
      const check = await helper('--check', ...args);
      expect(check.code, check.stdout).toBe(code);
      const traced = await helper('--duration', '1', ...few, ...args, 'icmp');
      expect(traced.code, traced.stderr).toBe(code);
    }
  }, 60_000);

  test('a ping passes a tc program with its verdict, and ends where nft drops it, with the reason where the kernel has reasons', async () => {
    const node = booted();
    await node.scenario('nft-drop', 'build', 'icmp');
    const { code, stderr } = await node.exec(
      `tc -n server qdisc add dev eth-server clsact &&
       tc -n server filter add dev eth-server ingress bpf direct-action object-file /programs/tc.bpf.o section tc/pass`,
    );
    expect(code, stderr).toBe(0);
    const { store, end } = await traceDuring(node, [...few, 'icmp'], () =>
      node.scenario('nft-drop', 'send', 'icmp', 2),
    );
    const rows = trails(store).flat();
    const verdicts = rows.filter(({ function: name, program }) => name === 'trail_pass' && program?.kind === 'verdict');
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(['TC_ACT_OK', 'TC_ACT_OK']);
    const drops = rows.flatMap(({ drop }) => (drop ? [drop] : []));
    expect(drops).toHaveLength(2);
    for (const { reason, where } of drops) {
      // From 5.17 on.
      expect(reason).toBe(kernel === '5.10' ? 'no reason given' : 'NETFILTER_DROP');
      expect(where).toMatch(/^(nf_hook_slow|nft_do_chain)\+0x/);
    }
    expect(trails(store)[0]?.map((row) => row.function)).toEqual(
      expect.arrayContaining(['ip_output', 'ip_local_deliver']),
    );
    expect(end.total?.sent).toBe(store.eventCount + store.lost);
  }, 60_000);

  // Of the kernels where hooks are let go of one by one, the newest; where they go at once, the node's own suites look.
  if (kernel === '6.1')
    test('nothing is left when the link is cut', async () => {
      const node = booted();
      await node.scenario('clean');
      const clean = await leftovers(node);
      const running = await trace(node, [...few, 'icmp']);
      expect(await leftSince(node, clean)).not.toEqual({});
      running.cut();
      await expect.poll(() => leftSince(node, clean), { timeout: 60_000 }).toEqual({});
    }, 60_000);
};

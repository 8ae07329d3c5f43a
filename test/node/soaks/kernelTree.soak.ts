// Held against a real kernel: the index knows the functions that universal-ctags knows, and is fast enough to wait for.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, test } from 'vitest';
import type { IndexFile } from '../../../extension/source/indexFile.ts';
import { locate, type SourceHook } from '../../../extension/source/locate.ts';
import { readTree } from '../../../extension/source/tree.ts';
import { networkSource } from '../kernelSource.ts';
import { never, newIndexes, temporaryFolder } from '../../unit/source/fixture.ts';

/** Debian's source of the 6.12 node's kernel, its networking. */
let root = '';
const folders = ['net', 'include/net', 'include/linux', 'drivers/net'];

/** Functions of these folders as ctags lists them, as "file:line name". */
async function ctags(): Promise<string[]> {
  // --langmap: by default ctags takes .h for C++.
  const options = ['--languages=C', '--langmap=C:.c.h', '--c-kinds=f', '--fields=+n', '--sort=no', '-R', '-f', '-'];
  const child = spawn('ctags', [...options, ...folders], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
  const found: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    const [, name, file, at] = /^(\S+)\t(\S+)\t.*\tline:(\d+)/.exec(line) ?? [];
    // Names in capitals are macro calls that ctags takes for functions; so are attributes on the line before one.
    if (name === undefined || file === undefined || at === undefined) continue;
    if (!/^[A-Z0-9_]+$|^__(?:acquires|releases|must_hold|aligned)$/.test(name)) found.push(`${file}:${at} ${name}`);
  }
  return found;
}

describe('a real kernel tree', () => {
  let index: IndexFile;
  let cache = '';
  let madeInMs = 0;
  let tree: Awaited<ReturnType<typeof readTree>>;

  beforeAll(async () => {
    root = await networkSource('6.12', (line) => console.log(line));
    tree = await readTree(root);
    cache = await temporaryFolder();
    const indexes = await newIndexes(cache);
    const started = performance.now();
    index = await indexes.open(tree, { signal: never });
    madeInMs = performance.now() - started;
    const { files, definitions } = index.details;
    console.log(`indexed ${files} files, ${definitions} definitions in ${(madeInMs / 1000).toFixed(1)} s`);
  }, 600_000);

  test('at least 99.5 % of the functions that ctags lists are found at their line', { timeout: 120_000 }, async () => {
    const listed = await ctags();
    const missing = listed.filter((entry) => {
      const [, place, name = ''] = /^(\S+) (\S+)$/.exec(entry) ?? [];
      return !index.lookUp(name).some(({ file, line }) => `${file}:${line}` === place);
    });
    console.log(
      `ctags lists ${listed.length} functions; not found: ${missing.length}\n${missing.slice(0, 20).join('\n')}`,
    );
    expect(listed.length).toBeGreaterThan(100_000);
    expect(missing.length / listed.length).toBeLessThan(0.005);
  });

  test.each([
    ['ip_rcv', '', 'net/ipv4/ip_input.c'],
    ['tcp_v4_rcv', '', 'net/ipv4/tcp_ipv4.c'],
    ['__netif_receive_skb_core.constprop.0', '', 'net/core/dev.c'],
    ['nf_hook_slow', '', 'net/netfilter/core.c'],
    ['nft_do_chain', 'nf_tables', 'net/netfilter/nf_tables_core.c'],
    ['br_handle_frame', 'bridge', 'net/bridge/br_input.c'],
    ['veth_xmit', 'veth', 'drivers/net/veth.c'],
    ['vxlan_xmit', 'vxlan', 'drivers/net/vxlan/vxlan_core.c'],
    ['icmp_rcv', '', 'net/ipv4/icmp.c'],
    ['skb:kfree_skb', '', 'include/trace/events/skb.h'],
    ['__x64_sys_sendto', '', 'net/socket.c'],
    ['__ia32_compat_sys_sendmsg', '', 'net/compat.c'],
    ['____bpf_skb_store_bytes', '', 'net/core/filter.c'],
    ['bpf_skb_store_bytes', '', 'net/core/filter.c'],
    ['udpv6_rcv', '', 'net/ipv6/udp.c'],
    ['skb_clone_fraglist.isra.0', '', 'net/core/skbuff.c'],
    ['dst_output', '', 'include/net/dst.h'],
    ['__traceiter_kfree_skb', '', 'include/trace/events/skb.h'],
    ['trace_event_raw_event_kfree_skb', '', 'include/trace/events/skb.h'],
    ['trace_event_raw_event_net_dev_template', '', 'include/trace/events/net.h'],
    ['bpf_lsm_socket_sock_rcv_skb', '', 'include/linux/lsm_hook_defs.h'],
  ])('%s of module "%s" opens in %s without a question', async (name, module, file) => {
    const hook: SourceHook = { function: name, module, kind: 'kprobe.multi' };
    const { definitions, plausible } = await locate(index, tree.root, hook, 'x86_64');
    expect(definitions.slice(0, plausible).map((definition) => definition.file)).toEqual([file]);
  });

  test('of functions that share a name each may be the one, whatever prototype BTF has for the first', async () => {
    const ipv4 =
      'struct sk_buff *add_grec(struct sk_buff *skb, struct ip_mc_list *pmc, int type, int gdeleted, int sdeleted)';
    const files = async (hook: Partial<SourceHook>): Promise<string[]> => {
      const whole: SourceHook = { function: 'add_grec', module: '', kind: 'kprobe.multi', prototype: ipv4, ...hook };
      const { definitions, plausible } = await locate(index, tree.root, whole, 'x86_64');
      return definitions.slice(0, plausible).map(({ file }) => file);
    };
    expect(await files({})).toEqual(['net/ipv4/igmp.c']);
    expect(await files({ shared: true })).toEqual(['net/ipv4/igmp.c', 'net/ipv6/mcast.c']);
    const both = ['net/ipv4/ipmr.c', 'net/ipv6/ip6mr.c'];
    const regVif = 'netdev_tx_t reg_vif_xmit(struct sk_buff *skb, struct net_device *dev)';
    expect(await files({ function: 'reg_vif_xmit', prototype: regVif })).toEqual(both);
    const raw = { function: 'raw_rcv', prototype: 'int raw_rcv(struct sock *sk, struct sk_buff *skb)' };
    expect(await files(raw)).toEqual(['net/ipv4/raw.c']);
  });

  test('a cached index is opened, not made anew', async () => {
    const indexes = await newIndexes(cache);
    const started = performance.now();
    await indexes.open(await readTree(root), { signal: never });
    expect(performance.now() - started).toBeLessThan(madeInMs / 4);
  });
});

// The independent record: which functions a packet passed as the node's own kernel tells it, by ftrace's kprobe events.
import type { TestNode } from '../node/vm.ts';

/**
 * Functions that a ping's skb passes from the socket over a veth pair to the input hook, with the position of the skb
 * among their arguments (Linux 6.12). Those that a kernel doesn't have are left out of the record.
 */
const functions: Readonly<Record<string, number>> = {
  ip_send_skb: 2,
  __ip_local_out: 3,
  ip_local_out: 3,
  ip_output: 3,
  ip_finish_output: 3,
  ip_finish_output2: 3,
  neigh_resolve_output: 2,
  __dev_queue_xmit: 1,
  validate_xmit_skb: 1,
  netif_skb_features: 1,
  dev_hard_start_xmit: 1,
  veth_xmit: 1,
  eth_type_trans: 1,
  __netif_rx: 1,
  netif_rx_internal: 1,
  enqueue_to_backlog: 1,
  __netif_receive_skb: 1,
  __netif_receive_skb_one_core: 1,
  ip_rcv: 1,
  ip_local_deliver: 1,
  nf_hook_slow: 1,
  icmp_rcv: 1,
  sk_skb_reason_drop: 2,
  kfree_skb_reason: 1,
};

/** Where a packet that a socket sends is seen first. */
const sending = new Set(['ip_send_skb', '__ip_local_out']);

const tracing = '/sys/kernel/tracing';

/** ftrace as set up by {@link recordFunctions}. */
export interface FunctionRecord {
  /** Functions that could be recorded. */
  readonly functions: ReadonlySet<string>;
  /** Functions that the first packet that this task (a comm) sent went through, in the kernel's order, up to the skb's end. */
  read(task: string): Promise<readonly string[]>;
  /** Takes every probe of the record away. */
  stop(): Promise<void>;
}

/** Starts the record in the node. */
export async function recordFunctions(node: TestNode): Promise<FunctionRecord> {
  const define = Object.entries(functions)
    .map(([name, skb]) => `echo 'p:packet_trail_record/${name} ${name} skb=$arg${skb}:x64' >>kprobe_events 2>/dev/null`)
    .join('\n');
  const { stdout } = await inTracing(
    node,
    `echo 0 >tracing_on; echo >trace; echo 4096 >buffer_size_kb
${define}
echo 1 >events/packet_trail_record/enable
echo 1 >tracing_on
ls events/packet_trail_record`,
  );
  const recorded = new Set(stdout.split('\n').filter((name) => name in functions));
  return {
    functions: recorded,
    read: async (task) => {
      const text = (await inTracing(node, 'cat trace')).stdout;
      // "            ping-412     [001] ..s2.    31.402113: ip_rcv: (ip_rcv+0x4/0x50) skb=0xffff8b1d4138f400"; 4: behind endbr64
      const line = /^ *(\S+)-\d+ .*: (\w+): \(\w+\+0x[04]\/.*\) skb=(0x[0-9a-f]+)/gm;
      const hits = [...text.matchAll(line)].map(([, comm = '', name = '', skb = '']) => ({ comm, name, skb }));
      // The task also frees skbs of its netlink talk; a packet of its own begins where it is sent.
      const born = hits.findIndex(({ comm, name }) => comm === task && sending.has(name));
      if (born === -1) throw new Error(`ftrace recorded no packet that ${task} sent:\n${text.slice(0, 2000)}`);
      const own = hits.slice(born).filter(({ skb }) => skb === hits[born]?.skb);
      // The address may be used again by another packet.
      const died = own.findIndex(({ name }) => name === 'sk_skb_reason_drop' || name === 'kfree_skb_reason');
      return own.slice(0, died === -1 ? undefined : died + 1).map(({ name }) => name);
    },
    stop: async () => {
      await inTracing(
        node,
        'echo 0 >tracing_on; echo 0 >events/packet_trail_record/enable; echo >kprobe_events; echo >trace',
      );
    },
  };
}

async function inTracing(node: TestNode, script: string): Promise<{ readonly stdout: string }> {
  const mount = `[ -e ${tracing}/trace ] || mount -t tracefs nodev ${tracing} || exit 1; cd ${tracing} || exit 1`;
  const result = await node.exec(`${mount}\n${script}\n:`);
  if (result.code !== 0) throw new Error(`ftrace in the node: ${result.stderr.trim() || `exit status ${result.code}`}`);
  return result;
}

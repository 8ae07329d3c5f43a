// The independent record: which functions a packet passed as another tool, pwru, saw it in the node's own kernel.
import type { TestNode } from '../node/vm.ts';
import { quote } from '../node/tracing.ts';

/** What pwru sees of a packet after our trail has ended with the packet's last hop: the freeing of its memory. */
const afterTheEnd: ReadonlySet<string> = new Set(['skb_release_data', 'skb_free_head', 'kfree_skbmem']);

/** pwru at work beside us. */
export interface FunctionRecord {
  /** The functions that it hooks. */
  readonly functions: ReadonlySet<string>;
  /**
   * The functions that each packet went through, in the kernel's order, up to the packet's end as we understand it: packets
   * that were freed, in the order of their first hop. The address of one skb may be used again by another.
   */
  packets(): readonly (readonly string[])[];
  /** Takes every probe of the record away. */
  stop(): Promise<void>;
}

/** Starts pwru in the node for packets that match the filter, and resolves when it has attached. Nobody else may trace there yet. */
export async function recordFunctions(node: TestNode, filter: string): Promise<FunctionRecord> {
  // It ends with our end of its input, however this process ends.
  const script = `pwru --backend kprobe-multi --output-tuple ${quote(filter)} </dev/null & pwru=$!; cat >/dev/null; kill $pwru; wait $pwru`;
  const child = node.spawn(script);
  let output = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await closed;
  };
  const listening = new Promise<boolean>((resolve) =>
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
      if (/listening for events/i.test(said)) resolve(true);
    }),
  );
  if (!(await Promise.race([listening, closed.then(() => false)])))
    throw new Error(`pwru did not start: ${said.trim()}`);
  // "ip_rcv (1) R …", "veth_xmit [veth] (1) …"
  const { stdout } = await node.exec('cut -d " " -f 1 /sys/kernel/tracing/enabled_functions');
  return { functions: new Set(stdout.trim().split('\n')), packets: () => packetsOf(output), stop };
}

function packetsOf(output: string): readonly (readonly string[])[] {
  const alive = new Map<string, string[]>();
  const packets: string[][] = [];
  // "0xff1ccfd0c1e8c600  0  [ping(546)]  ip_rcv 10.77.0.1:0->10.77.0.2:0(icmp)"
  for (const [, skb = '', name = ''] of output.matchAll(/^(0x[0-9a-f]+) +\d+ +\S+ +(\S+) /gm)) {
    let packet = alive.get(skb);
    if (packet === undefined) {
      packet = [];
      packets.push(packet);
      alive.set(skb, packet);
    }
    if (!afterTheEnd.has(name)) packet.push(name);
    if (name === 'kfree_skbmem') alive.delete(skb);
  }
  const underWay = new Set(alive.values());
  return packets.filter((packet) => !underWay.has(packet));
}

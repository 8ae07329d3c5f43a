// What an event names by number has the name that was its own then: of a device, of a namespace, of a task, of a function.
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { TraceStore } from '../../../extension/trace/store.ts';
import { readEvent } from '../../../extension/trace/trail.ts';
import { helperPath, quote, trace, traceDuring, trails } from '../tracing.ts';
import type { TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

const few = ['ip_output', 'ip_rcv', 'icmp_rcv', '__dev_queue_xmit'].flatMap((name) => ['--function', name]);

/** A function's place as kallsyms and /proc/modules have it: from its address up to the next, or to the end of its section. */
interface Place {
  readonly begin: bigint;
  readonly end: bigint;
  /** All that the address is called. */
  readonly names: readonly string[];
  readonly module: string;
}

/** What a command on the node prints, which may be a lot. */
async function outputOf(node: TestNode, command: string): Promise<string> {
  const child = node.spawn(command);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve, reject) => child.on('error', reject).on('close', () => resolve()));
  return Buffer.concat(chunks).toString('utf8');
}

/** Where the node's functions are, by address. */
async function placesOf(node: TestNode): Promise<readonly Place[]> {
  const symbols = await outputOf(
    node,
    "grep -E '^[0-9a-f]+ ([tTwW] |. _(stext|etext|sinittext|einittext)$)' /proc/kallsyms",
  );
  const modules = await outputOf(node, 'cat /proc/modules');
  const all = [...symbols.matchAll(/^([0-9a-f]+) \S (\S+)(?:\s+\[(\S+)\])?$/gm)].map(
    ([, address = '', name = '', module = '']) => ({ address: BigInt(`0x${address}`), name, module }),
  );
  const mark = (wanted: string): bigint =>
    all.find(({ name, module }) => name === wanted && module === '')?.address ?? 0n;
  const sections = [
    { begin: mark('_stext'), end: mark('_etext') },
    { begin: mark('_sinittext'), end: mark('_einittext') },
    ...[...modules.matchAll(/^\S+ (\d+) .* 0x([0-9a-f]+)/gm)].map(([, size = '', address = '']) => {
      const begin = BigInt(`0x${address}`);
      return { begin, end: begin + BigInt(size) };
    }),
  ];
  const byAddress = new Map<bigint, { names: string[]; module: string }>();
  for (const { address, name, module } of all) {
    const known = byAddress.get(address);
    if (known === undefined) byAddress.set(address, { names: [name], module });
    else known.names.push(name);
  }
  const sorted = [...byAddress].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([begin, { names, module }], index) => {
    const section = sections.find((one) => begin >= one.begin && begin < one.end);
    const next = sorted[index + 1]?.[0] ?? begin + 0x1000n;
    // Of what is in none, as BPF's code is, this test knows no end: it asks for no more than a name.
    const end = section === undefined ? (module === '' ? begin : next) : section.end;
    return { begin, end: next < end ? next : end, names, module };
  });
}

/** The place that an address is in; undefined when it is in none. */
function placeAt(places: readonly Place[], address: bigint): Place | undefined {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((places[middle]?.begin ?? 0n) <= address) low = middle + 1;
    else high = middle;
  }
  const place = places[low - 1];
  return place !== undefined && address < place.end ? place : undefined;
}

/** One after the other, without those that repeat the one before. */
const turns = (list: readonly string[]): readonly string[] => list.filter((one, index) => one !== list[index - 1]);

export const names: Suite = (kernel, booted) => {
  let node: TestNode;
  beforeAll(() => {
    node = booted();
  });
  // Of a test that failed before it could.
  afterEach(async () => {
    await node.exec('for name in blue green late unnamed; do ip netns delete $name; done 2>/dev/null; true');
  });

  const run = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await node.exec(script, { timeoutMs: 60_000 });
    expect(code, stdout + stderr).toBe(0);
    return stdout.trim();
  };
  /** What the hops say, in order of time. */
  const inOrder = (store: TraceStore, say: (row: { netns: string; iface: string }) => string): readonly string[] =>
    turns(
      trails(store)
        .flat()
        .sort((a, b) => a.timeNs - b.timeNs)
        .map(say)
        .filter((text) => text !== ''),
    );

  const rename = `ip -n client link set eth-client down && ip -n client link set eth-client name wan-client &&
    ip -n client link set wan-client up`;
  const ping = 'ip netns exec client ping -n -q -c 3 -i 0.2 -W 5 10.10.0.2';

  test('a device that is renamed has its new name in the events that follow, and the old one in those before', async () => {
    await node.scenario('pair', 'build');
    const { store } = await traceDuring(node, [...few, 'icmp'], () => run(`${ping} && ${rename} && ${ping}`));
    const told = inOrder(store, ({ netns, iface }) => (netns === 'client' ? iface : ''));
    expect(told.filter((iface) => iface !== 'lo')).toEqual(['eth-client', 'wan-client']);
    expect(store.lanes('if:eth-client', 0, 1).total).toBeGreaterThan(0);
    expect(store.lanes('if:wan-client', 0, 1).total).toBeGreaterThan(0);
  }, 60_000);

  test('in a terminal, too', async () => {
    await node.scenario('pair', 'build');
    const helper = [helperPath, '--json', '--duration', '20', ...few, 'icmp'].map(quote).join(' ');
    const text = await run(
      `${helper} >/tmp/names.json 2>/tmp/names.err & tool=$!
       until grep -q live /tmp/names.err; do kill -0 $tool || exit 1; sleep 0.2; done
       ${ping} >/dev/null && ${rename} && ${ping} >/dev/null; sleep 1
       kill -INT $tool; wait $tool; cat /tmp/names.json`,
    );
    const rows = text.split('\n').map((line) => JSON.parse(line) as { netns_name: string; interface: string });
    const told = rows.filter(({ netns_name: netns }) => netns === 'client').map((row) => row.interface);
    expect(turns(told.filter((iface) => iface !== '' && iface !== 'lo'))).toEqual(['eth-client', 'wan-client']);
  }, 60_000);

  test('a namespace that gets the number of one that is gone is told from it', async () => {
    const running = await trace(node, [...few, 'icmp']);
    const pinged = (name: string): string =>
      `ip -n ${name} link set lo up && ip netns exec ${name} ping -n -q -c 2 -i 0.2 -W 5 127.0.0.1 >/dev/null`;
    const inum = (name: string): string => `stat -L -c %i /run/netns/${name}`;
    // The kernel gives the lowest number that is free, once it has done with the namespace that had it.
    const numbers = await run(
      `ip netns add blue && ${inum('blue')} && ${pinged('blue')} && number=$(${inum('blue')}) && ip netns delete blue
       for try in $(seq 100); do
         ip netns add green && [ "$(${inum('green')})" != "$number" ] || break
         ip netns delete green; sleep 0.1
       done
       ${inum('green')} && ${pinged('green')}`,
    );
    const [before, after] = numbers.split('\n');
    expect(after, 'the number is given again').toBe(before);
    const { store } = running;
    await running.until(
      () => inOrder(store, ({ netns }) => netns).includes('green'),
      'packets of the second namespace',
    );
    await running.stop();
    expect(inOrder(store, ({ netns }) => netns)).toEqual(['blue', 'green']);
    expect(store.lanes('netns:blue', 0, 1).total).toBeGreaterThan(0);
    expect(store.names.netnsEntry(Number(after))?.cookie, 'it has a cookie').not.toBe(0n);
  }, 90_000);

  test('a namespace that gets its name while packets pass it has had it all along', async () => {
    await run(
      `ip netns add unnamed && ip -n unnamed link set lo up && rm -f /tmp/unnamed
       ip netns exec unnamed sh -c 'echo $$ >/tmp/unnamed; exec ping -n -q -i 0.1 -w 50 127.0.0.1' >/dev/null 2>&1 </dev/null &
       until [ -s /tmp/unnamed ]; do sleep 0.1; done
       ip netns delete unnamed`,
    );
    const running = await trace(node, [...few, 'icmp']);
    const { store } = running;
    await running.until(() => store.packetCount > 5, 'packets of a namespace without a name');
    await run('ip netns attach late $(cat /tmp/unnamed)');
    await running.until(() => inOrder(store, ({ netns }) => netns).includes('late'), 'its name');
    await running.stop();
    await run('kill $(cat /tmp/unnamed); rm /tmp/unnamed');
    expect(inOrder(store, ({ netns }) => netns)).toEqual(['late']);
  }, 60_000);

  test('every address of a stack has the name that the kernel’s own tables give it, or none', async () => {
    await node.scenario('tc', 'build', 'pass');
    const quick = ['5.10', '6.1'].includes(kernel) ? ['--telling'] : [];
    const running = await trace(node, [...quick, '--stack', 'icmp']);
    await node.scenario('tc', 'send', 'pass', 3);
    // While our hooks are there, so that what the kernel says of their code is at hand.
    const places = await placesOf(node);
    await running.stop();
    const { store } = running;
    const told = new Map<string, string>();
    for (let event = 0; event < store.eventCount; event++) {
      const addresses = store.stacks.get(readEvent(store, event).stack);
      const texts = store.detail(event).stack;
      expect(texts).toHaveLength(addresses.length);
      addresses.forEach((address, depth) => {
        // All but the innermost are where a call returns to.
        const behind = depth === 0 ? 0n : 1n;
        const place = placeAt(places, address - behind);
        const text = texts[depth] ?? '';
        const named = /^([^0]\S*?)(?:\+0x([0-9a-f]+))?(?: \[(\S+)\])?$/.exec(text);
        if (named === null) {
          // Code of BPF and of ftrace may have come after the helper had read the symbols.
          const late = /^(bpf|__builtin__.*)$/.test(place?.module ?? 'bpf');
          expect(late, `${text} is ${place?.names.join(', ')} [${place?.module}]`).toBe(true);
          return;
        }
        const [, name = '', offset = '0', module = ''] = named;
        expect(place, `${text} at 0x${address.toString(16)}`).toBeDefined();
        expect(place?.names, text).toContain(name);
        expect(place?.module, text).toBe(module);
        expect(address - (place?.begin ?? 0n), text).toBe(BigInt(`0x${offset}`));
        told.set(name, text);
      });
    }
    expect(told.size, [...told.keys()].join(', ')).toBeGreaterThan(20);
    expect([...told.keys()]).toContain('ip_rcv');
  }, 180_000);
};

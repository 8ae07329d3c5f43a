// The format's document keeps its word: its worked example is taken out of it and decoded, value by value.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FilterChange } from '../../../extension/trace/metadata.ts';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { readEvent } from '../../../extension/trace/trail.ts';

const document = readFileSync(new URL('../../../docs/stream-format.md', import.meta.url), 'utf8');

/** Bytes of an example, by its place in the document. */
function exampleBytes(index = 0): Uint8Array {
  const hex = [...document.matchAll(/```hex\n([\s\S]*?)```/g)][index]?.[1];
  if (hex === undefined) throw new Error(`docs/stream-format.md has no hex example ${index}`);
  const digits = hex.replace(/#.*$/gm, '').trim().split(/\s+/);
  expect(digits.every((byte) => /^[0-9a-f]{2}$/.test(byte))).toBe(true);
  return Uint8Array.from(digits, (byte) => parseInt(byte, 16));
}

test('the worked example of docs/stream-format.md decodes to what its comments say', () => {
  const store = new TraceStore();
  const decoder = new StreamDecoder(store);
  decoder.feed(exampleBytes());

  expect(decoder.pendingBytes).toBe(0);
  expect(store.hello).toMatchObject({
    version: 1,
    host: 'n1',
    release: '6.12.0',
    cpus: 2,
    clock: { mono: 5_000_000_000n, wall: 1_760_000_000_000_000_000n },
    textBase: 0xffffffff81000000n,
    filter: '',
    args: [],
  });
  expect([...store.hooks.all()]).toMatchObject([
    { id: 1, kind: 'kprobe.multi', function: 'ip_rcv', module: '', address: 0xffffffff81a00000n, skbArgument: 1 },
    { id: 2, kind: 'kprobe.multi', function: 'kfree_skb_reason', address: 0xffffffff81900000n, skbArgument: 1 },
  ]);
  expect(store.names.netns(4026531840)).toBe('host');
  expect(store.names.iface(4026531840, 2)).toBe('eth0');
  expect(store.names.comm(0)).toBe('swapper');
  expect(store.reasons.name(8)).toBe('NETFILTER_DROP');
  expect(store.reasons.name(9)).toBe('reason 9');
  expect(store.reasons.name(0)).toBe('no reason given');
  expect(store.symbols.text(0xffffffff81950080n)).toBe('nf_hook_slow+0x80');

  expect(store.eventCount).toBe(2);
  const same = {
    packet: 0,
    cpu: 1,
    task: 0,
    netns: 4026531840,
    ifindex: 2,
    mark: 0,
    len: 60,
    protocol: 0x0800,
    tcpFlags: 2,
  };
  expect(readEvent(store, 0)).toMatchObject({ ...same, time: 1000, hook: 1, caller: 0, stack: 0, flags: 0 });
  expect(readEvent(store, 1)).toMatchObject({ ...same, time: 3500, hook: 2, caller: 0, stack: 0, flags: 1 | 4 });
  expect(store.addresses.big(readEvent(store, 1).skb)).toBe(0xffff888003a2b400n);
  expect(store.tuples.get(readEvent(store, 1).tuple)).toEqual({
    family: 4,
    l4: 6,
    source: Uint8Array.of(10, 0, 0, 1),
    destination: Uint8Array.of(10, 0, 0, 2),
    sourcePort: 43210,
    destinationPort: 8080,
  });

  expect(store.lanes('', 0, 10)).toEqual({
    total: 1,
    lanes: [
      {
        index: 0,
        id: '7',
        label: 'TCP 10.0.0.1:43210 → 10.0.0.2:8080 [S]',
        firstNs: 0,
        lastNs: 2500,
        events: 2,
        drop: 'NETFILTER_DROP',
        discard: '',
        parent: undefined,
        joins: [],
      },
    ],
  });
  const [, dropped] = store.trail(0, 0, 10).rows;
  expect(dropped).toMatchObject({
    function: 'kfree_skb_reason',
    timeNs: 2500,
    sinceNs: 2500,
    iface: 'eth0',
    netns: 'host',
    cpu: 1,
    changes: [],
    drop: { reason: 'NETFILTER_DROP', where: 'nf_hook_slow+0x80' },
  });
  expect(store.wall(3500)).toBe(1_760_000_000_000_003_500n);

  expect(store.gapMarks()).toEqual([
    { fromNs: 3000, toNs: 4000, lost: 3, missed: 0, cpu: 1, cause: 'ring buffer full' },
  ]);
  expect(store.end).toMatchObject({ cause: 'stop', error: '', total: { sent: 5, delivered: 2, lost: 3, packets: 1 } });
  expect(store.unaccounted).toBe(0);
});

test('the example of programs, source and filter decodes to what its comments say', () => {
  const store = new TraceStore();
  const filters: FilterChange[] = [];
  const decoder = new StreamDecoder(store, { onFilter: (change) => filters.push(change) });
  decoder.feed(exampleBytes(1));

  expect(decoder.pendingBytes).toBe(0);
  expect([...store.hooks.all()]).toMatchObject([
    { id: 1, kind: 'BPF entry', function: 'quiet', skbArgument: 1, program: 41 },
    { id: 2, kind: 'BPF verdict', function: 'quiet', skbArgument: 1, program: 41 },
  ]);
  expect(store.programs.get(41)).toEqual({
    id: 41,
    type: 3,
    name: 'quiet',
    tag: 'd21b07f4313015ba',
    state: 'hooked',
    reason: '',
    log: '',
    attachments: [
      {
        kind: 'tc',
        direction: 'ingress',
        netns: 4026531840,
        ifindex: 2,
        priority: 1,
        handle: 1,
        link: 0,
        target: 0,
        label: 'shared.o:[tc]',
        direct: true,
        chain: 0,
        peer: 0,
        block: 0,
      },
    ],
    maps: ['calls'],
    pins: ['/sys/fs/bpf/quiet'],
    tailCalls: [{ map: 'calls', index: 3, program: 42 }],
    images: [{ address: 0xffffffffc0200000n, size: 97, name: 'quiet' }],
    entryHook: 1,
    verdictHook: 2,
    goneNs: 0n,
    file: 'shared.c',
    line: 27,
  });
  expect(store.programs.get(42)).toMatchObject({ name: 'old', state: 'reported', reason: 'it has no BTF' });
  expect(store.programs.source(41)).toEqual([
    { file: 'shared.c', line: 29, column: 9, text: 'return TC_ACT_OK;', function: 'quiet' },
  ]);
  expect(store.eventCount).toBe(2);
  expect(store.trail(0, 0, 10).rows[1]).toMatchObject({
    timeNs: 800,
    verdict: 'TC_ACT_REDIRECT → if 3',
    program: { kind: 'verdict' },
  });
  expect([...store.verdictCounts.of(2)]).toMatchObject([{ direction: 'ingress', values: new Map([[7, 1]]) }]);
  expect(filters).toEqual([
    { expression: 'icmp', error: '', mono: 5_000_002_000n, tookNs: 900_000 },
    { expression: 'icmpp', error: 'syntax error', mono: 5_000_003_000n, tookNs: 0 },
  ]);
});

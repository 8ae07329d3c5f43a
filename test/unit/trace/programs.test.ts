// BPF programs in the trace model: what the frames say, where programs are attached, what their verdicts are called and which of
// them drop, tail calls that leave no event, and what a hostile stream can't do.
import { describe, expect, test } from 'vitest';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { FormatError } from '../../../extension/trace/error.ts';
import { encodeFrame, frameType } from '../../../extension/trace/frames.ts';
import { programLimits } from '../../../extension/trace/programMessages.ts';
import { hitsFilter, programTree, type ProgramRow } from '../../../extension/trace/programTree.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import {
  bootMono,
  events,
  hello,
  hooks,
  join,
  message,
  names,
  programs,
  reasons,
  source,
  symbols,
  textBase,
  type FakeAttachment,
  type FakeEvent,
  type FakeProgram,
} from './encode.ts';

const host = 4026531840;
const web = 4026532200;
const ifaces = names({
  netns: [
    { inum: host, name: 'host' },
    { inum: web, name: 'web' },
  ],
  iface: [
    { netns: host, ifindex: 2, name: 'eth0' },
    { netns: host, ifindex: 3, name: 'lxc7' },
    { netns: web, ifindex: 2, name: 'eth0' },
  ],
});

/** Far from the kernel's text, as module memory is. */
const jit = 0xffffffffc0200000n;
const ingress: FakeAttachment = {
  kind: 'tc',
  direction: 1,
  netns: host,
  ifindex: 2,
  priority: 1,
  handle: 1,
  label: 'bpf_lxc.o:[tc]',
  direct: true,
};

/** Hooks 1 and 2 are the entry and the verdict of program 10, 3 and 4 of program 11, and so on; 20 ip_rcv, 21 kfree_skb, 22 a helper. */
const table = hooks(
  ...[10, 11, 12].flatMap((program, at) => [
    { id: 1 + 2 * at, name: 'entry', kind: 3, program },
    { id: 2 + 2 * at, name: 'entry', kind: 4, program },
  ]),
  { id: 20, name: 'ip_rcv' },
  { id: 21, name: 'skb:kfree_skb', kind: 2 },
  { id: 22, name: 'bpf_skb_store_bytes', kind: 6 },
);

function storeOf(...frames: Uint8Array[]): TraceStore {
  const store = new TraceStore();
  new StreamDecoder(store).feed(join(hello(), table, ifaces, ...frames));
  return store;
}

function program(fields: Partial<FakeProgram> = {}): FakeProgram {
  return { id: 10, name: 'cil_from_container', entryHook: 1, verdictHook: 2, attachments: [ingress], ...fields };
}

const at = (ns: number, fields: Omit<FakeEvent, 'time'>): FakeEvent => ({
  netns: host,
  ifindex: 2,
  packet: 1,
  ...fields,
  time: bootMono + BigInt(ns),
});

/** The verdict that one event has in the trail, and whether the packet counts as dropped. */
function verdictOf(value: bigint, told: Partial<FakeProgram>, event: Partial<FakeEvent> = {}): [string, boolean] {
  const store = storeOf(programs(program(told)), events(at(0, { hook: 2, verdict: value, ...event })));
  return [store.trail(0, 0, 1).rows[0]?.verdict ?? '', store.droppedPackets === 1];
}

describe('the frames', () => {
  test('a program comes with everything that is told of it', () => {
    const told: FakeProgram = {
      id: 10,
      type: 3,
      name: 'cil_from_container',
      tag: 'a04f5eef06a7f555',
      state: 1,
      reason: 'the verifier refuses it',
      log: 'R1 invalid mem access',
      attachments: [{ ...ingress, link: 7, chain: 2, peer: 9, block: 22 }],
      maps: ['cilium_calls', 'cilium_ct4'],
      pins: ['/sys/fs/bpf/tc/prog'],
      tailCalls: [{ map: 'cilium_calls', index: 3, program: 11 }],
      images: [{ address: jit, size: 0x400, name: 'bpf_prog_a04f' }],
      entryHook: 1,
      verdictHook: 2,
      goneNs: 5n,
      file: 'bpf/bpf_lxc.c',
      line: 1234,
    };
    expect(storeOf(programs(told)).programs.get(10)).toEqual({
      id: 10,
      type: 3,
      name: 'cil_from_container',
      tag: 'a04f5eef06a7f555',
      state: 'reported',
      reason: 'the verifier refuses it',
      log: 'R1 invalid mem access',
      attachments: [
        {
          kind: 'tc',
          direction: 'ingress',
          netns: host,
          ifindex: 2,
          priority: 1,
          handle: 1,
          link: 7,
          target: 0,
          label: 'bpf_lxc.o:[tc]',
          direct: true,
          chain: 2,
          peer: 9,
          block: 22,
        },
      ],
      maps: ['cilium_calls', 'cilium_ct4'],
      pins: ['/sys/fs/bpf/tc/prog'],
      tailCalls: [{ map: 'cilium_calls', index: 3, program: 11 }],
      images: [{ address: jit, size: 0x400, name: 'bpf_prog_a04f' }],
      entryHook: 1,
      verdictHook: 2,
      goneNs: 5n,
      file: 'bpf/bpf_lxc.c',
      line: 1234,
    });
  });

  test('the newest word about a program wins, and a later one may leave its hooks to the hook table', () => {
    const store = storeOf(programs(program()), programs({ id: 10, name: 'renamed' }));
    expect(store.programs.size).toBe(1);
    expect(store.programs.get(10)).toMatchObject({ name: 'renamed', attachments: [] });
    expect(store.programs.ofHook(store.hooks.get(1))?.name).toBe('renamed');
  });

  test('a program that is gone keeps what its earlier events need', () => {
    const gone: FakeProgram = { id: 10, state: 2, goneNs: bootMono + 12_000_000_000n };
    const store = storeOf(programs(program()), events(at(0, { hook: 2, verdict: 0n })), programs(gone));
    expect(store.programs.get(10)).toMatchObject({ state: 'gone', name: 'cil_from_container', verdictHook: 2 });
    expect(store.trail(0, 0, 1).rows[0]?.program?.where).toBe('tc ingress eth0, prio 1, bpf_lxc.o cil_from_container');
    expect(store.detail(0).fields).toContainEqual({ name: 'Program state', value: 'gone after 12 s' });
  });

  test('a source’s lines come in order, without those that have no number', () => {
    const line = { file: 'a.c', line: 3, column: 5, text: 'return TC_ACT_OK;', function: 'f' };
    const store = storeOf(source(10, line, { file: 'a.c', line: 0, text: 'x' }, { file: 'a.c', line: 1, text: 'y' }));
    expect(store.programs.source(10)).toEqual([line, { file: 'a.c', line: 1, column: 0, text: 'y', function: '' }]);
    expect(store.programs.source(11)).toEqual([]);
  });

  test('fields and states of later versions are passed over', () => {
    const later = message(frameType.programs, (w) =>
      w.message(1, (p) =>
        p
          .uint(1, 10)
          .uint(5, 9)
          .string(99, 'new')
          .message(8, (a) => a.string(1, 'tcx').uint(2, 7).uint(50, 1)),
      ),
    );
    expect(storeOf(later).programs.get(10)).toMatchObject({
      state: 'unknown',
      attachments: [{ kind: 'tcx', direction: 'none' }],
    });
  });
});

describe('a hostile stream', () => {
  test('has its lists, texts and images cut', () => {
    const { attachments, name, log, lines, text } = programLimits;
    const store = storeOf(
      programs(
        program({
          name: 'n'.repeat(name + 1),
          log: `${'x'.repeat(log)}the end`,
          attachments: Array.from({ length: attachments + 5 }, () => ingress),
          tailCalls: [{ map: 'm', index: 0, program: 0 }],
          images: [
            { address: 0n, size: 5 },
            { address: jit, size: 0 },
            { address: 0xffff_ffff_ffff_ff00n, size: 0x1000 },
            { address: jit, size: 2 ** 40 },
          ],
        }),
      ),
      source(10, ...Array.from({ length: lines + 1 }, () => ({ file: 'a.c', line: 1, text: 'y'.repeat(text + 1) }))),
    );
    const told = store.programs.get(10);
    expect(told?.name.length).toBe(name);
    expect(told?.log.length).toBe(log);
    expect(told?.log.endsWith('the end')).toBe(true);
    expect(told?.attachments.length).toBe(attachments);
    expect(told?.tailCalls).toEqual([]);
    expect(told?.images).toEqual([]);
    expect(store.programs.source(10).length).toBe(lines);
    expect(store.programs.source(10)[0]?.text.length).toBe(text);
  });

  test('is an error in words when a message is cut', () => {
    const feed = (...frames: Uint8Array[]): void => new StreamDecoder(new TraceStore()).feed(join(hello(), ...frames));
    const whole = programs(program()).slice(5);
    for (const length of [1, 7, 30, whole.length - 1]) {
      expect(() => feed(encodeFrame(frameType.programs, whole.slice(0, length)))).toThrow(FormatError);
    }
  });

  test('finds a tail-call graph without one path quickly, and freplace programs that replace each other', () => {
    const all = Array.from({ length: 40 }, (_, i) => i + 100);
    const slots = all.map((id, index) => ({ map: 'm', index, program: id }));
    const store = storeOf(programs(...all.map((id) => ({ id, tailCalls: slots }))));
    const begun = performance.now();
    expect(store.programs.tailCallPath(100, 139)).toBeUndefined();
    expect(performance.now() - begun).toBeLessThan(1_000);
    const ring = [50, 51].map((id) => ({
      id,
      type: 28,
      verdictHook: id === 50 ? 2 : 4,
      attachments: [{ kind: 'freplace', target: 101 - id }],
    }));
    const circular = storeOf(
      programs(...ring),
      hooks({ id: 2, name: 'r', kind: 4, program: 50 }),
      events(at(0, { hook: 2, verdict: 2n })),
    );
    expect(circular.trail(0, 0, 1).rows[0]?.verdict).toBe('2');
    expect(programTree(circular)).toBeInstanceOf(Array);
  });
});

describe('verdicts', () => {
  const tcx: FakeAttachment = { kind: 'tcx', direction: 1, netns: host, ifindex: 2 };
  const netkit: FakeAttachment = { kind: 'netkit', direction: 2, netns: host, ifindex: 2 };
  const classful: FakeAttachment = { ...ingress, direct: false };
  const xdp = { type: 6, attachments: [{ kind: 'xdp', netns: host, ifindex: 2 }] };

  test.each<[string, bigint, Partial<FakeProgram>, string, boolean]>([
    ['a tc program that acts directly', 0n, {}, 'TC_ACT_OK', false],
    ['a tc program that acts directly', 2n, {}, 'TC_ACT_SHOT', true],
    ['a tc program that acts directly', -1n, {}, 'TC_ACT_UNSPEC', false],
    ['a tc program that acts directly', 8n, {}, 'TC_ACT_TRAP', false],
    ['a tc program that acts directly', 77n, {}, '77', false],
    ['a helper that left the upper half zero', 0xffff_ffffn, {}, 'TC_ACT_UNSPEC', false],
    ['a tc program that classifies', 2n, { attachments: [classful] }, 'class 0:2', false],
    ['a tc program that classifies', 0x1000an, { attachments: [classful] }, 'class 1:a', false],
    ['a tc program that classifies', 0n, { attachments: [classful] }, 'no match', false],
    ['a tc program that classifies', -1n, { attachments: [classful] }, 'match', false],
    ['a tcx program', -1n, { attachments: [tcx] }, 'TCX_NEXT', false],
    ['a tcx program', 2n, { attachments: [tcx] }, 'TCX_DROP', true],
    ['a netkit program', 0n, { attachments: [netkit] }, 'NETKIT_PASS', false],
    ['a netkit program', 2n, { attachments: [netkit] }, 'NETKIT_DROP', true],
    ['a netkit program', 7n, { attachments: [netkit] }, 'NETKIT_REDIRECT', false],
    ['an XDP program', 0n, xdp, 'XDP_ABORTED', true],
    ['an XDP program', 1n, xdp, 'XDP_DROP', true],
    ['an XDP program', 2n, xdp, 'XDP_PASS', false],
    ['an XDP program', 3n, xdp, 'XDP_TX', false],
    ['an action', 2n, { type: 4, attachments: [] }, 'TC_ACT_SHOT', true],
    ['a program that is nowhere attached', 2n, { attachments: [] }, 'TC_ACT_SHOT', false],
    ['a program of a type that sees no packets', 2n, { type: 1 }, '2', false],
  ])('of %s: %d', (_, value, told, name, drops) => {
    expect(verdictOf(value, told)).toEqual([name, drops]);
  });

  test('two attachments of one place that count differently leave the bare number, and never a drop', () => {
    expect(verdictOf(2n, { attachments: [ingress, classful] })).toEqual(['2', false]);
    expect(verdictOf(2n, { attachments: [ingress, tcx] })).toEqual(['2', true]);
  });

  test('where the place is none of the attachments, what all of them agree on counts', () => {
    const elsewhere = { ifindex: 9 };
    const two = { attachments: [ingress, { ...ingress, ifindex: 3 }] };
    expect(verdictOf(2n, two, elsewhere)).toEqual(['TC_ACT_SHOT', true]);
    const mixed = { attachments: [ingress, { ...classful, ifindex: 3 }] };
    expect(verdictOf(2n, mixed, elsewhere)).toEqual(['2', false]);
  });

  test('an freplace program speaks as the program does that it is part of, and drops nothing itself', () => {
    const store = storeOf(
      programs(
        {
          id: 10,
          type: 6,
          name: 'xdp_dispatcher',
          verdictHook: 2,
          attachments: [{ kind: 'xdp', netns: host, ifindex: 2 }],
        },
        {
          id: 11,
          type: 28,
          name: 'xdp_filter',
          verdictHook: 4,
          attachments: [{ kind: 'freplace', target: 10, label: 'prog0' }],
        },
      ),
      events(at(0, { hook: 4, verdict: 1n }), at(10, { hook: 2, verdict: 1n })),
    );
    expect(store.trail(0, 0, 9).rows.map(({ verdict, drop }) => [verdict, drop?.reason])).toEqual([
      ['XDP_DROP', undefined],
      ['XDP_DROP', 'XDP_DROP'],
    ]);
    expect(store.trail(0, 0, 9).rows[0]?.program).toEqual({
      kind: 'verdict',
      where: 'freplace of prog0 in xdp_dispatcher',
    });
    expect(store.droppedPackets).toBe(1);
  });

  test('a redirect names the interface that it goes to', () => {
    const store = storeOf(programs(program()), events(at(0, { hook: 2, verdict: 7n, redirect: 3 })));
    expect(store.trail(0, 0, 1).rows[0]?.verdict).toBe('TC_ACT_REDIRECT → lxc7');
  });
});

describe('where a program is attached', () => {
  const where = (attachment: FakeAttachment, told: Partial<FakeProgram> = {}): string | undefined => {
    const { netns = host, ifindex = 2 } = attachment;
    const store = storeOf(
      programs(program({ ...told, attachments: [attachment] })),
      events(at(0, { hook: 1, netns, ifindex })),
    );
    return store.trail(0, 0, 1).rows[0]?.program?.where;
  };

  test.each<[FakeAttachment, string]>([
    [ingress, 'tc ingress eth0, prio 1, bpf_lxc.o cil_from_container'],
    [
      { ...ingress, direction: 2, priority: 7, chain: 3 },
      'tc egress eth0, prio 7, chain 3, bpf_lxc.o cil_from_container',
    ],
    [{ ...ingress, label: 'cil_from_container' }, 'tc ingress eth0, prio 1, cil_from_container'],
    [{ kind: 'tcx', direction: 1, netns: host, ifindex: 3 }, 'tcx ingress lxc7, cil_from_container'],
    [{ kind: 'netkit', direction: 1, netns: host, ifindex: 3 }, 'netkit peer lxc7, cil_from_container'],
    [{ kind: 'netkit', direction: 2, netns: host, ifindex: 3 }, 'netkit primary lxc7, cil_from_container'],
    [{ kind: 'xdp generic', direction: 1, netns: host, ifindex: 2 }, 'xdp generic eth0, cil_from_container'],
    [{ ...ingress, block: 22 }, 'tc ingress eth0, prio 1, block 22, bpf_lxc.o cil_from_container'],
    [{ ...ingress, kind: 'tc action' }, 'tc action ingress eth0, prio 1, bpf_lxc.o cil_from_container'],
    [{ kind: 'freplace', target: 99 }, 'freplace of a function in program 99'],
  ])('%j', (attachment, text) => {
    expect(where(attachment)).toBe(text);
  });

  test('of several places, the one that the event was in; both when the event fits both', () => {
    const egress = { ...ingress, direction: 2 };
    const other = { ...ingress, netns: web };
    const store = storeOf(
      programs(program({ attachments: [ingress, egress, other] })),
      events(at(0, { hook: 1, netns: web }), at(1, { hook: 1 }), at(2, { hook: 1, ifindex: 9 })),
    );
    const [inWeb, inHost, nowhere] = store.trail(0, 0, 9).rows.map((row) => row.program?.where);
    expect(inWeb).toBe('tc ingress eth0, prio 1, bpf_lxc.o cil_from_container');
    expect(inHost).toContain(' or tc egress eth0');
    expect(nowhere).toBe('');
  });

  test('a netkit program runs when the skb is the other end’s', () => {
    const pair = [1, 2].map((direction) => ({ kind: 'netkit', direction, netns: host, ifindex: 3 }));
    const store = storeOf(programs(program({ attachments: pair })), events(at(0, { hook: 1, netns: web, ifindex: 2 })));
    expect(store.trail(0, 0, 1).rows[0]?.program?.where).toBe(
      'netkit peer lxc7, cil_from_container or netkit primary lxc7, cil_from_container',
    );
  });

  test('an event’s detail has the program’s fields', () => {
    const store = storeOf(
      programs(
        program({
          tag: 'a04f',
          maps: ['cilium_calls'],
          pins: ['/sys/fs/bpf/x'],
          tailCalls: [{ map: 'cilium_calls', index: 3, program: 11 }],
          file: 'bpf_lxc.c',
          line: 12,
        }),
        { id: 11, name: 'tail_ipv4' },
      ),
      events(at(0, { hook: 2, verdict: 0n })),
    );
    const fields = Object.fromEntries(store.detail(0).fields.map(({ name, value }) => [name, value]));
    expect(fields).toMatchObject({
      Program: 'cil_from_container (id 10)',
      'Program type': 'sched_cls',
      Tag: 'a04f',
      'Attached here': 'tc ingress eth0, prio 1, bpf_lxc.o cil_from_container',
      Attachments: 'tc ingress eth0, prio 1, bpf_lxc.o cil_from_container (netns host, handle 0x1)',
      Maps: 'cilium_calls',
      Pins: '/sys/fs/bpf/x',
      'Tail calls': 'cilium_calls[3] → tail_ipv4',
      'Program source': 'bpf_lxc.c:12',
      Verdict: 'TC_ACT_OK',
    });
  });
});

describe('drops', () => {
  const shot = at(0, { hook: 2, verdict: 2n });
  const freed = (reason: number, ns = 10): FakeEvent =>
    at(ns, { hook: 21, drop: { reason, location: 0x2010n }, free: true });
  const why = reasons([2, 'NOT_SPECIFIED'], [8, 'NETFILTER_DROP'], [30, 'TC_INGRESS']);
  const place = symbols({ address: textBase + 0x2000n, size: 0x100, name: 'sch_handle_ingress' });

  test('a verdict that drops is the packet’s drop, and what the kernel says of it is its record', () => {
    const store = storeOf(programs(program()), why, place, events(shot, freed(30)));
    expect(store.droppedPackets).toBe(1);
    expect(store.lanes('', 0, 1).lanes[0]).toMatchObject({ drop: 'TC_ACT_SHOT', discard: '' });
    const [verdict, record] = store.trail(0, 0, 9).rows;
    expect(verdict?.drop).toEqual({ reason: 'TC_ACT_SHOT', where: '', discard: '' });
    expect(record).toMatchObject({ drop: undefined, record: 'TC_INGRESS at sch_handle_ingress+0x10' });
    expect(store.overview(1).drops).toEqual([1]);
  });

  test('a kernel without reasons records it, too; a reason of its own, and a second drop, count', () => {
    const dropsOf = (...list: FakeEvent[]): (string | undefined)[] =>
      storeOf(programs(program()), why, events(...list))
        .trail(0, 0, 9)
        .rows.map(({ drop }) => drop?.reason);
    expect(dropsOf(shot, freed(0))).toEqual(['TC_ACT_SHOT', undefined]);
    expect(dropsOf(shot, freed(2))).toEqual(['TC_ACT_SHOT', undefined]);
    expect(dropsOf(shot, freed(8))).toEqual(['TC_ACT_SHOT', 'NETFILTER_DROP']);
    expect(dropsOf(shot, freed(30), freed(30, 20))).toEqual(['TC_ACT_SHOT', undefined, 'TC_INGRESS']);
  });

  test('a drop: filter finds verdicts and the kernel’s record alike', () => {
    const store = storeOf(programs(program()), why, events(shot, freed(30)));
    for (const filter of ['drop:tc_act_shot', 'drop:tc_ingress', 'drop:'])
      expect(store.lanes(filter, 0, 1).total).toBe(1);
    expect(store.lanes('drop:netfilter', 0, 1).total).toBe(0);
  });
});

describe('tail calls', () => {
  const image = (index: number): { address: bigint; size: number } => ({
    address: jit + BigInt(index * 0x1000),
    size: 0x800,
  });
  const within = (index: number): bigint => jit + BigInt(index * 0x1000 + 0x20) - textBase;
  /** 10 is attached; 11, 12 … are reached by tail calls, each from the one before. */
  const chain = (length: number): FakeProgram[] =>
    Array.from({ length }, (_, i) =>
      program({
        id: 10 + i,
        name: `stage${i}`,
        images: [image(i)],
        attachments: i === 0 ? [ingress] : [],
        entryHook: i === 0 ? 1 : 0,
        verdictHook: i === 0 ? 2 : 0,
        tailCalls: i + 1 < length ? [{ map: 'stages', index: i, program: 11 + i }] : [],
      }),
    );
  const called = (store: TraceStore): (readonly [string, string] | undefined)[] =>
    store.trail(0, 0, 99).rows.map(({ calledFrom: from }) => from && [from.program, from.tailCalls.join(' ')]);

  test('a function called from another program than the entered one shows the chain that led there', () => {
    const store = storeOf(
      programs(...chain(5)),
      events(
        at(0, { hook: 1 }),
        at(1, { hook: 22, caller: within(0) }),
        at(2, { hook: 22, caller: within(3) }),
        at(3, { hook: 22, caller: within(3) }),
        at(4, { hook: 22, caller: within(4) }),
        at(5, { hook: 2, verdict: 0n }),
        at(6, { hook: 20, caller: 0x10n }),
      ),
    );
    expect(called(store)).toEqual([
      undefined,
      ['stage0', ''],
      ['stage3', 'stage1 stage2 stage3'],
      ['stage3', ''],
      ['stage4', 'stage4'],
      undefined,
      undefined,
    ]);
    expect(store.detail(2).fields).toContainEqual({
      name: 'Tail call',
      value: 'stage1 (11) → stage2 (12) → stage3 (13) (inferred)',
    });
    // A window that begins in the middle knows what ran before it.
    expect(store.trail(0, 4, 1).rows[0]?.calledFrom?.tailCalls).toEqual(['stage4']);
  });

  test('a verdict says whose it is: that of the program that ran last, by a tail call where one was seen', () => {
    const returnedBy = (calls: readonly FakeEvent[], length = 3): string | undefined => {
      const verdict = at(9, { hook: 2, verdict: 2n });
      const store = storeOf(programs(...chain(length)), events(at(0, { hook: 1 }), ...calls, verdict));
      return store.detail(calls.length + 1).fields.find(({ name }) => name === 'Returned by')?.value;
    };
    const call = (index: number): FakeEvent => at(1, { hook: 22, caller: within(index) });
    expect(returnedBy([call(0), call(2)])).toBe(
      'stage2 (id 12), reached by a tail call: the last that was seen to run',
    );
    expect(returnedBy([call(0)])).toBe('itself, or a program that it left for by a tail call');
    expect(returnedBy([call(0)], 1)).toBeUndefined();
    const entry = storeOf(programs(...chain(3)), events(at(0, { hook: 1 })));
    expect(entry.detail(0).fields.map(({ name }) => name)).not.toContain('Returned by');
  });

  test('where two ways lead there, only where it arrived is said', () => {
    const [first, second, third] = chain(3);
    if (first === undefined || second === undefined || third === undefined) throw new Error('three programs');
    first.tailCalls?.push({ map: 'stages', index: 9, program: third.id });
    const store = storeOf(
      programs(first, second, third),
      events(at(0, { hook: 1 }), at(1, { hook: 22, caller: within(2) })),
    );
    expect(called(store)[1]).toEqual(['stage2', 'stage2']);
  });

  test('a function that no entered program called is not taken for a tail call', () => {
    const store = storeOf(programs(...chain(2)), events(at(0, { hook: 22, caller: within(1) })));
    expect(called(store)).toEqual([['stage1', '']]);
  });

  test('an freplace program inside the entered one is no tail call', () => {
    const part = { id: 11, type: 28, name: 'part', entryHook: 3, verdictHook: 4, images: [image(1)] };
    const store = storeOf(
      programs(program({ images: [image(0)] }), {
        ...part,
        attachments: [{ kind: 'freplace', target: 10, label: 'f' }],
      }),
      events(
        at(0, { hook: 1 }),
        at(1, { hook: 3 }),
        at(2, { hook: 22, caller: within(1) }),
        at(3, { hook: 22, caller: within(0) }),
        at(4, { hook: 4, verdict: 0n }),
        at(5, { hook: 22, caller: within(0) }),
      ),
    );
    expect(called(store).map((call) => call?.[1])).toEqual([undefined, undefined, '', '', undefined, '']);
  });

  test('an image belongs to the program that had it then', () => {
    const old = program({ id: 10, name: 'old', images: [image(0)] });
    const store = storeOf(
      programs(old),
      programs({ id: 10, state: 2, goneNs: bootMono + 100n }, { id: 12, name: 'new', images: [image(0)] }),
      events(at(50, { hook: 22, caller: within(0) }), at(200, { hook: 22, caller: within(0) })),
    );
    // Both are known by now; the newest that was not gone then is meant.
    expect(called(store)[1]?.[0]).toBe('new');
    // A return address behind the last instruction still is the program's.
    const end = jit + 0x800n - textBase;
    const last = storeOf(programs(old), events(at(0, { hook: 22, caller: end })));
    expect(called(last)[0]?.[0]).toBe('old');
  });
});

describe('the filter', () => {
  const store = storeOf(
    programs(
      program(),
      program({
        id: 11,
        name: 'cil_to_container',
        entryHook: 3,
        verdictHook: 4,
        attachments: [{ ...ingress, direction: 2 }],
      }),
      { id: 12, name: 'tail_ipv4', images: [{ address: jit, size: 0x800 }] },
    ),
    events(
      at(0, { hook: 1, packet: 1 }),
      at(1, { hook: 2, packet: 1, verdict: 2n }),
      at(2, { hook: 4, packet: 2, verdict: 7n, redirect: 3 }),
      at(3, { hook: 4, packet: 3, verdict: 0n }),
      at(4, { hook: 22, packet: 4, caller: jit + 0x10n - textBase }),
    ),
  );
  const found = (filter: string): string[] => store.lanes(filter, 0, 9).lanes.map(({ id }) => id);

  test.each<[string, string[]]>([
    ['prog:cil', ['1', '2', '3']],
    ['prog:cil_from*', ['1']],
    ['prog:CIL_TO', ['2', '3']],
    ['prog:11', ['2', '3']],
    ['prog:1', []],
    ['prog:tail_ipv4', ['4']],
    ['prog:none', []],
    ['-prog:cil', ['4']],
    ['verdict:', ['1', '2', '3']],
    ['verdict:shot', ['1']],
    ['verdict:tc_act_ok', ['3']],
    ['verdict:lxc7', ['2']],
    ['verdict:xdp', []],
    ['verdict:11=tc_act_ok', ['3']],
    ['verdict:10=tc_act_ok', []],
    ['verdict:cil_to*=redirect', ['2']],
    ['-verdict:shot prog:cil', ['2', '3']],
    ['tc_act_shot', ['1']],
    ['cil_to', ['2', '3']],
    ['drop:tc_act', ['1']],
  ])('%s', (filter, ids) => {
    expect(found(filter)).toEqual(ids);
  });

  test('is asked anew when programs are told of later', () => {
    const growing = new TraceStore();
    const decoder = new StreamDecoder(growing);
    decoder.feed(join(hello(), table, ifaces, events(at(0, { hook: 1 }))));
    expect(growing.lanes('prog:cil', 0, 9).total).toBe(0);
    decoder.feed(programs(program()));
    expect(growing.lanes('prog:cil', 0, 9).total).toBe(1);
  });
});

describe('the tree', () => {
  /** A row with its children as indented lines. */
  const lines = (rows: readonly ProgramRow[], depth = 0): string[] =>
    rows.flatMap((row) => [
      `${'  '.repeat(depth)}${row.label}${row.description === '' ? '' : ` | ${row.description}`}`,
      ...lines(row.children, depth + 1),
    ]);

  test('has interface, direction, program and verdict counts, and every program that was told of', () => {
    const egress: FakeAttachment = { ...ingress, direction: 2, label: '' };
    const store = storeOf(
      programs(
        program(),
        program({
          id: 11,
          name: 'cil_to',
          entryHook: 3,
          verdictHook: 4,
          attachments: [egress, { ...ingress, netns: web }],
        }),
        { id: 12, name: 'tail_ipv4' },
        { id: 13, name: 'broken', state: 1, reason: 'it has no BTF', attachments: [{ ...ingress, priority: 2 }] },
        {
          id: 14,
          type: 6,
          name: 'dispatcher',
          verdictHook: 6,
          attachments: [{ kind: 'xdp', netns: host, ifindex: 3 }],
        },
        { id: 15, type: 28, name: 'filter', attachments: [{ kind: 'freplace', target: 14, label: 'prog0' }] },
        { id: 16, name: 'idle' },
      ),
      programs(program({ tailCalls: [{ map: 'calls', index: 3, program: 12 }] })),
      events(
        ...Array.from({ length: 1200 }, (_, i) => at(i, { hook: 2, packet: i + 1, verdict: 0n })),
        at(2000, { hook: 2, packet: 9999, verdict: 2n }),
        at(2001, { hook: 4, packet: 1, verdict: 7n, redirect: 3 }),
        at(2002, { hook: 4, packet: 1, verdict: 0n, netns: web }),
        at(2003, { hook: 4, packet: 1, verdict: 0n, netns: web, ifindex: 77 }),
      ),
    );
    expect(lines(programTree(store))).toEqual([
      'eth0 | netns host',
      '  tc ingress',
      '    cil_from_container | TC_ACT_OK 1,200, TC_ACT_SHOT 1, prio 1, bpf_lxc.o',
      '      TC_ACT_OK | 1,200',
      '      TC_ACT_SHOT | 1',
      '    broken | it has no BTF, prio 2, bpf_lxc.o',
      '  tc egress',
      '    cil_to | TC_ACT_REDIRECT 1, prio 1',
      '      TC_ACT_REDIRECT | 1',
      'lxc7 | netns host',
      '  xdp',
      '    dispatcher | no packet yet',
      '      filter | replaces prog0, not hooked itself',
      'eth0 | netns web',
      '  tc ingress',
      '    cil_to | TC_ACT_OK 1, prio 1, bpf_lxc.o',
      '      TC_ACT_OK | 1',
      'if 77 | netns web',
      '  seen here',
      '    cil_to | TC_ACT_OK 1',
      '      TC_ACT_OK | 1',
      'Reached by tail calls | 1',
      '  tail_ipv4 | not hooked itself, from cil_from_container, calls[3]',
      'Loaded, not attached | 1',
      '  idle | not hooked itself',
      'Not hooked | 1',
      '  broken | it has no BTF',
    ]);
    const keys: string[] = [];
    const collect = (rows: readonly ProgramRow[]): void =>
      rows.forEach(({ key, children }) => {
        keys.push(key);
        collect(children);
      });
    collect(programTree(store));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('a program in both directions of one interface is counted in each, where the events tell them apart', () => {
    const both = [ingress, { ...ingress, direction: 2 }];
    const store = storeOf(
      programs(program({ attachments: both })),
      events(
        at(0, { hook: 2, verdict: 2n, direction: 1 }),
        at(1, { hook: 2, packet: 2, verdict: 0n, direction: 2 }),
        at(2, { hook: 2, packet: 3, verdict: 0n, direction: 2 }),
      ),
    );
    expect(lines(programTree(store))).toEqual([
      'eth0 | netns host',
      '  tc ingress',
      '    cil_from_container | TC_ACT_SHOT 1, prio 1, bpf_lxc.o',
      '      TC_ACT_SHOT | 1',
      '  tc egress',
      '    cil_from_container | TC_ACT_OK 2, prio 1, bpf_lxc.o',
      '      TC_ACT_OK | 2',
    ]);
  });

  test('a program in several netkit devices is counted where it ran: the skb is the other end’s by then', () => {
    const primary = { kind: 'netkit', direction: 2, netns: host };
    const attachments = [
      { ...primary, ifindex: 2, peer: 8 },
      { ...primary, ifindex: 3, peer: 9 },
      { ...primary, ifindex: 3, direction: 1, peer: 9 },
    ];
    const store = storeOf(
      programs(program({ attachments })),
      events(
        at(0, { hook: 2, verdict: 0n, netns: web, ifindex: 8, direction: 2 }),
        at(1, { hook: 2, packet: 2, verdict: 2n, netns: web, ifindex: 9, direction: 2 }),
        at(2, { hook: 2, packet: 3, verdict: 7n, ifindex: 3, direction: 2 }),
      ),
    );
    expect(lines(programTree(store))).toEqual([
      'eth0 | netns host',
      '  netkit primary',
      '    cil_from_container | NETKIT_PASS 1',
      '      NETKIT_PASS | 1',
      'lxc7 | netns host',
      '  netkit primary',
      '    cil_from_container | NETKIT_DROP 1',
      '      NETKIT_DROP | 1',
      '  netkit peer',
      '    cil_from_container | NETKIT_REDIRECT 1',
      '      NETKIT_REDIRECT | 1',
    ]);
  });

  test('counts that two directions of one interface share say so, and drops are marked', () => {
    const both = [ingress, { ...ingress, direction: 2 }];
    const store = storeOf(programs(program({ attachments: both })), events(at(0, { hook: 2, verdict: 2n })));
    const [eth0] = programTree(store);
    const [down, up] = eth0?.children ?? [];
    expect(down?.children[0]?.description).toMatch(/^TC_ACT_SHOT 1, counted together with tc egress, prio 1/);
    expect(up?.children[0]?.description).toMatch(/^TC_ACT_SHOT 1, counted together with tc ingress, prio 1/);
    expect(down?.children[0]?.children[0]).toMatchObject({ kind: 'verdict', count: 1, drops: true });
  });

  test('programs that are gone stand in a group of their own, so that a swapped one floods nothing', () => {
    const gone = (id: number): FakeProgram =>
      program({ id, entryHook: 0, verdictHook: 0, state: 2, goneNs: bootMono + 1_500_000_000n });
    const store = storeOf(programs(program(), gone(30), gone(31)), events(at(0, { hook: 2, verdict: 0n })));
    expect(lines(programTree(store))).toEqual([
      'eth0 | netns host',
      '  tc ingress',
      '    cil_from_container | TC_ACT_OK 1, prio 1, bpf_lxc.o',
      '      TC_ACT_OK | 1',
      '    Gone | 2',
      '      cil_from_container | gone after 1.5 s, prio 1, bpf_lxc.o',
      '      cil_from_container | gone after 1.5 s, prio 1, bpf_lxc.o',
    ]);
  });

  test('a row’s filter finds its packets, by name where that is no other program’s', () => {
    const store = storeOf(
      programs(program(), program({ id: 11, name: 'cil_from', entryHook: 3, verdictHook: 4, attachments: [ingress] })),
      events(
        at(0, { hook: 2, packet: 1, verdict: 2n }),
        at(1, { hook: 4, packet: 2, verdict: 2n }),
        at(2, { hook: 2, packet: 3, verdict: 0n }),
      ),
    );
    const rows: ProgramRow[] = [];
    const collect = (list: readonly ProgramRow[]): void => {
      for (const row of list) {
        rows.push(row);
        collect(row.children);
      }
    };
    collect(programTree(store));
    const filters = rows
      .filter(({ kind }) => kind === 'program' || kind === 'verdict')
      .map((row) => hitsFilter(store, row));
    expect(filters).toEqual([
      'prog:cil_from_container',
      'verdict:cil_from_container=TC_ACT_OK',
      'verdict:cil_from_container=TC_ACT_SHOT',
      'prog:11',
      'verdict:11=TC_ACT_SHOT',
    ]);
    expect(filters.map((filter) => store.lanes(filter, 0, 9).lanes.map(({ id }) => id))).toEqual([
      ['1', '3'],
      ['3'],
      ['1'],
      ['2'],
      ['2'],
    ]);
    const [interfaceRow] = rows;
    expect(interfaceRow && hitsFilter(store, interfaceRow)).toBe('');
  });
});

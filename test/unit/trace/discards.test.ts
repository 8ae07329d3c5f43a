// A freed packet whose data went on is no drop, and only then: what isn't certain stays one.
import { describe, expect, test } from 'vitest';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import {
  bootMono,
  events,
  hello,
  hooks,
  join,
  names,
  reasons,
  symbols,
  tcp,
  textBase,
  type FakeEvent,
} from './encode.ts';

const hook = {
  ipRcv: 1,
  rawRcv: 2,
  rawV6Rcv: 3,
  rawRcvOfCan: 4,
  drop: 5,
  consume: 6,
  echoReply: 7,
  timeWait: 8,
  sendAck: 9,
  rawError: 10,
} as const;
const edge = { clone: 1, copy: 2, reassembled: 5 } as const;
const reason = {
  none: 0,
  notSpecified: 2,
  noSocket: 3,
  netfilter: 8,
  oldData: 9,
  merged: 10,
  pruned: 11,
  oldSequence: 12,
  outdated: 13,
} as const;
const place = {
  icmpRcv: 0x3010n,
  tcpState: 0x4010n,
  releaseData: 0x5010n,
  nft: 0x6010n,
  tcpQueue: 0x7010n,
  icmpV6Rcv: 0x8010n,
  tcpRcv: 0x9010n,
  sctpRead: 0xa010n,
  tcpDrop: 0xb010n,
} as const;
const [packet, clone, whole] = [1, 2, 3];

const preamble = [
  hello(),
  hooks(
    { id: hook.ipRcv, name: 'ip_rcv' },
    { id: hook.rawRcv, name: 'raw_rcv' },
    { id: hook.rawV6Rcv, name: 'rawv6_rcv.isra.0' },
    { id: hook.rawRcvOfCan, name: 'raw_rcv', module: 'can_raw' },
    { id: hook.drop, name: 'skb:kfree_skb', kind: 2 },
    { id: hook.consume, name: 'skb:consume_skb', kind: 2 },
    { id: hook.echoReply, name: 'icmpv6_echo_reply' },
    { id: hook.rawError, name: 'raw6_icmp_error' },
    { id: hook.timeWait, name: 'tcp_timewait_state_process' },
    { id: hook.sendAck, name: 'tcp_v4_send_ack' },
  ),
  names({ task: [{ pid: 77, comm: 'ping' }] }),
  reasons(
    [reason.notSpecified, 'NOT_SPECIFIED'],
    [reason.noSocket, 'NO_SOCKET'],
    [reason.netfilter, 'NETFILTER_DROP'],
    [reason.oldData, 'TCP_OLD_DATA'],
    [reason.merged, 'TCP_OFOMERGE'],
    [reason.pruned, 'TCP_OFO_QUEUE_PRUNE'],
    [reason.oldSequence, 'TCP_OLD_SEQUENCE'],
  ),
  symbols(
    { address: textBase + 0x3000n, size: 0x100, name: 'icmp_rcv' },
    { address: textBase + 0x4000n, size: 0x100, name: 'tcp_rcv_state_process' },
    { address: textBase + 0x5000n, size: 0x100, name: 'skb_release_data' },
    { address: textBase + 0x6000n, size: 0x100, name: 'nft_do_chain' },
    { address: textBase + 0x7000n, size: 0x100, name: 'tcp_data_queue' },
    { address: textBase + 0x8000n, size: 0x100, name: 'icmpv6_rcv' },
    { address: textBase + 0x9000n, size: 0x100, name: 'tcp_v4_rcv' },
    { address: textBase + 0xa000n, size: 0x100, name: 'sctp_recvmsg' },
    { address: textBase + 0xb000n, size: 0x100, name: 'tcp_drop_reason' },
  ),
];

/** What came of the events, which are 1 ns apart. */
function storeOf(...list: readonly Omit<FakeEvent, 'time'>[]): TraceStore {
  return storeAfter(join(...preamble), list);
}

function storeAfter(frames: Uint8Array, list: readonly Omit<FakeEvent, 'time'>[]): TraceStore {
  const store = new TraceStore();
  const timed = list.map((event, at) => ({ packet, ...event, time: bootMono + BigInt(at) }));
  new StreamDecoder(store).feed(join(frames, events(...timed)));
  return store;
}

const dropped = (why: number, location: bigint, more: Partial<FakeEvent> = {}): Omit<FakeEvent, 'time'> => ({
  hook: hook.drop,
  drop: { reason: why, location },
  free: true,
  ...more,
});
const received = { hook: hook.ipRcv };
const taken = { packet: clone, hook: hook.rawRcv, parent: { id: packet, edge: edge.clone } };
const noSocket = dropped(reason.noSocket, place.icmpRcv);

/** Drops that count, and the discards of the trace's lanes in words. */
const told = (store: TraceStore): readonly [number, readonly string[]] => [
  store.droppedPackets,
  store.lanes('', 0, 9).lanes.flatMap(({ discard }) => (discard === '' ? [] : [discard])),
];

describe('a clone that a raw socket got', () => {
  test('makes its original’s end a discard, with the reason, the place and the reader', () => {
    const store = storeOf(received, taken, noSocket, { packet: clone, hook: hook.consume, task: 77, free: true });
    const discard = 'the raw socket of ping got a copy of it';
    expect(told(store)).toEqual([0, [discard]]);
    expect(store.lanes('', 0, 1).lanes[0]).toMatchObject({ drop: 'NO_SOCKET', discard });
    expect(store.trail(0, 1, 1).rows[0]?.drop).toEqual({ reason: 'NO_SOCKET', where: 'icmp_rcv+0x10', discard });
    const fields = Object.fromEntries(store.detail(2).fields.map(({ name, value }) => [name, value]));
    expect(fields).toMatchObject({
      'Discard reason': 'NO_SOCKET',
      'Discarded at': 'icmp_rcv+0x10',
      'Its data': discard,
    });
    expect(store.overview(1).drops).toEqual([0]);
  });

  test('is enough on kernels that give no reason, and for IPv6; its reader may still be to come', () => {
    const discard = 'a raw socket got a copy of it';
    expect(told(storeOf(received, taken, dropped(reason.none, place.icmpRcv)))).toEqual([0, [discard]]);
    expect(told(storeOf(received, { ...taken, hook: hook.rawV6Rcv }, noSocket))).toEqual([0, [discard]]);
    const unexplained = dropped(reason.notSpecified, place.icmpV6Rcv);
    expect(told(storeOf(received, { ...taken, hook: hook.rawV6Rcv }, unexplained))).toEqual([0, [discard]]);
    const tuple = { ...tcp([10, 0, 0, 1], 8 << 8, [10, 0, 0, 2], 7), l4: 1 };
    const asked = dropped(reason.none, place.icmpRcv, { tuple });
    expect(told(storeOf(received, taken, asked)), 'an echo request').toEqual([1, []]);
  });

  test('is needed: nobody’s answer, a copy, a tap’s clone and a CAN socket’s leave a drop', () => {
    expect(told(storeOf(received, noSocket))).toEqual([1, []]);
    for (const other of [
      { ...taken, parent: { id: packet, edge: edge.copy } },
      { ...taken, hook: hook.ipRcv },
      { ...taken, hook: hook.rawRcvOfCan },
      { ...taken, parent: { id: 99, edge: edge.clone } },
    ])
      expect(told(storeOf(received, other, noSocket))).toEqual([1, []]);
  });

  test('excuses neither another reason nor another place', () => {
    expect(told(storeOf(received, taken, dropped(reason.netfilter, place.icmpRcv)))).toEqual([1, []]);
    expect(told(storeOf(received, taken, dropped(reason.noSocket, place.nft)))).toEqual([1, []]);
  });

  test('that the socket had no room for was not got', () => {
    const full = dropped(reason.netfilter, place.nft, { packet: clone });
    expect(told(storeOf(received, taken, full, noSocket))).toEqual([2, []]);
  });
});

describe('what was put together', () => {
  const joined = { packet: whole, hook: hook.ipRcv, parent: { id: packet, edge: edge.reassembled } };

  test('takes its fragments’ data along: they are discards, wherever they are freed', () => {
    expect(told(storeOf(received, joined, dropped(reason.notSpecified, place.nft)))).toEqual([
      0,
      ['its data went on in packet 3'],
    ]);
    expect(told(storeOf(received, dropped(reason.notSpecified, place.releaseData)))).toEqual([
      0,
      ['its data went on in the packet that it was put together to'],
    ]);
  });

  test('may itself be dropped, and a fragment that was dropped for a reason is', () => {
    expect(told(storeOf(received, joined, dropped(reason.netfilter, place.nft, { packet: whole })))).toEqual([1, []]);
    expect(told(storeOf(received, dropped(reason.notSpecified, place.nft)))).toEqual([1, []]);
    expect(told(storeOf(received, joined, dropped(reason.netfilter, place.nft)))).toEqual([1, []]);
  });
});

test('an acknowledgement that TCP has taken in is a discard, and nothing that carries more', () => {
  const tuple = tcp([10, 0, 0, 1], 1, [10, 0, 0, 2], 2);
  const freed = (tcpFlags: number, why: number = reason.notSpecified, location: bigint = place.tcpState) =>
    told(storeOf(dropped(why, location, { tuple, tcpFlags })))[0];
  expect([freed(0x10), freed(0x10, reason.none)]).toEqual([0, 0]);
  expect([freed(0x18), freed(0x02), freed(0x10, reason.netfilter), freed(0x10, 2, place.nft)]).toEqual([1, 1, 1, 1]);
});

test('in a function that drops for all of TCP, only a kernel that gives all others a reason says that it was taken in', () => {
  const tuple = tcp([10, 0, 0, 1], 1, [10, 0, 0, 2], 2);
  const explains = reasons([reason.outdated, 'TCP_RFC7323_PAWS']);
  const freed = (tcpFlags: number, why: number = reason.notSpecified, frames = join(...preamble, explains)) =>
    told(storeAfter(frames, [dropped(why, place.tcpDrop, { tuple, tcpFlags })]));
  expect(freed(0x10)).toEqual([0, ['TCP has taken the acknowledgement in']]);
  expect([freed(0x18), freed(0x10, reason.outdated), freed(0x10, reason.none)]).toEqual(Array(3).fill([1, []]));
  expect(freed(0x10, reason.notSpecified, join(...preamble))).toEqual([1, []]);
});

test('a FIN that a connection in TIME-WAIT acknowledged is a discard, and nothing else that comes to one', () => {
  const tuple = tcp([10, 0, 0, 1], 1, [10, 0, 0, 2], 2);
  const [waits, answered] = [{ hook: hook.timeWait }, { hook: hook.sendAck }];
  const freed = (tcpFlags: number, why: number = reason.notSpecified, location: bigint = place.tcpRcv) =>
    dropped(why, location, { tuple, tcpFlags });
  expect(told(storeOf(waits, answered, freed(0x11)))).toEqual([0, ['its connection in TIME-WAIT acknowledged it']]);
  expect(told(storeOf(waits, answered, freed(0x11, reason.none)))[0]).toBe(0);
  for (const events of [
    [waits, freed(0x11)],
    [answered, freed(0x11)],
    [waits, answered, freed(0x18)],
    [waits, answered, freed(0x03)],
    [waits, answered, freed(0x11, reason.netfilter)],
    [waits, answered, freed(0x11, reason.notSpecified, place.nft)],
  ])
    expect(told(storeOf(...events))).toEqual([1, []]);
});

test('what SCTP frees when a process has read it is a discard, unless it says why', () => {
  for (const why of [reason.none, reason.notSpecified])
    expect(told(storeOf(dropped(why, place.sctpRead)))).toEqual([0, ['a process read it']]);
  expect(told(storeOf(dropped(reason.netfilter, place.sctpRead)))).toEqual([1, []]);
});

test('an IPv6 echo request that was taken in, and an error that sockets were told of, is a discard where the kernel gives no reason, and only then', () => {
  const discard = 'the kernel took it in';
  const taken = { hook: hook.echoReply };
  for (const why of [reason.none, reason.notSpecified]) {
    expect(told(storeOf(taken, dropped(why, place.icmpV6Rcv)))).toEqual([0, [discard]]);
    expect(told(storeOf({ hook: hook.rawError }, dropped(why, place.icmpV6Rcv)))).toEqual([0, [discard]]);
    expect(told(storeOf(received, dropped(why, place.icmpV6Rcv)))).toEqual([1, []]);
  }
  expect(told(storeOf(taken, dropped(reason.netfilter, place.icmpV6Rcv)))).toEqual([1, []]);
  expect(told(storeOf(taken, dropped(reason.none, place.nft)))).toEqual([1, []]);
});

test('a segment with nothing that TCP has not got is a discard, one that it lets go of for want of memory is none', () => {
  const discard = 'TCP got its data in other segments';
  for (const why of [reason.oldData, reason.merged, reason.oldSequence]) {
    expect(told(storeOf(dropped(why, place.tcpQueue)))).toEqual([0, [discard]]);
  }
  expect(told(storeOf(dropped(reason.pruned, place.tcpQueue)))).toEqual([1, []]);
});

test('a drop after a discard counts, and a discard after a drop takes nothing back', () => {
  const discard = dropped(reason.notSpecified, place.releaseData);
  const drop = dropped(reason.netfilter, place.nft);
  for (const order of [
    [discard, drop],
    [drop, discard],
  ]) {
    const store = storeOf(...order);
    expect([store.droppedPackets, store.lanes('', 0, 1).lanes[0]?.drop]).toEqual([1, 'NETFILTER_DROP']);
  }
});

test('drop: finds drops only, and discard: discards', () => {
  const store = storeOf(dropped(reason.notSpecified, place.releaseData), {
    ...dropped(reason.netfilter, place.nft),
    packet: whole,
  });
  const ids = (filter: string): string[] => store.lanes(filter, 0, 9).lanes.map(({ id }) => id);
  expect([ids('drop:'), ids('discard:'), ids('discard:not_spec'), ids('discard:netfilter')]).toEqual([
    ['3'],
    ['1'],
    ['1'],
    [],
  ]);
});

// Tuples, protocols, flags and verdicts in the field's words.
import type { Hook } from './metadata.ts';
import type { Tuple } from './intern.ts';

const l4Names = new Map([
  [1, 'ICMP'],
  [2, 'IGMP'],
  [4, 'IPIP'],
  [6, 'TCP'],
  [17, 'UDP'],
  [41, 'IPv6 in IP'],
  [47, 'GRE'],
  [50, 'ESP'],
  [51, 'AH'],
  [58, 'ICMPv6'],
  [132, 'SCTP'],
]);

const etherNames = new Map([
  [0x0800, 'IPv4'],
  [0x0806, 'ARP'],
  [0x86dd, 'IPv6'],
  [0x8100, 'VLAN'],
  [0x88a8, 'QinQ'],
  [0x88cc, 'LLDP'],
  [0x8847, 'MPLS'],
  [0x888e, 'EAPOL'],
]);

/** "TCP", "protocol 99". */
export function l4Text(l4: number): string {
  return l4Names.get(l4) ?? `protocol ${l4}`;
}

/** "ARP", "EtherType 0x88cc"; empty for 0. */
export function etherText(etherType: number): string {
  if (etherType === 0) return '';
  return etherNames.get(etherType) ?? `EtherType 0x${etherType.toString(16).padStart(4, '0')}`;
}

/** Whether the tuple's ports are ports. */
export function hasPorts(l4: number): boolean {
  return l4 === 6 || l4 === 17 || l4 === 132 || l4 === 33 || l4 === 136;
}

export function isIcmp(l4: number): boolean {
  return l4 === 1 || l4 === 58;
}

/** An address of 4 or 16 bytes; IPv6 as RFC 5952 has it. */
export function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** One end of a tuple: "10.0.0.1:80", "[fd00::1]:80", or the bare address where there are no ports. */
export function endText(tuple: Tuple, end: 'source' | 'destination'): string {
  const address = addressText(tuple[end]);
  if (!hasPorts(tuple.l4)) return address;
  const port = end === 'source' ? tuple.sourcePort : tuple.destinationPort;
  return tuple.family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** "TCP 10.0.0.1:43210 → 10.0.0.2:8080". */
export function tupleText(tuple: Tuple): string {
  return `${l4Text(tuple.l4)} ${endText(tuple, 'source')} → ${endText(tuple, 'destination')}`;
}

const tcpFlagLetters = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'];

/** TCP flags the way tcpdump prints them: "S", "S.", "P.". */
export function tcpFlagsText(flags: number): string {
  const letters = tcpFlagLetters.filter((_, bit) => (flags & (1 << bit)) !== 0);
  const ack = letters.includes('.');
  return letters.filter((letter) => letter !== '.').join('') + (ack ? '.' : '');
}

const icmpTypes = new Map([
  [0, 'echo reply'],
  [3, 'destination unreachable'],
  [5, 'redirect'],
  [8, 'echo request'],
  [11, 'time exceeded'],
  [12, 'parameter problem'],
]);
const icmp6Types = new Map([
  [1, 'destination unreachable'],
  [2, 'packet too big'],
  [3, 'time exceeded'],
  [128, 'echo request'],
  [129, 'echo reply'],
  [133, 'router solicitation'],
  [134, 'router advertisement'],
  [135, 'neighbour solicitation'],
  [136, 'neighbour advertisement'],
]);

/** "echo request", "type 42 code 1". */
export function icmpText(tuple: Tuple): string {
  const type = tuple.sourcePort >>> 8;
  const code = tuple.sourcePort & 0xff;
  const name = (tuple.l4 === 58 ? icmp6Types : icmpTypes).get(type);
  return name === undefined ? `type ${type} code ${code}` : code === 0 ? name : `${name}, code ${code}`;
}

// include/uapi/linux/bpf.h (enum xdp_action), include/uapi/linux/pkt_cls.h (TC_ACT_*), include/uapi/linux/netfilter.h (NF_*).
const xdpActions = ['XDP_ABORTED', 'XDP_DROP', 'XDP_PASS', 'XDP_TX', 'XDP_REDIRECT'];
const tcActions = [
  'TC_ACT_OK',
  'TC_ACT_RECLASSIFY',
  'TC_ACT_SHOT',
  'TC_ACT_PIPE',
  'TC_ACT_STOLEN',
  'TC_ACT_QUEUED',
  'TC_ACT_REPEAT',
  'TC_ACT_REDIRECT',
  'TC_ACT_TRAP',
];
const netfilterVerdicts = ['NF_DROP', 'NF_ACCEPT', 'NF_STOLEN', 'NF_QUEUE', 'NF_REPEAT', 'NF_STOP'];

/** The verdict's name as far as the hook tells whose numbering it is, else the number. */
export function verdictText(verdict: bigint, hook: Hook | undefined, layer: string): string {
  const value = Number(verdict);
  if (hook?.kind === 'BPF verdict' || hook?.kind === 'BPF entry') {
    if (/\bxdp_(md|buff)\b/.test(hook.prototype)) return xdpActions[value] ?? String(verdict);
    if (value === -1) return 'TC_ACT_UNSPEC';
    return tcActions[value] ?? String(verdict);
  }
  if (layer === 'netfilter') return netfilterVerdicts[value & 0xff] ?? String(verdict);
  return String(verdict);
}

const edgeNames = ['', 'clone', 'copy', 'segment', 'fragment', 'reassembled', 'encapsulated', 'merged'];

/** Numbers of the stream's edges, of those that something is concluded from. */
export const edges = { clone: 1, reassembled: 5, merged: 7 } as const;

/** "fragment", "clone": how a packet came from its parent. */
export function edgeText(number: number): string {
  return edgeNames[number] ?? `edge ${number}`;
}

/** Monotonic seconds with all nine places, exact. */
export function monotonicText(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const size = ns < 0n ? -ns : ns;
  return `${sign}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, '0')} s`;
}

/** UTC wall clock with nanoseconds: "2026-01-02T03:04:05.000000678Z". */
export function wallText(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  return `${date.toISOString().slice(0, 19)}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}

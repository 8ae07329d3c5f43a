// The filter box's language: words that must all be there, `key:value` terms, "quotes", and - in front of what must not be.
import { isIPv4, isIPv6 } from 'node:net';
import { globMatch } from '../glob.ts';
import type { Tuple } from './intern.ts';
import { addressText, etherText, hasPorts, l4Text, tupleText } from './text.ts';

/** Keys that a term may have; a word with any other text before its colon is a plain word (an IPv6 address has colons). */
const queryKeys = ['fn', 'if', 'netns', 'drop', 'discard', 'ip', 'port', 'proto', 'id', 'prog', 'verdict'] as const;
export type QueryKey = (typeof queryKeys)[number];

/** One term of a query. Its tests take the texts and values of a packet's events; all compare without regard to case. */
export interface Term {
  /** Undefined for a plain word. */
  readonly key: QueryKey | undefined;
  readonly value: string;
  readonly negated: boolean;
}

/** Most terms of one query; the rest are left out. */
const maxTerms = 31;

/** Splits a filter into its terms. Never fails: an unclosed quote reaches to the end, a lone - is nothing. */
export function parseQuery(filter: string): readonly Term[] {
  const terms: Term[] = [];
  for (const match of filter.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)(?:"|$)|(\S*))/giu)) {
    const [, minus = '', prefix, quoted, bare = ''] = match;
    const key = queryKeys.find((known) => known === prefix?.toLowerCase());
    const text = quoted ?? bare;
    const value = (key === undefined && prefix !== undefined ? `${prefix}:${text}` : text).toLowerCase();
    if (value === '' && key === undefined) continue;
    terms.push({ key, value, negated: minus === '-' });
  }
  return terms.slice(0, maxTerms);
}

/** Makes the test of a text value: a glob when it has * or ?, else "contains". */
export function textTest(value: string): (text: string) => boolean {
  if (!/[*?]/.test(value)) return (text) => text.toLowerCase().includes(value);
  return (text) => globMatch(value, text.toLowerCase());
}

/** Parses an address into its bytes; undefined when it is none. */
function addressBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('.') || text.includes('%')) return undefined;
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Uint8Array.from(groups.flatMap((group) => [parseInt(group, 16) >>> 8, parseInt(group, 16) & 0xff]));
}

/** The test of `ip:` - one address, a network in CIDR notation, or the beginning of an address. */
export function addressTest(value: string): (tuple: Tuple) => boolean {
  const [address = '', width] = value.split('/');
  const bytes = addressBytes(address);
  if (bytes === undefined) {
    return (tuple) => [tuple.source, tuple.destination].some((end) => addressText(end).startsWith(value));
  }
  const bits = width === undefined ? 8 * bytes.length : Number(width);
  if (!/^\d*$/.test(width ?? '') || bits > 8 * bytes.length) return () => false;
  const inside = (end: Uint8Array): boolean => {
    if (end.length !== bytes.length) return false;
    for (let bit = 0; bit < bits; bit += 8) {
      const mask = bits - bit >= 8 ? 0xff : (0xff00 >>> (bits - bit)) & 0xff;
      if ((((end[bit / 8] ?? 0) ^ (bytes[bit / 8] ?? 0)) & mask) !== 0) return false;
    }
    return true;
  };
  return (tuple) => inside(tuple.source) || inside(tuple.destination);
}

/** The test of `port:` - one port or a range, of either end. */
export function portTest(value: string): (tuple: Tuple) => boolean {
  const match = /^(\d+)(?:-(\d+))?$/.exec(value);
  if (match === null) return () => false;
  const low = Number(match[1]);
  const high = match[2] === undefined ? low : Number(match[2]);
  const inside = (port: number): boolean => port >= low && port <= high;
  return (tuple) => hasPorts(tuple.l4) && (inside(tuple.sourcePort) || inside(tuple.destinationPort));
}

/** The test of `proto:` on a tuple: the L4 protocol's name or number. */
export function l4Test(value: string): (tuple: Tuple) => boolean {
  const name = value.replace(/^icmp6$/, 'icmpv6');
  return (tuple) => l4Text(tuple.l4).toLowerCase() === name || String(tuple.l4) === value;
}

/** The test of `proto:` on an EtherType: its name ("ip" is IPv4) or its number in hex. */
export function etherTest(value: string): (etherType: number) => boolean {
  const name = value.replace(/^(ip|ip4)$/, 'ipv4').replace(/^ip6$/, 'ipv6');
  return (etherType) => etherText(etherType).toLowerCase() === name || `0x${etherType.toString(16)}` === value;
}

/** The test of `prog:` - a BPF program's id, or its name. */
export function programTest(value: string): (program: { readonly id: number; readonly name: string }) => boolean {
  const test = textTest(value);
  return ({ id, name }) => value === String(id) || test(name);
}

/** The test of `verdict:` - a verdict's name, or with the program that returned it in front: `42=TC_ACT_SHOT`, `pass*=tc_act_ok`. */
export function verdictTest(
  value: string,
): (verdict: string, program: { readonly id: number; readonly name: string }) => boolean {
  const cut = value.indexOf('=');
  const test = textTest(value.slice(cut + 1));
  if (cut < 0) return test;
  const by = programTest(value.slice(0, cut));
  return (verdict, program) => by(program) && test(verdict);
}

/** A plain word on a tuple: its text as lanes show it. */
export function tupleWordTest(value: string): (tuple: Tuple) => boolean {
  const test = textTest(value);
  return (tuple) => test(tupleText(tuple));
}

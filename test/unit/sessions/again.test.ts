// Promises of what outlives a window: it comes back as it was, or not at all.
import { expect, test } from 'vitest';
import { againText, readAgain, type Again } from '../../../extension/sessions/again.ts';

const again: Again = {
  path: '/home/jane/recordings/node-1.pkttrail',
  ran: true,
  target: 'jane@node:2222',
  filter: { expression: 'icmp', netns: 'blue', iface: 'eth0', mark: '0x10/0xf0', hops: 'telling' },
};
const state = (value: unknown): unknown => ({ version: 1, again: JSON.stringify(value) });

test('what was kept comes back as it was', () => {
  expect(readAgain({ version: 1, again: againText(again) })).toEqual(again);
});

test('what is not whole, or no such thing, is not used', () => {
  const { filter } = again;
  for (const bad of [
    undefined,
    null,
    'text',
    {},
    { again: 7 },
    { again: '' },
    { again: '{' },
    state(null),
    state([again]),
    state({ ...again, path: 'relative.pkttrail' }),
    state({ ...again, path: 7 }),
    state({ ...again, ran: 'yes' }),
    state({ ...again, target: undefined }),
    state({ ...again, filter: [] }),
    state({ ...again, filter: { ...filter, expression: 7 } }),
    state({ ...again, filter: { ...filter, hops: 'none' } }),
  ])
    expect(readAgain(bad)).toBeUndefined();
});

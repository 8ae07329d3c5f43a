// Globs match as a shell's do, take no time on hostile patterns, and a text can be made one that matches it alone.
import { expect, test } from 'vitest';
import { escapeGlob, globMatch } from '../../extension/glob.ts';

test('a star is any run of characters, a question mark one', () => {
  expect(['', 'ip', 'ip_rcv', 'xip'].filter((text) => globMatch('ip*', text))).toEqual(['ip', 'ip_rcv']);
  expect(['ab', 'abc', 'a'].filter((text) => globMatch('a?', text))).toEqual(['ab']);
  expect(globMatch('*rcv*core', 'ip_rcv_finish_core')).toBe(true);
  expect(globMatch('', '')).toBe(true);
});

test('a pattern that is all stars takes no time', () => {
  expect(globMatch(`${'*a'.repeat(500)}b`, 'a'.repeat(5_000))).toBe(false);
});

test('an escaped text has no pattern in it', () => {
  expect(escapeGlob('/home/a*b?/{c}[1]')).toBe('/home/a[*]b[?]/[{]c[}]?1?');
});

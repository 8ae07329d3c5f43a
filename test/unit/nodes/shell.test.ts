// Promise: whatever the login shell, the words of a command reach the program as they are.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { commandLine } from '../../../extension/nodes/shell.ts';

const words = [
  'plain',
  'a b',
  "it's",
  '"',
  '$HOME',
  '`id`',
  'a\nb',
  '\n',
  '\\',
  '\\n',
  '!!',
  '*',
  '~',
  '',
  'ü',
  '%s%%',
  ';&|<>(){}[]#',
  '\t',
  '\r\n',
  '-n',
];
const shells = ['/bin/sh', '/bin/bash', '/bin/dash', '/usr/bin/fish', '/bin/csh', '/bin/zsh', '/bin/busybox'].filter(
  existsSync,
);

describe.each(shells)('%s', (shell) => {
  const run = (line: string) =>
    execFileSync(shell, [...(shell.endsWith('busybox') ? ['sh'] : []), '-c', line], { encoding: 'utf8' });

  test('hands on every word exactly', () => {
    expect(run(commandLine(['printf', '%s\\0', ...words]))).toBe(words.map((word) => `${word}\0`).join(''));
  });

  test.each(words)('hands on %j alone', (word) => {
    expect(run(commandLine(['printf', '%s.', word]))).toBe(`${word}.`);
  });
});

test('plain words are sent as they are', () => {
  expect(commandLine(['uname', '-m'])).toBe('uname -m');
});

test('no command and a NUL are refused', () => {
  expect(() => commandLine([])).toThrow(RangeError);
  expect(() => commandLine(['a\0b'])).toThrow(RangeError);
});

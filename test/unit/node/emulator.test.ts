import { expect, test } from 'vitest';
import { trustsThreads } from '../../node/emulator.ts';

test.each([
  ['7.2.22', false],
  ['8.0.5', false],
  ['8.1.0', true],
  ['10.0.2', true],
  ['0', false],
])('CPUs of QEMU %s may have threads of their own: %s', (version, trusted) => {
  expect(trustsThreads(version)).toBe(trusted);
});

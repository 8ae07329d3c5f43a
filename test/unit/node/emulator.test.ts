// Which emulators keep up with a kernel that rewrites its own text.
import { expect, test } from 'vitest';
import { isRecent } from '../../node/emulator.ts';

test.each([
  ['7.2.22', false],
  ['8.0.5', false],
  ['8.1.0', true],
  ['10.0.2', true],
  ['0', false],
])('QEMU %s is recent enough: %s', (version, recent) => {
  expect(isRecent(version)).toBe(recent);
});

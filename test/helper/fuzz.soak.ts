// The helper's fuzz test for longer than the gate gives it: no text or table from outside makes its sanitizers complain.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { output } from '../node/command.ts';

/** For each kind of input. */
const seconds = 60;

test('broken control lines, filters, globs, symbols, modules and BTF are survived', async () => {
  const folder = join(import.meta.dirname, '../../helper/test');
  const program = `../../build/helper/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}/test/fuzz_test`;
  const made = await output('make', ['--no-print-directory', program], { cwd: folder });
  expect(made.code, made.stdout + made.stderr).toBe(0);
  const fuzz = await output('env', [`PACKET_TRAIL_FUZZ_SECONDS=${seconds}`, program], { cwd: folder });
  expect(fuzz.code, fuzz.stdout.slice(-4000) + fuzz.stderr.slice(-4000)).toBe(0);
  expect(fuzz.stdout).toMatch(/^\d+ passed, 0 failed$/m);
}, 600_000);

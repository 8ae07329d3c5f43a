// A node that dies is an accident, not a verdict: the runner boots another and says so.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { output } from '../command.ts';

test('a suite whose emulator is killed is run once more, passes, and is listed with what happened', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'packet-trail-accident-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const happened = `PACKET_TRAIL_ACCIDENT=${join(folder, 'happened')}`;
  const { code, stdout } = await output('env', [happened, process.execPath, 'test/run.mjs', 'accident']);
  expect(code, stdout.slice(-4000)).toBe(0);
  expect(stdout).toMatch(
    /^retried: accident: test\/node\/accident\/killed\.test\.ts > the node answers: .*killed by SIGKILL/m,
  );
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('1 passed, 0 failed, 0 skipped');
}, 240_000);

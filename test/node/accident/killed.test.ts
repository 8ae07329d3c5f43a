// Not of the gate: soaks/accident.soak.ts runs it. A suite whose node dies in the middle, the first time it is run.
import * as fs from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootNode, type TestNode } from '../vm.ts';

/** A file that is there once the accident has happened. */
const happened = process.env['PACKET_TRAIL_ACCIDENT'] ?? '';

let node: TestNode;
beforeAll(async () => {
  node = await bootNode({ kernel: '6.12' });
});
afterAll(() => node.stop());

test('the node answers', async () => {
  const wait = node.exec('sleep 2; echo done');
  if (
    !(await fs.access(happened).then(
      () => true,
      () => false,
    ))
  ) {
    await fs.writeFile(happened, '');
    process.kill(node.pid, 'SIGKILL');
  }
  expect((await wait).stdout).toBe('done\n');
});

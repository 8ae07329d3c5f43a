// A node stands what makes its kernel rewrite its own code under traffic: on an emulator that can't have that, the kernel dies of
// an "int3" within a minute. Without a tracer, so that what dies here is never ours.
import { type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootNode, type TestNode } from '../vm.ts';

const minutes = 5;

let node: TestNode;
const children: ChildProcess[] = [];
beforeAll(async () => {
  node = await bootNode({ kernel: '6.12', log: console.log });
  await node.scenario('pair', 'build');
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await node.stop();
});

test(
  `a node that streams both ways while pings come and go lives for ${minutes} minutes`,
  async () => {
    const from = node.spawn('exec cat /dev/zero');
    const to = node.spawn('exec cat >/dev/null');
    children.push(from, to);
    let read = 0;
    from.stdout.on('data', (chunk: Buffer) => (read += chunk.length));
    const zeros = Buffer.alloc(1 << 16);
    const feed = (): void => {
      while (!to.stdin.destroyed && to.stdin.write(zeros));
    };
    to.stdin.on('drain', feed).on('error', () => undefined);
    feed();
    // A ping's socket wants time stamps: the kernel's static key for them flips with each.
    const pings = node.spawn(
      'n=0; while ip netns exec client ping -q -c 1 -W 1 10.10.0.2 >/dev/null; do n=$((n + 1)); echo $n; done',
    );
    children.push(pings);
    let done = 0;
    pings.stdout.on('data', (chunk: Buffer) => (done = Number(chunk.toString().trim().split('\n').at(-1)) || done));
    const end = Date.now() + minutes * 60_000;
    while (Date.now() < end) {
      const before = done;
      await sleep(15_000);
      console.log(`${done} pings, ${(read / 1e6).toFixed(0)} MB`);
      expect(await node.failure()).toBeUndefined();
      expect(done, 'pings go on').toBeGreaterThan(before);
    }
  },
  minutes * 90_000,
);

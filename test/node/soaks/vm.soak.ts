// A test node ends with whoever booted it, stands being traced, and tells why when it ends by itself.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bootNode, type TestNode } from '../vm.ts';

test('a node ends with the process that booted it, however that ended', { timeout: 300_000 }, async () => {
  const cli = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, '../cli.ts'), '--kernel', '6.12']);
  onTestFinished(() => void cli.kill('SIGKILL'));
  let config = '';
  for await (const line of createInterface(cli.stdout)) {
    config = /ssh -F (\S+) packet-trail-6.12 +as root/.exec(line)?.[1] ?? '';
    if (config) break;
  }
  const folder = join(config, '..');
  const pid = await processWith(folder);
  expect(pid).not.toBe('');
  cli.kill('SIGKILL');
  // A killed process stays in /proc until its parent has collected it.
  const running = async (): Promise<boolean> => {
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return stat !== '' && !stat.includes(') Z ');
  };
  await expect.poll(running, { timeout: 60_000 }).toBe(false);
  await fs.rm(folder, { recursive: true, force: true });
});

/** The id of the process whose console goes into this folder; empty when there is none. */
async function processWith(folder: string): Promise<string> {
  for (const pid of (await fs.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`${folder}/serial.log`)) return pid;
  }
  return '';
}

describe('a node', () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await bootNode({ kernel: '6.12', shared: true });
    await node.scenario('pair');
  });
  afterAll(() => node.stop());

  // On an emulator that lets a processor run code while another rewrites it, the kernel dies of this within seconds.
  test('survives its kernel being rewritten under traffic', async () => {
    const { stdout } = await node.exec(
      `cd /sys/kernel/tracing
       timeout 15 ip netns exec client ping -f -q 10.10.0.2 >/dev/null &
       timeout 15 ip netns exec server ping -f -q 10.10.0.1 >/dev/null &
       echo 'ip_*' icmp_rcv veth_xmit __dev_queue_xmit netif_rx nf_hook_slow >set_ftrace_filter
       toggled=0
       while kill -0 $!; do
         echo function >current_tracer && echo nop >current_tracer && toggled=$((toggled + 1))
       done
       echo "toggled $toggled"`,
    );
    expect(Number(/toggled (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(0);
  });

  test('whose kernel panics says what the kernel said', async () => {
    const told = /the node is gone.*says:\n.*Kernel panic - not syncing: sysrq triggered crash.*Call Trace:/s;
    await expect(node.exec('echo c >/proc/sysrq-trigger')).rejects.toThrow(told);
    expect(await node.failure()).toMatch(told);
    await expect(node.exec('true')).rejects.toThrow(told);
  });
});

// The test node keeps its promises: it lets in who it should, has what tests need, and its scenarios send what they say.
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { output } from '../command.ts';
import type { TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

export const machine: Suite = (kernel, booted) => {
  let node: TestNode;
  beforeAll(() => {
    node = booted();
  });

  const said = async (command: string, user?: 'root' | 'tracer' | 'guest'): Promise<string> => {
    const { code, stdout, stderr } = await node.exec(command, user ? { user } : {});
    expect({ command, code, stderr }).toMatchObject({ code: 0 });
    return stdout.trim();
  };

  test('runs the kernel that was asked for', async () => {
    expect(await said('uname -r')).toBe(node.release);
    expect(node.release.startsWith(`${kernel.replace(/-.*/, '')}.`)).toBe(true);
    expect(await said('uname -m')).toBe(node.machine);
  });

  test('lets root in, tracer with sudo, guest without', async () => {
    expect(await said('id -u')).toBe('0');
    expect(await said('id -u', 'tracer')).toBe('1000');
    expect(await said('sudo -n id -u', 'tracer')).toBe('0');
    expect(await said('id -u', 'guest')).toBe('1001');
    expect((await node.exec('sudo -n id -u', { user: 'guest' })).code).toBe(1);
  });

  test('lets locked in with its password and with no other', async () => {
    const signIn = async (password: string): Promise<string> => {
      const folder = await fs.mkdtemp(join(tmpdir(), 'packet-trail-password-'));
      onTestFinished(() => fs.rm(folder, { recursive: true, force: true }));
      const ask = join(folder, 'ask');
      await fs.writeFile(ask, '#!/bin/sh\nprintf "%s\\n" "$PASSWORD"\n', { mode: 0o700 });
      const host = `packet-trail-${kernel}-locked`;
      const { stdout } = await output('env', [
        ...[`PASSWORD=${password}`, `SSH_ASKPASS=${ask}`, 'SSH_ASKPASS_REQUIRE=force'],
        ...['ssh', '-F', node.sshConfigFile, '-o', 'NumberOfPasswordPrompts=1', host, 'id', '-un'],
      ]);
      return stdout.trim();
    };
    expect(await signIn(node.password)).toBe('locked');
    expect(await signIn('wrong')).toBe('');
  });

  test('has the real tools, not busybox’s', async () => {
    const names = ['ip', 'tc', 'nft', 'ping', 'socat', 'bpftool', 'pwru', 'modprobe', 'sudo', 'ss'];
    const links = await said(names.map((name) => `readlink -f "$(command -v ${name})"`).join(' && '));
    expect(links.split('\n')).toHaveLength(names.length);
    expect(links).not.toContain('busybox');
  });

  test('has BTF, tracefs and BPF', async () => {
    await said('test -s /sys/kernel/btf/vmlinux -a -r /sys/kernel/tracing/kprobe_events -a -d /sys/fs/bpf');
  });

  test('takes a file whole', async () => {
    await node.upload(import.meta.filename, "/tmp/it's here", '640');
    expect(await said(`stat -c '%a %s %u' "/tmp/it's here"`)).toBe(
      `640 ${(await fs.stat(import.meta.filename)).size} 0`,
    );
  });

  test('streams a command, and cutting the connection ends it', async () => {
    const child = node.spawn('echo begun; exec cat');
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    expect(line).toBe('begun');
    child.kill('SIGKILL');
    await expect.poll(() => said("ps | grep -c '[0-9] cat$' || true"), { timeout: 60_000 }).toBe('0');
  });

  const scenario = (name: string, ...args: (string | number)[]): Promise<Record<string, string>> =>
    node.scenario(name, ...args);

  test('pair: client and server reach each other', async () => {
    const facts = await scenario('pair');
    expect(facts).toMatchObject({ PING: 'ok', CLIENT_INTERFACE: 'eth-client', SERVER_ADDRESS: '10.10.0.2' });
    expect(facts['CLIENT_NETNS']).toMatch(/^40265\d{5}$/);
    expect(facts['CLIENT_NETNS']).not.toBe(facts['SERVER_NETNS']);
  });

  test('nft-drop: every packet is dropped by the rule, and built once it can send again', async () => {
    expect(await scenario('nft-drop', 'icmp', 3)).toMatchObject({ SENT: '3', RECEIVED: '0', DROPPED: '3' });
    expect(await scenario('nft-drop', 'build', 'tcp')).not.toHaveProperty('SENT');
    expect(await scenario('nft-drop', 'send', 'tcp', 2)).toMatchObject({ SENT: '2', DROPPED: '2' });
    expect(await scenario('nft-drop', 'send', 'tcp', 1)).toMatchObject({ SENT: '1', DROPPED: '3' });
  });

  test('dnat: connections to the virtual address are answered by the server', async () => {
    expect(await scenario('dnat', 2)).toMatchObject({ SENT: '2', RECEIVED: '2', TRANSLATED: '2' });
  });

  test.each(['bridge', 'ipv6', 'vlan', 'vxlan', 'udp'])('%s: every packet arrives', async (name) => {
    expect(await scenario(name, 3)).toMatchObject({ SENT: '3', RECEIVED: '3' });
  });

  test('flood: as many are sent as asked', async () => {
    expect(await scenario('flood', 500)).toMatchObject({ SENT: '500', RECEIVED: '500' });
  });

  test('tcp: what is sent comes back', async () => {
    expect(await scenario('tcp', 100_000)).toMatchObject({ SENT_BYTES: '100000', RECEIVED_BYTES: '100000' });
  });

  test('sctp: an association is answered', async () => {
    expect(await scenario('sctp')).toMatchObject({ SENT: '1', RECEIVED: '1' });
  });

  test('mark: pings are marked', async () => {
    expect(await scenario('mark', '0x2a', 3)).toMatchObject({ SENT: '3', RECEIVED: '3', MARKED: '3', MARK: '0x2a' });
  });

  test('tc: the program passes or drops', async () => {
    const facts = await scenario('tc', 'pass', 2);
    expect(facts).toMatchObject({ SENT: '2', RECEIVED: '2', PROGRAM: 'trail_pass' });
    expect(await said(`bpftool prog show id ${facts['PROGRAM_ID'] ?? ''}`)).toContain('trail_pass');
    expect(await scenario('tc', 'drop_icmp', 2)).toMatchObject({ SENT: '2', RECEIVED: '0' });
  });

  test('demo: each flow goes on until it is stopped, and nothing of it stays', async () => {
    expect(await scenario('demo')).toMatchObject({ RUNNING: 'yes' });
    const count = async (netns: string): Promise<number> =>
      Number(/counter packets (\d+)/.exec(await said(`ip netns exec ${netns} nft list ruleset`))?.[1]);
    await expect.poll(() => count('server'), { timeout: 60_000 }).toBeGreaterThan(1);
    await expect.poll(() => count('router'), { timeout: 60_000 }).toBeGreaterThan(1);
    await expect
      .poll(
        async () => Number(await said('ip netns exec server nstat -asz IcmpInEchos | awk "/Echos/ {print \\$2}"')),
        {
          timeout: 60_000,
        },
      )
      .toBeGreaterThan(1);
    expect(await scenario('demo', 'stop')).toMatchObject({ RUNNING: 'no' });
    const left = 'ip netns list | grep -E "client|router|server"; ps | grep -E "[s]ocat|[p]ing |[d]emo" || true';
    await expect.poll(() => said(left), { timeout: 60_000 }).toBe('');
  });

  test('a scenario that fails says so', async () => {
    await expect(scenario('nft-drop', 'igmp')).rejects.toThrow("icmp or tcp, not 'igmp'");
  });
};

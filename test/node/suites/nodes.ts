// The extension's own way to a node, over the node's real sshd: what can go wrong there is told in one clear message, and
// nothing is left behind or lost.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { check, checkFilter, HelperProcess } from '../../../extension/nodes/helperProcess.ts';
import { NodeError, type NodeConnection, type NodeErrorCode } from '../../../extension/nodes/node.ts';
import { SshNode } from '../../../extension/nodes/ssh.ts';
import { openTraceFile } from '../../../extension/trace/fileSource.ts';
import { LiveTrace } from '../../../extension/sessions/liveTrace.ts';
import { FakePrompter } from '../../unit/nodes/support/FakePrompter.ts';
import { connect, putHelper, startTrace, type ReachOptions } from '../reach.ts';
import { withSmallDisk } from '../smallDisk.ts';
import { helpersRunning } from '../tracing.ts';
import type { Suite } from './suite.ts';

const run = promisify(execFile);

/** Few functions: these tests are about the way there. */
const few = ['--function', 'ip_rcv', '--function', 'ip_local_deliver'];

/** The refusal that a person reads; fails when there is none, or when it is anything but one clear message. */
async function refusal(code: NodeErrorCode, action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof NodeError)) throw new Error('it was not refused by a NodeError', { cause: error });
  const text = `${error.message} ${error.mend}`;
  expect(error.code, text).toBe(code);
  // One or a few sentences: neither lines of a stack trace nor a bare exception's name.
  expect(text).toMatch(/^\S[^\n]*[^\s:]$/);
  expect(text).not.toMatch(/\bat .*:\d+:\d+|Error:|undefined|\[object/);
  expect(error.mend).not.toBe('');
  return text;
}

/** What a person meets on the way to a node. */
export const nodes: Suite = (_kernel, booted, whole) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packet-trail-nodes-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Connects and puts the helper there, then lets go of the connection. */
  const reach = async (options: ReachOptions): Promise<string> => {
    const connection = await connect(booted(), options);
    try {
      return (await putHelper(booted(), connection, options)).privilege;
    } finally {
      connection.dispose();
    }
  };

  describe('a node that can’t be signed in to', () => {
    test('an unknown host is named', async () => {
      const nowhere = new SshNode('root@nowhere.invalid', { configFile: booted().sshConfigFile, agentSocket: '' });
      const signal = new AbortController().signal;
      const text = await refusal('unknown-host', nowhere.connect({ signal, prompter: new FakePrompter() }));
      expect(text).toContain('nowhere.invalid');
    });

    test('a wrong password is refused, the right one is let in', async () => {
      const wrong = new FakePrompter({ passwords: ['wrong', 'wrong', 'wrong'] });
      const text = await refusal('auth-failed', connect(booted(), { user: 'locked', prompter: wrong }));
      expect(text).toContain('locked');
      const right = new FakePrompter({ passwords: [booted().password] });
      (await connect(booted(), { user: 'locked', prompter: right })).dispose();
      expect(right.asked).toHaveLength(1);
    });

    test('a changed host key is refused with file, line and the command that mends it', async () => {
      // The node's own entry with another host's key.
      const key = join(folder, 'other');
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      const [type = '', data = ''] = (await readFile(`${key}.pub`, 'utf8')).split(' ');
      const knownHosts = join(folder, 'known_hosts');
      await writeFile(knownHosts, `[127.0.0.1]:${booted().port} ${type} ${data}\n`);
      const config = join(folder, 'changed_config');
      const original = await readFile(booted().sshConfigFile, 'utf8');
      await writeFile(config, original.replaceAll(/UserKnownHostsFile .*/g, `UserKnownHostsFile ${knownHosts}`));
      const text = await refusal('host-key-changed', connect(booted(), { ssh: { configFile: config } }));
      expect(text).toContain(`${knownHosts}, line 1`);
      expect(text).toContain('ssh-keygen -f');
      expect(await readFile(knownHosts, 'utf8')).toContain(data);
    });
  });

  describe('a node that can’t be traced', () => {
    test('without root and sudo the rights are what is missing', async () => {
      expect(await refusal('no-privilege', reach({ user: 'guest' }))).toMatch(/sudo/);
      expect(await reach({ user: 'tracer' })).toBe('sudo');
      expect(await reach({ user: 'root' })).toBe('root');
    });

    if (whole)
      test('sudo takes the password that is right, and asks again for one that is not', async () => {
        const { password } = booted();
        const prompter = new FakePrompter({ passwords: [password, 'wrong', password] });
        const connection = await connect(booted(), { user: 'locked', prompter });
        try {
          const report = await check(await putHelper(booted(), connection, { user: 'locked', prompter }));
          expect(report.results).toContainEqual(expect.objectContaining({ name: 'capabilities', state: 'pass' }));
          expect(prompter.asked).toHaveLength(3);
        } finally {
          connection.dispose();
        }
      });

    test('a disk without room for the helper is told, and nothing stays there', async () => {
      await booted().exec('mkdir -p /run/full && mount -t tmpfs -o size=256k,mode=755 tmpfs /run/full');
      try {
        const text = await refusal('upload-failed', reach({ directories: ['/run/full/packet-trail'] }));
        expect(text).toMatch(/KiB free/);
        expect((await booted().exec('find /run/full -type f')).stdout).toBe('');
      } finally {
        await booted().exec('umount /run/full');
      }
    });

    test('without BTF the helper says what is missing and how to mend it', async () => {
      const trace = startTrace(booted(), join(folder, 'no-btf.pkttrail'), [...few, '--btf', '/nowhere/vmlinux']);
      expect(await refusal('helper-failed', trace)).toContain('/nowhere/vmlinux');
      const connection = await connect(booted());
      try {
        const report = await check(await putHelper(booted(), connection), { args: ['--btf', '/nowhere/vmlinux'] });
        expect(report.ok).toBe(false);
        const [failed] = report.results.filter(({ state }) => state === 'fail');
        expect(failed?.name).toMatch(/btf/i);
        expect(failed?.mend).not.toBe('');
      } finally {
        connection.dispose();
      }
    });

    test('a bad filter is refused with the reason before anything is attached', async () => {
      const connection = await connect(booted());
      try {
        const deployment = await putHelper(booted(), connection);
        expect(await checkFilter(deployment, 'icmp')).toBeUndefined();
        expect(await checkFilter(deployment, 'icmp and and')).toMatch(/^[^\n]*syntax error[^\n]*$/);
        // What the check lets pass, the start refuses as well.
        const helper = await HelperProcess.start(deployment, [...few, '--', 'icmp and and']);
        expect((await helper.ended)?.message).toContain('syntax error');
      } finally {
        connection.dispose();
      }
    });
  });

  describe('a trace as the extension runs it', () => {
    /** Makes the tracer's login shell print before it runs what it should, while the work lasts. */
    const withTalkingShell = async (work: () => Promise<void>): Promise<void> => {
      const talking = `#!/bin/sh\necho "Welcome to lab 7"\necho "disk at 91 %" >&2\nexec /bin/sh "$@"\n`;
      const { code, stderr } = await booted().exec(
        `printf '${talking.replaceAll('\n', '\\n').replaceAll('%', '%%')}' >/usr/local/bin/talking-sh
         chmod 755 /usr/local/bin/talking-sh
         sed -i 's#^\\(tracer:.*:\\)[^:]*$#\\1/usr/local/bin/talking-sh#' /etc/passwd`,
      );
      expect(code, stderr).toBe(0);
      try {
        await work();
      } finally {
        await booted().exec(`sed -i 's#^\\(tracer:.*:\\)[^:]*$#\\1/bin/sh#' /etc/passwd`);
      }
    };

    test.each(whole ? [false, true] : [false])(
      'through sudo, and a login shell that talks, it records what the node sends, and leaves no process there (ssh of this machine: %s)',
      async (system) => {
        await withTalkingShell(async () => {
          const recording = join(folder, 'sudo.pkttrail');
          const said: string[] = [];
          const options: ReachOptions = { user: 'tracer', system, onMessage: (line) => said.push(line) };
          const live = await startTrace(booted(), recording, [...few, 'icmp'], options);
          await booted().exec('ping -c 2 -i 0.2 127.0.0.1 >/dev/null');
          await expect.poll(() => live.store.eventCount, { timeout: 60_000 }).toBeGreaterThan(0);
          await live.stop();
          expect(live.status).toBe('ended');
          expect(said).toEqual(expect.arrayContaining(['the shell says: Welcome to lab 7', 'disk at 91 %']));
          const saved = await openTraceFile(recording);
          expect(saved.store.eventCount).toBe(live.store.eventCount);
          expect(saved.store.hello?.release).toBe(booted().release);
          expect(await helpersRunning(booted())).toEqual([]);
        });
      },
    );

    test('its own connection is left out, another one to the same port is not', async () => {
      /** Whether a trace sees the connection that carries it, once it has seen another one to the same port. */
      const seesItself = async (told: boolean): Promise<boolean> => {
        const connection = await connect(booted());
        const other = await connect(booted());
        try {
          const deployment = await putHelper(booted(), connection);
          const session = told ? deployment.session : undefined;
          const helper = await HelperProcess.start({ ...deployment, session }, [...few, '--', 'tcp port 22']);
          const recording = join(folder, `session-${told ? 'told' : 'untold'}.pkttrail`);
          const about = { node: 'packet-trail', expression: 'tcp port 22', also: '' };
          const trace = await LiveTrace.record({ ...about, recording, helper, connection });
          await trace.started;
          const portOf = async (of: NodeConnection): Promise<number> =>
            Number((await of.exec(['sh', '-c', 'echo "$SSH_CONNECTION"'])).stdout.split(' ')[1]);
          const [own, others] = [await portOf(connection), await portOf(other)];
          const ports = (): number[] =>
            Array.from(
              { length: trace.store.tuples.length },
              (_, tuple) => trace.store.tuples.get(tuple)?.sourcePort ?? 0,
            );
          await expect.poll(ports, { timeout: 60_000 }).toContain(others);
          await trace.stop();
          return ports().includes(own);
        } finally {
          connection.dispose();
          other.dispose();
        }
      };
      expect(await seesItself(true)).toBe(false);
      if (whole) expect(await seesItself(false)).toBe(true);
    });

    if (whole)
      test.each(['tcp', ''])('with the filter "%s" it comes to rest on an idle node', async (filter) => {
        const words = filter === '' ? [] : ['--', filter];
        const live = await startTrace(booted(), join(folder, `idle-${filter}.pkttrail`), words);
        const told = new Set<bigint>();
        const atRest = (): boolean => {
          told.add(live.store.counters?.mono ?? 0n);
          return told.size > 3 && live.store.eventsPerSecond === 0;
        };
        await expect.poll(atRest, { timeout: 60_000 }).toBe(true);
        await live.stop();
      });

    // In the gate VS Code is told it.
    if (whole)
      test('a full disk where it is saved is told; trace and recording go on, and half a file is not left', async () => {
        const recording = join(folder, 'full.pkttrail');
        const live = await startTrace(booted(), recording, [...few, 'icmp']);
        try {
          await booted().exec('ping -c 2 -i 0.2 127.0.0.1 >/dev/null');
          await expect.poll(() => live.store.eventCount, { timeout: 60_000 }).toBeGreaterThan(0);
          const small = join(folder, 'small');
          const saved = await withSmallDisk(small, 4096, async () => {
            await expect(live.saveTo(join(small, 'x.pkttrail'))).rejects.toThrow(
              /^[^\n]*disk is full[^\n]*free some space/,
            );
            return readdir(small);
          });
          expect(saved).toEqual([]);
          expect(live.status).toBe('live');
          await live.saveTo(join(folder, 'elsewhere.pkttrail'));
          await live.stop();
          expect((await openTraceFile(recording)).store.eventCount).toBe(live.store.eventCount);
        } finally {
          live.dispose();
        }
      });

    test('a link that is cut is told, and what came until then is kept', async () => {
      const recording = join(folder, 'cut.pkttrail');
      const live = await startTrace(booted(), recording, [...few, 'icmp']);
      await booted().exec('ping -c 2 -i 0.2 127.0.0.1 >/dev/null');
      await expect.poll(() => live.store.eventCount, { timeout: 60_000 }).toBeGreaterThan(0);
      const [helper] = await helpersRunning(booted());
      // Up from the helper, through shells, to the sshd of this connection.
      const climb = `p=${helper}; until grep -q sshd /proc/$p/comm; do p=$(cut -d ' ' -f 4 /proc/$p/stat); done`;
      expect((await booted().exec(`${climb}; kill -9 $p`)).code).toBe(0);
      await refusal('lost', rejected(live.failed));
      expect(live.status).toBe('failed');
      expect(live.message).toMatch(/^\S[^\n]*$/);
      expect((await openTraceFile(recording)).store.eventCount).toBe(live.store.eventCount);
      await expect.poll(() => helpersRunning(booted()), { timeout: 60_000 }).toEqual([]);
    });
  });
};

/** Turns the resolved reason of an end into a rejection. */
async function rejected(end: Promise<Error | undefined>): Promise<void> {
  const error = await end;
  if (error) throw error;
}

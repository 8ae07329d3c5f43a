// Promises of the SSH node, kept against a real OpenSSH server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NodeConnection, Prompter } from '../../../extension/nodes/node.ts';
import { SshNode, type SshOptions } from '../../../extension/nodes/ssh.ts';
import { failure } from './support/failure.ts';
import { FakePrompter, FakeSilentPrompter } from './support/FakePrompter.ts';
import { freePort, makeKey, makePlace, removePlace, runProgram } from './support/place.ts';
import { Sshd, type SshdOptions } from './support/Sshd.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function startSshd(options?: SshdOptions): Promise<Sshd> {
  const sshd = await Sshd.start(options);
  cleanUps.push(() => sshd.dispose());
  return sshd;
}

interface Attempt {
  readonly prompter?: Prompter;
  readonly signal?: AbortSignal;
  readonly options?: SshOptions;
  readonly name?: string;
  readonly steps?: string[];
}

async function connect(sshd: Sshd, attempt: Attempt = {}): Promise<NodeConnection> {
  const node = new SshNode(attempt.name ?? 'node', { configFile: sshd.configFile, ...attempt.options });
  const connection = await node.connect({
    signal: attempt.signal ?? new AbortController().signal,
    prompter: attempt.prompter ?? new FakePrompter(),
    onStep: (step) => attempt.steps?.push(step),
  });
  cleanUps.push(() => {
    connection.dispose();
  });
  return connection;
}

/** The machine may be busy: conditions are waited for this long. */
const PATIENCE = { timeout: 30_000 };

/** Reads a stream to its end; returns how many bytes it had. */
async function drain(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of stream) size += chunk.length;
  return size;
}

describe('host keys', () => {
  let sshd: Sshd;
  beforeEach(async () => {
    sshd = await startSshd({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] });
  });

  test('an unknown host key is asked for once, with its fingerprint, and remembered', async () => {
    const prompter = new FakePrompter({ trust: true });
    (await connect(sshd, { prompter })).dispose();
    expect(prompter.hostKeys).toEqual([
      {
        node: 'node',
        host: `[127.0.0.1]:${sshd.port}`,
        keyType: 'ssh-ed25519',
        fingerprint: await sshd.fingerprint(),
      },
    ]);
    expect(await readFile(sshd.knownHosts, 'utf8')).toBe(`[127.0.0.1]:${sshd.port} ${await sshd.hostKey()}\n`);
    expect((await stat(sshd.knownHosts)).mode & 0o777).toBe(0o600);
    await connect(sshd);
  });

  test('an unknown host key that is declined ends the connection and is not remembered', async () => {
    const error = await failure(connect(sshd, { prompter: new FakePrompter({ trust: false }) }));
    expect(error.code).toBe('host-key-rejected');
    await expect(stat(sshd.knownHosts)).rejects.toThrow('ENOENT');
  });

  test('a changed host key is refused with file, line and the command that mends it', async () => {
    const other = await makeKey(join(sshd.place, 'other'));
    const otherKey = (await readFile(`${other}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
    await writeFile(sshd.knownHosts, `# a comment\n[127.0.0.1]:${sshd.port} ${otherKey}\n`);
    const prompter = new FakePrompter({ trust: true });
    const error = await failure(connect(sshd, { prompter }));
    expect(error.code).toBe('host-key-changed');
    expect(error.message).toContain(`${sshd.knownHosts}, line 2`);
    expect(error.message).toContain(await sshd.fingerprint());
    expect(error.mend).toContain(`ssh-keygen -f '${sshd.knownHosts}' -R '[127.0.0.1]:${sshd.port}'`);
    expect(prompter.asked).toEqual([]);
    await runProgram('ssh-keygen', ['-f', sshd.knownHosts, '-R', `[127.0.0.1]:${sshd.port}`]);
    await connect(sshd, { prompter });
  });

  test('a revoked host key is refused', async () => {
    await writeFile(sshd.knownHosts, `@revoked * ${await sshd.hostKey()}\n`);
    const prompter = new FakePrompter({ trust: true });
    const error = await failure(connect(sshd, { prompter }));
    expect(error.code).toBe('host-key-rejected');
    expect(error.message).toContain('revoked');
    expect(error.message).toContain(`${sshd.knownHosts}, line 1`);
    expect(prompter.asked).toEqual([]);
  });

  test.each(['ecdsa', 'rsa'])('a host that is known by its %s key only is asked for that key', async (type) => {
    await sshd.trust(type);
    await connect(sshd);
  });

  test('a host that is listed under a hashed name is known', async () => {
    await sshd.trust();
    await runProgram('ssh-keygen', ['-H', '-f', sshd.knownHosts]);
    expect(await readFile(sshd.knownHosts, 'utf8')).toMatch(/^\|1\|/);
    await connect(sshd);
  });

  test('a host that is listed without its port is known, as for ssh', async () => {
    await writeFile(sshd.knownHosts, `127.0.0.1 ${await sshd.hostKey()}\n`);
    await connect(sshd);
  });

  test('HostKeyAlias stands for the host', async () => {
    await sshd.configure('node', ['HostKeyAlias the-node']);
    await writeFile(sshd.knownHosts, `the-node ${await sshd.hostKey()}\n`);
    await connect(sshd);
  });

  test('StrictHostKeyChecking yes refuses an unknown key without asking', async () => {
    await sshd.configure('node', ['StrictHostKeyChecking yes']);
    const prompter = new FakePrompter({ trust: true });
    expect((await failure(connect(sshd, { prompter }))).code).toBe('host-key-rejected');
    expect(prompter.asked).toEqual([]);
  });

  test('the key is checked again when keys are renewed, and the person is not', async () => {
    await sshd.dispose();
    sshd = await startSshd({ config: ['RekeyLimit 256K'] });
    const prompter = new FakePrompter({ trust: true });
    const connection = await connect(sshd, { prompter });
    const { stdout } = await connection.exec(['head', '-c', '1000000', '/dev/zero']);
    expect(stdout).toHaveLength(1_000_000);
    expect(prompter.asked).toHaveLength(1);
  });

  test('ssh itself accepts what was remembered', async () => {
    await sshd.configure('node', [], ['HashKnownHosts yes']);
    await sshd.configure('node', ['HashKnownHosts yes']);
    (await connect(sshd, { prompter: new FakePrompter({ trust: true }) })).dispose();
    expect(await readFile(sshd.knownHosts, 'utf8')).toMatch(/^\|1\|/);
    const said = await runProgram('ssh', ['-F', sshd.configFile, '-o', 'StrictHostKeyChecking=yes', 'node', 'echo in']);
    expect(said).toBe('in\n');
  });
});

describe('signing in', () => {
  let sshd: Sshd;
  beforeEach(async () => {
    sshd = await startSshd();
    await sshd.trust();
  });

  test('a key file signs in, and each step is told', async () => {
    const steps: string[] = [];
    await connect(sshd, { steps });
    expect(steps[0]).toBe('Looking up node');
    expect(steps).toContain('Connecting to node');
    expect(steps).toContain('Checking the host key of node');
    expect(steps.some((step) => step.startsWith(`Signing in to node as ${sshd.user} with key `))).toBe(true);
    expect(steps.at(-1)).toBe('Connected to node');
  });

  test.each(['rsa', 'ecdsa'])('a %s key signs in', async (type) => {
    const key = await makeKey(join(sshd.place, `id_${type}`), type);
    await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await sshd.configure('node', [`IdentityFile ${key}`]);
    await connect(sshd);
  });

  test('an encrypted key asks for its passphrase, again when it was wrong, and the log holds neither', async () => {
    const key = await makeKey(join(sshd.place, 'locked'), 'ed25519', 'correct horse');
    await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await sshd.configure('node', [`IdentityFile ${key}`]);
    const prompter = new FakePrompter({ passphrases: ['battery staple', 'correct horse'] });
    const log: string[] = [];
    await connect(sshd, { prompter, options: { configFile: sshd.configFile, log: (line) => log.push(line) } });
    expect(prompter.asked).toHaveLength(2);
    expect(log.length).toBeGreaterThan(0);
    expect(log.join('\n')).not.toMatch(/correct horse|battery staple/);
  });

  test('an encrypted key without its public half beside it works too', async () => {
    const key = await makeKey(join(sshd.place, 'locked'), 'ed25519', 'correct horse');
    await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await runProgram('rm', [`${key}.pub`]);
    await sshd.configure('node', [`IdentityFile ${key}`]);
    await connect(sshd, { prompter: new FakePrompter({ passphrases: ['correct horse'] }) });
  });

  test('a key that the node does not accept is not unlocked', async () => {
    const key = await makeKey(join(sshd.place, 'locked'), 'ed25519', 'correct horse');
    await sshd.configure('node', [`IdentityFile ${key}`]);
    const prompter = new FakePrompter({ passphrases: ['correct horse'] });
    await connect(sshd, { prompter });
    expect(prompter.asked).toEqual([]);
  });

  test('a passphrase that is not given leaves one clear error', async () => {
    const key = await makeKey(join(sshd.place, 'locked'), 'ed25519', 'correct horse');
    await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await sshd.configure('node', [`IdentityFile ${key}`]);
    const error = await failure(connect(sshd));
    expect(error.code).toBe('auth-failed');
    expect(error.message).toContain('no passphrase was given');
  });

  test('no accepted key: the error names what was tried and what the node accepts', async () => {
    await writeFile(join(sshd.place, 'authorized_keys'), '');
    const error = await failure(connect(sshd));
    expect(error.code).toBe('auth-failed');
    expect(error.message).toContain(join(sshd.place, 'id'));
    expect(error.message).toContain('it accepts: publickey');
  });

  test('a key file that others may not read is named', async () => {
    await writeFile(join(sshd.place, 'broken'), 'this is no key\n');
    await writeFile(join(sshd.place, 'authorized_keys'), '');
    await sshd.configure('node', [`IdentityFile ${join(sshd.place, 'broken')}`]);
    const error = await failure(connect(sshd));
    expect(error.message).toMatch(/broken cannot be used/);
  });

  describe('with an agent', () => {
    let socket: string;
    beforeEach(async () => {
      socket = join(sshd.place, 'agent.sock');
      const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
      cleanUps.push(async () => {
        const gone = once(agent, 'exit');
        agent.kill('SIGKILL');
        await gone;
      });
      await once(agent.stdout, 'data');
    });
    const add = (key: string) => runProgram('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });

    test('the agent signs in without the key file', async () => {
      await add(join(sshd.place, 'id'));
      await sshd.configure('node', [`IdentityFile /nonexistent`, 'IdentitiesOnly no', `IdentityAgent ${socket}`]);
      const steps: string[] = [];
      await writeFile(
        sshd.configFile,
        (await readFile(sshd.configFile, 'utf8')).replace(`IdentityFile ${join(sshd.place, 'id')}\n`, ''),
      );
      await connect(sshd, { steps });
      expect(steps.join('\n')).toContain('with agent key test');
    });

    test('an rsa key of the agent signs in', async () => {
      const key = await makeKey(join(sshd.place, 'id_rsa'), 'rsa');
      await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
      await add(key);
      await runProgram('rm', [key]);
      await sshd.configure('node', [`IdentityFile ${key}`, `IdentityAgent ${socket}`]);
      await connect(sshd);
    });

    test('IdentitiesOnly keeps the other keys of the agent back', async () => {
      await add(join(sshd.place, 'id'));
      const other = await makeKey(join(sshd.place, 'other'));
      await writeFile(
        sshd.configFile,
        (
          await (async () => {
            await sshd.configure('node', [`IdentityFile ${other}`, `IdentityAgent ${socket}`]);
            return readFile(sshd.configFile, 'utf8');
          })()
        ).replace(`IdentityFile ${join(sshd.place, 'id')}\n`, ''),
      );
      const error = await failure(connect(sshd));
      expect(error.code).toBe('auth-failed');
      expect(error.message).not.toContain('agent key');
    });

    test('an agent that is gone does not keep the key files from signing in', async () => {
      await sshd.configure('node', ['IdentityAgent /nonexistent/agent']);
      await connect(sshd);
    });

    test('too many keys of an agent: the error says how to name the right one', async () => {
      for (let index = 0; index < 8; index++) await add(await makeKey(join(sshd.place, `extra${index}`)));
      await writeFile(join(sshd.place, 'authorized_keys'), '');
      await sshd.configure('node', ['IdentitiesOnly no', `IdentityAgent ${socket}`]);
      const error = await failure(connect(sshd));
      expect(error.code).toBe('auth-failed');
      expect(error.mend).toContain('IdentitiesOnly yes');
    });
  });
});

describe('ways to a node', () => {
  test('ProxyJump goes through every host, and checks the key of each', async () => {
    const [gate, inner, target] = await Promise.all([startSshd(), startSshd(), startSshd()]);
    const block = (name: string, sshd: Sshd) =>
      [
        `Host ${name}`,
        'HostName 127.0.0.1',
        `Port ${sshd.port}`,
        `User ${sshd.user}`,
        `IdentityFile ${join(sshd.place, 'id')}`,
        'IdentitiesOnly yes',
        'IdentityAgent none',
        `UserKnownHostsFile ${target.knownHosts}`,
        'GlobalKnownHostsFile /dev/null',
        'HashKnownHosts no',
      ].join('\n');
    const config = [block('gate', gate), block('inner', inner), block('node', target), '  ProxyJump gate,inner\n'];
    await writeFile(target.configFile, config.join('\n'));
    const prompter = new FakePrompter({ trust: true });
    const steps: string[] = [];
    const connection = await connect(target, { prompter, steps });
    expect(prompter.asked).toEqual([gate, inner, target].map(({ port }) => `host key: [127.0.0.1]:${port}`));
    expect(steps).toContain('Connecting to jump host gate');
    expect((await connection.exec(['echo', 'through'])).stdout).toBe('through\n');

    await writeFile(
      target.knownHosts,
      (await readFile(target.knownHosts, 'utf8')).replace(await inner.hostKey(), await gate.hostKey()),
    );
    const error = await failure(connect(target));
    expect(error.code).toBe('host-key-changed');
    expect(error.message).toContain('jump host inner');

    await inner.cutConnections();
    expect((await connection.closed)?.code).toBe('lost');
  });

  test('a jump host that cannot reach the node is named', async () => {
    const gate = await startSshd();
    await gate.trust();
    const port = await freePort();
    await gate.configure('gate', [], ['Host node', 'ProxyJump gate', 'HostName 127.0.0.1', `Port ${port}`]);
    const error = await failure(connect(gate));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('jump host');
  });

  test('a ProxyJump that goes round in circles ends with an error', async () => {
    const sshd = await startSshd();
    await writeFile(sshd.configFile, 'Host node\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n');
    const error = await failure(connect(sshd));
    expect(error.message).toContain('circles');
  });

  test('ProxyCommand is run', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    await sshd.configure('node', [`ProxyCommand bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3'`]);
    const connection = await connect(sshd);
    expect((await connection.exec(['echo', 'in'])).stdout).toBe('in\n');
  });

  test('user@host:port works without an entry in ssh_config', async () => {
    const sshd = await startSshd();
    await writeFile(
      sshd.configFile,
      `Host *\nIdentityFile ${join(sshd.place, 'id')}\nUserKnownHostsFile ${sshd.knownHosts}\nGlobalKnownHostsFile /dev/null\nIdentityAgent none\n`,
    );
    await sshd.trust();
    await connect(sshd, { name: `${sshd.user}@127.0.0.1:${sshd.port}` });
  });

  test('it works the same without an OpenSSH client', async () => {
    const sshd = await startSshd();
    const prompter = new FakePrompter({ trust: true });
    await connect(sshd, { prompter, options: { configFile: sshd.configFile, sshProgram: '' } });
    expect(await readFile(sshd.knownHosts, 'utf8')).toContain(`[127.0.0.1]:${sshd.port}`);
  });

  test('a name that does not resolve is an unknown host', async () => {
    const sshd = await startSshd();
    await sshd.configure('node', ['HostName no-such-host.invalid']);
    const error = await failure(connect(sshd));
    expect(error.code).toBe('unknown-host');
    expect(error.message).toContain('no-such-host.invalid');
  });

  test('a port that nobody listens on is unreachable', async () => {
    const sshd = await startSshd();
    await sshd.configure('node', [`Port ${await freePort()}`]);
    const error = await failure(connect(sshd));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('refused the connection');
  });

  test("a broken ssh_config is told in ssh's own words", async () => {
    const sshd = await startSshd();
    await writeFile(sshd.configFile, 'Host node\n  NoSuchOption yes\n');
    const error = await failure(connect(sshd));
    expect(error.message.toLowerCase()).toContain('nosuchoption');
  });
});

describe('commands', () => {
  let sshd: Sshd;
  let connection: NodeConnection;
  beforeEach(async () => {
    sshd = await startSshd();
    await sshd.trust();
    connection = await connect(sshd);
  });

  test('arguments reach the program exactly', async () => {
    const words = [
      'a b',
      "it's",
      '"q"',
      '$HOME `id` $(id)',
      'a\nb\n',
      '\\n\\',
      '!x',
      '*',
      '~',
      '',
      'ünïcödé',
      '%s',
      ';&|',
    ];
    const { stdout } = await connection.exec(['printf', '%s\\0', ...words]);
    expect(stdout).toBe(words.map((word) => `${word}\0`).join(''));
  });

  test('exit status, both outputs and input', async () => {
    const script = 'cat; echo out; echo err >&2; exit 7';
    expect(await connection.exec(['sh', '-c', script], { stdin: 'in\n' })).toEqual({
      code: 7,
      stdout: 'in\nout\n',
      stderr: 'err\n',
    });
  });

  test('a killed command has no exit status but a signal', async () => {
    const command = await connection.run(['sh', '-c', 'kill -9 $$']);
    await drain(command.stdout);
    await drain(command.stderr);
    expect(await command.done).toEqual({ code: undefined, signal: 'SIGKILL' });
  });

  test('output beyond 1 MiB is an error, not silence', async () => {
    const error = await failure(connection.exec(['head', '-c', '3000000', '/dev/zero']));
    expect(error.message).toContain('more than 1048576 bytes');
  });

  test('a reader that stops stops the sender, and the rest comes later', async () => {
    const command = await connection.run(['head', '-c', '20000000', '/dev/zero']);
    let size = 0;
    for await (const chunk of command.stdout) {
      size += chunk.length;
      break;
    }
    // Leaving the loop must not end the command.
    for await (const chunk of command.stdout) size += chunk.length;
    await drain(command.stderr);
    expect(size).toBe(20_000_000);
    expect((await command.done).code).toBe(0);
  });

  test('disposing a command ends its output at once, and the command when it reads its input', async () => {
    const command = await connection.run(['sh', '-c', 'echo $$; exec cat']);
    const { value } = (await command.stdout[Symbol.asyncIterator]().next()) as { value: Uint8Array };
    const pid = Buffer.from(value).toString().trim();
    command.dispose();
    expect((await command.done).code).toBeUndefined();
    await expect.poll(() => stat(`/proc/${pid}`).catch(() => 'gone'), PATIENCE).toBe('gone');
  });

  test('a link that is cut in the middle of a stream is lost', async () => {
    const command = await connection.run(['cat', '/dev/zero']);
    const reading = (async () => {
      let cut = false;
      for await (const chunk of command.stdout) {
        if (!cut && chunk.length > 0) await sshd.cutConnections();
        cut = true;
      }
    })();
    const draining = drain(command.stderr);
    const why = await connection.closed;
    expect(why?.code).toBe('lost');
    expect(why?.mend).not.toBe('');
    await Promise.all([reading, draining]);
    expect((await command.done).code).toBeUndefined();
    await expect(command.write('x')).rejects.toMatchObject({ code: 'lost' });
    await expect(connection.run(['true'])).rejects.toMatchObject({ code: 'lost' });
    await expect(connection.exec(['true'])).rejects.toMatchObject({ code: 'lost' });
    await expect(connection.upload(new Uint8Array(1), '/nonexistent/x', 0o600)).rejects.toMatchObject({ code: 'lost' });
  });

  test('a link that is cut during a short command is lost', async () => {
    const mark = join(sshd.place, 'mark');
    const running = failure(connection.exec(['sh', '-c', `: >${mark}; while [ -e ${mark} ]; do sleep 0.1; done`]));
    await expect.poll(() => stat(mark).catch(() => undefined), PATIENCE).toBeDefined();
    await sshd.cutConnections();
    expect((await running).code).toBe('lost');
  });

  test('a connection that is closed on purpose is not lost', async () => {
    connection.dispose();
    expect(await connection.closed).toBeUndefined();
  });

  test('a command is cancelled while it runs', async () => {
    const stop = new AbortController();
    const mark = join(sshd.place, 'mark');
    const running = failure(
      connection.exec(['sh', '-c', `: >${mark}; while [ -e ${mark} ]; do sleep 0.1; done`], { signal: stop.signal }),
    );
    await expect.poll(() => stat(mark).catch(() => undefined), PATIENCE).toBeDefined();
    stop.abort();
    expect((await running).code).toBe('cancelled');
    expect((await connection.exec(['echo', 'still here'])).stdout).toBe('still here\n');
  });
});

describe.each([true, false])('files (sftp: %s)', (sftp) => {
  let sshd: Sshd;
  let connection: NodeConnection;
  const data = Buffer.alloc(300_001, 'packet trail ');
  beforeEach(async () => {
    sshd = await startSshd({ sftp });
    await sshd.trust();
    connection = await connect(sshd);
  });

  test('an upload is whole, has its mode, replaces what was there and leaves nothing beside it', async () => {
    const path = join(sshd.place, 'up load', 'the file');
    await runProgram('mkdir', [join(sshd.place, 'up load')]);
    await writeFile(path, 'old');
    await chmod(path, 0o644);
    const progress: number[] = [];
    await connection.upload(data, path, 0o700, { onProgress: (sent) => progress.push(sent) });
    expect((await readFile(path)).equals(data)).toBe(true);
    expect((await stat(path)).mode & 0o7777).toBe(0o700);
    expect(progress.at(-1)).toBe(data.length);
    expect(await runProgram('ls', ['-A', join(sshd.place, 'up load')])).toBe('the file\n');
  });

  test('a directory that is not there is one clear error', async () => {
    const error = await failure(connection.upload(data, '/nonexistent/file', 0o600));
    expect(error.code).toBe('upload-failed');
    expect(error.message).toContain('/nonexistent/file');
  });

  test('a cancelled upload leaves nothing behind', async () => {
    const stop = new AbortController();
    const path = join(sshd.place, 'cancelled');
    const big = Buffer.alloc(20_000_000);
    const onProgress = () => {
      stop.abort();
    };
    const error = await failure(connection.upload(big, path, 0o600, { signal: stop.signal, onProgress }));
    expect(error.code).toBe('cancelled');
    await expect.poll(async () => (await runProgram('ls', ['-A', sshd.place])).includes('cancelled')).toBe(false);
  });
});

test('what a server says before it lets somebody in is a line each in the log, which steers no terminal', async () => {
  const place = await makePlace();
  cleanUps.push(() => removePlace(place));
  await writeFile(join(place, 'banner'), 'Lab 7\n\x1b[2Jonly for \u202estaff\n');
  const sshd = await startSshd({ config: [`Banner ${join(place, 'banner')}`] });
  await sshd.trust();
  const log: string[] = [];
  await connect(sshd, { options: { log: (line) => log.push(line) } });
  expect(log.filter((line) => line.includes(' says: '))).toEqual([
    'node: node says: Lab 7',
    String.raw`node: node says: \x1b[2Jonly for \u202estaff`,
  ]);
});

describe('cancelling', () => {
  let sshd: Sshd;
  beforeEach(async () => {
    sshd = await startSshd();
  });

  test('before anything', async () => {
    expect((await failure(connect(sshd, { signal: AbortSignal.abort() }))).code).toBe('cancelled');
  });

  test('while the host key is asked for', async () => {
    const prompter = new FakeSilentPrompter();
    const stop = new AbortController();
    const connecting = failure(connect(sshd, { prompter, signal: stop.signal }));
    expect(await prompter.asked).toBe('host key');
    stop.abort();
    expect((await connecting).code).toBe('cancelled');
    expect(await prompter.takenBack).toBe('host key');
  });

  test('while a passphrase is asked for', async () => {
    await sshd.trust();
    const key = await makeKey(join(sshd.place, 'locked'), 'ed25519', 'correct horse');
    await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await sshd.configure('node', [`IdentityFile ${key}`]);
    const prompter = new FakeSilentPrompter();
    const stop = new AbortController();
    const connecting = failure(connect(sshd, { prompter, signal: stop.signal }));
    expect(await prompter.asked).toBe('passphrase');
    stop.abort();
    expect((await connecting).code).toBe('cancelled');
    expect(await prompter.takenBack).toBe('passphrase');
  });

  test('the server no longer waits for an answer: the question goes away, and the error says why', async () => {
    const impatient = await startSshd({ config: ['LoginGraceTime 1'] });
    await impatient.trust();
    const key = await makeKey(join(impatient.place, 'locked'), 'ed25519', 'correct horse');
    await writeFile(join(impatient.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await impatient.configure('node', [`IdentityFile ${key}`]);
    const prompter = new FakeSilentPrompter();
    const error = await failure(connect(impatient, { prompter }));
    expect(await prompter.takenBack).toBe('passphrase');
    expect(error).toMatchObject({
      code: 'auth-failed',
      message: expect.stringContaining('ended the connection while') as string,
      mend: expect.stringContaining('more quickly') as string,
    });
  });
});

// Promises of nodes that this machine's ssh reaches, kept against a real OpenSSH client and server: what only it can do, what it asks, what
// it says when it fails, and that nothing of a connection stays.
import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sshQuestion } from '../../../extension/nodes/askpassServer.ts';
import type { NodeConnection, Prompter } from '../../../extension/nodes/node.ts';
import { SshNode } from '../../../extension/nodes/ssh.ts';
import { SystemSshNode, type SystemSshOptions } from '../../../extension/nodes/systemSsh.ts';
import { failure } from './support/failure.ts';
import { FakePrompter, FakeSilentPrompter } from './support/FakePrompter.ts';
import { FakeSshServer } from './support/FakeSshServer.ts';
import { freePort, makeKey, makePlace, removePlace, runProgram } from './support/place.ts';
import { Sshd } from './support/Sshd.ts';

let place: string;
let askpass: readonly string[];
beforeAll(async () => {
  place = await makePlace();
  const outfile = join(place, 'askpass.js');
  await build({ entryPoints: ['extension/nodes/askpass.ts'], bundle: true, platform: 'node', format: 'cjs', outfile });
  askpass = [process.execPath, outfile];
});
afterAll(() => removePlace(place));

const cleanUps: (() => unknown)[] = [];
let before: readonly string[];
beforeEach(async () => (before = await left()));
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  // The folder with the pipe for questions and ssh's socket.
  await expect.poll(left, { timeout: 10_000 }).toEqual(before);
});
const left = async (): Promise<string[]> =>
  (await readdir(tmpdir())).filter((name) => /^packet-trail-[A-Za-z0-9]{6}$/.test(name)).sort();

interface Attempt {
  readonly prompter?: Prompter;
  readonly signal?: AbortSignal;
  readonly options?: Partial<SystemSshOptions>;
  readonly name?: string;
}

async function connect(configFile: string, attempt: Attempt = {}): Promise<NodeConnection> {
  const node = new SystemSshNode(attempt.name ?? 'node', { configFile, askpass, ...attempt.options });
  const connection = await node.connect({
    signal: attempt.signal ?? new AbortController().signal,
    prompter: attempt.prompter ?? new FakePrompter(),
  });
  cleanUps.push(async () => {
    connection.dispose();
    await connection.closed;
  });
  return connection;
}

async function startSshd(options?: Parameters<typeof Sshd.start>[0]): Promise<Sshd> {
  const sshd = await Sshd.start(options);
  cleanUps.push(() => sshd.dispose());
  return sshd;
}

describe('a node that trusts and is trusted by a key', () => {
  test('runs commands, takes input and gives exit status, each over the one connection', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const connection = await connect(sshd.configFile);
    expect(await connection.exec(['printf', '%s', `it's; "$HOME" \\`])).toMatchObject({
      code: 0,
      stdout: `it's; "$HOME" \\`,
    });
    expect(await connection.exec(['cat'], { stdin: 'in' })).toMatchObject({ code: 0, stdout: 'in' });
    expect(await connection.exec(['sh', '-c', 'echo no >&2; exit 7'])).toMatchObject({ code: 7, stderr: 'no\n' });
    expect(await connection.exec(['sh', '-c', 'exit 255'])).toMatchObject({ code: 255 });
    expect(sshd.log.match(/Accepted publickey/g)).toHaveLength(1);
  });

  test('takes files whole, with their mode', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const connection = await connect(sshd.configFile);
    const data = new Uint8Array(300_000).map((_, i) => i * 7);
    const sent: number[] = [];
    const path = join(sshd.place, "it's here");
    await connection.upload(data, path, 0o750, { onProgress: (bytes) => sent.push(bytes) });
    expect(new Uint8Array(await readFile(path))).toEqual(data);
    expect((await stat(path)).mode & 0o777).toBe(0o750);
    expect(sent.at(-1)).toBe(data.length);
    const error = await failure(connection.upload(data, join(sshd.place, 'nowhere', 'x'), 0o600));
    expect(error.code).toBe('upload-failed');
  });

  test('ends a command when it is let go of: its input ends', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const connection = await connect(sshd.configFile);
    const path = join(sshd.place, 'ended');
    const command = await connection.run(['sh', '-c', 'echo here; cat >/dev/null; echo over >"$1"', 'sh', path]);
    for await (const chunk of command.stdout) if (chunk.length > 0) break;
    command.dispose();
    await command.done;
    await expect.poll(() => readFile(path, 'utf8').catch(() => ''), { timeout: 10_000 }).toBe('over\n');
  });

  test('whose connection is cut is lost, with all that ran over it', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const connection = await connect(sshd.configFile);
    const command = await connection.run(['sleep', '1000']);
    await sshd.cutConnections();
    expect((await connection.closed)?.code).toBe('lost');
    await command.done;
    expect((await failure(connection.exec(['true']))).code).toBe('lost');
  });

  test('that refuses more sessions says so, and nothing connects anew beside it', async () => {
    const sshd = await startSshd({ config: ['MaxSessions 1'] });
    await sshd.trust();
    const connection = await connect(sshd.configFile);
    const error = await failure(connection.exec(['true']));
    expect(error).toMatchObject({ code: 'unsupported', mend: expect.stringContaining('MaxSessions') as string });
    expect(sshd.log.match(/Accepted publickey/g)).toHaveLength(1);
  });

  test('is reached through a jump host, and what the person forwards otherwise is not in the way', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const port = await freePort();
    const config = await readFile(sshd.configFile, 'utf8');
    const forwards = [`LocalForward ${port} 127.0.0.1:${sshd.port}`, 'ExitOnForwardFailure yes', 'RemoteCommand false'];
    const far = config.replace('Host node', ['Host far', 'ProxyJump node', ...forwards].join('\n'));
    await writeFile(sshd.configFile, `${config}${far}`);
    const busy = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log(1))`,
    ]);
    cleanUps.push(async () => {
      busy.kill();
      await once(busy, 'close');
    });
    await once(busy.stdout, 'data');
    const connection = await connect(sshd.configFile, { name: 'far' });
    expect(await connection.exec(['echo', 'there'])).toMatchObject({ stdout: 'there\n' });
  });

  test('where ssh can share nothing, as on Windows, each command connects for itself and nothing is asked', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const connection = await connect(sshd.configFile, { options: { platform: 'win32' } });
    expect(await connection.exec(['echo', 'there'])).toMatchObject({ stdout: 'there\n' });
    expect(sshd.log.match(/Accepted publickey/g)).toHaveLength(2);
    await writeFile(sshd.knownHosts, '');
    const prompter = new FakePrompter({ trust: true });
    expect((await failure(connect(sshd.configFile, { prompter, options: { platform: 'win32' } }))).code).toBe(
      'host-key-rejected',
    );
    expect(prompter.asked).toEqual([]);
  });
});

describe('what only ssh can do', () => {
  test('a host and a person with certificates: nothing is asked; the built-in client names the setting', async () => {
    const sshd = await startSshd({ config: [`TrustedUserCAKeys ${join(place, 'users.pub')}`] });
    await makeKey(join(place, 'users'));
    await makeKey(join(place, 'hosts'));
    const { user } = sshd;
    const sign = (...args: string[]): Promise<string> => runProgram('ssh-keygen', ['-q', '-I', 'test', ...args]);
    const key = await makeKey(join(sshd.place, 'certified'));
    await sign('-s', join(place, 'users'), '-n', user, `${key}.pub`);
    await sign('-s', join(place, 'hosts'), '-h', '-n', '127.0.0.1', join(sshd.place, 'host_ed25519.pub'));
    const certificate = join(sshd.place, 'host_ed25519-cert.pub');
    const certified = await startSshd({
      hostKeys: [],
      config: [
        `HostKey ${join(sshd.place, 'host_ed25519')}`,
        `HostCertificate ${certificate}`,
        `TrustedUserCAKeys ${join(place, 'users.pub')}`,
      ],
    });
    await certified.configure('node', [`IdentityFile ${key}`]);
    // The plain key of Sshd's own is let in nowhere here.
    await writeFile(join(certified.place, 'authorized_keys'), '');
    const authority = (await readFile(join(place, 'hosts.pub'), 'utf8')).trim();
    await writeFile(certified.knownHosts, `@cert-authority 127.0.0.1,[127.0.0.1]:* ${authority}\n`);

    const prompter = new FakePrompter();
    const connection = await connect(certified.configFile, { prompter });
    expect(await connection.exec(['echo', 'there'])).toMatchObject({ stdout: 'there\n' });
    expect(prompter.asked).toEqual([]);
    expect(certified.log).toMatch(/Accepted publickey .*ED25519-CERT/);

    const builtIn = new SshNode('node', { configFile: certified.configFile, agentSocket: '' });
    const { signal } = new AbortController();
    const refused = await failure(builtIn.connect({ signal, prompter: new FakePrompter({ trust: true }) }));
    expect(refused.code).toBe('auth-failed');
    expect(refused.mend).toBe(
      `Set packetTrail.sshClient to "system" to sign in with what the built-in client can't use: the certificate ${key}-cert.pub.`,
    );
  });

  test('a connection that the person has already is shared, and stays', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    await sshd.configure('node', [`ControlPath ${join(sshd.place, 'mine')}`]);
    const mine = spawn('ssh', ['-F', sshd.configFile, '-M', 'node', 'echo up; cat'], { stdio: 'pipe' });
    cleanUps.push(async () => {
      mine.kill();
      await once(mine, 'close');
    });
    await once(mine.stdout, 'data');
    await writeFile(join(sshd.place, 'authorized_keys'), '');
    const connection = await connect(sshd.configFile);
    expect(await connection.exec(['echo', 'there'])).toMatchObject({ stdout: 'there\n' });
    connection.dispose();
    await connection.closed;
    expect(mine.exitCode).toBeNull();
    expect(await runProgram('ssh', ['-F', sshd.configFile, 'node', 'echo still'])).toBe('still\n');
  });
});

describe('what ssh asks', () => {
  test('the passphrase of a key, again when it was wrong; it is in no argument, no environment and no file', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    // Of this test alone: others beside it give theirs to ssh-keygen, as an argument.
    const secret = randomUUID();
    const key = await makeKey(join(sshd.place, 'locked'), 'ed25519', secret);
    await writeFile(join(sshd.place, 'authorized_keys'), await readFile(`${key}.pub`));
    await sshd.configure('node', [`IdentityFile ${key}`]);
    const prompter = new FakePrompter({ passphrases: ['wrong', secret] });
    const connection = await connect(sshd.configFile, { prompter });
    expect(prompter.asked).toEqual([`passphrase: ${key}`, `passphrase: ${key}`]);
    expect(await connection.exec(['true'])).toMatchObject({ code: 0 });
    const [folder = ''] = (await left()).filter((name) => !before.includes(name));
    for (const name of await readdir(join(tmpdir(), folder)))
      expect(await readFile(join(tmpdir(), folder, name), 'utf8').catch(() => '')).not.toContain(secret);
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      for (const what of ['cmdline', 'environ'])
        expect(await readFile(`/proc/${pid}/${what}`, 'utf8').catch(() => '')).not.toContain(secret);
  });

  test('a password; one that is declined ends the attempt at once', async () => {
    const server = await FakeSshServer.start({
      authenticate: (context) => {
        if (context.method === 'password' && context.password === 's3cret') context.accept();
        else context.reject(['password']);
      },
      exec: (channel, command) => {
        // A session that says what our first command says, and stays.
        if (command.includes('connected')) channel.write('Welcome!\npacket-trail: connected\n');
      },
    });
    cleanUps.push(() => server.dispose());
    const prompter = new FakePrompter({ passwords: ['wrong', 's3cret'] });
    await connect(server.configFile, { prompter });
    expect(prompter.asked).toEqual([
      'password: Password of jane@127.0.0.1',
      'password: That was not accepted. Password of jane@127.0.0.1',
    ]);
    const declining = new FakePrompter({ passwords: ['wrong'] });
    expect((await failure(connect(server.configFile, { prompter: declining }))).code).toBe('cancelled');
    expect(declining.asked).toHaveLength(2);
  });

  test('an unknown host’s key, whose fingerprint is ssh-keygen’s; trusted it is remembered, else refused', async () => {
    const sshd = await startSshd();
    const declining = new FakePrompter({ trust: false });
    expect((await failure(connect(sshd.configFile, { prompter: declining }))).code).toBe('host-key-rejected');
    expect(declining.hostKeys).toEqual([
      { node: 'node', host: `[127.0.0.1]:${sshd.port}`, keyType: 'ED25519', fingerprint: await sshd.fingerprint() },
    ]);
    await connect(sshd.configFile, { prompter: new FakePrompter({ trust: true }) });
    expect(await readFile(sshd.knownHosts, 'utf8')).toContain(await sshd.hostKey());
  });

  test('goes away with the attempt', async () => {
    const sshd = await startSshd();
    const prompter = new FakeSilentPrompter();
    const abort = new AbortController();
    const work = failure(connect(sshd.configFile, { prompter, signal: abort.signal }));
    expect(await prompter.asked).toBe('host key');
    abort.abort();
    expect((await work).code).toBe('cancelled');
    expect(await prompter.takenBack).toBe('host key');
  });

  test.each([
    ["Enter passphrase for key '/home/jane/.ssh/id': ", '', { kind: 'passphrase', keyFile: '/home/jane/.ssh/id' }],
    ["jane@node's password: ", '', { kind: 'password', whose: 'jane@node' }],
    ["(jane@node) Enter passphrase for key '/home/jane/.ssh/id': ", '', { kind: 'words', yesOrNo: false }],
    ["(jane@node) jane@node's password: ", '', { kind: 'words', yesOrNo: false }],
    ['(jane@node) Verification code: ', '', { kind: 'words', prompt: '(jane@node) Verification code:' }],
    ['Confirm user presence for key ED25519-SK SHA256:x', 'none', { kind: 'told' }],
    ['Allow use of key id?\nKey fingerprint SHA256:x.', 'confirm', { kind: 'words', yesOrNo: true }],
    ["Please type 'yes', 'no' or the fingerprint: ", '', { kind: 'words', yesOrNo: false }],
  ])('%s is what it is, and words of the server are no question of ssh', (prompt, hint, question) => {
    expect(sshQuestion(prompt, hint)).toMatchObject(question);
  });
});

describe('what goes wrong is said with its mend', () => {
  const config = async (lines: readonly string[]): Promise<string> => {
    const file = join(place, 'ssh_config');
    await writeFile(file, `Host node\n${lines.join('\n')}\n`);
    return file;
  };

  test('a name without an address', async () => {
    const error = await failure(connect(await config(['HostName nowhere.invalid'])));
    expect(error).toMatchObject({
      code: 'unknown-host',
      message: expect.stringContaining('nowhere.invalid') as string,
    });
  });

  test('nobody who listens', async () => {
    const error = await failure(connect(await config(['HostName 127.0.0.1', `Port ${await freePort()}`])));
    expect(error).toMatchObject({ code: 'unreachable', message: expect.stringMatching(/refused/) as string });
  });

  test('a key that has changed, with file and line', async () => {
    const sshd = await startSshd();
    const other = await makeKey(join(sshd.place, 'other'));
    const [type = '', data = ''] = (await readFile(`${other}.pub`, 'utf8')).split(' ');
    await writeFile(sshd.knownHosts, `# one\n[127.0.0.1]:${sshd.port} ${type} ${data}\n`);
    const error = await failure(connect(sshd.configFile, { prompter: new FakePrompter({ trust: true }) }));
    expect(error.code).toBe('host-key-changed');
    expect(error.message).toContain(`it offers ${await sshd.fingerprint()}, but ${sshd.knownHosts}, line 2`);
  });

  test('a person who isn’t let in', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    await writeFile(join(sshd.place, 'authorized_keys'), '');
    const error = await failure(connect(sshd.configFile));
    expect(error.code).toBe('auth-failed');
    expect(error.message).toMatch(/did not let \S+ in: .*Permission denied \(publickey\)/);
  });

  test('an account that runs something else than what it is asked to', async () => {
    const sshd = await startSshd();
    await sshd.trust();
    const key = await readFile(join(sshd.place, 'id.pub'), 'utf8');
    await writeFile(join(sshd.place, 'authorized_keys'), `command="echo git only" ${key}`);
    const error = await failure(connect(sshd.configFile));
    expect(error).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('(exit status 0: git only)') as string,
    });
  });

  test('a configuration that is broken', async () => {
    expect((await failure(connect(await config(['Nonsense yes'])))).message).toMatch(
      /cannot be used: .*Nonsense|nonsense/,
    );
  });

  test('a machine without ssh', async () => {
    const options = { sshProgram: join(place, 'no-ssh') };
    const error = await failure(connect(await config(['HostName 127.0.0.1']), { options }));
    expect(error).toMatchObject({ code: 'unsupported', mend: expect.stringContaining('"built-in"') as string });
  });
});

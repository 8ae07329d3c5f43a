// Promises of deploying the helper, kept on this machine with a helper made of shell script.
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { deploy, type Deployment, type DeployOptions } from '../../../extension/nodes/deploy.ts';
import { HelperProcess, check, checkFilter } from '../../../extension/nodes/helperProcess.ts';
import { LocalNode } from '../../../extension/nodes/local.ts';
import { NodeError, type NodeConnection } from '../../../extension/nodes/node.ts';
import { acquirePrivilege } from '../../../extension/nodes/privilege.ts';
import { failure } from './support/failure.ts';
import { FakePrompter, FakeSilentPrompter } from './support/FakePrompter.ts';
import { makePlace, removePlace, runProgram } from './support/place.ts';

/** Behaves like the helper towards its caller. */
const FAKE_HELPER = `#!/bin/sh
[ "$1" != --marker ] || { echo "$2"; shift 2; }
case $1 in
--version) echo 'packet-trail-helper 0' ;;
--check) echo '[{"name":"btf","state":"pass","detail":"found","mend":""},{"name":"lockdown","state":"fail","detail":"on","mend":"switch it off"}]'; exit 1 ;;
--check-filter) [ "$2" = good ] || { echo "packet-trail-helper: $2: syntax error" >&2; exit 2; } ;;
--stream)
	shift 3
	echo "args: $*"
	echo 'packet-trail-helper: hello' >&2
	while read -r line; do
		echo "$line"
		case $1 in
		fail) echo 'packet-trail-helper: load programs: /sys/kernel/btf: use --btf' >&2; exit 1 ;;
		die) kill -9 $$ ;;
		evil) printf 'packet-trail-helper: \\033[2J: \\342\\200\\256x\\rpacket-trail-helper: y: z\\n' >&2; exit 1 ;;
		deaf) while :; do read -r line || exec sleep 1000; done ;;
		esac
		case $line in
		*'"stop"'*) exit 0 ;;
		esac
	done
	echo 'stdin closed'
	;;
*) echo "$0 $*" ;;
esac
`;
const binary = Buffer.from(FAKE_HELPER);
const sha256 = createHash('sha256').update(binary).digest('hex');
const NAME = `packet-trail-helper-${sha256.slice(0, 16)}`;
const root = process.getuid?.() === 0;

let place: string;
let connection: NodeConnection;
const cleanUps: (() => unknown)[] = [];

beforeEach(async () => {
  // Whoever runs this may be signed in over SSH.
  vi.stubEnv('SSH_CONNECTION', undefined);
  place = await makePlace();
  cleanUps.push(() => removePlace(place));
  connection = await new LocalNode('node').connect({
    signal: new AbortController().signal,
    prompter: new FakePrompter(),
  });
  cleanUps.push(() => {
    connection.dispose();
  });
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  vi.unstubAllEnvs();
});

function put(options: Partial<DeployOptions> = {}): Promise<Deployment> {
  return deploy({
    node: 'node',
    connection,
    prompter: new FakePrompter(),
    helper: () => Promise.resolve(binary),
    signal: new AbortController().signal,
    directories: [join(place, 'helper')],
    ...options,
  });
}

/** A connection that answers some commands otherwise. */
function withAnswers(answer: (argv: readonly string[]) => string | undefined): NodeConnection {
  return {
    run: (argv, options) => connection.run(argv, options),
    exec: (argv, options) => {
      const stdout = answer(argv);
      return stdout === undefined ? connection.exec(argv, options) : Promise.resolve({ code: 0, stdout, stderr: '' });
    },
    upload: (...args) => connection.upload(...args),
    closed: connection.closed,
    dispose: () => undefined,
  };
}

describe('the binary', () => {
  test('is sent once, under a name with its hash, for the person alone', async () => {
    const progress: number[] = [];
    const first = await put({ onUpload: (sent) => progress.push(sent) });
    expect(first).toMatchObject({ sha256, uploaded: true, path: join(place, 'helper', NAME) });
    expect(progress.at(-1)).toBe(binary.length);
    expect((await stat(join(place, 'helper'))).mode & 0o777).toBe(0o700);
    expect((await stat(first.path)).mode & 0o777).toBe(0o700);
    expect((await put()).uploaded).toBe(false);
    expect(await readdir(join(place, 'helper'))).toEqual([NAME]);
  });

  test('is sent again when it differs on the node', async () => {
    const { path } = await put();
    await writeFile(path, '#!/bin/sh\necho someone else\n');
    expect((await put()).uploaded).toBe(true);
    expect(await readFile(path, 'utf8')).toBe(FAKE_HELPER);
  });

  test('is not run when it was changed meanwhile', async () => {
    const deployment = await put();
    await writeFile(deployment.path, `#!/bin/sh\ntouch ${join(place, 'ran')}\n`);
    const { code, stderr } = await connection.exec(deployment.argv(['x']));
    expect(code).toBe(1);
    expect(stderr).toContain('the helper has changed');
    await expect(stat(join(place, 'ran'))).rejects.toThrow('ENOENT');
  });

  test('that arrives damaged is refused and removed', async () => {
    const damaging: NodeConnection = {
      ...withAnswers(() => undefined),
      upload: (data, ...rest) => connection.upload(data.subarray(1), ...rest),
    };
    const error = await failure(put({ connection: damaging }));
    expect(error.code).toBe('upload-failed');
    expect(error.message).toContain(sha256);
    expect(await readdir(join(place, 'helper'))).toEqual([]);
  });

  test('gets every argument exactly', async () => {
    const words = ['a b', "it's", '$HOME', 'a\nb', ''];
    const deployment = await put();
    const { stdout } = await connection.exec(deployment.argv(['echo', ...words]));
    expect(stdout).toBe(`${deployment.path} echo ${words.join(' ')}\n`);
  });

  test('of an earlier version is removed, unless it is running or not ours to judge', async () => {
    const directory = join(place, 'helper');
    await mkdir(directory, { mode: 0o700 });
    await writeFile(join(directory, 'packet-trail-helper-0000000000000000'), 'old');
    await writeFile(join(directory, 'notes'), 'mine');
    await runProgram('cp', ['/bin/sleep', join(directory, 'packet-trail-helper-1111111111111111')]);
    const running = await connection.run([join(directory, 'packet-trail-helper-1111111111111111'), '1000']);
    cleanUps.push(() => {
      running.dispose();
    });
    await put();
    expect((await readdir(directory)).sort()).toEqual(['notes', 'packet-trail-helper-1111111111111111', NAME].sort());
  });
});

describe('the directory', () => {
  test('a link in its place is not followed', async () => {
    await mkdir(join(place, 'elsewhere'));
    await symlink(join(place, 'elsewhere'), join(place, 'helper'));
    const error = await failure(put());
    expect(error.code).toBe('upload-failed');
    expect(error.message).toContain('symbolic link');
    const other = await put({ directories: [join(place, 'helper'), join(place, 'second')] });
    expect(other.path).toBe(join(place, 'second', NAME));
    expect(await readdir(join(place, 'elsewhere'))).toEqual([]);
  });

  test('one that is open to others is closed to them first', async () => {
    await mkdir(join(place, 'helper'));
    await chmod(join(place, 'helper'), 0o777);
    await put();
    expect((await stat(join(place, 'helper'))).mode & 0o777).toBe(0o700);
  });

  test.runIf(root)('one of another user is not used', async () => {
    await mkdir(join(place, 'helper'), { mode: 0o700 });
    await runProgram('chown', ['65534', join(place, 'helper')]);
    expect((await failure(put())).message).toContain('belongs to user 65534');
  });

  test('one that cannot be made is passed over, and all reasons are told when none is left', async () => {
    const error = await failure(put({ directories: ['/proc/nope', '/dev/null/x'] }));
    expect(error.code).toBe('upload-failed');
    expect(error.message).toContain('/proc/nope cannot be made');
    expect(error.message).toContain('/dev/null/x');
  });

  describe.runIf(root)('on a mount of its own', () => {
    async function mount(name: string, options: string): Promise<string> {
      const directory = join(place, name);
      await mkdir(directory);
      await runProgram('mount', ['-t', 'tmpfs', '-o', options, 'packet-trail-test', directory]);
      cleanUps.push(() => runProgram('umount', [directory]));
      return directory;
    }

    test('that is noexec is passed over for the next', async () => {
      const noexec = await mount('noexec', 'noexec,size=1m');
      const deployment = await put({ directories: [join(noexec, 'd'), join(place, 'second')] });
      expect(deployment.path).toBe(join(place, 'second', NAME));
      const error = await failure(put({ directories: [join(noexec, 'd')] }));
      expect(error.message).toContain('noexec');
    });

    test('that is too small is told with what is free', async () => {
      const small = await mount('small', 'size=1m');
      const big = Buffer.concat([binary, Buffer.alloc(2_000_000, '\n')]);
      const error = await failure(put({ helper: () => Promise.resolve(big), directories: [join(small, 'd')] }));
      expect(error.code).toBe('upload-failed');
      expect(error.message).toMatch(/has \d+ KiB free on .*small, \d+ KiB are needed/);
      expect(error.mend).toContain('Make room');
    });

    test('that fills up while the helper is sent is told with what is free, and nothing stays', async () => {
      const small = await mount('filling', 'size=1m');
      const big = Buffer.concat([binary, Buffer.alloc(900_000, '\n')]);
      const filling: NodeConnection = {
        ...withAnswers(() => undefined),
        upload: async (...args) => {
          await writeFile(join(small, 'other'), Buffer.alloc(500_000));
          return connection.upload(...args);
        },
      };
      const options = { connection: filling, helper: () => Promise.resolve(big), directories: [join(small, 'd')] };
      const error = await failure(put(options));
      expect(error.code).toBe('upload-failed');
      expect(error.message).toMatch(/\d+ KiB free on .*filling/);
      expect(await readdir(join(small, 'd'))).toEqual([]);
    });
  });
});

describe('the machine', () => {
  const pretend = (facts: string) =>
    withAnswers((argv) => (argv[2]?.includes('uname -s') === true ? facts : undefined));

  test('must run Linux', async () => {
    const error = await failure(put({ connection: pretend('@system Darwin\n@machine arm64\n') }));
    expect(error.code).toBe('unsupported');
    expect(error.message).toBe('node runs Darwin.');
  });

  test.each(['x86_64', 'aarch64'])('gets the helper of its machine: %s', async (machine) => {
    const asked: string[] = [];
    const facts = `@system Linux\n@machine ${machine}\n@user jane\n@privilege root\n`;
    const helper = (wanted: string): Promise<undefined> => {
      asked.push(wanted);
      return Promise.resolve(undefined);
    };
    await failure(put({ connection: pretend(facts), helper }));
    expect(asked).toEqual([machine]);
  });

  test('must be one that there is a helper for', async () => {
    const facts = '@system Linux\n@machine aarch64\n@user jane\n@privilege root\n';
    const error = await failure(put({ connection: pretend(facts), helper: () => Promise.resolve(undefined) }));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('aarch64');
    expect((await failure(put({ connection: pretend('@system Linux\n@machine s390x\n') }))).message).toContain('s390x');
  });

  test('must let commands run', async () => {
    const error = await failure(put({ connection: pretend('This account is currently not available.\n') }));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('This account is currently not available.');
  });

  test('may greet before it answers', async () => {
    const greeting = withAnswers(() => undefined);
    const chatty: NodeConnection = {
      ...greeting,
      exec: async (argv, options) => {
        const result = await connection.exec(argv, options);
        return { ...result, stdout: `Welcome!\n${result.stdout}` };
      },
    };
    expect((await put({ connection: chatty })).sha256).toBe(sha256);
  });
});

describe('rights', () => {
  /** A sudo that asks, as the real one does with -S and -p, on a node that speaks German. */
  const FAKE_SUDO = `#!/bin/sh
say() { if [ "$LC_ALL" = C ]; then echo "$1" >&2; else echo "$2" >&2; fi; }
prompt=
while :; do
	case $1 in
	-k|-S) shift ;;
	-n) say 'sudo: a password is required' 'sudo: Ein Passwort ist notwendig'; exit 1 ;;
	-p) prompt=$2; shift 2 ;;
	--) shift; break ;;
	*) break ;;
	esac
done
say 'We trust you have received the usual lecture.' 'Wir gehen davon aus, dass der Administrator alles erklärt hat.'
[ "$answers" = none ] && { say 'jane is not in the sudoers file.' 'jane befindet sich nicht in der sudoers-Datei.'; exit 1; }
for try in 1 2 3; do
	printf %s "$prompt" >&2
	read -r answer || { say 'sudo: no password was provided' 'sudo: Es wurde kein Passwort angegeben'; exit 1; }
	[ "$answer" = 's3cret' ] && exec "$@"
	say 'Sorry, try again.' 'Das hat nicht funktioniert, bitte nochmal probieren.'
done
exit 1
`;

  async function acquire(prompter: FakePrompter) {
    await writeFile(join(place, 'sudo'), FAKE_SUDO, { mode: 0o755 });
    const before = process.env['PATH'];
    process.env['PATH'] = `${place}${delimiter}${before ?? ''}`;
    cleanUps.push(() => (process.env['PATH'] = before));
    return acquirePrivilege({ node: 'node', connection, prompter, user: 'jane', found: 'sudo-asks' });
  }

  test('a sudo password is asked for once, stays out of every argument, and leaves input and output to the helper', async () => {
    const prompter = new FakePrompter({ passwords: ['wrong', 's3cret'] });
    const privilege = await acquire(prompter);
    expect(prompter.asked).toHaveLength(2);
    expect(privilege.argv(['x']).join(' ')).not.toContain('s3cret');
    for (let run = 0; run < 2; run++) {
      const command = await privilege.run(['sh', '-c', 'cat; echo err >&2; tr "\\0" " " </proc/$$/cmdline']);
      await command.write('for the helper\n');
      command.end();
      let [stdout, stderr] = ['', ''];
      for await (const chunk of command.stdout) stdout += Buffer.from(chunk).toString();
      for await (const chunk of command.stderr) stderr += Buffer.from(chunk).toString();
      expect(stdout).toContain('for the helper\n');
      expect(stdout + stderr).not.toContain('s3cret');
      expect(stderr).toBe('err\n');
      expect((await command.done).code).toBe(0);
    }
    expect(prompter.asked).toHaveLength(2);
  });

  test.each([
    {
      what: 'no password',
      passwords: [],
      message: /no sudo password was given/,
      mend: /^Start again and type the password of jane /,
    },
    {
      what: 'three wrong ones',
      passwords: ['a', 'b', 'c'],
      message: /did not accept the password 3 times/,
      mend: /^Start again and type the password of jane /,
    },
    {
      what: 'somebody whom sudo knows nothing of',
      passwords: ['a'],
      answers: 'none',
      message: /sudo refuses: jane is not in the sudoers file\./,
      mend: /usermod -aG sudo jane/,
    },
  ])(
    '$what: told with what mends it, and nobody is advised to do without passwords',
    async ({ passwords, answers, message, mend }) => {
      vi.stubEnv('answers', answers);
      cleanUps.push(() => vi.unstubAllEnvs());
      const error = await failure(acquire(new FakePrompter({ passwords })));
      expect(error.code).toBe('no-privilege');
      expect(error.message).toMatch(message);
      expect(error.mend).toMatch(mend);
      expect(error.mend).not.toContain('NOPASSWD');
    },
  );

  test('the question for a password goes away when the node does', async () => {
    const silent = new FakeSilentPrompter();
    let lose: (error: NodeError) => void = () => undefined;
    const closed = new Promise<NodeError>((resolve) => (lose = resolve));
    const request = { node: 'node', user: 'jane', found: 'sudo-asks' } as const;
    const asking = failure(acquirePrivilege({ ...request, connection: { ...connection, closed }, prompter: silent }));
    await silent.asked;
    lose(new NodeError('lost', 'node', 'The link broke.', 'Connect again.'));
    expect((await asking).code).toBe('lost');
    expect(await silent.takenBack).toBe('password');
  });

  test('no sudo at all is told too', async () => {
    const request = { node: 'node', connection, prompter: new FakePrompter(), user: 'jane', found: 'none' } as const;
    const error = await failure(acquirePrivilege(request));
    expect(error.code).toBe('no-privilege');
    expect(error.mend).toBe('Sign in as root, or install sudo there and let jane use it.');
  });

  test('root needs none, and passwordless sudo never asks', async () => {
    const base = { node: 'node', connection, prompter: new FakePrompter(), user: 'jane' };
    expect((await acquirePrivilege({ ...base, found: 'root' })).argv(['x'])).toEqual(['x']);
    expect((await acquirePrivilege({ ...base, found: 'sudo' })).argv(['x'])).toEqual([
      ...['env', 'LC_ALL=C', 'sudo', '-n', '--'],
      'x',
    ]);
  });
});

describe.runIf(root)('the helper at work', () => {
  async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
    let all = '';
    for await (const chunk of stream) all += Buffer.from(chunk).toString();
    return all;
  }

  test('streams, hears heartbeats and control lines, and stops in order', async () => {
    const seen: string[] = [];
    const helper = await HelperProcess.start(await put(), ['icmp', 'or', 'udp'], {
      heartbeat: 0.1,
      onMessage: (line) => seen.push(line),
    });
    const output = text(helper.stdout);
    await helper.pause();
    await helper.resume();
    await expect.poll(() => seen).toContain('packet-trail-helper: hello');
    expect(await helper.stop()).toBeUndefined();
    expect(await output).toMatch(/^args: icmp or udp\n/);
    expect((await output).split('\n')).toEqual(expect.arrayContaining(['{"cmd":"pause"}', '{"cmd":"resume"}']));
    expect(await output).toMatch(/\{"cmd":"stop"\}\n$/);
    expect(seen).toEqual(['packet-trail-helper: hello']);
  });

  test('is told which connection carries it, and not what is none', async () => {
    const told = async (session: string, ownConnection = false): Promise<string> => {
      vi.stubEnv('SSH_CONNECTION', session);
      const helper = await HelperProcess.start(await put(), ['icmp'], { ownConnection });
      const output = text(helper.stdout);
      await helper.stop();
      return (await output).split('\n')[0] ?? '';
    };
    expect(await told('10.0.0.1 4000 10.0.0.2 22')).toBe('args: --not-session 10.0.0.1 4000 10.0.0.2 22 icmp');
    expect(await told('fe80::1%eth0 4000 fe80::2%eth0 22')).toContain('--not-session fe80::1%eth0 4000 ');
    for (const none of ['', '10.0.0.1 4000 10.0.0.2', '10.0.0.1 4000 10.0.0.2 22; true', 'a b c d'])
      expect(await told(none)).toBe('args: icmp');
    expect(await told('10.0.0.1 4000 10.0.0.2 22', true)).toBe('args: icmp');
  });

  test('heartbeats go out by themselves', async () => {
    const helper = await HelperProcess.start(await put(), [], { heartbeat: 0.1 });
    let beats = 0;
    for await (const chunk of helper.stdout) {
      beats += Buffer.from(chunk).toString().split('heartbeat').length - 1;
      if (beats >= 3) break;
    }
    const rest = text(helper.stdout);
    await helper.stop();
    await rest;
    expect(beats).toBeGreaterThanOrEqual(3);
  });

  test('hides and moves nothing by its words', async () => {
    const seen: string[] = [];
    const helper = await HelperProcess.start(await put(), ['evil'], {
      heartbeat: 0.1,
      onMessage: (line) => seen.push(line),
    });
    const [, error] = await Promise.all([text(helper.stdout), helper.ended]);
    const said = String.raw`\x1b[2J: \u202ex\rpacket-trail-helper: y`;
    expect(seen).toEqual(['packet-trail-helper: hello', `packet-trail-helper: ${said}: z`]);
    expect(error).toMatchObject({ message: said, mend: 'z' });
  });

  test("says why it failed in the helper's own words", async () => {
    const helper = await HelperProcess.start(await put(), ['fail'], { heartbeat: 0.1 });
    const [, error] = await Promise.all([text(helper.stdout), helper.ended]);
    expect(error).toMatchObject({
      code: 'helper-failed',
      node: 'node',
      message: 'load programs: /sys/kernel/btf',
      mend: 'use --btf',
    });
  });

  test('that is killed is told apart', async () => {
    const helper = await HelperProcess.start(await put(), ['die'], { heartbeat: 0.1 });
    const [, error] = await Promise.all([text(helper.stdout), helper.ended]);
    expect(error?.code).toBe('helper-failed');
    expect(error?.message).toContain('SIGKILL');
  });

  test('that does not stop is ended', async () => {
    const helper = await HelperProcess.start(await put(), ['deaf'], { heartbeat: 0.1 });
    const output = text(helper.stdout);
    const error = await helper.stop({ stop: 200, close: 200 });
    await output;
    expect(error?.message).toContain('did not stop in time');
  });

  test('stops in order when it is cancelled', async () => {
    const stop = new AbortController();
    const helper = await HelperProcess.start(await put(), [], { signal: stop.signal });
    const output = text(helper.stdout);
    stop.abort();
    expect(await helper.ended).toBeUndefined();
    expect(await output).toContain('"stop"');
  });

  test('checks the node', async () => {
    expect(await check(await put())).toEqual({
      ok: false,
      results: [
        { name: 'btf', state: 'pass', detail: 'found', mend: '' },
        { name: 'lockdown', state: 'fail', detail: 'on', mend: 'switch it off' },
      ],
    });
  });

  test('behind a login shell that talks its stream and its check begin where the helper does; what was said is told', async () => {
    const talk = `echo 'Welcome to [lab] 7'; printf 'no newline: '; `;
    const deployment = await put();
    const talking: typeof deployment = {
      ...deployment,
      run: (args) => connection.run(['/bin/sh', '-c', `${talk}exec "$0" "$@"`, ...deployment.argv(args)]),
    };
    const seen: string[] = [];
    const onSaid = (line: string): number => seen.push(line);
    expect((await check(talking, { onSaid })).results).toHaveLength(2);
    expect(seen).toEqual(['Welcome to [lab] 7', 'no newline: ']);
    const helper = await HelperProcess.start(talking, ['icmp'], { heartbeat: 0.1, onMessage: onSaid });
    const output = text(helper.stdout);
    await helper.stop();
    expect(await output).toMatch(/^args: icmp\n/);
    expect(seen).toEqual(
      expect.arrayContaining(['the shell says: Welcome to [lab] 7', 'the shell says: no newline: ']),
    );
  });

  test('that never begins, since something else answers, is told with what that says', async () => {
    const deployment = await put();
    const answering = (script: string): typeof deployment => ({
      ...deployment,
      run: () => connection.run(['/bin/sh', '-c', script]),
    });
    const locked = answering(`echo 'This account is for git only'`);
    const failure = /^The helper did not begin on node: what answers there says “This account is for git only”\.$/;
    await expect(check(locked)).rejects.toThrow(failure);
    const helper = await HelperProcess.start(locked, []);
    await expect(text(helper.stdout)).rejects.toThrow(failure);
    const endless = await HelperProcess.start(answering(`exec yes 'This account is for git only'`), []);
    await expect(text(endless.stdout)).rejects.toThrow(failure);
    await endless.stop({ stop: 200, close: 200 });
  });

  test('checks a filter', async () => {
    const deployment = await put();
    expect(await checkFilter(deployment, 'good')).toBeUndefined();
    expect(await checkFilter(deployment, 'tcp prt 80')).toBe('tcp prt 80: syntax error');
  });
});

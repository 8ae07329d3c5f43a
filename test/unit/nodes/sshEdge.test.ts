// Promises of the SSH node towards servers that misbehave, and of passwords, kept against a fake server.
import { afterEach, describe, expect, test } from 'vitest';
import type { NodeConnection, Prompter } from '../../../extension/nodes/node.ts';
import { SshNode, type SshOptions } from '../../../extension/nodes/ssh.ts';
import { failure } from './support/failure.ts';
import { FakePrompter, FakeSilentPrompter } from './support/FakePrompter.ts';
import { FakeSshServer, type FakeServerOptions } from './support/FakeSshServer.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function start(options?: FakeServerOptions): Promise<FakeSshServer> {
  const server = await FakeSshServer.start(options);
  cleanUps.push(() => server.dispose());
  return server;
}

async function connect(
  server: FakeSshServer,
  prompter: Prompter = new FakePrompter(),
  options: SshOptions & { readonly signal?: AbortSignal } = {},
): Promise<NodeConnection> {
  const node = new SshNode('node', { configFile: server.configFile, agentSocket: '', ...options });
  const connection = await node.connect({ signal: options.signal ?? new AbortController().signal, prompter });
  cleanUps.push(() => {
    connection.dispose();
  });
  return connection;
}

const PATIENCE = { timeout: 30_000 };

/** Lets jane in with this password only. */
const withPassword = (password: string): FakeServerOptions => ({
  authenticate: (context) => {
    if (context.method === 'password' && context.password === password) context.accept();
    else context.reject(['password']);
  },
});

describe('passwords', () => {
  test('the right one signs in, after a wrong one', async () => {
    const server = await start(withPassword('s3cret'));
    const prompter = new FakePrompter({ passwords: ['wr0ng', 's3cret'] });
    await connect(server, prompter);
    expect(prompter.asked).toHaveLength(2);
    expect(prompter.asked[1]).toContain('not accepted');
  });

  test('three wrong ones are one clear error, and neither it nor the log holds any', async () => {
    const server = await start(withPassword('s3cret'));
    const log: string[] = [];
    const prompter = new FakePrompter({ passwords: ['wr0ng1', 'wr0ng2', 'wr0ng3', 's3cret'] });
    const error = await failure(connect(server, prompter, { log: (line) => log.push(line) }));
    expect(error.code).toBe('auth-failed');
    expect(error.message).toContain('did not let jane in');
    expect(error.message).toContain('password');
    expect(prompter.asked).toHaveLength(3);
    expect(log.length).toBeGreaterThan(0);
    expect(`${log.join('\n')}${error.message}${error.mend}`).not.toContain('wr0ng');
  });

  test('a wrong one that is not followed by another is told, too', async () => {
    const error = await failure(
      connect(await start(withPassword('s3cret')), new FakePrompter({ passwords: ['wr0ng'] })),
    );
    expect(error.code).toBe('auth-failed');
    expect(error.message).toContain('tried: password');
  });

  test('a declined one cancels', async () => {
    const server = await start(withPassword('s3cret'));
    expect((await failure(connect(server))).code).toBe('cancelled');
  });

  test('one that is typed slowly does not run into the time limit', async () => {
    const server = await start(withPassword('s3cret'));
    const limit = 1_500;
    const prompter = new FakePrompter({ passwords: ['s3cret'] });
    const password = prompter.password.bind(prompter);
    prompter.password = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, limit * 1.5));
      return password(request);
    };
    await connect(server, prompter, { timeout: limit });
  });

  test('cancelling while it is asked for closes the connection', async () => {
    const server = await start(withPassword('s3cret'));
    const prompter = new FakeSilentPrompter();
    const stop = new AbortController();
    const connecting = failure(connect(server, prompter, { signal: stop.signal }));
    expect(await prompter.asked).toBe('password');
    stop.abort();
    expect((await connecting).code).toBe('cancelled');
    await expect.poll(() => server.connections, PATIENCE).toBe(0);
  });

  test('questions of the server are passed on and answered', async () => {
    const server = await start({
      authenticate: (context) => {
        if (context.method !== 'keyboard-interactive') {
          context.reject(['keyboard-interactive']);
          return;
        }
        context.prompt(
          [
            { prompt: 'Token:', echo: true },
            { prompt: 'PIN:', echo: false },
          ],
          (answers) => {
            if (answers.join('/') === '123/456') context.accept();
            else context.reject(['keyboard-interactive']);
          },
        );
      },
    });
    const prompter = new FakePrompter({
      answers: [
        ['1', '2'],
        ['123', '456'],
      ],
    });
    await connect(server, prompter);
    expect(prompter.asked).toEqual(['answers: Token:, PIN:', 'answers: Token:, PIN:']);
    expect((await failure(connect(server))).code).toBe('cancelled');
  });

  test('a server that hangs up while signing in is told apart', async () => {
    const server = await start({
      authenticate: (_context, connection) => {
        connection.end();
      },
    });
    const error = await failure(connect(server));
    expect(error.code).toBe('auth-failed');
    expect(error.message).toContain('ended the connection');
  });
});

describe('what is no SSH server', () => {
  const talks: readonly [string, string | undefined][] = [
    ['speaks HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['speaks garbage', '\0\xff'.repeat(200_000)],
    ['speaks without end of line', 'x'.repeat(2_000_000)],
    ['hangs up', undefined],
  ];
  test.each(talks)('one that %s is unreachable', async (_what, text) => {
    const server = await FakeSshServer.startRaw((socket) => {
      if (text === undefined) socket.end();
      else socket.end(text);
    });
    cleanUps.push(() => server.dispose());
    const error = await failure(connect(server, new FakePrompter(), { timeout: 5_000 }));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain(String(server.port));
  });

  test('one that says nothing runs into the time limit', async () => {
    const server = await FakeSshServer.startRaw((socket) => socket.resume());
    cleanUps.push(() => server.dispose());
    const error = await failure(connect(server, new FakePrompter(), { timeout: 300 }));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('did not answer within 0.3 s');
    await expect.poll(() => server.connections, PATIENCE).toBe(0);
  });

  test('one that says nothing can be cancelled', async () => {
    const stop = new AbortController();
    const server = await FakeSshServer.startRaw((socket) => {
      socket.resume();
      stop.abort();
    });
    cleanUps.push(() => server.dispose());
    expect((await failure(connect(server, new FakePrompter(), { signal: stop.signal }))).code).toBe('cancelled');
    await expect.poll(() => server.connections, PATIENCE).toBe(0);
  });
});

describe('a connection', () => {
  test('to a node that freezes is lost after three unanswered signs of life', async () => {
    const server = await start({ exec: () => undefined });
    const connection = await connect(server, new FakePrompter(), { keepalive: 50 });
    const running = failure(connection.exec(['sleep', '1']));
    await expect.poll(() => server.commands, PATIENCE).toEqual(['sleep 1']);
    server.freeze();
    expect((await connection.closed)?.code).toBe('lost');
    expect((await running).code).toBe('lost');
  });

  test('that the server refuses to run commands on says so', async () => {
    const connection = await connect(await start({ refuseSessions: true }));
    const error = await failure(connection.run(['true']));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('refused to run a command');
  });

  test('a missing exit status means killed, not success', async () => {
    const connection = await connect(await start({ exec: (channel) => channel.end() }));
    expect((await connection.exec(['true'])).code).toBeUndefined();
  });

  test('output that comes after the exit status is not lost', async () => {
    const connection = await connect(
      await start({
        exec: (channel) => {
          channel.exit(0);
          channel.write('late');
          channel.stderr.write('later');
          channel.end();
        },
      }),
    );
    expect(await connection.exec(['true'])).toEqual({ code: 0, stdout: 'late', stderr: 'later' });
  });
});

// How the helper gets the rights it needs on a node: as root, by sudo without a password, or by sudo with one asked for once.
import { randomBytes } from 'node:crypto';
import { cancelled, orCancelled } from './cancel.ts';
import { NodeError, type NodeConnection, type Prompter, type RunningCommand } from './node.ts';

/** `root`: signed in as root; `sudo`: without a password; `sudo-password`: the password was asked for and is right. */
export type PrivilegeKind = 'root' | 'sudo' | 'sudo-password';

/** Runs commands with root's rights. The password, if any, lives in this object alone and goes to sudo's input only. */
export interface Privilege {
  readonly kind: PrivilegeKind;
  /** The vector that runs `argv` as root. With `sudo-password` it needs {@link run}, which answers the question. */
  argv(argv: readonly string[]): string[];
  /**
   * Starts `argv` as root. From then on standard input and standard error are the command's. `wrap` puts something before
   * the whole vector, sudo included.
   */
  run(
    argv: readonly string[],
    options?: { readonly signal?: AbortSignal; readonly wrap?: (argv: readonly string[]) => string[] },
  ): Promise<RunningCommand>;
}

interface Request {
  readonly node: string;
  readonly connection: NodeConnection;
  readonly prompter: Prompter;
  /** The name that was signed in with. */
  readonly user: string;
  /** What the node has: root, sudo that needs no password, sudo that may need one, or nothing. */
  readonly found: 'root' | 'sudo' | 'sudo-asks' | 'none';
  readonly signal?: AbortSignal | undefined;
}

const TRIES = 3;
/** What sudo says is read here, so it speaks English. */
const SUDO = ['env', 'LC_ALL=C', 'sudo'] as const;
/** PAM delays after a wrong password; more than this means that sudo waits for something that can't be answered here. */
const PROMPT_LIMIT_MS = 30_000;

/** @throws NodeError `no-privilege` with the way to get it. */
export async function acquirePrivilege(request: Request): Promise<Privilege> {
  const { connection, found } = request;
  switch (found) {
    case 'root':
      return plain('root', connection, []);
    case 'sudo':
      return plain('sudo', connection, [...SUDO, '-n', '--']);
    case 'sudo-asks':
      return withPassword(request, await askPassword(request));
    case 'none':
      throw noPrivilege(
        request,
        'sudo is not installed',
        `Sign in as root, or install sudo there and let ${request.user} use it.`,
      );
  }
}

function plain(kind: 'root' | 'sudo', connection: NodeConnection, prefix: readonly string[]): Privilege {
  const argv = (command: readonly string[]) => [...prefix, ...command];
  return { kind, argv, run: (command, options) => start(connection, argv(command), options) };
}

function start(
  connection: NodeConnection,
  argv: readonly string[],
  { signal, wrap }: NonNullable<Parameters<Privilege['run']>[1]> = {},
): Promise<RunningCommand> {
  return connection.run(wrap?.(argv) ?? argv, signal ? { signal } : {});
}

/** The person's answer. The question goes away when they cancel, and when the node does. */
async function answer({ node, connection, prompter, signal }: Request, prompt: string): Promise<string | undefined> {
  const attempt = new AbortController();
  const gone = connection.closed.then((error) => {
    throw error ?? cancelled(node);
  });
  gone.catch(() => undefined); // Later than the answer it means nothing.
  try {
    const asked = prompter.password({ node, prompt, signal: attempt.signal });
    return await orCancelled(node, signal, Promise.race([asked, gone]));
  } finally {
    attempt.abort();
  }
}

/** Asks for the password until sudo takes it. */
async function askPassword(request: Request): Promise<string> {
  const { node, connection, user, signal } = request;
  for (let tries = 0; tries < TRIES; tries++) {
    const prompt = `${tries > 0 ? 'That password was not accepted. ' : ''}sudo password of ${user} on ${node}`;
    const password = await answer(request, prompt);
    if (password === undefined) throw noPassword(request, 'no sudo password was given');
    // -k: ask even when sudo remembers, or a wrong password would seem right. Input ends after one answer.
    const { code, stderr } = await connection.exec([...SUDO, '-k', '-S', '-p', '', '--', 'true'], {
      stdin: `${password}\n`,
      ...(signal && { signal }),
    });
    if (code === 0) return password;
    if (!/try again|incorrect|no password/i.test(stderr))
      throw noPrivilege(request, `sudo refuses: ${lastLine(stderr)}`);
  }
  throw noPassword(request, `sudo did not accept the password ${TRIES} times`);
}

function withPassword(request: Request, password: string): Privilege {
  const { node, connection } = request;
  const prefix = (prompt: string) => [...SUDO, '-k', '-S', '-p', prompt, '--'];
  const run: Privilege['run'] = async (argv, options = {}) => {
    // Random, so that nothing else that is printed is taken for the question.
    const prompt = `[packet-trail ${randomBytes(8).toString('hex')}] `;
    const command = await start(connection, [...prefix(prompt), ...argv], options);
    const errors = command.stderr[Symbol.asyncIterator]();
    let seen = '';
    const waitForPrompt = async () => {
      while (!seen.includes(prompt)) {
        const next = await errors.next();
        if (next.done === true) throw noPrivilege(request, `sudo refuses: ${lastLine(seen)}`);
        seen = (seen + Buffer.from(next.value).toString('utf8')).slice(-65_536);
      }
    };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(noPrivilege(request, 'sudo asks for something other than a password'));
      }, PROMPT_LIMIT_MS);
    });
    try {
      await orCancelled(node, options.signal, Promise.race([waitForPrompt(), late]));
      await command.write(`${password}\n`);
    } catch (error) {
      command.dispose();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    const rest = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        const next = await errors.next();
        if (next.done === true) return;
        // Asked again: the password has been changed since. Nothing more must be written, the helper isn't there.
        if (Buffer.from(next.value).toString('utf8').includes(prompt)) command.dispose();
        else yield next.value;
      }
    };
    return { ...command, stderr: rest() };
  };
  return { kind: 'sudo-password', argv: (argv) => [...prefix('sudo password: '), ...argv], run };
}

function noPassword(request: Request, why: string): NodeError {
  const { user, node } = request;
  return noPrivilege(request, why, `Start again and type the password of ${user} on ${node}, or sign in as root.`);
}

function noPrivilege({ node, user }: Request, why: string, mend?: string): NodeError {
  return new NodeError(
    'no-privilege',
    node,
    `Tracing needs root's rights on ${node}: ${user} is not root, and ${why}.`,
    mend ??
      `Sign in as root, or let ${user} use sudo, with a password that you are asked for here: as root "usermod -aG sudo ${user}", or "usermod -aG wheel ${user}" where that is the group.`,
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.replace(/\.$/, '') ?? '';
}

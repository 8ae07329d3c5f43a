// A node that is reached by SSH: finds the way there, checks every host key on it, and signs the person in.
import { spawn } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import type { Algorithms, Client, ClientChannel, ClientErrorExtensions, ServerHostKeyAlgorithm } from 'ssh2';
import { reasonOf } from '../protocol/reason.ts';
import { cancelled, Deadline, orCancelled, throwIfCancelled } from './cancel.ts';
import { fingerprint, keyType, KnownHosts, knownHostsName, remember } from './knownHosts.ts';
import { NodeError, type ConnectOptions, type Node, type NodeConnection } from './node.ts';
import { SignIn } from './signIn.ts';
import { resolveHost, type ResolvedHost, type SshConfigOptions } from './sshConfig.ts';
import { SshConnection } from './sshConnection.ts';

/** What a connection takes from its surroundings; every field has a default. */
export interface SshOptions extends SshConfigOptions {
  /** The agent's socket; '' for none. Default: SSH_AUTH_SOCK. ssh_config's IdentityAgent wins. */
  readonly agentSocket?: string | undefined;
  /** Told what happens, a line each, for the log. Never a secret. */
  readonly log?: ((line: string) => void) | undefined;
  /** Milliseconds for reaching a host, and again for its handshake and signing in; ssh_config's ConnectTimeout wins. Default 20 s. */
  readonly timeout?: number | undefined;
  /** Milliseconds between two signs of life; the link counts as lost after three unanswered. Default 5 s. */
  readonly keepalive?: number | undefined;
}

/** As many hosts as ssh itself would go through before it is surely a loop. */
const MAX_HOPS = 8;

/** One host of the way, while it is being connected to. */
interface Hop {
  readonly host: ResolvedHost;
  /** For people: the node's name, or "jump host NAME". */
  readonly label: string;
}

/** A machine named as for ssh: a Host of ssh_config, `host`, `user@host`, `user@host:port`. */
export class SshNode implements Node {
  readonly kind = 'ssh';

  constructor(
    readonly name: string,
    private readonly options: SshOptions = {},
  ) {}

  /**
   * Connects through every ProxyJump host to the node.
   * @throws NodeError for everything that can go wrong; nothing stays open then.
   */
  async connect(options: ConnectOptions): Promise<NodeConnection> {
    const { signal, onStep } = options;
    const log = this.options.log ?? (() => undefined);
    throwIfCancelled(this.name, signal);
    onStep?.(`Looking up ${this.name}`);
    const route = await this.#route(signal);
    log(`${this.name}: by way of ${route.map(({ host }) => `${host.user}@${host.host}:${host.port}`).join(', ')}`);
    const clients: Client[] = [];
    let root: Duplex | undefined;
    try {
      for (const hop of route) {
        const through = clients.at(-1);
        const limit = hop.host.connectTimeout ?? this.options.timeout ?? 20_000;
        onStep?.(`Connecting to ${hop.label}`);
        const stream = await within(this.name, hop, limit, signal, (inner) =>
          through === undefined ? this.#dial(hop, inner) : forward(this.name, through, hop, inner),
        );
        root ??= stream;
        clients.push(await this.#open(hop, stream, limit, options, log));
      }
      const last = clients.pop();
      if (last === undefined || root === undefined) throw new RangeError('A route has at least one hop.');
      onStep?.(`Connected to ${this.name}`);
      return new SshConnection(this.name, [...clients, last], root, log);
    } catch (error) {
      for (const client of clients.reverse()) client.destroy();
      root?.destroy();
      throw error;
    }
  }

  /** The hosts to connect to, nearest first, the node last. */
  async #route(signal: AbortSignal): Promise<Hop[]> {
    const route: Hop[] = [];
    const add = async (text: string, label: string | undefined, seen: readonly string[]): Promise<void> => {
      const host = await resolveHost(this.name, text, this.options, signal);
      if (seen.length > MAX_HOPS || route.length > MAX_HOPS)
        throw new NodeError(
          'unknown-host',
          this.name,
          `The way to ${this.name} goes through more than ${MAX_HOPS} jump hosts, or round in circles.`,
          'Correct ProxyJump in the SSH configuration.',
        );
      for (const [index, hop] of host.proxyJump.entries()) {
        // "Host *" with a ProxyJump names the jump host as its own.
        if (hop === host.alias) continue;
        // As in ssh: a list replaces what its members, but the first, say of themselves.
        if (index === 0) await add(hop, undefined, [...seen, hop]);
        else route.push(await this.#hop(hop, signal));
      }
      route.push({ host, label: label ?? `jump host ${host.alias}` });
    };
    await add(this.name, this.name, []);
    return route;
  }

  async #hop(text: string, signal: AbortSignal): Promise<Hop> {
    const host = await resolveHost(this.name, text, this.options, signal);
    return { host, label: `jump host ${host.alias}` };
  }

  /** A TCP connection to the first host, or the ProxyCommand that stands for it. */
  #dial(hop: Hop, signal: AbortSignal): Promise<Duplex> {
    const { host, port, proxyCommand } = hop.host;
    if (proxyCommand !== undefined) return dialByCommand(proxyCommand, hop.host, signal, this.options.log);
    return new Promise((resolve, reject) => {
      // Node's 250 ms for each address would give up on a far-away host that has more than one.
      const socket = connectSocket({ host, port, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 2_500 });
      const stop = () => socket.destroy();
      signal.addEventListener('abort', stop, { once: true });
      socket.once('connect', () => {
        signal.removeEventListener('abort', stop);
        socket.off('error', fail);
        // What happens to it before ssh2 listens shows in its state.
        socket.on('error', () => undefined);
        socket.setNoDelay(true);
        resolve(socket);
      });
      const fail = (error: Error) => {
        signal.removeEventListener('abort', stop);
        reject(connectError(this.name, hop, error));
      };
      socket.once('error', fail);
    });
  }

  /** Handshake, host key, sign in. */
  async #open(
    hop: Hop,
    stream: Duplex,
    limit: number,
    { signal, prompter, onStep }: ConnectOptions,
    log: (line: string) => void,
  ): Promise<Client> {
    const node = this.name;
    const { host } = hop;
    const client: Client = new ssh2.Client();
    const step = (text: string) => {
      log(`${node}: ${text}`);
      onStep?.(text);
    };
    // HostKeyAlias stands for host and port.
    const keyHost = host.hostKeyAlias ?? host.host;
    const keyPort = host.hostKeyAlias === undefined ? host.port : 22;
    const known = await KnownHosts.read([...host.userKnownHostsFiles, ...host.globalKnownHostsFiles]);
    for (const { file, line, reason } of known.ignored) log(`${file}:${line} is not used: ${reason}`);

    return new Promise<Client>((resolve, reject) => {
      let settled = false;
      let stage: 'handshake' | 'sign-in' = 'handshake';
      const settle = () => {
        settled = true;
        deadline.dispose();
        signal.removeEventListener('abort', onAbort);
      };
      const fail = (error: NodeError) => {
        if (settled) return;
        settle();
        reject(error);
        client.destroy();
        stream.destroy();
      };
      const onAbort = () => {
        fail(cancelled(node));
      };
      const deadline = new Deadline(limit, () => {
        fail(
          new NodeError(
            'unreachable',
            node,
            `${hop.label} did not answer within ${limit / 1000} s.`,
            'Check that the address and port belong to an SSH server, and the network between.',
          ),
        );
      });
      const ask = <T>(question: () => Promise<T>) => deadline.hold(() => orCancelled(node, signal, question()));

      let accepted: Buffer | undefined;
      let toRemember = false;
      const decide = async (key: Buffer): Promise<boolean> => {
        step(`Checking the host key of ${hop.label}`);
        const verdict = known.check(keyHost, keyPort, key);
        const type = keyType(key) ?? 'unknown';
        const print = fingerprint(key);
        log(`${node}: host key of ${hop.label}: ${type} ${print}: ${verdict.kind}`);
        switch (verdict.kind) {
          case 'known':
            return true;
          case 'changed':
            fail(hostKeyChanged(node, hop, knownHostsName(keyHost, keyPort), verdict, type, print));
            return false;
          case 'revoked':
            fail(
              new NodeError(
                'host-key-rejected',
                node,
                `The host key of ${hop.label} (${type} ${print}) is marked as revoked in ${verdict.place.file}, line ${verdict.place.line}.`,
                'Do not connect: ask who runs the host which key it has now.',
              ),
            );
            return false;
          case 'unknown':
            if (host.strictHostKeyChecking === 'yes') {
              fail(hostKeyRejected(node, hop, type, print, 'and StrictHostKeyChecking is on'));
              return false;
            }
            if (host.strictHostKeyChecking === 'ask') {
              const request = { node, host: knownHostsName(keyHost, keyPort), keyType: type, fingerprint: print };
              if (!(await ask(() => prompter.trustHostKey(request)))) {
                fail(hostKeyRejected(node, hop, type, print, 'and it was not trusted'));
                return false;
              }
            }
            toRemember = true;
            return true;
        }
      };
      const rememberKey = async (key: Buffer): Promise<void> => {
        const file = host.userKnownHostsFiles[0];
        if (file === undefined) return;
        try {
          await remember(file, keyHost, keyPort, key, { hash: host.hashKnownHosts });
          log(`${node}: host key added to ${file}`);
        } catch (error) {
          // The person has decided; a read-only file only means that they are asked again.
          log(`${node}: the host key could not be added to ${file}: ${reasonOf(error)}`);
        }
      };

      const signIn = new SignIn({
        node: hop.label,
        host,
        prompter,
        step,
        log: (line) => {
          log(`${node}: ${line}`);
        },
        ask,
        agentSocket:
          host.identityAgent === 'none'
            ? undefined
            : (host.identityAgent ?? this.options.agentSocket ?? process.env['SSH_AUTH_SOCK']),
      });
      const attempts = signIn.attempts();
      let remembering: Promise<void> = Promise.resolve();

      client.on('handshake', () => {
        stage = 'sign-in';
        // Only now has the host proved that it owns the key. Rekeying comes here again.
        if (!toRemember || accepted === undefined) return;
        toRemember = false;
        remembering = rememberKey(accepted);
      });
      client.on('banner', (text) => {
        log(`${node}: ${hop.label} says: ${text.slice(0, 2_000).trim()}`);
      });
      client.on('change password', () => {
        fail(
          new NodeError(
            'auth-failed',
            node,
            `The password of ${host.user} on ${hop.label} has expired.`,
            `Sign in with "ssh ${host.alias}" in a terminal and set a new one.`,
          ),
        );
      });
      client.on('error', (error: Error & ClientErrorExtensions) => {
        if (settled) return;
        // An agent that fails or a passphrase not given ends one attempt, not the connection.
        if (error.level === 'agent' || (error.level === 'client-authentication' && /sign/i.test(error.message)))
          log(`${node}: ${error.message}`);
        else fail(stage === 'sign-in' ? signInError(node, hop, signIn, error) : connectError(node, hop, error));
      });
      const onGone = () => {
        fail(
          stage === 'sign-in'
            ? signInError(node, hop, signIn, new Error('the server closed the connection'))
            : connectError(node, hop, new Error('Connection lost before handshake')),
        );
      };
      client.on('end', onGone);
      client.on('close', onGone);
      client.once('ready', () => {
        remembering.then(() => {
          if (settled) return;
          settle();
          resolve(client);
        }, reject);
      });

      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) {
        onAbort();
        return;
      }
      if (stream.destroyed || stream.readableEnded) {
        onGone();
        return;
      }
      try {
        client.connect({
          sock: stream,
          username: host.user,
          // ssh2's own limit would run while a person reads a prompt.
          readyTimeout: 0,
          keepaliveInterval: this.options.keepalive ?? 5_000,
          keepaliveCountMax: 3,
          algorithms: { serverHostKey: hostKeyOrder(known.typesFor(keyHost, keyPort)) } satisfies Algorithms,
          hostVerifier: (key: Buffer, verify: (ok: boolean) => void): void => {
            if (accepted !== undefined) {
              // Rekeying: the host must still be the one that was accepted.
              verify(accepted.equals(key));
              return;
            }
            decide(key).then(
              (ok) => {
                if (ok) accepted = Buffer.from(key);
                verify(ok);
              },
              (error: unknown) => {
                fail(asNodeError(node, hop, error));
                verify(false);
              },
            );
          },
          authHandler: (left, _partial, next) => {
            attempts.next({ left: (left as typeof left | null) ?? [] }).then(
              (attempt) => {
                if (settled) return;
                if (attempt.done !== true) next(attempt.value);
                else fail(signInError(node, hop, signIn, undefined));
              },
              (error: unknown) => {
                fail(asNodeError(node, hop, error));
              },
            );
          },
        });
      } catch (error) {
        fail(asNodeError(node, hop, error));
      }
    });
  }
}

/** Runs a wait with a time limit, cancellable; the work gets a signal that fires in both cases. */
async function within<T extends Duplex>(
  node: string,
  hop: Hop,
  limit: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const late = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => {
      reject(stop.signal.reason as NodeError);
    });
  });
  const timer = setTimeout(() => {
    stop.abort(
      new NodeError(
        'unreachable',
        node,
        `${hop.label} (${hop.host.host}, port ${hop.host.port}) did not answer within ${limit / 1000} s.`,
        'Check that the node is on, the address and port are right, and no firewall is between.',
      ),
    );
  }, limit);
  const onAbort = () => {
    stop.abort(cancelled(node));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const working = work(stop.signal);
  working.then(
    (stream) => {
      if (stop.signal.aborted) stream.destroy();
    },
    () => undefined,
  );
  try {
    return await Promise.race([working, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    late.catch(() => undefined);
  }
}

/** A stream to the next host, opened by the one before. */
function forward(node: string, through: Client, hop: Hop, signal: AbortSignal): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    throwIfCancelled(node, signal);
    through.forwardOut('127.0.0.1', 0, hop.host.host, hop.host.port, (error, channel) => {
      if (error) {
        reject(
          new NodeError(
            'unreachable',
            node,
            `The jump host could not reach ${hop.label} (${hop.host.host}, port ${hop.host.port}): ${error.message}.`,
            'Check the address as seen from the jump host, and that its sshd_config has AllowTcpForwarding on.',
          ),
        );
      } else resolve(channel);
    });
  });
}

/** The program that ssh_config names as the way to the host, as a stream. */
function dialByCommand(
  command: string,
  host: ResolvedHost,
  signal: AbortSignal,
  log: ((line: string) => void) | undefined,
): Promise<Duplex> {
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    h: host.host,
    n: host.alias,
    p: String(host.port),
    r: host.user,
  };
  const line = command.replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole);
  // ssh_config(5): the command is run by the person's shell.
  const child = spawn(line, { shell: true, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  child.stderr.on('data', (chunk: Buffer) => log?.(`ProxyCommand: ${chunk.toString('utf8').slice(0, 2_000).trim()}`));
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  const stop = () => {
    child.kill();
  };
  child.once('error', (error) => stream.destroy(error));
  stream.once('close', stop);
  signal.addEventListener('abort', stop, { once: true });
  return Promise.resolve(stream);
}

/** ssh2's own order with the types that known_hosts lists for the host first, so that a known host offers a known key. */
function hostKeyOrder(known: readonly string[]): Record<'append' | 'prepend' | 'remove', ServerHostKeyAlgorithm[]> {
  const families: readonly (readonly [string, readonly ServerHostKeyAlgorithm[]])[] = [
    ['ssh-ed25519', ['ssh-ed25519']],
    ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
    ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
    ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
    ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']],
  ];
  const supported = new Set(families.map(([type]) => type));
  const last = known.some((type) => supported.has(type)) ? families.filter(([type]) => !known.includes(type)) : [];
  // Taking out and appending keeps whatever list this runtime's ssh2 has by default, instead of fixing one here.
  const algorithms = last.flatMap(([, names]) => names);
  return { prepend: [], remove: algorithms, append: algorithms };
}

function hostKeyChanged(
  node: string,
  hop: Hop,
  name: string,
  verdict: { readonly place: { readonly file: string; readonly line: number }; readonly knownType: string },
  type: string,
  print: string,
): NodeError {
  const { file, line } = verdict.place;
  return new NodeError(
    'host-key-changed',
    node,
    `The host key of ${hop.label} has changed: it offers ${type} ${print}, but ${file}, line ${line}, lists another ${verdict.knownType} key.`,
    `Someone may be intercepting the connection. If you know why the key changed, remove the old one with: ssh-keygen -f '${file}' -R '${name}'`,
  );
}

function hostKeyRejected(node: string, hop: Hop, type: string, print: string, why: string): NodeError {
  return new NodeError(
    'host-key-rejected',
    node,
    `The host key of ${hop.label} (${type} ${print}) is not known, ${why}.`,
    `Compare the fingerprint with one from a source you trust, then connect again or run "ssh ${hop.host.alias}" in a terminal.`,
  );
}

/** What went wrong before the server and we had agreed on keys. */
function connectError(node: string, hop: Hop, error: Error): NodeError {
  const { host, port } = hop.host;
  const at = `${hop.label} (${host}, port ${port})`;
  const code = 'code' in error ? String(error.code) : '';
  const unreachable = (message: string, mend: string) => new NodeError('unreachable', node, message, mend);
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NODATA':
    case 'EAI_NONAME':
      return new NodeError(
        'unknown-host',
        node,
        `The name ${host} of ${hop.label} does not resolve to an address.`,
        'Check the spelling, HostName in the SSH configuration, and the name server.',
      );
    case 'ECONNREFUSED':
      return unreachable(`${at} refused the connection.`, 'Check that sshd runs there and listens on that port.');
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return unreachable(`There is no route to ${at}.`, 'Check the network, the VPN and the address.');
    case 'ETIMEDOUT':
      return unreachable(
        `${at} did not answer.`,
        'Check that the node is on, the address is right, and no firewall is between.',
      );
    default:
  }
  if (/matching|no common/i.test(error.message))
    return new NodeError(
      'unsupported',
      node,
      `${at} and Packet Trail share no algorithm: ${error.message}.`,
      'Update sshd on the node, or allow a current key exchange and cipher in its sshd_config.',
    );
  if (code === 'ECONNRESET' || code === 'EPIPE' || /before handshake/i.test(error.message))
    return unreachable(
      `${at} closed the connection during the handshake.`,
      'Check that an SSH server listens there and lets this machine in (MaxStartups, hosts.deny, fail2ban).',
    );
  return unreachable(
    `What answers at ${at} does not speak SSH as expected: ${error.message}.`,
    'Check the port; it may belong to another service.',
  );
}

/** What went wrong while signing in; no error: every way was refused. */
function signInError(node: string, hop: Hop, signIn: SignIn, error: Error | undefined): NodeError {
  const { host } = hop;
  const tried = signIn.tried.length === 0 ? 'there was nothing to try' : `tried: ${signIn.tried.join(', ')}`;
  const notes = signIn.notes.length === 0 ? '' : `; ${signIn.notes.join('; ')}`;
  if (error !== undefined && /too many authentication failures/i.test(error.message))
    return new NodeError(
      'auth-failed',
      node,
      `${hop.label} gave up on ${host.user}: too many keys were refused (${tried}).`,
      'Set IdentityFile and "IdentitiesOnly yes" for this host in the SSH configuration.',
    );
  if (error !== undefined)
    return new NodeError(
      'auth-failed',
      node,
      `${hop.label} ended the connection while ${host.user} was signing in: ${error.message} (${tried}${notes}).`,
      "Try again more quickly, and see sshd's log on the node for the reason.",
    );
  const accepts = signIn.accepts.length === 0 ? 'nothing' : signIn.accepts.join(', ');
  return new NodeError(
    'auth-failed',
    node,
    `${hop.label} did not let ${host.user} in (${tried}${notes}; it accepts: ${accepts}).`,
    `Check the user name, key and password; "ssh -v ${host.alias}" in a terminal shows more.`,
  );
}

function asNodeError(node: string, hop: Hop, error: unknown): NodeError {
  return error instanceof NodeError
    ? error
    : connectError(node, hop, error instanceof Error ? error : new Error(String(error)));
}

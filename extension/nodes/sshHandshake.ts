// From a stream to a signed-in client: handshake, is this the right host, is this the right person.
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import type { Algorithms, Client, ClientErrorExtensions, ServerHostKeyAlgorithm } from 'ssh2';
import { visible } from '../protocol/plainText.ts';
import { reasonOf } from '../protocol/reason.ts';
import { cancelled, Deadline, orCancelled } from './cancel.ts';
import { fingerprint, keyType, KnownHosts, knownHostsName, remember } from './knownHosts.ts';
import { NodeError, type ConnectOptions } from './node.ts';
import { SignIn } from './signIn.ts';
import {
  asNodeError,
  connectError,
  hostKeyChanged,
  hostKeyRejected,
  placeText,
  signInError,
  type Hop,
} from './sshErrors.ts';

/** What a handshake takes from its surroundings. */
export interface HandshakeOptions {
  /** Milliseconds for handshake and signing in; a person's thinking doesn't count. */
  readonly limit: number;
  /** Milliseconds between two signs of life. */
  readonly keepalive: number;
  /** The agent's socket where ssh_config names none; '' for none. */
  readonly agentSocket: string;
  readonly log: (line: string) => void;
}

/** Takes a stream to a host through handshake, host key and signing in. Rejects with a NodeError; nothing stays open then. */
export async function signedIn(
  node: string,
  hop: Hop,
  stream: Duplex,
  { limit, keepalive, agentSocket, log }: HandshakeOptions,
  { signal, prompter, onStep }: ConnectOptions,
): Promise<Client> {
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
    const attempt = new AbortController();
    const settle = () => {
      settled = true;
      attempt.abort();
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
    const ask = <T>(question: (signal: AbortSignal) => Promise<T>) =>
      deadline.hold(() => orCancelled(node, signal, question(attempt.signal)));

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
              `The host key of ${hop.label} (${type} ${print}) is marked as revoked in ${placeText(verdict.place)}.`,
              'Do not connect: ask who runs the host which key it has now.',
            ),
          );
          return false;
        case 'unknown':
          if (host.strictHostKeyChecking === 'yes') {
            fail(hostKeyRejected(node, hop, verdict, type, print, 'and StrictHostKeyChecking is on'));
            return false;
          }
          if (host.strictHostKeyChecking === 'ask') {
            const question = {
              node,
              host: knownHostsName(keyHost, keyPort),
              keyType: type,
              fingerprint: print,
              ...(verdict.authority && { authority: placeText(verdict.authority) }),
            };
            if (!(await ask((signal) => prompter.trustHostKey({ ...question, signal })))) {
              fail(hostKeyRejected(node, hop, verdict, type, print, 'and it was not trusted'));
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
      agentSocket: host.identityAgent === 'none' ? '' : (host.identityAgent ?? agentSocket),
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
      for (const line of text.slice(0, 2_000).trim().split(/\r?\n/))
        log(`${node}: ${hop.label} says: ${visible(line)}`);
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
        keepaliveInterval: keepalive,
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

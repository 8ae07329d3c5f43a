// What can go wrong on the way to a host over SSH, each with its mend.
import { NodeError } from './node.ts';
import type { HostKeyVerdict, KnownHostsPlace } from './knownHosts.ts';
import type { SignIn } from './signIn.ts';
import type { ResolvedHost } from './sshConfig.ts';

/** One host of the way, while it is being connected to. */
export interface Hop {
  readonly host: ResolvedHost;
  /** For people: the node's name, or "jump host NAME". */
  readonly label: string;
}

/** "FILE, line N". */
export function placeText({ file, line }: KnownHostsPlace): string {
  return `${file}, line ${line}`;
}

const unread = (authority: KnownHostsPlace): string =>
  `${placeText(authority)}, lists a certificate authority for it, but the built-in client reads no certificates of hosts`;

/** The mend for what only the ssh program can do. */
const useSystem = 'Set packetTrail.sshClient to "system"';

/**
 * Known_hosts lists another key. `name`: the host as known_hosts has it; `type` and `print`: of the key that is offered.
 * Where an authority vouches for the host, the plain keys that were once listed may be stale, and a person can't know that from here.
 */
export function hostKeyChanged(
  node: string,
  hop: Hop,
  name: string,
  verdict: HostKeyVerdict & { readonly kind: 'changed' },
  type: string,
  print: string,
): NodeError {
  const { file, line } = verdict.place;
  const { authority } = verdict;
  const remove = `remove the old one with: ssh-keygen -f '${file}' -R '${name}'`;
  return new NodeError(
    'host-key-changed',
    node,
    `The host key of ${hop.label} has changed: it offers ${type} ${print}, but ${file}, line ${line}, lists another ${verdict.knownType} key.` +
      (authority === undefined ? '' : ` ${unread(authority)}.`),
    authority === undefined
      ? `Someone may be intercepting the connection. If you know why the key changed, ${remove}`
      : `${useSystem}, which checks the certificate. Or compare this fingerprint with that of the node's own key, add the key to ${file}, and ${remove}`,
  );
}

/** A key that known_hosts doesn't list, and `why` it isn't taken. */
export function hostKeyRejected(
  node: string,
  hop: Hop,
  verdict: HostKeyVerdict & { readonly kind: 'unknown' },
  type: string,
  print: string,
  why: string,
): NodeError {
  const { authority } = verdict;
  return new NodeError(
    'host-key-rejected',
    node,
    `The host key of ${hop.label} (${type} ${print}) is not known, ${why}.` +
      (authority === undefined ? '' : ` ${unread(authority)}.`),
    authority === undefined
      ? `Compare the fingerprint with one from a source you trust, then connect again or run "ssh ${hop.host.alias}" in a terminal.`
      : `${useSystem}, which checks the certificate. Or compare the fingerprint with one from a source you trust, then add the key itself to known_hosts.`,
  );
}

/** What went wrong before the server and we had agreed on keys. */
export function connectError(node: string, hop: Hop, error: Error): NodeError {
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
export function signInError(node: string, hop: Hop, signIn: SignIn, error: Error | undefined): NodeError {
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
    signIn.beyond.length === 0
      ? `Check the user name, key and password; "ssh -v ${host.alias}" in a terminal shows more.`
      : `${useSystem} to sign in with what the built-in client can't use: ${signIn.beyond.join(', ')}.`,
  );
}

/** A connection that broke. `cause`: in the words of whoever noticed; may be empty. */
export function connectionLost(node: string, cause: string): NodeError {
  return new NodeError(
    'lost',
    node,
    `The connection was lost${cause === '' ? '' : `: ${cause}`}.`,
    'Check the network and the node, then start again; what was received is kept.',
  );
}

/** Anything that was thrown on the way. */
export function asNodeError(node: string, hop: Hop, error: unknown): NodeError {
  return error instanceof NodeError
    ? error
    : connectError(node, hop, error instanceof Error ? error : new Error(String(error)));
}

// What the ssh program says when it doesn't get through, as an error with its mend. Its texts: sshconnect.c, sshconnect2.c, packet.c, mux.c.
import { visible } from '../protocol/plainText.ts';
import { NodeError } from './node.ts';

/** The last line that says something; ssh ends with the reason. */
function lastWords(said: string): string {
  const lines = said.split(/\r?\n/).map((line) => line.trim());
  return visible(lines.findLast((line) => line !== '') ?? '')
    .replace(/^ssh: /, '')
    .replace(/\.$/, '');
}

/** The error for an attempt that ended. `said`: standard error up to then; `name`: as for ssh, for a person to try it in a terminal. */
export function systemSshError(node: string, name: string, said: string): NodeError {
  const words = lastWords(said);
  const why = words === '' ? 'ssh ended without a word' : words;
  if (/could not resolve hostname/i.test(said))
    return new NodeError(
      'unknown-host',
      node,
      `The name of ${node} does not resolve to an address: ${why}.`,
      'Check the spelling, HostName in the SSH configuration, and the name server.',
    );
  if (said.includes('REMOTE HOST IDENTIFICATION HAS CHANGED')) {
    const [, file = 'known_hosts', line = '?'] = /Offending \S+ key in (.+):(\d+)/.exec(said) ?? [];
    const print = /^(SHA256:\S+?)\.?\s*$/m.exec(said)?.[1];
    return new NodeError(
      'host-key-changed',
      node,
      `The host key of ${node} has changed: it offers ${print ?? 'another one'}, but ${visible(file)}, line ${line}, lists another key.`,
      `Someone may be intercepting the connection. If you know why the key changed, remove the old one as "ssh ${name}" in a terminal tells.`,
    );
  }
  if (/host key verification failed|host certificate|is revoked|REVOKED/i.test(said))
    return new NodeError(
      'host-key-rejected',
      node,
      `The host key of ${node} is not known, or was not taken: ${why}.`,
      `Compare the fingerprint with one from a source you trust, then connect again or run "ssh ${name}" in a terminal.`,
    );
  if (/permission denied \(|too many authentication failures/i.test(said))
    return new NodeError(
      'auth-failed',
      node,
      `${node} did not let ${/([^\s@]+)@\S+: Permission denied/.exec(said)?.[1] ?? 'you'} in: ${why}.`,
      `Check the user name, keys and certificates; "ssh -v ${name}" in a terminal shows more.`,
    );
  if (/bad configuration option|configuration options|keyword .* extra arguments|^.+ line \d+: /im.test(said))
    return new NodeError(
      'unknown-host',
      node,
      `The SSH configuration for ${node} cannot be used: ${why}.`,
      `Try "ssh -G ${name}" in a terminal and correct what it names.`,
    );
  return new NodeError(
    'unreachable',
    node,
    `ssh did not get through to ${node}: ${why}.`,
    `Check the address, the network and that sshd runs there; "ssh -v ${name}" in a terminal shows more.`,
  );
}

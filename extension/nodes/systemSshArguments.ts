// The ssh program's command line: where to, how its connection is shared, and what of a person's configuration no command of ours has a
// use for. Options: ssh(1), ssh_config(5); no newer ones than OpenSSH 8.0 has, since an unknown one is an error.
import type { HostSpec } from './sshConfig.ts';

/**
 * How the commands of one connection share it: through a socket of ours, through one that the person's own connection to the node has, or
 * not at all, as on Windows, where ssh can't.
 */
export type Sharing =
  { readonly by: 'own'; readonly socket: string } | { readonly by: 'theirs' } | { readonly by: 'none' };

/** Seconds for reaching a host where ssh_config has no ConnectTimeout: without one a person waits for minutes. */
const connectTimeout = 20;

const option = (text: string): string[] => ['-o', text];

/** Where to, for any command: the host is the last word. */
export function targetArguments({ host, port, user }: HostSpec, configFile: string | undefined): string[] {
  return [
    ...(configFile === undefined ? [] : ['-F', configFile]),
    ...['-T', '-x', '-a', '-e', 'none'],
    ...['ClearAllForwardings=yes', 'RemoteCommand=none', 'VisualHostKey=no', 'FingerprintHash=sha256'].flatMap(option),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    ...['--', host],
  ];
}

/** For the first command, which makes the connection and keeps it. */
export function firstArguments(sharing: Sharing, timeoutConfigured: boolean): string[] {
  return [
    ...(timeoutConfigured ? [] : [`ConnectTimeout=${connectTimeout}`]),
    ...['LogLevel=INFO', 'ServerAliveInterval=5', 'ServerAliveCountMax=3'],
    ...{
      own: ['ControlMaster=yes', `ControlPath=${socketOf(sharing)}`, 'ControlPersist=no'],
      theirs: ['ControlMaster=no'],
      none: ['BatchMode=yes'],
    }[sharing.by],
  ].flatMap(option);
}

/** For those that follow over the same connection. */
export function nextArguments(sharing: Sharing): string[] {
  // Where the shared connection is gone ssh would make one of its own, and ask everything anew.
  const shared = ['ControlMaster=no', 'ProxyCommand=false'];
  return [
    ...['LogLevel=ERROR', 'PermitLocalCommand=no'],
    ...{ own: [...shared, `ControlPath=${socketOf(sharing)}`], theirs: shared, none: ['BatchMode=yes'] }[sharing.by],
  ].flatMap(option);
}

/** ControlPath has tokens of its own. */
function socketOf(sharing: Sharing): string {
  return sharing.by === 'own' ? sharing.socket.replaceAll('%', '%%') : '';
}

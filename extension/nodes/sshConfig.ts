// What ssh_config says of a host. `ssh -G` is asked where OpenSSH is installed, because only it knows all of its own rules;
// elsewhere the file is read here (sshConfigFile.ts). Format: ssh_config(5).
import { execFile, type ExecFileException } from 'node:child_process';
import { createHash } from 'node:crypto';
import { homedir, hostname, userInfo } from 'node:os';
import { orCancelled } from './cancel.ts';
import { NodeError } from './node.ts';
import { configPath, readDirectives, valuesFor, withHome, type Encoding, type Values } from './sshConfigFile.ts';

/** Where to look; every field has the usual default. */
export interface SshConfigOptions {
  /** As `ssh -F FILE`: read this file only; `~` is the home folder. Default: ~/.ssh/config and the system's. */
  readonly configFile?: string | undefined;
  /** The OpenSSH client, or '' to do without it. Default: `ssh` from PATH. */
  readonly sshProgram?: string | undefined;
  /** Default: the home of the person who runs VS Code. */
  readonly home?: string | undefined;
  /** Told of what is not read, a line each. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A host as the connection needs it: names resolved, defaults filled in, `~` and `%` tokens expanded. */
export interface ResolvedHost {
  /** As the person wrote it, without user and port. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFiles: readonly string[];
  /** CertificateFile; a certificate beside a key is known by its name. */
  readonly certificateFiles: readonly string[];
  /** Offer only {@link identityFiles}, even when the agent holds more keys. */
  readonly identitiesOnly: boolean;
  /** IdentityAgent: a socket, `none`, or undefined for SSH_AUTH_SOCK. */
  readonly identityAgent: string | undefined;
  /** The hosts to go through, nearest first; each is resolved for itself. */
  readonly proxyJump: readonly string[];
  readonly proxyCommand: string | undefined;
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  readonly hostKeyAlias: string | undefined;
  readonly hashKnownHosts: boolean;
  /** `ask`: ask for an unknown key; `yes`: refuse it; `accept-new`: remember it unasked. A changed key is always refused. */
  readonly strictHostKeyChecking: 'ask' | 'yes' | 'accept-new';
  /** Milliseconds; undefined when not configured. */
  readonly connectTimeout: number | undefined;
}

/** `user@host:port` taken apart. */
export interface HostSpec {
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * Takes `host`, `user@host`, `host:port`, `[v6]:port`, a bare IPv6 address and `ssh://user@host:port` apart.
 * @returns undefined when it is none of them.
 */
export function parseHostSpec(text: string): HostSpec | undefined {
  const bare = text.trim().replace(/^ssh:\/\/([^/]*)\/?$/, '$1');
  const at = bare.lastIndexOf('@');
  const user = at >= 0 ? bare.slice(0, at) : undefined;
  const rest = bare.slice(at + 1);
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(rest);
  const plain = /^([^:]+):(\d{1,5})$/.exec(rest);
  const host = bracketed?.[1] ?? plain?.[1] ?? rest;
  const portText = bracketed?.[2] ?? plain?.[2];
  const port = portText === undefined ? undefined : Number(portText);
  // ssh itself refuses these too: they would be options, or reach a ProxyCommand's shell.
  const bad = /[\s\p{Cc}'"`$\\;&<>|(){}]/u;
  if (host === '' || host.startsWith('-') || bad.test(host)) return undefined;
  if (!bracketed && !plain && host.includes(':') && !/^[0-9a-fA-F:.]+(%[\w.-]+)?$/.test(host)) return undefined;
  if (user !== undefined && (user === '' || user.startsWith('-') || bad.test(user))) return undefined;
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  return { user, host, port };
}

/**
 * Resolves a host as ssh would.
 * @param node the name for errors
 * @throws NodeError `unknown-host` when the text is no host, or ssh_config is broken (with ssh's own words).
 */
export async function resolveHost(
  node: string,
  text: string,
  options: SshConfigOptions,
  signal?: AbortSignal,
): Promise<ResolvedHost> {
  const spec = parseHostSpec(text);
  if (spec === undefined)
    throw new NodeError(
      'unknown-host',
      node,
      `"${text}" is not a host name.`,
      'Use HOST, USER@HOST or USER@HOST:PORT, or a Host from your SSH configuration.',
    );
  const home = options.home ?? homedir();
  const values =
    options.sshProgram === '' ? undefined : await orCancelled(node, signal, askOpenSsh(node, spec, options, signal));
  return fill(spec, values ?? (await valuesWithoutOpenSsh(spec, options, home)), home);
}

/** The output of `ssh -G`; undefined when there is no OpenSSH client. */
async function askOpenSsh(
  node: string,
  spec: HostSpec,
  options: SshConfigOptions,
  signal: AbortSignal | undefined,
): Promise<Values | undefined> {
  const home = options.home ?? homedir();
  const args = ['-G'];
  if (options.configFile !== undefined) args.push('-F', configPath(options.configFile, home));
  if (spec.port !== undefined) args.push('-p', String(spec.port));
  if (spec.user !== undefined) args.push('-l', spec.user);
  args.push('--', spec.host);
  const limits = {
    timeout: 15_000,
    maxBuffer: 1 << 20,
    windowsHide: true,
    ...(signal && { signal }),
    ...(options.home !== undefined && { env: { ...process.env, HOME: options.home } }),
  };
  const { error, stdout, stderr } = await new Promise<Answer>((resolve) => {
    execFile(options.sshProgram ?? 'ssh', args, limits, (error, stdout, stderr) => {
      resolve({ error, stdout, stderr });
    });
  });
  if (error === null) {
    const values = new Map<string, string[]>();
    for (const line of stdout.split(/\r?\n/)) {
      const space = line.indexOf(' ');
      const key = line.slice(0, space).toLowerCase();
      if (space > 0) values.set(key, [...(values.get(key) ?? []), line.slice(space + 1)]);
    }
    return values;
  }
  if (error.code === 'ENOENT') return undefined;
  const said = stderr.trim().split('\n')[0]?.trim() ?? '';
  throw new NodeError(
    'unknown-host',
    node,
    `The SSH configuration for ${spec.host} cannot be used: ${said === '' ? error.message : said}.`,
    (await encodingMend(options, home)) ?? `Try "ssh -G ${spec.host}" in a terminal and correct what it names.`,
  );
}

interface Answer {
  readonly error: ExecFileException | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ssh names the bytes of a file that an editor of Windows wrote; here is what they are. */
async function encodingMend(options: SshConfigOptions, home: string): Promise<string | undefined> {
  const odd: [file: string, encoding: Encoding][] = [];
  await readDirectives(configPath(options.configFile, home), home, (file, encoding) => {
    if (encoding !== 'UTF-8') odd.push([file, encoding]);
  });
  const [first] = odd;
  if (first === undefined) return undefined;
  const [file, encoding] = first;
  return encoding === 'UTF-16'
    ? `${file} is UTF-16: save it as UTF-8 without a byte order mark.`
    : `${file} begins with a byte order mark: save it as UTF-8 without one.`;
}

async function valuesWithoutOpenSsh(spec: HostSpec, options: SshConfigOptions, home: string): Promise<Values> {
  const directives = await readDirectives(configPath(options.configFile, home), home);
  // Commands would come out of a file that, without OpenSSH, nobody has vetted.
  return valuesFor(directives, spec.host, spec, (what, { file, line }) => {
    options.log?.(`${file}:${line} is not read without an OpenSSH client: ${what}`);
  });
}

function fill(spec: HostSpec, values: Values, home: string): ResolvedHost {
  const one = (key: string) => {
    const value = values.get(key)?.[0]?.trim();
    return value === undefined || value === '' || value.toLowerCase() === 'none' ? undefined : value;
  };
  const local = userInfo();
  const host = (one('hostname') ?? spec.host).replaceAll('%h', spec.host).replaceAll('%%', '%');
  const port = Number(one('port') ?? '22');
  const user = one('user') ?? local.username;
  const hostKeyAlias = one('hostkeyalias');
  const jumps = one('proxyjump');
  const hash = (...parts: string[]): string => createHash('sha1').update(parts.join('')).digest('hex');
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: home,
    h: host,
    i: String(local.uid),
    j: jumps ?? '',
    k: hostKeyAlias ?? spec.host,
    l: hostname(),
    L: hostname().split('.')[0] ?? '',
    n: spec.host,
    p: String(port),
    r: user,
    u: local.username,
  };
  const connection = [hostname(), host, String(port), user];
  // With the jump hosts since OpenSSH 9.6; files that aren't there are passed over.
  const hashes = [...new Set([hash(...connection, jumps ?? ''), hash(...connection)])];
  const expand = (text: string, C: string) =>
    withHome(text.replace(/^"(.*)"$/, '$1'), home)
      .replace(/%(.)/g, (whole, token: string) => (token === 'C' ? C : (tokens[token] ?? whole)))
      .replace(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole);
  const paths = (text: string) => [...new Set(hashes.map((C) => expand(text, C)))];
  const files = (key: string, fallback: readonly string[]) =>
    (values.get(key) ?? fallback)
      .flatMap((line) => line.match(/"[^"]*"|\S+/g) ?? [])
      .filter((file) => file.toLowerCase() !== 'none')
      .flatMap(paths);
  const keys = values.get('identityfile') ?? ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => `~/.ssh/${name}`);
  const strict = one('stricthostkeychecking')?.toLowerCase();
  const seconds = Number(one('connecttimeout') ?? NaN);
  return {
    alias: spec.host,
    host,
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : 22,
    user,
    identityFiles: [...new Set(keys.filter((file) => file.toLowerCase() !== 'none').flatMap(paths))],
    certificateFiles: files('certificatefile', []),
    identitiesOnly: isYes(one('identitiesonly')),
    identityAgent: values.get('identityagent')?.[0] === 'none' ? 'none' : agentSocket(one('identityagent'), paths),
    proxyJump: jumps?.split(',').map((hop) => hop.trim()) ?? [],
    proxyCommand: one('proxycommand'),
    userKnownHostsFiles: files('userknownhostsfile', ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']),
    globalKnownHostsFiles: files('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']),
    hostKeyAlias,
    hashKnownHosts: isYes(one('hashknownhosts')),
    // "no" would take any key. Here it means what OpenSSH does with it since 7.6 at most: a new key is taken, a changed one not.
    strictHostKeyChecking: isYes(strict) ? 'yes' : strict === 'ask' || strict === undefined ? 'ask' : 'accept-new',
    connectTimeout: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  };
}

function agentSocket(value: string | undefined, paths: (text: string) => readonly string[]): string | undefined {
  if (value === undefined || value === 'SSH_AUTH_SOCK') return undefined;
  return value.startsWith('$') && !value.startsWith('${') ? process.env[value.slice(1)] : paths(value)[0];
}

function isYes(value: string | undefined): boolean {
  return value !== undefined && ['yes', 'true', 'on'].includes(value.toLowerCase());
}

// What ssh_config says of a host. `ssh -G` is asked where OpenSSH is installed, because only it knows all of its own rules;
// the npm package ssh-config stands in elsewhere. Format: ssh_config(5).
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir, hostname, userInfo } from 'node:os';
import { dirname, isAbsolute, join, sep } from 'node:path';
import SSHConfig from 'ssh-config';
import { reasonOf } from '../protocol/reason.ts';
import { globMatch } from '../glob.ts';
import { orCancelled } from './cancel.ts';
import { NodeError } from './node.ts';

/** Where to look; every field has the usual default. */
export interface SshConfigOptions {
  /** As `ssh -F FILE`: read this file only. Default: ~/.ssh/config and the system's. */
  readonly configFile?: string | undefined;
  /** The OpenSSH client, or '' to do without it. Default: `ssh` from PATH. */
  readonly sshProgram?: string | undefined;
  /** Default: the home of the person who runs VS Code. */
  readonly home?: string | undefined;
}

/** A host as the connection needs it: names resolved, defaults filled in, `~` and `%` tokens expanded. */
export interface ResolvedHost {
  /** As the person wrote it, without user and port. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFiles: readonly string[];
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
  return fill(spec, values ?? (await computeWithoutOpenSsh(node, spec, options, home)), home);
}

type Values = ReadonlyMap<string, readonly string[]>;

/** The output of `ssh -G`; undefined when there is no OpenSSH client. */
function askOpenSsh(
  node: string,
  spec: HostSpec,
  options: SshConfigOptions,
  signal: AbortSignal | undefined,
): Promise<Values | undefined> {
  const args = ['-G'];
  if (options.configFile !== undefined) args.push('-F', options.configFile);
  if (spec.port !== undefined) args.push('-p', String(spec.port));
  if (spec.user !== undefined) args.push('-l', spec.user);
  args.push('--', spec.host);
  return new Promise((resolve, reject) => {
    const limits = { timeout: 15_000, maxBuffer: 1 << 20, windowsHide: true, ...(signal && { signal }) };
    execFile(options.sshProgram ?? 'ssh', args, limits, (error, stdout, stderr) => {
      if (error === null) {
        const values = new Map<string, string[]>();
        for (const line of stdout.split(/\r?\n/)) {
          const space = line.indexOf(' ');
          if (space > 0) append(values, line.slice(0, space).toLowerCase(), line.slice(space + 1));
        }
        resolve(values);
      } else if (error.code === 'ENOENT') resolve(undefined);
      else {
        const said = stderr.trim().split('\n')[0]?.trim() ?? '';
        reject(
          new NodeError(
            'unknown-host',
            node,
            `The SSH configuration for ${spec.host} cannot be used: ${said === '' ? error.message : said}.`,
            `Try "ssh -G ${spec.host}" in a terminal and correct what it names.`,
          ),
        );
      }
    });
  });
}

async function computeWithoutOpenSsh(
  node: string,
  spec: HostSpec,
  options: SshConfigOptions,
  home: string,
): Promise<Values> {
  const lines = await readConfigLines(options.configFile ?? join(home, '.ssh', 'config'), home);
  const values = new Map<string, string[]>();
  try {
    const config = SSHConfig.parse(lines.map(({ text }) => text).join('\n'));
    const query = spec.user === undefined ? { Host: spec.host } : { Host: spec.host, User: spec.user };
    // Match exec would run commands out of a file that, without OpenSSH, nobody has vetted.
    const computed = config.compute(query, { ignoreCase: true, matchExec: false });
    for (const [key, value] of Object.entries(computed))
      for (const one of Array.isArray(value) ? value : [value]) append(values, key.toLowerCase(), one);
  } catch (error) {
    throw new NodeError(
      'unknown-host',
      node,
      `The SSH configuration cannot be read: ${reasonOf(error)}.`,
      'Correct the file, or install the OpenSSH client so that it can be asked.',
    );
  }
  if (spec.user !== undefined) values.set('user', [spec.user]);
  if (spec.port !== undefined) values.set('port', [String(spec.port)]);
  return values;
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
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: home,
    h: host,
    i: String(local.uid),
    k: hostKeyAlias ?? spec.host,
    l: hostname(),
    L: hostname().split('.')[0] ?? '',
    n: spec.host,
    p: String(port),
    r: user,
    u: local.username,
  };
  const path = (text: string) =>
    text
      .replace(/^"(.*)"$/, '$1')
      .replace(/^~(?=$|[/\\])/, home)
      .replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole)
      .replace(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole);
  const files = (key: string, fallback: readonly string[]) =>
    (values.get(key) ?? fallback)
      .flatMap((line) => line.match(/"[^"]*"|\S+/g) ?? [])
      .filter((file) => file.toLowerCase() !== 'none')
      .map(path);
  const keys = values.get('identityfile') ?? ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => `~/.ssh/${name}`);
  const strict = one('stricthostkeychecking')?.toLowerCase();
  const seconds = Number(one('connecttimeout') ?? NaN);
  return {
    alias: spec.host,
    host,
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : 22,
    user,
    identityFiles: [...new Set(keys.filter((file) => file.toLowerCase() !== 'none').map(path))],
    identitiesOnly: isYes(one('identitiesonly')),
    identityAgent: values.get('identityagent')?.[0] === 'none' ? 'none' : agentSocket(one('identityagent'), path),
    proxyJump:
      one('proxyjump')
        ?.split(',')
        .map((hop) => hop.trim()) ?? [],
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

function agentSocket(value: string | undefined, path: (text: string) => string): string | undefined {
  if (value === undefined || value === 'SSH_AUTH_SOCK') return undefined;
  return value.startsWith('$') && !value.startsWith('${') ? process.env[value.slice(1)] : path(value);
}

function isYes(value: string | undefined): boolean {
  return value !== undefined && ['yes', 'true', 'on'].includes(value.toLowerCase());
}

function append(values: Map<string, string[]>, key: string, value: string): void {
  const list = values.get(key);
  if (list === undefined) values.set(key, [value]);
  else list.push(value);
}

/** A line of ssh_config with where it stands. */
export interface ConfigLine {
  readonly text: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

const MAX_DEPTH = 16; // As OpenSSH.
const MAX_FILES = 1_000;
const MAX_CONFIG_BYTES = 1 << 20;

/**
 * The lines of an ssh_config file with every Include replaced by what it names. After an included file the Host or Match
 * block that held the Include goes on, so its line is repeated. Files that are missing or unreadable count as empty, as in ssh.
 */
export async function readConfigLines(file: string, home: string): Promise<ConfigLine[]> {
  let filesLeft = MAX_FILES;
  const read = async (path: string, depth: number, block: string): Promise<ConfigLine[]> => {
    if (depth > MAX_DEPTH || filesLeft-- <= 0) return [];
    const lines: ConfigLine[] = [];
    let current = block;
    for (const [index, text] of (await readText(path)).split(/\r?\n/).entries()) {
      const here = { text, file: path, line: index + 1 };
      const { keyword, args } = parseDirective(text);
      if (keyword === 'host' || keyword === 'match') current = text;
      if (keyword !== 'include') {
        lines.push(here);
        continue;
      }
      for (const pattern of args)
        for (const included of await expandGlob(includePath(pattern, home)))
          lines.push(...(await read(included, depth + 1, current)));
      lines.push({ ...here, text: current });
    }
    return lines;
  };
  return read(file, 0, 'Host *');
}

/** The lower-case keyword and the arguments of a line; '' for comments and empty lines. */
export function parseDirective(text: string): { readonly keyword: string; readonly args: readonly string[] } {
  const parts = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/.exec(text);
  if (parts?.[1] === undefined || parts[2] === undefined) return { keyword: '', args: [] };
  const args = [...parts[2].matchAll(/"([^"]*)"|(#.*)|(\S+)/g)]
    .filter((match) => match[2] === undefined)
    .map((match) => match[1] ?? match[3] ?? '');
  return { keyword: parts[1].toLowerCase(), args };
}

async function readText(file: string): Promise<string> {
  try {
    const info = await stat(file);
    return info.isFile() && info.size <= MAX_CONFIG_BYTES ? await readFile(file, 'utf8') : '';
  } catch {
    return '';
  }
}

function includePath(pattern: string, home: string): string {
  const expanded = pattern.replace(/^~(?=$|[/\\])/, home);
  return isAbsolute(expanded) ? expanded : join(home, '.ssh', expanded);
}

/** The files that a path with `*` and `?` in its parts names, sorted. */
async function expandGlob(pattern: string): Promise<string[]> {
  if (!/[*?]/.test(pattern)) return [pattern];
  const name = pattern.slice(dirname(pattern).length).replace(/^[/\\]/, '');
  const found: string[] = [];
  for (const folder of await expandGlob(dirname(pattern))) {
    const entries = await readdir(folder).catch(() => [] as string[]);
    for (const entry of entries.sort())
      if (globMatch(name, entry) && !(entry.startsWith('.') && !name.startsWith('.')))
        found.push(folder.endsWith(sep) ? folder + entry : join(folder, entry));
  }
  return found.slice(0, MAX_FILES);
}

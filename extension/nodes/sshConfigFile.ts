// An ssh_config file as it is written: its directives with every Include followed, and what they mean for a host. OpenSSH itself is asked
// where it is installed (sshConfig.ts). Format: ssh_config(5); what it leaves open is as in readconf.c of OpenSSH 9.2.
import { readdir, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join, sep } from 'node:path';
import { globMatch } from '../glob.ts';

/** A line that is no comment. */
export interface Directive {
  /** Lower case. */
  readonly keyword: string;
  /** Without their quotes. */
  readonly args: readonly string[];
  /** What follows the keyword, as it is written. */
  readonly rest: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** The Host and Match lines that it stands below, outermost first: those that hold an Include hold what it names. */
  readonly blocks: readonly Directive[];
}

/** Values by lower-case keyword, as `ssh -G` prints them. */
export type Values = ReadonlyMap<string, readonly string[]>;

const MAX_DEPTH = 16; // As OpenSSH.
const MAX_FILES = 1_000;
const MAX_CONFIG_BYTES = 1 << 20;

/** The path of the person's configuration file: the one that is named, `~` expanded, or the usual one. */
export function configPath(configFile: string | undefined, home: string): string {
  return configFile === undefined ? join(home, '.ssh', 'config') : withHome(configFile, home);
}

/** A path with `~` as the home folder. */
export function withHome(path: string, home: string): string {
  return path.replace(/^~(?=$|[/\\])/, () => home);
}

/**
 * The directives of a file in the order in which they are read. Files that are missing or unreadable count as empty, as in ssh.
 * @param onFile told of each file that was read, and how it is encoded.
 */
export async function readDirectives(
  path: string,
  home: string,
  onFile?: (file: string, encoding: Encoding) => void,
): Promise<Directive[]> {
  let filesLeft = MAX_FILES;
  const read = async (file: string, depth: number, above: readonly Directive[]): Promise<Directive[]> => {
    if (depth > MAX_DEPTH || filesLeft-- <= 0) return [];
    const directives: Directive[] = [];
    let blocks = above;
    const { text, encoding } = await readText(file);
    onFile?.(file, encoding);
    for (const [index, line] of text.split(/\r?\n/).entries()) {
      const parsed = parseDirective(line);
      if (parsed === undefined) continue;
      const isBlock = parsed.keyword === 'host' || parsed.keyword === 'match';
      const directive = { ...parsed, file, line: index + 1, blocks: isBlock ? above : blocks };
      directives.push(directive);
      if (isBlock) blocks = [...above, directive];
      if (parsed.keyword !== 'include') continue;
      for (const pattern of parsed.args)
        for (const included of await expandGlob(includePath(pattern, home)))
          directives.push(...(await read(included, depth + 1, blocks)));
    }
    return directives;
  };
  return read(path, 0, []);
}

/** Does a Host line mean this name? Names that are negated exclude it, whatever else matches. */
export function hostApplies(patterns: readonly string[], name: string): boolean {
  let found = false;
  for (const pattern of patterns.map((one) => one.toLowerCase())) {
    if (pattern.startsWith('!')) {
      if (globMatch(pattern.slice(1), name.toLowerCase())) return false;
    } else if (globMatch(pattern, name.toLowerCase())) found = true;
  }
  return found;
}

/** Keywords whose every line counts; of others the first one does. */
const REPEATED = new Set(['identityfile', 'certificatefile']);

/**
 * What directives mean for a host, the first value of each keyword as in ssh.
 * @param asked what the person gave with the name, which wins
 * @param onUnread told of what only OpenSSH can follow: commands, and what depends on the connection
 */
export function valuesFor(
  directives: readonly Directive[],
  name: string,
  asked: { readonly user: string | undefined; readonly port: number | undefined },
  onUnread: (what: string, at: Directive) => void,
): Values {
  const values = new Map<string, string[]>();
  if (asked.user !== undefined) values.set('user', [asked.user]);
  if (asked.port !== undefined) values.set('port', [String(asked.port)]);
  const localUser = userInfo().username;

  /** Whether it asks to be read again, for what is to have the last word. */
  const pass = (final: boolean): boolean => {
    let wantsFinal = false;
    const known = new Map<Directive, boolean>();
    const hostName = (): string => (values.get('hostname')?.[0] ?? name).replaceAll('%h', name);
    const criterion = (keyword: string, list: string, at: Directive): boolean => {
      switch (keyword) {
        case 'host':
          return hostApplies(list.split(','), hostName());
        case 'originalhost':
          return hostApplies(list.split(','), name);
        case 'user':
          return hostApplies(list.split(','), values.get('user')?.[0] ?? localUser);
        case 'localuser':
          return hostApplies(list.split(','), localUser);
        default:
          if (!final) onUnread(`Match ${keyword}`, at);
          return false;
      }
    };
    const matchApplies = (at: Directive): boolean => {
      const words = [...at.args];
      while (words.length > 0) {
        const word = (words.shift() ?? '').toLowerCase();
        const negated = word.startsWith('!');
        const keyword = word.replace(/^!/, '');
        if (keyword === 'all') continue;
        if (keyword === 'final') wantsFinal = true;
        const met =
          keyword === 'final' ? final : keyword === 'canonical' ? false : criterion(keyword, words.shift() ?? '', at);
        if (met === negated) return false;
      }
      return true;
    };
    /** Once a block, at its line: what follows may set what it asks for. */
    const applies = (block: Directive): boolean => {
      let met = known.get(block);
      if (met === undefined) {
        met =
          block.blocks.every(applies) &&
          (block.keyword === 'host' ? hostApplies(block.args, name) : matchApplies(block));
        known.set(block, met);
      }
      return met;
    };
    for (const directive of directives) {
      const { keyword } = directive;
      if (keyword === 'host' || keyword === 'match') applies(directive);
      else if (keyword !== 'include' && directive.blocks.every(applies)) take(values, directive, final, onUnread);
    }
    return wantsFinal;
  };
  if (pass(false)) pass(true);
  return values;
}

function take(
  values: Map<string, string[]>,
  directive: Directive,
  final: boolean,
  onUnread: (what: string, at: Directive) => void,
): void {
  const { keyword, args, rest } = directive;
  if (keyword === 'canonicalizehostname' && !final && !/^(?:no|false)$/i.test(args[0] ?? ''))
    onUnread('CanonicalizeHostname', directive);
  const before = values.get(keyword);
  const text = keyword === 'proxycommand' ? rest : args.map((one) => (/\s/.test(one) ? `"${one}"` : one)).join(' ');
  if (before === undefined) values.set(keyword, [text]);
  else if (REPEATED.has(keyword) && !before.includes(text)) before.push(text);
}

function parseDirective(text: string): Pick<Directive, 'keyword' | 'args' | 'rest'> | undefined {
  const parts = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/.exec(text);
  if (parts?.[1] === undefined || parts[2] === undefined) return undefined;
  const args = [...parts[2].matchAll(/"([^"]*)"|(#.*)|(\S+)/g)]
    .filter((match) => match[2] === undefined)
    .map((match) => match[1] ?? match[3] ?? '');
  return { keyword: parts[1].toLowerCase(), args, rest: parts[2].trim() };
}

/** What a file begins with decides it: only the first is what OpenSSH reads. */
export type Encoding = 'UTF-8' | 'UTF-8 with a byte order mark' | 'UTF-16';

async function readText(file: string): Promise<{ readonly text: string; readonly encoding: Encoding }> {
  const bytes = await readBytes(file);
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    const text = new TextDecoder(first === 0xff ? 'utf-16le' : 'utf-16be').decode(bytes);
    return { text, encoding: 'UTF-16' };
  }
  const marked = first === 0xef && second === 0xbb && bytes[2] === 0xbf;
  // The decoder takes the mark away.
  return { text: new TextDecoder().decode(bytes), encoding: marked ? 'UTF-8 with a byte order mark' : 'UTF-8' };
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    const info = await stat(file);
    return info.isFile() && info.size <= MAX_CONFIG_BYTES ? await readFile(file) : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

function includePath(pattern: string, home: string): string {
  const expanded = withHome(pattern, home);
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

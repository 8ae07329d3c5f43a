// Checks a host key against known_hosts files, and remembers one that a person trusts. Format: sshd(8), SSH_KNOWN_HOSTS.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../protocol/reason.ts';
import { globMatch } from '../glob.ts';

/** A line of a known_hosts file, for messages. */
export interface KnownHostsPlace {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** What the files say of one host's key. */
export type HostKeyVerdict =
  | { readonly kind: 'known'; readonly place: KnownHostsPlace }
  /** `authority`: a certificate authority that is listed for the host; what it vouches for isn't read here. */
  | { readonly kind: 'unknown'; readonly authority?: KnownHostsPlace }
  /** The host is listed with another key. `knownType` differs from the offered type when the host now offers another kind of key. */
  | {
      readonly kind: 'changed';
      readonly place: KnownHostsPlace;
      readonly knownType: string;
      readonly authority?: KnownHostsPlace;
    }
  | { readonly kind: 'revoked'; readonly place: KnownHostsPlace };

/** A line that was passed over, and why. */
export interface IgnoredLine extends KnownHostsPlace {
  readonly reason: string;
}

interface Entry extends KnownHostsPlace {
  readonly marker: '' | '@revoked' | '@cert-authority';
  /** Comma separated patterns, or one hashed name. */
  readonly hosts: string;
  readonly type: string;
  /** The key as base64 of its wire form. */
  readonly key: string;
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_LINE_CHARS = 65_536;

/** The name that known_hosts uses: `host`, or `[host]:port` for any port but 22. */
export function knownHostsName(host: string, port: number): string {
  const lower = host.toLowerCase();
  return port === 22 ? lower : `[${lower}]:${port}`;
}

/** OpenSSH's fingerprint of a key in wire form: `SHA256:` and unpadded base64. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a key in wire form names, such as `ssh-ed25519`; undefined when it is no key. */
export function keyType(key: Uint8Array): string | undefined {
  if (key.length < 4) return undefined;
  const length = new DataView(key.buffer, key.byteOffset).getUint32(0);
  if (length === 0 || length > 64 || key.length < 4 + length) return undefined;
  const type = Buffer.from(key.subarray(4, 4 + length)).toString('latin1');
  return /^[\x21-\x7e]+$/.test(type) ? type : undefined;
}

/** The known_hosts files of one connection, read once. Files that do not exist count as empty. */
export class KnownHosts {
  readonly #entries: readonly Entry[];

  private constructor(
    entries: readonly Entry[],
    /** Lines that could not be used, with the reason. */
    readonly ignored: readonly IgnoredLine[],
  ) {
    this.#entries = entries;
  }

  /** Reads the files in their order. A file that cannot be read is an entry of {@link ignored} (line 0). */
  static async read(files: readonly string[]): Promise<KnownHosts> {
    const entries: Entry[] = [];
    const ignored: IgnoredLine[] = [];
    for (const file of files) {
      let text: string;
      try {
        text = await readBounded(file);
      } catch (error) {
        if (!isMissing(error)) ignored.push({ file, line: 0, reason: `cannot be read: ${reasonOf(error)}` });
        continue;
      }
      for (const [index, line] of text.split('\n').entries()) {
        const entry = parseLine(line, file, index + 1);
        if (entry === undefined) continue;
        if ('reason' in entry) ignored.push(entry);
        else entries.push(entry);
      }
    }
    return new KnownHosts(entries, ignored);
  }

  /**
   * The verdict on `key`, offered by `host` at `port`, as ssh has it (check_host_key() of its sshconnect.c): a port other than 22
   * is looked up as `[host]:port`, and where that has no key, one listed for the bare host is accepted. A listed host that offers
   * only another *type* of key counts as changed: the connection asks for the listed types first, so an honest host has no reason to.
   */
  check(host: string, port: number, key: Uint8Array): HostKeyVerdict {
    const encoded = Buffer.from(key).toString('base64');
    const type = keyType(key) ?? '';
    const name = knownHostsName(host, port);
    const bare = host.toLowerCase();

    const revoked = this.#entries.find(
      (entry) => entry.marker === '@revoked' && entry.key === encoded && (matches(entry, name) || matches(entry, bare)),
    );
    if (revoked !== undefined) return { kind: 'revoked', place: place(revoked) };

    const listed = this.#listed(name);
    const same = (listed.length > 0 ? listed : this.#listed(bare)).find((entry) => entry.key === encoded);
    if (same !== undefined) return { kind: 'known', place: place(same) };

    const vouching = this.#entries.find(
      (entry) => entry.marker === '@cert-authority' && (matches(entry, name) || matches(entry, bare)),
    );
    const authority = vouching && { authority: place(vouching) };
    const other = listed.find((entry) => entry.type === type) ?? listed[0];
    if (other === undefined) return { kind: 'unknown', ...authority };
    return { kind: 'changed', place: place(other), knownType: other.type, ...authority };
  }

  /** The types of the keys that are listed for the host, in the files' order. */
  typesFor(host: string, port: number): string[] {
    const listed = this.#listed(knownHostsName(host, port));
    return [...new Set((listed.length > 0 ? listed : this.#listed(host.toLowerCase())).map((entry) => entry.type))];
  }

  #listed(name: string): readonly Entry[] {
    return this.#entries.filter((entry) => entry.marker === '' && matches(entry, name));
  }
}

/**
 * Appends a key to a known_hosts file, so that the line is whole or not there, and links, owner and other lines stay. The file
 * is made when missing (0600, its folder 0700). The name is hashed when `hash` is set or the file holds hashed names.
 */
export async function remember(
  file: string,
  host: string,
  port: number,
  key: Uint8Array,
  options: { readonly hash?: boolean } = {},
): Promise<void> {
  const type = keyType(key);
  if (type === undefined) throw new TypeError('Not a public key.');
  const folder = dirname(file);
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await chmod(folder, 0o700);
  // Append mode puts the one write below at the end, whoever else is writing.
  const handle = await open(file, 'a+', 0o600);
  try {
    const text = (await handle.stat()).isFile() ? await handle.readFile('utf8') : '';
    const hash = options.hash === true || /^(?:@\S+ )?\|1\|/m.test(text);
    const name = knownHostsName(host, port);
    const line = `${hash ? hashName(name) : name} ${type} ${Buffer.from(key).toString('base64')}\n`;
    await handle.appendFile(text === '' || text.endsWith('\n') ? line : `\n${line}`);
    await handle.sync().catch(() => undefined); // Not every file system can; the line is written all the same.
  } finally {
    await handle.close();
  }
}

function hashName(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

function parseLine(text: string, file: string, line: number): Entry | IgnoredLine | undefined {
  if (text.length > MAX_LINE_CHARS) return { file, line, reason: 'the line is too long' };
  const words = text.trim().split(/[ \t]+/);
  const first = words[0] ?? '';
  if (first === '' || first.startsWith('#')) return undefined;
  let marker: Entry['marker'] = '';
  if (first.startsWith('@')) {
    if (first !== '@revoked' && first !== '@cert-authority') return { file, line, reason: `unknown marker ${first}` };
    marker = first;
    words.shift();
  }
  const [hosts, type, key] = words;
  if (hosts === undefined || type === undefined || key === undefined)
    return { file, line, reason: 'the line has no host, key type and key' };
  const blob = Buffer.from(key, 'base64');
  // A type that disagrees with its key is a damaged line; trusting either half would be a guess.
  if (keyType(blob) !== type) return { file, line, reason: 'the key is damaged' };
  return { file, line, marker, hosts, type, key: blob.toString('base64') };
}

function matches(entry: Pick<Entry, 'hosts'>, name: string): boolean {
  if (entry.hosts.startsWith('|')) {
    const [, version, salt, hash] = entry.hosts.split('|');
    if (version !== '1' || salt === undefined || hash === undefined) return false;
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  let found = false;
  for (const pattern of entry.hosts.toLowerCase().split(',')) {
    if (pattern.startsWith('!')) {
      if (globMatch(pattern.slice(1), name)) return false;
    } else if (globMatch(pattern, name)) found = true;
  }
  return found;
}

function place({ file, line }: KnownHostsPlace): KnownHostsPlace {
  return { file, line };
}

async function readBounded(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) return ''; // /dev/null is how people switch the file off.
    if (stat.size > MAX_FILE_BYTES) throw new RangeError(`larger than ${MAX_FILE_BYTES} bytes`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

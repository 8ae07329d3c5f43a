// Writes cpio archives ("newc", what a Linux initramfs is made of) with any owner and mode, so that no root and no
// cpio program is needed to make them. The format: Documentation/driver-api/early-userspace/buffer-format.rst.
import { Buffer } from 'node:buffer';

/** One file of an archive. Paths are relative to the root, without a leading slash. */
export type CpioEntry = {
  readonly path: string;
  /** Permission bits, for example 0o755. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
} & (
  | { readonly type: 'directory' }
  | { readonly type: 'file'; readonly data: Uint8Array }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'character device'; readonly major: number; readonly minor: number }
);

const kindBits = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  'character device': 0o020000,
} as const;

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);

function* member(entry: CpioEntry, inode: number): Generator<Uint8Array> {
  const data =
    entry.type === 'file' ? entry.data : entry.type === 'symlink' ? Buffer.from(entry.target) : new Uint8Array();
  const name = Buffer.from(`${entry.path}\0`);
  const device = entry.type === 'character device' ? entry : { major: 0, minor: 0 };
  const fields = [
    inode,
    kindBits[entry.type] | entry.mode,
    entry.uid ?? 0,
    entry.gid ?? 0,
    entry.type === 'directory' ? 2 : 1, // links
    0, // modification time: the same contents make the same archive
    data.length,
    0, // device that held the file: major, minor
    0,
    device.major,
    device.minor,
    name.length,
    0, // checksum, unused in this variant
  ];
  const header = Buffer.from(`070701${fields.map(hex).join('')}`);
  yield header;
  yield name;
  yield padding(header.length + name.length);
  yield data;
  yield padding(data.length);
}

/**
 * Yields the archive's bytes. A directory must come before what is in it. The kernel takes several archives one after
 * the other, packed or not; each must start on a multiple of four bytes, which every archive's length here is.
 */
export function* cpio(entries: Iterable<CpioEntry>): Generator<Uint8Array> {
  let inode = 1;
  for (const entry of entries) yield* member(entry, inode++);
  yield* member({ path: 'TRAILER!!!', type: 'directory', mode: 0 }, 0);
}

// The packed extension that the UI tests install: what `npm test` has just made, or else one made now.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { run } from './vscodeInstall.ts';

const root = join(import.meta.dirname, '..', '..');

/** Absolute path of the `.vsix`. */
export async function extensionPackage(): Promise<string> {
  const made = process.env['PACKET_TRAIL_VSIX'];
  if (made !== undefined) return made;
  const output = await run(process.execPath, ['test/setup/package.mjs', join(root, 'build')], { cwd: root });
  const path = /^== package: (\/.*\.vsix)/m.exec(output)?.[1];
  if (path === undefined) throw new Error(`npm run package named no .vsix:\n${output}`);
  return path;
}

/** A file inside a zip archive. */
export interface ZipEntry {
  readonly name: string;
  /** Unix permission bits. */
  readonly mode: number;
  data(): Buffer;
}

/** Reads a zip archive such as a `.vsix` by its central directory. */
export async function zipEntries(path: string): Promise<readonly ZipEntry[]> {
  const zip = await readFile(path);
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  if (end === -1) throw new Error(`${path}: not a zip archive`);
  const entries: ZipEntry[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameLength = zip.readUInt16LE(at + 28);
    const method = zip.readUInt16LE(at + 10);
    const packedSize = zip.readUInt32LE(at + 20);
    const local = zip.readUInt32LE(at + 42);
    entries.push({
      name: zip.toString('utf8', at + 46, at + 46 + nameLength),
      mode: (zip.readUInt32LE(at + 38) >>> 16) & 0o777,
      data: () => {
        const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
        const packed = zip.subarray(start, start + packedSize);
        return method === 0 ? packed : inflateRawSync(packed);
      },
    });
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return entries;
}

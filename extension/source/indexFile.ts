// The index of a kernel tree as one file: names in byte order with their definitions, looked up by binary search in the bytes
// as they are on disk. Opening it is one read; nothing is parsed into objects but what is asked for.
//
//   8 bytes "PKTRSRC2" · u32 file size · u32 names · u32 definitions · u32 files · u32 bytes of names · u32 bytes of paths · u32 bytes of details
//   u32 nameEnd[names]         end of each name in the bytes of names
//   u32 definitionEnd[names]   end of each name's definitions
//   u32 file[definitions]      index of the file
//   u32 place[definitions]     line | flags << 24
//   u32 pathEnd[files]         end of each path in the bytes of paths
//   names · paths (relative to the tree, '/') · details (JSON)
// All integers are little endian.
import { readFile } from 'node:fs/promises';

/** One definition of a function: where, and Flag bits of declaration.ts. */
export interface Definition {
  /** Relative to the tree, with '/'. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly flags: number;
}

/** What was indexed, and what wasn't. */
export interface IndexDetails {
  readonly root: string;
  /** {@link KernelTree.identity} of when it was built. */
  readonly identity: string;
  readonly files: number;
  readonly definitions: number;
  /** Files left out because they are larger than the limit; generated register lists, mostly. */
  readonly tooLarge: number;
  /** Files and folders that could not be read, and the first of them. */
  readonly unreadable: number;
  readonly unreadableExample: string;
}

const magic = 'PKTRSRC2';
const headSize = 36;
const maxLine = 0xff_ffff;

/** Collects definitions and lays them out as an index file. */
export class IndexWriter {
  private readonly definitions = new Map<string, number[]>();
  private readonly paths: string[] = [];
  private count = 0;

  /** Adds a file; its index is the answer. */
  addFile(path: string): number {
    return this.paths.push(path) - 1;
  }

  add(name: string, file: number, line: number, flags: number): void {
    let places = this.definitions.get(name);
    if (places === undefined) this.definitions.set(name, (places = []));
    places.push(file, (Math.min(line, maxLine) | (flags << 24)) >>> 0);
    this.count++;
  }

  encode(details: Omit<IndexDetails, 'files' | 'definitions'>): Buffer {
    // Names are ASCII words, so the order of their UTF-16 units is the order of their bytes.
    const names = [...this.definitions.keys()].sort();
    const { count, paths } = this;
    const whole: IndexDetails = { ...details, files: paths.length, definitions: count };
    const nameBytes = Buffer.from(names.join(''), 'latin1');
    const pathBytes = Buffer.from(paths.join(''), 'utf8');
    const detailBytes = Buffer.from(JSON.stringify(whole), 'utf8');
    const columns = new Uint32Array(2 * names.length + 2 * count + paths.length);
    let nameEnd = 0;
    let definition = 0;
    const fileColumn = 2 * names.length;
    names.forEach((name, index) => {
      columns[index] = nameEnd += name.length;
      const places = this.definitions.get(name) ?? [];
      for (let at = 0; at < places.length; at += 2) {
        columns[fileColumn + definition] = places[at] ?? 0;
        columns[fileColumn + count + definition] = places[at + 1] ?? 0;
        definition++;
      }
      columns[names.length + index] = definition;
    });
    let pathEnd = 0;
    paths.forEach((path, index) => {
      columns[fileColumn + 2 * count + index] = pathEnd += Buffer.byteLength(path);
    });
    const head = Buffer.alloc(headSize);
    head.write(magic, 'latin1');
    const size = headSize + columns.byteLength + nameBytes.length + pathBytes.length + detailBytes.length;
    const sizes = [size, names.length, count, paths.length, nameBytes.length, pathBytes.length, detailBytes.length];
    sizes.forEach((value, index) => head.writeUInt32LE(value, 8 + 4 * index));
    return Buffer.concat([head, littleEndian(columns), nameBytes, pathBytes, detailBytes]);
  }
}

function littleEndian(columns: Uint32Array): Buffer {
  const bytes = Buffer.from(columns.buffer, columns.byteOffset, columns.byteLength);
  const isLittle = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  return isLittle ? bytes : bytes.swap32();
}

/** An opened index. */
export class IndexFile {
  private constructor(
    private readonly bytes: Buffer,
    private readonly names: number,
    private readonly count: number,
    private readonly files: number,
    private readonly nameBytes: number,
    readonly details: IndexDetails,
  ) {}

  /** Opens an index; undefined when there is none, or when it is damaged or of another version: then it is built anew. */
  static async open(path: string): Promise<IndexFile | undefined> {
    try {
      return IndexFile.decode(await readFile(path));
    } catch {
      return undefined;
    }
  }

  /** Views an index file's bytes. Throws when they are no whole index. */
  static decode(bytes: Buffer): IndexFile {
    if (bytes.length < headSize || bytes.toString('latin1', 0, 8) !== magic) throw new Error('it is no index');
    const [size = 0, names = 0, count = 0, files = 0, nameBytes = 0, pathBytes = 0, detailBytes = 0] = Array.from(
      { length: 7 },
      (_, index) => bytes.readUInt32LE(8 + 4 * index),
    );
    const columns = 4 * (2 * names + 2 * count + files);
    if (size !== bytes.length || headSize + columns + nameBytes + pathBytes + detailBytes !== size) {
      throw new Error(`it is ${bytes.length} bytes, ${size} expected`);
    }
    const details: unknown = JSON.parse(bytes.toString('utf8', size - detailBytes));
    if (!isDetails(details)) throw new Error('its details are damaged');
    return new IndexFile(bytes, names, count, files, nameBytes, details);
  }

  /** Every definition of a function, in the order of the tree. */
  lookUp(name: string): readonly Definition[] {
    const wanted = Buffer.from(name, 'latin1');
    if (wanted.toString('latin1') !== name) return [];
    const namesAt = headSize + 4 * (2 * this.names + 2 * this.count + this.files);
    let low = 0;
    let high = this.names;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const [begin, end] = this.span(0, middle, this.nameBytes);
      const order = this.bytes.compare(wanted, 0, wanted.length, namesAt + begin, namesAt + end);
      if (order === 0) return this.definitionsOf(middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return [];
  }

  private definitionsOf(name: number): readonly Definition[] {
    const [begin, end] = this.span(this.names, name, this.count);
    const fileColumn = 2 * this.names;
    return Array.from({ length: end - begin }, (_, index) => {
      const place = this.column(fileColumn + this.count + begin + index);
      return {
        file: this.path(this.column(fileColumn + begin + index)),
        line: place & maxLine,
        flags: place >>> 24,
      };
    });
  }

  private path(file: number): string {
    const pathsAt = headSize + 4 * (2 * this.names + 2 * this.count + this.files) + this.nameBytes;
    if (file >= this.files) throw new RangeError(`kernel source index: file ${file} of ${this.files}`);
    const [begin, end] = this.span(2 * this.names + 2 * this.count, file, this.bytes.length - pathsAt);
    return this.bytes.toString('utf8', pathsAt + begin, pathsAt + end);
  }

  /** The range that an entry of a column of ends stands for, checked against what it indexes. */
  private span(column: number, index: number, limit: number): readonly [number, number] {
    const begin = index === 0 ? 0 : this.column(column + index - 1);
    const end = this.column(column + index);
    if (begin > end || end > limit) throw new RangeError('kernel source index: it is damaged');
    return [begin, end];
  }

  private column(index: number): number {
    return this.bytes.readUInt32LE(headSize + 4 * index);
  }
}

function isDetails(value: unknown): value is IndexDetails {
  if (typeof value !== 'object' || value === null) return false;
  const of = value as Partial<Record<keyof IndexDetails, unknown>>;
  return (
    typeof of.root === 'string' &&
    typeof of.identity === 'string' &&
    typeof of.unreadableExample === 'string' &&
    [of.files, of.definitions, of.tooLarge, of.unreadable].every((count) => typeof count === 'number')
  );
}

// Compression of event batches in files: zstd where this Node.js has it, raw deflate elsewhere; zstd is read everywhere.
import { decompress as fzstdDecompress } from 'fzstd';
import * as zlib from 'node:zlib';
import { reasonOf } from '../protocol/reason.ts';
import { LimitError } from './error.ts';
import { maxFrameLength } from './frames.ts';

/** Codecs of a packed frame. */
export const codec = { stored: 0, zstd: 1, deflate: 2 } as const;

/** zlib's zstd functions, from Node.js 22.15 on; the type definitions in use are older. */
interface ZstdFunctions {
  readonly zstdCompressSync: (data: Uint8Array, options: object) => Uint8Array;
  readonly zstdDecompressSync: (data: Uint8Array, options: object) => Uint8Array;
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_c_checksumFlag: number };
}

function zstdOfNode(): ZstdFunctions | undefined {
  return 'zstdCompressSync' in zlib ? (zlib as unknown as ZstdFunctions) : undefined;
}

/** Compresses an events payload; what doesn't get smaller is stored. */
export function pack(payload: Uint8Array): { readonly codec: number; readonly data: Uint8Array } {
  const zstd = zstdOfNode();
  const packed =
    zstd === undefined
      ? { codec: codec.deflate, data: zlib.deflateRawSync(payload, { level: 3 }) }
      : {
          codec: codec.zstd,
          data: zstd.zstdCompressSync(payload, {
            params: { [zstd.constants.ZSTD_c_compressionLevel]: 3, [zstd.constants.ZSTD_c_checksumFlag]: 1 },
          }),
        };
  return packed.data.length < payload.length ? packed : { codec: codec.stored, data: payload };
}

/**
 * Undoes {@link pack}. Never allocates more than `rawLength`, which must fit a frame.
 * Throws a LimitError that says what is wrong when the data isn't exactly that long, or is damaged.
 */
export function unpack(kind: number, data: Uint8Array, rawLength: number): Uint8Array {
  if (rawLength > maxFrameLength) throw new LimitError(`packed events of ${rawLength} bytes, too many for one frame`);
  const raw = inflate(kind, data, rawLength);
  if (raw.length !== rawLength)
    throw new LimitError(`packed events of ${raw.length} bytes that should be ${rawLength}`);
  return raw;
}

function inflate(kind: number, data: Uint8Array, rawLength: number): Uint8Array {
  if (kind === codec.stored) return data;
  if (kind !== codec.zstd && kind !== codec.deflate)
    throw new LimitError(`events packed with the unknown codec ${kind}`);
  // One byte more than promised, so that too much is seen and nothing bigger is made. zlib takes no limit of 0.
  const options = { maxOutputLength: rawLength + 1 };
  const zstd = zstdOfNode();
  try {
    if (kind === codec.deflate) return zlib.inflateRawSync(data, options);
    if (zstd !== undefined) return zstd.zstdDecompressSync(data, options);
    checkZstdSize(data, rawLength);
    return fzstdDecompress(data, new Uint8Array(rawLength));
  } catch (error) {
    throw new LimitError(`damaged packed events (${reasonOf(error)})`);
  }
}

/**
 * fzstd fills the buffer that it is given and doesn't say how far, so the size that the zstd frame itself states must be
 * the one expected (RFC 8878, section 3.1.1.1). A frame that doesn't state it is refused; this extension always states it.
 */
function checkZstdSize(data: Uint8Array, rawLength: number): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const stated = {
    0: () => (single ? view.getUint8(at) : -1),
    1: () => view.getUint16(at, true) + 256,
    2: () => view.getUint32(at, true),
    3: () => Number(view.getBigUint64(at, true)),
  }[descriptor >>> 6];
  const size = stated?.() ?? -1;
  if (size !== rawLength) throw new LimitError(`a size of ${size} instead of ${rawLength}`);
}

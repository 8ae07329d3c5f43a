// A trace file as a trace that views can show.
import { basename } from 'node:path';
import { visible } from '../protocol/plainText.ts';
import { reasonOf } from '../protocol/reason.ts';
import { FormatError } from './error.ts';
import { openBytes, readTrace, type OpenBytes, type ReadResult } from './reader.ts';
import type { TraceSource } from './source.ts';
import type { TraceStore } from './store.ts';
import { StoreQueries } from './storeQueries.ts';

/** A trace that was read from a file; it doesn't change any more. */
export class FileSource implements TraceSource {
  readonly store: TraceStore;
  readonly queries = new StoreQueries(this);
  readonly title: string;
  readonly node: string;
  readonly filter: string;
  readonly expression: string;
  readonly message: string;

  /** @param status `failed`: the file could not be read, and the message says why */
  constructor(
    path: string,
    { store, message }: Pick<ReadResult, 'store' | 'message'>,
    readonly status: 'file' | 'failed' = 'file',
  ) {
    const name = basename(path);
    this.store = store;
    this.title = name;
    this.node = nonEmpty(store.context?.node) ?? nonEmpty(store.hello?.host) ?? name;
    const first = nonEmpty(store.context?.filter) ?? store.hello?.filter ?? '';
    const { newFilter } = store;
    this.expression = newFilter ?? store.hello?.filter ?? '';
    const filters = newFilter === undefined ? [first] : [first || everyPacket, newFilter || everyPacket];
    this.filter = filters.map(visible).join(', then ');
    const missing = store.unaccounted;
    const said = [message, store.end?.error ?? ''];
    if (missing > 0 && message === '') said.push(`${missing} events are missing and no gap says when they were lost.`);
    this.message = said.filter((part) => part !== '').join(' ');
  }

  onChange(): { dispose(): void } {
    // A file doesn't change.
    return { dispose: () => undefined };
  }

  async stop(): Promise<void> {
    await Promise.resolve();
  }

  async pause(): Promise<void> {
    await Promise.resolve();
  }

  async capture(): Promise<string> {
    return await Promise.resolve('A saved trace captures nothing any more.');
  }
}

const everyPacket = 'every packet';

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/**
 * Opens a trace file.
 * @param open gives its bytes, where they are not a file on disk
 * @throws an Error in one sentence for a person, when the file can't be read or isn't a trace; the signal's reason when aborted
 */
export async function openTraceFile(
  path: string,
  signal?: AbortSignal,
  open: () => Promise<OpenBytes> = () => openBytes(path),
): Promise<FileSource> {
  let bytes;
  try {
    bytes = await open();
  } catch (error) {
    throw new Error(`${path} can't be opened: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  try {
    const result = await readTrace(bytes, signal === undefined ? {} : { signal });
    return new FileSource(path, result);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Error(`${path} can't be shown: ${error.message}. Open a file that Packet Trail saved.`, { cause: error });
  } finally {
    await bytes.close();
  }
}

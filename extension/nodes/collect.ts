// What a command writes: chunk by chunk, or gathered within bounds once it has ended. Shared by every kind of node.
import type { Readable } from 'node:stream';
import { cancelled } from './cancel.ts';
import { NodeError, type CommandResult, type RunningCommand } from './node.ts';

/** The most that {@link collect} keeps of each stream, in bytes. */
const MAX_OUTPUT = 1 << 20;

/**
 * Feeds `stdin` to the command, closes it and waits for the end.
 * @throws NodeError `helper-failed` when a stream exceeds {@link MAX_OUTPUT}, `cancelled` when the signal fires.
 */
export async function collect(
  node: string,
  command: RunningCommand,
  what: string,
  options: { readonly signal?: AbortSignal | undefined; readonly stdin?: string | Uint8Array | undefined } = {},
): Promise<CommandResult> {
  const { signal, stdin } = options;
  const limit = { exceeded: false };
  const gather = async (stream: AsyncIterable<Uint8Array>): Promise<string> => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stream) {
      size += chunk.length;
      if (size <= MAX_OUTPUT) chunks.push(chunk);
      else if (!limit.exceeded) {
        limit.exceeded = true;
        command.dispose();
      }
    }
    return Buffer.concat(chunks).toString('utf8');
  };
  const onAbort = () => {
    command.dispose();
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  try {
    const feed = async () => {
      // A command may end without reading its input; its exit status is what counts then.
      if (stdin !== undefined) await command.write(stdin).catch(() => undefined);
      command.end();
    };
    const [stdout, stderr, end] = await Promise.all([
      gather(command.stdout),
      gather(command.stderr),
      command.done,
      feed(),
    ]);
    if (signal?.aborted === true) throw cancelled(node);
    if (limit.exceeded)
      throw new NodeError(
        'helper-failed',
        node,
        `"${what}" wrote more than ${MAX_OUTPUT} bytes.`,
        'See what the command prints when it is run in a terminal on the node.',
      );
    return { code: end.code, stdout, stderr };
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** A stream's chunks; leaving the loop early leaves the stream open. */
export function chunks(stream: Readable): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => stream.iterator({ destroyOnReturn: false }) };
}

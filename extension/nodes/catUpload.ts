// A file that is sent to a node with nothing but its shell and `cat`: whole or not there.
import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { collect } from './collect.ts';
import { NodeError, type NodeConnection } from './node.ts';

const CHUNK = 32 * 1024;

/** $1 temporary file, $2 file, $3 mode, $4 size in bytes. */
const script = `umask 077
trap 'rm -f -- "$1"' 0
trap 'exit 1' 1 2 13 15
[ ! -d "$2" ] || { echo "$2 is a directory" >&2; exit 1; }
cat >"$1" || exit 1
got=$(wc -c <"$1")
[ "$got" -eq "$4" ] || { echo "only $got of $4 bytes arrived" >&2; exit 1; }
chmod "$3" "$1" && { sync "$1" 2>/dev/null || sync; } && mv -f -- "$1" "$2"`;

/** The name beside a file under which it grows: nobody else's. */
export function temporaryFor(path: string): string {
  return posix.join(posix.dirname(path), `.${posix.basename(path)}.${randomBytes(6).toString('hex')}.part`);
}

/** The error for a file that could not be written. */
export function uploadFailed(node: string, path: string, reason: string): NodeError {
  return new NodeError(
    'upload-failed',
    node,
    `${path} could not be written: ${reason}.`,
    'Check that the directory exists, is writable and has room.',
  );
}

/** {@link NodeConnection.upload} by a command of the connection. */
export async function uploadByCat(
  node: string,
  connection: Pick<NodeConnection, 'run'>,
  data: Uint8Array,
  path: string,
  mode: number,
  { signal, onProgress }: NonNullable<Parameters<NodeConnection['upload']>[3]> = {},
): Promise<void> {
  const argv = ['/bin/sh', '-c', script, 'sh', temporaryFor(path), path, mode.toString(8), String(data.length)];
  const command = await connection.run(argv, signal ? { signal } : {});
  const feed = async () => {
    for (let at = 0; at < data.length; at += CHUNK) {
      await command.write(data.subarray(at, at + CHUNK));
      onProgress?.(Math.min(data.length, at + CHUNK));
    }
  };
  // collect() closes the input at once, so it only starts to do so when everything has been handed over.
  const fed = feed().catch(() => undefined);
  const result = await collect(node, { ...command, end: () => void fed.then(() => command.end()) }, 'cat', { signal });
  if (result.code === 0) return;
  const words = result.stderr.trim().split('\n').at(-1) ?? '';
  throw uploadFailed(node, path, words === '' ? 'cat failed' : words);
}

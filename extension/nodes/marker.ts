// Where a command's own output begins: a login shell, or sudo, may print something before the command runs.
import { randomBytes } from 'node:crypto';
import { visible } from '../protocol/plainText.ts';
import { NodeError, type RunningCommand } from './node.ts';

/** Bytes that a login shell may print. */
const most = 64 * 1024;

/** A line that nothing prints by chance. */
export function newMarker(): string {
  return `packet-trail-begins ${randomBytes(8).toString('hex')}`;
}

/** What stands before the marker, and after its line; undefined without it. */
export function splitAt(text: Buffer, marker: string): { readonly before: string; readonly after: Buffer } | undefined {
  const at = text.indexOf(`${marker}\n`);
  if (at < 0) return undefined;
  return { before: text.subarray(0, at).toString('utf8'), after: text.subarray(at + marker.length + 1) };
}

/** What a shell said, line by line and fit to be shown. */
export function saidLines(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => visible(line.replace(/\r$/, '').slice(0, 1_000)));
  return lines.filter((line) => line.trim() !== '').slice(0, 100);
}

/** The error for a command that never began. */
export function neverBegan(node: string, said: string): NodeError {
  const [line] = saidLines(said);
  return new NodeError(
    'helper-failed',
    node,
    `The helper did not begin on ${node}${line === undefined ? '' : `: what answers there says “${line.slice(0, 200)}”`}.`,
    'Check the login shell of the account and any forced command: commands have to run there.',
  );
}

/**
 * What a command writes behind the marker, chunk by chunk; leaving the loop early leaves the stream open. `onSaid` hears each line before.
 * Iterating throws NodeError `helper-failed` when there is more of that than a login shell says, and when the command is over, without an
 * error of its own, and never wrote the marker.
 */
export function afterMarker(
  node: string,
  { stdout, done }: Pick<RunningCommand, 'stdout' | 'done'>,
  marker: string,
  onSaid: (line: string) => void,
): AsyncIterable<Uint8Array> {
  /** Undefined once the marker has come. */
  let head: Buffer | undefined = Buffer.alloc(0);
  return {
    async *[Symbol.asyncIterator]() {
      for await (const chunk of stdout) {
        if (head === undefined) {
          yield chunk;
          continue;
        }
        head = Buffer.concat([head, chunk]);
        const found = splitAt(head, marker);
        if (found !== undefined) {
          head = undefined;
          saidLines(found.before).forEach(onSaid);
          if (found.after.length > 0) yield found.after;
        } else if (head.length > most) throw neverBegan(node, head.toString('utf8'));
      }
      if (head === undefined) return;
      const said = head.toString('utf8');
      saidLines(said).forEach(onSaid);
      if ((await done).code === 0) throw neverBegan(node, said);
    },
  };
}

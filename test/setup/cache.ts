// Where downloads and built trees are kept between runs: outside the repository, one folder a purpose.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A path inside Packet Trail's cache: `$PACKET_TRAIL_CACHE`, else `$XDG_CACHE_HOME/packet-trail`, else `~/.cache/packet-trail`. Makes nothing. */
export function cachePath(...parts: readonly string[]): string {
  const root =
    process.env['PACKET_TRAIL_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'packet-trail');
  return join(root, ...parts);
}

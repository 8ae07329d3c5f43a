// Targets: the nodes that a person can pick, by the names that they are picked or typed by.
import { LocalNode } from '../nodes/local.ts';
import type { Node } from '../nodes/node.ts';
import { SshNode } from '../nodes/ssh.ts';
import { SystemSshNode } from '../nodes/systemSsh.ts';
import type { State } from './state.ts';

/** The target that stands for the machine the extension runs on. */
const localTarget = 'This Machine';

/** A node that can be picked. */
export interface NodeItem {
  readonly target: string;
  readonly origin: 'recent' | 'config' | 'local';
  /** Of a recent node the filter used last; of others where they are named. */
  readonly detail: string;
}

/** Lists the nodes that can be picked: recent ones first, each once. `configured`: the hosts of the SSH configuration. */
export function listNodes(state: State, configured: readonly string[]): readonly NodeItem[] {
  const recent = state
    .recentNodes()
    .map(({ target, lastFilter }): NodeItem => ({ target, origin: 'recent', detail: lastFilter }));
  const known = new Set(recent.map(({ target }) => target));
  const fromConfig = configured
    .filter((host) => !known.has(host))
    .map((target): NodeItem => ({ target, origin: 'config', detail: 'SSH configuration' }));
  const here: readonly NodeItem[] =
    process.platform === 'linux' && !known.has(localTarget)
      ? [{ target: localTarget, origin: 'local', detail: 'where the extension runs' }]
      : [];
  return [...recent, ...fromConfig, ...here];
}

/** Why a text can't be a target; undefined when it can. A leading dash would be an option to ssh. */
export function targetProblem(text: string): string | undefined {
  if (text === '') return 'Type a host name.';
  if (text.startsWith('-')) return 'A host name does not begin with a dash.';
  if (/[\s\p{Cc}]/u.test(text)) return 'A host name has no spaces.';
  const port = /^[^[\]]*[^:]:(\d+)$/.exec(text)?.[1] ?? /\]:(\d+)$/.exec(text)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return `Port ${port} is not between 1 and 65535.`;
  return undefined;
}

/** How nodes are reached. */
export interface SshChoice {
  /** The SSH configuration to use; undefined for OpenSSH's own default. */
  readonly configFile: string | undefined;
  /** By this machine's ssh program, or by the client that is built in. */
  readonly client: 'built-in' | 'system';
  /** The vector that runs askpass.ts. */
  readonly askpass: readonly string[];
}

/** A target's node. */
export function nodeFor(target: string, ssh: SshChoice, log: (line: string) => void): Node {
  if (target === localTarget) return new LocalNode(localTarget);
  const { client, ...options } = ssh;
  return client === 'system'
    ? new SystemSshNode(target, { ...options, log })
    : new SshNode(target, { ...options, log });
}

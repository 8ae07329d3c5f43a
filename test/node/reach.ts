// Reaches a test node with the extension's own parts, over real SSH: what tests of extension/nodes and the bench stand on.
import { readFile } from 'node:fs/promises';
import { deploy, type Deployment } from '../../extension/nodes/deploy.ts';
import type { NodeConnection, Prompter } from '../../extension/nodes/node.ts';
import { SshNode, type SshOptions } from '../../extension/nodes/ssh.ts';
import { SystemSshNode } from '../../extension/nodes/systemSsh.ts';
import { HelperProcess } from '../../extension/nodes/helperProcess.ts';
import { LiveTrace } from '../../extension/sessions/liveTrace.ts';
import { builtHelper } from './tracing.ts';
import type { TestNode, User } from './vm.ts';

/** Nobody is there to answer. */
export const nobody: Prompter = {
  password: () => Promise.resolve(undefined),
  passphrase: () => Promise.resolve(undefined),
  answers: () => Promise.resolve(undefined),
  trustHostKey: () => Promise.resolve(false),
};

/** What may differ from the usual way to a node. */
export interface ReachOptions {
  /** root when not given. */
  readonly user?: User;
  readonly prompter?: Prompter;
  readonly ssh?: SshOptions;
  /** By this machine's ssh program. */
  readonly system?: boolean;
  /** Hears what the helper, or the shell before it, says. */
  readonly onMessage?: (line: string) => void;
  /** Directories on the node for the helper, instead of the usual ones. */
  readonly directories?: readonly string[];
}

/** Name of the node's ssh_config host for an account. */
export function hostOf(node: TestNode, user: User = 'root'): string {
  return `packet-trail-${node.kernel}${user === 'root' ? '' : `-${user}`}`;
}

/** Connects as the extension does. Rejects with a NodeError. */
export async function connect(node: TestNode, options: ReachOptions = {}): Promise<NodeConnection> {
  // Neither this machine's agent nor its known_hosts have a say.
  const ssh = { agentSocket: '', configFile: node.sshConfigFile, ...options.ssh };
  const prompter = options.prompter ?? nobody;
  const name = hostOf(node, options.user);
  // Keys are all that these nodes want: ssh has nothing to ask.
  const way = options.system ? new SystemSshNode(name, { ...ssh, askpass: ['false'] }) : new SshNode(name, ssh);
  return way.connect({ signal: new AbortController().signal, prompter });
}

/** Puts the helper on the node as the extension does. Rejects with a NodeError. */
export async function putHelper(
  node: TestNode,
  connection: NodeConnection,
  options: ReachOptions = {},
): Promise<Deployment> {
  return deploy({
    node: hostOf(node, options.user),
    connection,
    prompter: options.prompter ?? nobody,
    helper: (machine) => readFile(builtHelper(machine)),
    signal: new AbortController().signal,
    directories: options.directories,
  });
}

/**
 * Starts a trace as the extension does, recorded into a file; resolves when its first hooks are attached.
 * Whoever calls stops or disposes it, which closes the connection.
 */
export async function startTrace(
  node: TestNode,
  recording: string,
  args: readonly string[],
  options: ReachOptions = {},
): Promise<LiveTrace> {
  const connection = await connect(node, options);
  try {
    const helper = await HelperProcess.start(await putHelper(node, connection, options), args, {
      onMessage: options.onMessage,
    });
    const name = hostOf(node, options.user);
    const trace = await LiveTrace.record({
      node: name,
      expression: args.join(' '),
      also: '',
      recording,
      helper,
      connection,
    });
    try {
      await trace.started;
      return trace;
    } catch (error) {
      trace.dispose();
      throw error;
    }
  } catch (error) {
    connection.dispose();
    throw error;
  }
}

// A stream to an SSH server: over TCP, through the host before it, or by the program that ssh_config names.
import { spawn } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { cancelled, throwIfCancelled } from './cancel.ts';
import { NodeError } from './node.ts';
import type { ResolvedHost } from './sshConfig.ts';
import { connectError, type Hop } from './sshErrors.ts';

/** Runs a wait with a time limit, cancellable; the work gets a signal that fires in both cases. */
export async function within<T extends Duplex>(
  node: string,
  hop: Hop,
  limit: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const late = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => {
      reject(stop.signal.reason as NodeError);
    });
  });
  const timer = setTimeout(() => {
    stop.abort(
      new NodeError(
        'unreachable',
        node,
        `${hop.label} (${hop.host.host}, port ${hop.host.port}) did not answer within ${limit / 1000} s.`,
        'Check that the node is on, the address and port are right, and no firewall is between.',
      ),
    );
  }, limit);
  const onAbort = () => {
    stop.abort(cancelled(node));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const working = work(stop.signal);
  working.then(
    (stream) => {
      if (stop.signal.aborted) stream.destroy();
    },
    () => undefined,
  );
  try {
    return await Promise.race([working, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    late.catch(() => undefined);
  }
}

/** A TCP connection to the first host, or the ProxyCommand that stands for it. */
export function dial(node: string, hop: Hop, signal: AbortSignal, log: (line: string) => void): Promise<Duplex> {
  const { host, port, proxyCommand } = hop.host;
  if (proxyCommand !== undefined) return dialByCommand(proxyCommand, hop.host, signal, log);
  return new Promise((resolve, reject) => {
    // Node's 250 ms for each address would give up on a far-away host that has more than one.
    const socket = connectSocket({ host, port, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 2_500 });
    const stop = () => socket.destroy();
    signal.addEventListener('abort', stop, { once: true });
    socket.once('connect', () => {
      signal.removeEventListener('abort', stop);
      socket.off('error', fail);
      // What happens to it before ssh2 listens shows in its state.
      socket.on('error', () => undefined);
      socket.setNoDelay(true);
      resolve(socket);
    });
    const fail = (error: Error) => {
      signal.removeEventListener('abort', stop);
      reject(connectError(node, hop, error));
    };
    socket.once('error', fail);
  });
}

/** A stream to the next host, opened by the one before. */
export function forward(node: string, through: Client, hop: Hop, signal: AbortSignal): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    throwIfCancelled(node, signal);
    through.forwardOut('127.0.0.1', 0, hop.host.host, hop.host.port, (error, channel) => {
      if (error) {
        reject(
          new NodeError(
            'unreachable',
            node,
            `The jump host could not reach ${hop.label} (${hop.host.host}, port ${hop.host.port}): ${error.message}.`,
            'Check the address as seen from the jump host, and that its sshd_config has AllowTcpForwarding on.',
          ),
        );
      } else resolve(channel);
    });
  });
}

/** The program that ssh_config names as the way to the host, as a stream. */
function dialByCommand(
  command: string,
  host: ResolvedHost,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<Duplex> {
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    h: host.host,
    n: host.alias,
    p: String(host.port),
    r: host.user,
  };
  const line = command.replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole);
  // ssh_config(5): the command is run by the person's shell.
  const child = spawn(line, { shell: true, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  child.stderr.on('data', (chunk: Buffer) => log(`ProxyCommand: ${chunk.toString('utf8').slice(0, 2_000).trim()}`));
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  const stop = () => {
    child.kill();
  };
  child.once('error', (error) => stream.destroy(error));
  stream.once('close', stop);
  signal.addEventListener('abort', stop, { once: true });
  return Promise.resolve(stream);
}

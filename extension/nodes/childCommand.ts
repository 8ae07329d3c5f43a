// A program on this machine as a command of a node: one that runs here, or one that carries it to where it runs.
import { spawn, type ChildProcessWithoutNullStreams, type SpawnOptionsWithoutStdio } from 'node:child_process';
import { throwIfCancelled } from './cancel.ts';
import { chunks } from './collect.ts';
import { NodeError, type RunningCommand } from './node.ts';

/** How a program is started and let go of. */
export interface ChildOptions {
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Starts a program. Resolves when it runs; rejects with NodeError `unsupported` when it can't be started, `cancelled` when the signal
 * has fired. A signal that fires later ends it.
 */
export async function runChild(
  node: string,
  argv: readonly string[],
  options: ChildOptions = {},
): Promise<RunningCommand> {
  const { signal, env } = options;
  throwIfCancelled(node, signal);
  const child = await startChild(node, argv, env === undefined ? {} : { env });
  let open = true;
  const dispose = () => {
    // A program that runs as another user cannot be signalled, but sees its input end.
    child.stdin.destroy();
    if (open) child.kill('SIGKILL');
    child.stdout.resume();
    child.stderr.resume();
  };
  const done = new Promise<{ code: number | undefined; signal: string | undefined }>((settle) => {
    child.once('close', (code, killedBy) => {
      open = false;
      signal?.removeEventListener('abort', dispose);
      settle({ code: code ?? undefined, signal: killedBy ?? undefined });
    });
  });
  signal?.addEventListener('abort', dispose, { once: true });
  if (signal?.aborted === true) dispose();
  return {
    stdout: chunks(child.stdout),
    stderr: chunks(child.stderr),
    write: (data) =>
      new Promise((written, failed) => {
        child.stdin.write(data, (error) => {
          if (error) failed(ended(node));
          else written();
        });
      }),
    end: () => {
      child.stdin.end();
    },
    done,
    dispose,
  };
}

/** Starts a program with pipes. Rejects with NodeError `unsupported` when that can't be done. */
export function startChild(
  node: string,
  argv: readonly string[],
  options: SpawnOptionsWithoutStdio,
): Promise<ChildProcessWithoutNullStreams> {
  return new Promise((resolve, reject) => {
    const [program, ...args] = argv;
    if (program === undefined) throw new RangeError('A command needs at least one word.');
    const child = spawn(program, args, { ...options, stdio: 'pipe', windowsHide: true });
    // A program may end, or close its input, before it has read everything: its exit status tells.
    child.stdin.on('error', () => undefined);
    child.once('error', ({ message }: Error) => {
      reject(
        new NodeError(
          'unsupported',
          node,
          `${program} could not be started: ${message}.`,
          'Check that it is installed and may be run.',
        ),
      );
    });
    child.once('spawn', () => resolve(child));
  });
}

function ended(node: string): NodeError {
  return new NodeError('helper-failed', node, 'The command has ended and takes no more input.', 'Start it again.');
}

// The way to a helper: connects to a target, puts the helper there, asks it whether the node can be traced.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deploy, type Deployment, type HelperMachine } from '../nodes/deploy.ts';
import { checkFilterArguments, filterRefused, helperName, messageText } from '../nodes/helperFlags.ts';
import { check, type CheckReport } from '../nodes/helperProcess.ts';
import type { NodeConnection, Prompter } from '../nodes/node.ts';
import { nodeFor, type SshChoice } from './targets.ts';

/** Says what is being done; `fraction` is of the whole, 0 … 1, where that is known. */
export type Report = (message: string, fraction?: number) => void;

/** What reaching a node needs from its surroundings. */
export interface ReachContext {
  /** The folder with a helper for each machine: MACHINE/packet-trail-helper. */
  readonly helpers: string;
  readonly prompter: Prompter;
  readonly log: { info(message: string): void };
  /** How nodes are reached from now on. */
  readonly ssh: () => SshChoice;
  /** Shows that a task goes on, which the person can cancel: the signal fires then. */
  readonly progress: <T>(title: string, task: (report: Report, signal: AbortSignal) => Promise<T>) => Promise<T>;
}

/** Connects to a node and puts the helper there; the caller owns the connection. Rejects with a NodeError. */
export async function reach(
  context: ReachContext,
  target: string,
  report: Report,
  signal: AbortSignal,
): Promise<{ readonly connection: NodeConnection; readonly deployment: Deployment }> {
  const { prompter, log } = context;
  const node = nodeFor(target, context.ssh(), (line) => log.info(line));
  report('connecting');
  const connection = await node.connect({ signal, prompter, onStep: (step) => report(step) });
  try {
    const deployment = await deploy({
      node: node.name,
      connection,
      prompter,
      helper: (machine) => bundledHelper(context.helpers, machine),
      signal,
      onStep: (step) => report(step),
      onUpload: (sent, total) => report(`sending the helper, ${Math.round((100 * sent) / total)} %`),
    });
    return { connection, deployment };
  } catch (error) {
    connection.dispose();
    throw error;
  }
}

/** Runs the preflight on a node; every requirement comes back, met or not. Rejects with a NodeError. */
export async function checkNode(context: ReachContext, target: string): Promise<CheckReport> {
  return await context.progress(`Packet Trail: checking ${target}`, async (report, signal) => {
    const { connection, deployment } = await reach(context, target, report, signal);
    try {
      report('asking the helper');
      return await check(deployment, {
        signal,
        onSaid: (line) => context.log.info(`${target}: the shell says: ${line}`),
      });
    } finally {
      connection.dispose();
    }
  });
}

/** The machine by Node.js' name for it. */
const machineHere: Readonly<Record<string, HelperMachine>> = { x64: 'x86_64', arm64: 'aarch64' };

/**
 * Asks the bundled helper whether an expression is a packet filter, where this machine can run it.
 * @returns the reason when it is none; undefined when it is one or this machine can't tell (the node will)
 */
export async function checkFilterHere(helpers: string, expression: string): Promise<string | undefined> {
  const machine = process.platform === 'linux' ? machineHere[process.arch] : undefined;
  if (machine === undefined) return undefined;
  return await new Promise((resolve) => {
    const limits = { timeout: 5_000 };
    execFile(helperPath(helpers, machine), checkFilterArguments(expression), limits, (error, _stdout, stderr) => {
      // Anything but a refusal means that it can't run here.
      const refused = error !== null && error.code === filterRefused;
      resolve(refused ? messageText(stderr.trim()) || 'This is not a packet filter.' : undefined);
    });
  });
}

function helperPath(helpers: string, machine: HelperMachine): string {
  return join(helpers, machine, helperName);
}

async function bundledHelper(helpers: string, machine: HelperMachine): Promise<Uint8Array | undefined> {
  try {
    return await readFile(helperPath(helpers, machine));
  } catch {
    return undefined; // not built for that machine
  }
}

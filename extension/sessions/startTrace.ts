// The way from a node and a filter to a live trace: connect, check, deploy, attach, each step shown and cancellable.
import { readFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import * as vscode from 'vscode';
import { deploy, type Deployment, type HelperMachine } from '../nodes/deploy.ts';
import { check, checkFilter, HelperProcess } from '../nodes/helperProcess.ts';
import { LocalNode } from '../nodes/local.ts';
import { NodeError, type Node, type NodeConnection, type Prompter } from '../nodes/node.ts';
import { SshNode } from '../nodes/ssh.ts';
import { sshConfigFile, type TraceSettings } from '../views/settings.ts';
import type { LiveTrace } from './liveTrace.ts';
import { abortSignal } from '../views/abortSignal.ts';
import { filterText, type TraceFilter } from '../views/askFilter.ts';
import { localTarget } from '../views/nodesView.ts';

/** What starting needs from its surroundings. */
export interface StartContext {
  readonly extensionUri: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  readonly prompter: Prompter;
}

/** A node by the name that a person picked or typed. */
export function nodeFor(target: string, log: vscode.LogOutputChannel): Node {
  if (target === localTarget) return new LocalNode(localTarget);
  return new SshNode(target, { configFile: sshConfigFile(), log: (line) => log.info(line) });
}

function helperPath(extensionUri: vscode.Uri, machine: HelperMachine): string {
  return vscode.Uri.joinPath(extensionUri, 'dist', 'helper', machine, 'packet-trail-helper').fsPath;
}

/** The machine by Node.js' name for it. */
const machineHere: Readonly<Record<string, HelperMachine>> = { x64: 'x86_64', arm64: 'aarch64' };

/**
 * Asks the bundled helper whether an expression is a packet filter, where this machine can run it.
 * @returns the reason when it is none; undefined when it is one or this machine can't tell (the node will)
 */
export async function checkFilterHere(extensionUri: vscode.Uri, expression: string): Promise<string | undefined> {
  const machine = process.platform === 'linux' ? machineHere[process.arch] : undefined;
  if (machine === undefined) return undefined;
  const helper = helperPath(extensionUri, machine);
  return await new Promise((resolve) => {
    execFile(helper, ['--check-filter', expression], { timeout: 5_000 }, (error, _stdout, stderr) => {
      // Exit status 2 is the helper's "no"; anything else means that it can't run here.
      const refused = error !== null && error.code === 2;
      resolve(refused ? filterProblem(stderr) : undefined);
    });
  });
}

/** The helper's line without its name in front. */
function filterProblem(line: string): string {
  return line.trim().replace(/^packet-trail-helper: /, '') || 'This is not a packet filter.';
}

/** The helper's options for a filter and the settings. */
export function helperArguments(filter: TraceFilter, settings: TraceSettings): readonly string[] {
  return [
    ...(filter.netns ? ['--netns', filter.netns] : []),
    ...(filter.iface ? ['--interface', filter.iface] : []),
    ...(filter.mark ? ['--mark', filter.mark] : []),
    ...settings.include.flatMap((glob) => ['--function', glob]),
    ...settings.exclude.flatMap((glob) => ['--exclude', glob]),
    ...(settings.modules ? [] : ['--no-modules']),
    ...(settings.stacks ? ['--stack'] : []),
    ...(filter.programsOnly ? ['--programs-only'] : settings.programs ? [] : ['--no-programs']),
    ...(filter.programsOnly || settings.programs ? settings.includePrograms : []).flatMap((glob) => [
      '--program',
      glob,
    ]),
    ...(settings.maxOverhead > 0 ? ['--max-overhead', `${settings.maxOverhead}%`] : []),
    '--limit',
    String(settings.eventLimit),
    '--buffer',
    settings.buffer,
    // What begins with a dash would be an option.
    ...(filter.expression ? ['--', filter.expression] : []),
  ];
}

/** Thrown when the node's helper refuses the expression, so that the filter box can open again with the reason. */
export class BadFilter extends Error {
  override readonly name = 'BadFilter';
}

type Report = (message: string, increment?: number) => void;

/** Connects to a node and puts the helper there; the caller owns the connection. */
async function reach(
  context: StartContext,
  target: string,
  signal: AbortSignal,
  report: Report,
): Promise<{ readonly connection: NodeConnection; readonly deployment: Deployment }> {
  const node = nodeFor(target, context.log);
  report('connecting');
  const connection = await node.connect({ signal, prompter: context.prompter, onStep: (step) => report(step) });
  try {
    const deployment = await deploy({
      node: node.name,
      connection,
      prompter: context.prompter,
      helper: async (machine) => await bundledHelper(context.extensionUri, machine),
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

async function bundledHelper(extensionUri: vscode.Uri, machine: HelperMachine): Promise<Uint8Array | undefined> {
  try {
    return await readFile(helperPath(extensionUri, machine));
  } catch {
    return undefined; // not built for that machine
  }
}

/** Shows a cancellable notification for the whole of `work`; cancelling rejects with the `cancelled` NodeError. */
async function withSteps<T>(title: string, work: (signal: AbortSignal, report: Report) => Promise<T>): Promise<T> {
  const location = vscode.ProgressLocation.Notification;
  return await vscode.window.withProgress(
    { location, title, cancellable: true },
    async (progress, token) =>
      await work(abortSignal(token), (message, increment) =>
        progress.report({ message, ...(increment === undefined ? {} : { increment }) }),
      ),
  );
}

/** What {@link startTrace} is to start. */
export interface StartRequest {
  readonly target: string;
  readonly filter: TraceFilter;
  readonly settings: TraceSettings;
  /** Makes the live trace around the helper that was started. */
  readonly record: (helper: HelperProcess, connection: NodeConnection) => Promise<LiveTrace>;
}

/**
 * Starts a trace and resolves when its first hooks are attached.
 * @throws BadFilter when the node refuses the expression
 * @throws NodeError for everything that a node can refuse, and `cancelled`
 */
export async function startTrace(context: StartContext, request: StartRequest): Promise<LiveTrace> {
  const { target, filter, settings } = request;
  return await withSteps(`Packet Trail on ${target}`, async (signal, report) => {
    const { connection, deployment } = await reach(context, target, signal, report);
    try {
      if (filter.expression) {
        const problem = await checkFilter(deployment, filter.expression, { signal });
        if (problem !== undefined) throw new BadFilter(problem);
      }
      report('starting the helper');
      const args = helperArguments(filter, settings);
      context.log.info(`${target}: tracing ${filterText(filter) || 'every packet'}; helper options: ${args.join(' ')}`);
      const helper = await HelperProcess.start(deployment, args, {
        signal,
        onMessage: (line) => context.log.info(`${target}: ${line}`),
      });
      const trace = await request.record(helper, connection);
      let attached = 0;
      const steps = trace.onProgress(({ phase, done, total }) => {
        if (phase !== 'attach' || total === 0) report(phaseText(phase));
        else {
          report(`attaching ${done} of ${total}`, (100 * (done - attached)) / total);
          attached = done;
        }
      });
      try {
        await trace.started;
      } catch (error) {
        trace.dispose();
        throw await explained(error, deployment, signal);
      } finally {
        steps.dispose();
      }
      return trace;
    } catch (error) {
      connection.dispose();
      throw error;
    }
  });
}

function phaseText(phase: string): string {
  const texts: Readonly<Record<string, string>> = {
    functions: 'choosing functions',
    load: 'loading programs',
    attach: 'attaching',
  };
  return texts[phase] ?? phase;
}

/** When the helper could not trace, its preflight knows the mend best. */
async function explained(error: unknown, deployment: Deployment, signal: AbortSignal): Promise<unknown> {
  if (!(error instanceof NodeError) || error.code !== 'helper-failed' || signal.aborted) return error;
  try {
    const failed = (await check(deployment, { signal })).results.filter(({ state }) => state === 'fail');
    const [first] = failed;
    return first
      ? new NodeError(
          'helper-failed',
          error.node,
          `${error.message} (${first.name}: ${first.detail})`,
          first.mend || error.mend,
        )
      : error;
  } catch {
    return error; // the first failure is the one to show
  }
}

/** Runs the preflight on a node; every requirement comes back, met or not. */
export async function checkNode(context: StartContext, target: string): Promise<Awaited<ReturnType<typeof check>>> {
  return await withSteps(`Packet Trail: checking ${target}`, async (signal, report) => {
    const { connection, deployment } = await reach(context, target, signal, report);
    try {
      report('asking the helper');
      return await check(deployment, { signal });
    } finally {
      connection.dispose();
    }
  });
}

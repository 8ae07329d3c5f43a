// The way from a target and a filter to a live trace: reach the node, check the filter, attach, each step shown and cancellable.
import type { Deployment } from '../nodes/deploy.ts';
import { helperArguments, type TraceFilter, type TraceSettings } from '../nodes/helperFlags.ts';
import { check, checkFilter, HelperProcess } from '../nodes/helperProcess.ts';
import { NodeError } from '../nodes/node.ts';
import { LiveTrace } from './liveTrace.ts';
import { reach, type ReachContext } from './reach.ts';
import { filterText } from './traceFilter.ts';
import type { OpenTrace, Traces } from './traces.ts';

/** Thrown when the node's helper refuses the expression, so that the filter box can open again with the reason. */
export class BadFilter extends Error {
  override readonly name = 'BadFilter';
}

/** What {@link startTrace} is to start. */
export interface StartRequest {
  readonly target: string;
  readonly filter: TraceFilter;
  readonly settings: TraceSettings;
}

/** A trace whose first hooks are attached. */
export interface StartedTrace {
  readonly trace: OpenTrace;
  /** Resolves when the trace is over: undefined when it ended as asked, else what a person should read. */
  readonly failed: Promise<Error | undefined>;
}

/**
 * Starts a trace, which is recorded and kept among those of this window.
 * @throws BadFilter when the node refuses the expression
 * @throws NodeError for everything that a node can refuse, and `cancelled`
 */
export async function startTrace(context: ReachContext, traces: Traces, request: StartRequest): Promise<StartedTrace> {
  const recording = await traces.newRecording(request.target);
  let live: LiveTrace;
  try {
    live = await goLive(context, request, recording);
  } catch (error) {
    await traces.abandon(recording);
    throw error;
  }
  const trace: OpenTrace = {
    source: live,
    recording,
    started: { target: request.target, filter: request.filter },
    saveTo: (target) => live.saveTo(target),
    dispose: () => live.dispose(),
  };
  traces.add(trace);
  return { trace, failed: live.failed };
}

/** Resolves when the first hooks are attached. */
async function goLive(
  context: ReachContext,
  { target, filter, settings }: StartRequest,
  recording: string,
): Promise<LiveTrace> {
  const { log } = context;
  return await context.progress(`Packet Trail on ${target}`, async (report, signal) => {
    const { connection, deployment } = await reach(context, target, report, signal);
    try {
      if (filter.expression) {
        const problem = await checkFilter(deployment, filter.expression, { signal });
        if (problem !== undefined) throw new BadFilter(problem);
      }
      report('starting the helper');
      const args = helperArguments(filter, settings);
      log.info(`${target}: tracing ${filterText(filter) || 'every packet'}; helper options: ${args.join(' ')}`);
      const helper = await HelperProcess.start(deployment, args, {
        signal,
        ownConnection: settings.ownConnection,
        onMessage: (line) => log.info(`${target}: ${line}`),
      });
      const trace = await LiveTrace.record({
        node: target,
        expression: filter.expression,
        also: filterText({ ...filter, expression: '' }),
        recording,
        helper,
        connection,
        explain: (error) => explained(error, deployment, signal),
      });
      const steps = trace.onProgress(({ phase, done, total }) => {
        if (phase !== 'attach' || total === 0) report(phaseText(phase));
        else report(`attaching ${done} of ${total}`, done / total);
      });
      try {
        await trace.started;
      } catch (error) {
        trace.dispose();
        // Its recording is closed then, and can be removed.
        await trace.failed;
        throw error;
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
async function explained(error: Error, deployment: Deployment, signal: AbortSignal): Promise<Error> {
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

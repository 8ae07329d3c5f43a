// Offers a quick start where the kernel lets functions be hooked one by one only.
import * as vscode from 'vscode';
import type { TraceQueries } from '../trace/queries.ts';

/** Hooks that are soon attached even one by one: nothing is offered then. */
const few = 200;

/**
 * Asks, when many hooks of a trace that has just begun are still to be attached one by one, whether the most telling functions would do.
 * Resolves true when the person says so.
 */
export async function offerTelling(node: string, queries: TraceQueries): Promise<boolean> {
  const { hooksWaiting } = await queries.summary();
  if (hooksWaiting < few || !(await queries.hooks()).table.some(({ kind }) => kind === 'kprobe')) return false;
  const yes = 'Only the Most Telling';
  const answer = await vscode.window.showInformationMessage(
    `The kernel of ${node} lets functions be hooked one by one only: ${hooksWaiting.toLocaleString('en')} are still to come, ` +
      'and removing them takes as long. The trace is live meanwhile. The most telling functions alone start and stop at once.',
    yes,
    'Wait for All',
  );
  return answer === yes;
}

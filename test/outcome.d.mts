// Types of outcome.mjs, for tests of it.
import type { FileResults } from './vitestResults.ts';

export interface Outcome {
  readonly files: readonly FileResults[];
  /** First failures of files that passed on the second try. */
  readonly retried: readonly string[];
}
export function tryTwice(
  attempt: (files?: readonly string[]) => Promise<Outcome>,
  say: (what: string) => void,
): Promise<Outcome>;
export function passedOf(outcome: Outcome): number;
export function failedOf(outcome: Outcome): readonly string[];

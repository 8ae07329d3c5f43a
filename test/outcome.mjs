// What a suite came to: files with their tests; and a second try for files that failed, since a node or a browser may die of something
// that is none of ours.
import { readFileSync } from 'node:fs';

/**
 * The outcome of a suite: `files` as test/vitestResults.ts has them, `retried` names those that passed on the second try, each with
 * its first failure.
 * @typedef {import('./vitestResults.ts').FileResults} FileResults
 * @typedef {{ files: FileResults[], retried: string[] }} Outcome
 */

/** The outcome of a suite that isn't made of files. @returns {Outcome} */
export const outcomeOf = (suite, { passed = 0, failed = [], skipped = [] }) => ({
  files: [{ file: suite, passed, failed, skipped }],
  retried: [],
});

/** Reads what a suite left; one that ended badly without a failed test has failed, too. @returns {Outcome} */
export function readOutcome(file, what, exitCode) {
  let files = [];
  try {
    files = JSON.parse(readFileSync(file, 'utf8')).files;
  } catch {
    // It ended before it could write; its exit code tells.
  }
  if (exitCode === 0 || files.some(({ failed }) => failed.length > 0)) return { files, retried: [] };
  const crash = { file: '', passed: 0, failed: [`${what} ended with ${exitCode ?? 'a signal'}`], skipped: [] };
  return { files: [...files, crash], retried: [] };
}

/**
 * Runs `attempt` without names, then once more with the names of the files that failed; what passes then has passed. A crash
 * that belongs to no file is tried again with all files.
 * @param {(files?: string[]) => Promise<Outcome>} attempt
 * @returns {Promise<Outcome>}
 */
export async function tryTwice(attempt, say) {
  const first = await attempt();
  const bad = first.files.filter(({ failed }) => failed.length > 0);
  if (bad.length === 0) return first;
  const whole = bad.some(({ file }) => file === '');
  const names = bad.map(({ file }) => file);
  say(`once more: ${whole ? 'all of it' : names.join(', ')}`);
  const second = await attempt(whole ? undefined : names);
  const before = whole ? [] : first.files.filter((one) => !bad.includes(one));
  const ran = new Set(second.files.map(({ file }) => file));
  const good = (file) => !second.files.some((one) => one.file === file && one.failed.length > 0);
  // One that isn't there any more has not passed.
  const gone = whole ? [] : bad.filter(({ file }) => !ran.has(file));
  const retried = bad.filter((one) => !gone.includes(one) && good(one.file)).map(({ failed: [why] }) => why);
  return { files: [...before, ...second.files, ...gone], retried };
}

/** Sums over all files. */
export const passedOf = ({ files }) => files.reduce((sum, { passed }) => sum + passed, 0);
export const failedOf = ({ files }) => files.flatMap(({ failed }) => failed);
export const skippedOf = ({ files }) => files.flatMap(({ skipped }) => skipped);

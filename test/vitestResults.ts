// Vitest reporter that hands each suite's outcome to the test commands: file by file, a count, and the names and reasons they have to tell.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule, TestResultFailed } from 'vitest/node';

/** What one file's tests came to. */
export interface FileResults {
  /** Below the repository's folder; empty for what belongs to no file. */
  readonly file: string;
  readonly passed: number;
  /** Names of failed tests, each with what failed first, and of set-ups and files that could not be run. */
  readonly failed: readonly string[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** What a suite leaves in the file that PACKET_TRAIL_RESULTS names; the extension-host suite writes the same. */
export interface SuiteResults {
  readonly files: readonly FileResults[];
}

/** How vm.ts tells of a node that died, which explains all else that went wrong with a test. */
const death = /^the node (is gone|doesn't answer)/;

/** In one line: where output is cut to its end, it is all that is left of a failure. */
function reason(errors: TestResultFailed['errors'] | ReturnType<TestModule['errors']>): string {
  const error = errors.find(({ message }) => death.test(message)) ?? errors[0];
  const message = (error?.message ?? 'no reason given').replace(/\s+/g, ' ').slice(0, 500);
  const [, at] = /\b(test\/[^\s()]+:\d+):\d+/.exec(error?.stack ?? '') ?? [];
  return at === undefined ? message : `${message} (${at})`;
}

function resultsOf(module: TestModule): FileResults {
  const file = relative(process.cwd(), module.moduleId);
  const name = (test: string): string => `${file} > ${test}`;
  let passed = 0;
  const failed: string[] = [];
  const skipped: { name: string; reason: string }[] = [];
  // A file that can't be loaded, and a hook that fails, belong to no test. They come first, since tests fail of them.
  if (module.errors().length > 0) failed.push(`${file} (could not be loaded): ${reason(module.errors())}`);
  for (const suite of module.children.allSuites())
    if (suite.errors().length > 0)
      failed.push(`${name(suite.fullName)} (its set-up or clean-up failed): ${reason(suite.errors())}`);
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === 'passed') passed += 1;
    else if (result.state === 'failed') failed.push(`${name(test.fullName)}: ${reason(result.errors)}`);
    // "pending" is a test that a broken hook or a cut run never let start.
    else if (result.state === 'pending') failed.push(`${name(test.fullName)} (did not run)`);
    else skipped.push({ name: name(test.fullName), reason: result.note ?? '' });
  }
  return { file, passed, failed, skipped };
}

export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const results = process.env['PACKET_TRAIL_RESULTS'];
    if (results === undefined) return;
    const files = modules.map(resultsOf);
    if (unhandledErrors.length > 0) {
      const failed = [`${unhandledErrors.length} errors outside of any test`];
      files.push({ file: '', passed: 0, failed, skipped: [] });
    }
    writeFileSync(results, JSON.stringify({ files } satisfies SuiteResults));
  }
}

// Vitest reporter that hands each suite's outcome to test/run.mjs: a count, and the names and reasons it has to tell.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

/** What a suite leaves in the file that PACKET_TRAIL_RESULTS names; the extension-host suite writes the same. */
export interface SuiteResults {
  readonly passed: number;
  /** Names of failed tests, and of files that could not be run. */
  readonly failed: readonly string[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const results = process.env['PACKET_TRAIL_RESULTS'];
    if (results === undefined) return;
    let passed = 0;
    const failed: string[] = [];
    const skipped: { name: string; reason: string }[] = [];
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId);
      const name = (test: string): string => `${file} > ${test}`;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') failed.push(name(test.fullName));
        // "pending" is a test that a broken hook or a cut run never let start.
        else if (result.state === 'pending') failed.push(`${name(test.fullName)} (did not run)`);
        else skipped.push({ name: name(test.fullName), reason: result.note ?? '' });
      }
      // A file that can't be loaded, and a hook that fails, belong to no test.
      if (module.errors().length > 0) failed.push(`${file} (could not be loaded)`);
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) failed.push(`${name(suite.fullName)} (its set-up or clean-up failed)`);
    }
    if (unhandledErrors.length > 0) failed.push(`${unhandledErrors.length} errors outside of any test`);
    writeFileSync(results, JSON.stringify({ passed, failed, skipped } satisfies SuiteResults));
  }
}

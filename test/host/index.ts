// The entry that VS Code's extension host calls: runs every bundled *.test.js beside it with Mocha and leaves the outcome
// in the file that PACKET_TRAIL_RESULTS names.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import type { SuiteResults } from '../vitestResults.ts';

/** Runs the tests; rejects when one failed, which makes VS Code end with an exit code other than 0. */
export async function run(): Promise<void> {
  const filter = process.env['PACKET_TRAIL_TEST_FILTER'];
  const mocha = new Mocha({
    ui: 'tdd',
    timeout: 60_000,
    color: true,
    ...(filter === undefined ? {} : { fgrep: filter }),
  });
  for (const file of readdirSync(__dirname).sort()) if (file.endsWith('.test.js')) mocha.addFile(join(__dirname, file));

  let passed = 0;
  const failed: string[] = [];
  const skipped: { name: string; reason: string }[] = [];
  await new Promise<void>((resolve) => {
    mocha
      .run(() => resolve())
      .on('pass', () => (passed += 1))
      .on('fail', (test) => failed.push(test.fullTitle()))
      // Mocha keeps no reason; a title that says it is all there is.
      .on('pending', (test) => skipped.push({ name: test.fullTitle(), reason: '' }));
  });
  const results = process.env['PACKET_TRAIL_RESULTS'];
  const files = [{ file: 'test/host', passed, failed, skipped }];
  if (results !== undefined) writeFileSync(results, JSON.stringify({ files } satisfies SuiteResults));
  if (failed.length > 0) throw new Error(`${failed.length} extension-host tests failed`);
}

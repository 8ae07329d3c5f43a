// `npm run test:kernels [-- --kernel K …] [-- --all]`: the matrix. Every suite of test/node/suites on every kernel that nodes know (or on
// those named), one node after another, going on after a failure. What has passed for this state of the code isn't run again, unless
// --all says so. Leaves test-output/kernels/K.json and ends with a table and the totals; exits with 1 when a test failed.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collect, stream } from './processes.mjs';
import { SetupError, main, root, say, setup } from './setup/setup.mjs';

const folder = join(root, 'test-output', 'kernels');
const kernels = readdirSync(join(root, 'test', 'node', 'kernels')).map((file) => file.replace(/\.test\.ts$/, ''));
/** What a kernel may take, on two quiet cores with warm caches. */
const budgetMs = 20 * 60_000;

/** Changes with every file that is or could be committed, but for documentation. */
async function treeHash() {
  const { ok, output } = await collect('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  if (!ok) throw new SetupError(`the matrix needs a git checkout, to tell what has passed already: ${output.trim()}`);
  const hash = createHash('sha256');
  for (const file of output.split('\0').sort()) {
    if (file === '' || /\.(md|1|png)$/.test(file)) continue;
    try {
      hash.update(`${file}\0`).update(readFileSync(join(root, file)));
    } catch {
      // Removed, and not yet committed so.
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** What is known of a kernel in this state of the code: suite → { passed, failed: names, skipped }. */
function known(kernel, tree) {
  try {
    const { tree: of, suites } = JSON.parse(readFileSync(join(folder, `${kernel}.json`), 'utf8'));
    return of === tree ? suites : {};
  } catch {
    return {};
  }
}

/** Sorts the tests of vitest's own report by suite, which is the second title of each. */
function suitesOf(report) {
  const suites = {};
  for (const file of report.testResults) {
    for (const { ancestorTitles, title, status, failureMessages } of file.assertionResults) {
      if (ancestorTitles[1] === undefined || status === 'skipped') continue;
      const suite = (suites[ancestorTitles[1]] ??= { passed: 0, failed: [], skipped: 0 });
      if (status === 'passed') suite.passed += 1;
      else suite.failed.push(`${title}: ${(failureMessages[0] ?? status).replace(/\s+/g, ' ').slice(0, 300)}`);
    }
    if (file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'))
      suites['the node'] = { passed: 0, failed: [file.message.slice(0, 500)], skipped: 0 };
  }
  return suites;
}

const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Runs a kernel's suites but for those named; gives what came of them. */
async function runKernel(kernel, done) {
  const report = join(folder, `${kernel}.vitest.json`);
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = ['run', '--project', 'kernels', '--reporter=verbose', '--reporter=json', `--outputFile.json=${report}`];
  args.push(`test/node/kernels/${kernel}.test.ts`);
  if (done.length > 0) args.push('-t', `^Linux ${literally(kernel)} (?!(${done.map(literally).join('|')}) )`);
  const begun = Date.now();
  const patience = setInterval(
    () => say(`${kernel}: at work for ${Math.round((Date.now() - begun) / 1000)} s`),
    10_000,
  );
  const code = await stream(process.execPath, [vitest, ...args], { limitMs: 3 * budgetMs });
  clearInterval(patience);
  try {
    return suitesOf(JSON.parse(readFileSync(report, 'utf8')));
  } catch {
    return { 'the node': { passed: 0, failed: [`vitest ended with ${code ?? 'a signal'}`], skipped: 0 } };
  }
}

function table(results) {
  const names = [...new Set([...results.values()].flatMap((suites) => Object.keys(suites)))];
  const cell = (suite) =>
    suite === undefined ? '–' : suite.failed.length > 0 ? `${suite.failed.length} FAILED` : `${suite.passed}`;
  const rows = [
    ['', ...results.keys()],
    ...names.map((name) => [name, ...[...results.values()].map((suites) => cell(suites[name]))]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  '),
  );
}

await main(async () => {
  const { values } = parseArgs({
    options: { kernel: { type: 'string', multiple: true }, all: { type: 'boolean', default: false } },
  });
  const unknown = values.kernel?.find((name) => !kernels.includes(name));
  if (unknown !== undefined) throw new SetupError(`--kernel ${unknown}: there is ${kernels.join(', ')}.`);
  const chosen = kernels.filter((kernel) => values.kernel?.includes(kernel) ?? true);
  await setup(['packages', 'modules', 'helper']);
  mkdirSync(folder, { recursive: true });
  const tree = await treeHash();
  const results = new Map();
  for (const kernel of chosen) {
    const before = values.all ? {} : known(kernel, tree);
    const good = Object.entries(before).filter(([, { failed }]) => failed.length === 0);
    if (good.length > 0) say(`${kernel}: passed before: ${good.map(([name]) => name).join(', ')}`);
    say(`${kernel}: running`);
    const begun = Date.now();
    const suites = {
      ...Object.fromEntries(good),
      ...(await runKernel(
        kernel,
        good.map(([name]) => name),
      )),
    };
    const minutes = ((Date.now() - begun) / 60_000).toFixed(1);
    say(`${kernel}: ${minutes} min`);
    if (Date.now() - begun > budgetMs) console.log(`over budget: ${kernel}: ${minutes} of ${budgetMs / 60_000} min`);
    results.set(kernel, suites);
    writeFileSync(join(folder, `${kernel}.json`), JSON.stringify({ kernel, tree, suites }, null, 2));
  }
  console.log(`\n${table(results).join('\n')}\n`);
  let passed = 0;
  let failed = 0;
  for (const [kernel, suites] of results)
    for (const [name, suite] of Object.entries(suites)) {
      passed += suite.passed;
      failed += suite.failed.length;
      for (const what of suite.failed) console.log(`failed: ${kernel}: ${name} > ${what}`);
    }
  if (failed > 0 || passed === 0) process.exitCode = 1;
  console.log(`\n${passed} passed, ${failed} failed, 0 skipped`);
});

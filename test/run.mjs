// `npm test [SUITE …] [-- FILTER]`: set-up, then every suite of the gate (or those named), then the totals on the last line.
// FILTER picks tests by a part of their name, or files when it holds a slash. A file of node, host or e2e tests that fails is run once
// more, and is told under "retried" when it passes then. Exits with 1 when a test failed, a suite crashed or ran nothing; with CI=true
// also when a test was skipped, because nothing of the mission may be skipped there.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { failedOf, outcomeOf, passedOf, readOutcome, skippedOf, tryTwice } from './outcome.mjs';
import { collect, stream } from './processes.mjs';
import { SetupError, main, root, say, setup } from './setup/setup.mjs';
import { makePackage } from './setup/package.mjs';

const resultsDirectory = join(root, 'test-output', 'results');
const inCI = process.env.CI === 'true' || process.env.CI === '1';

const tool = (...path) => [process.execPath, join(root, 'node_modules', ...path)];

/** Each check counts as one test. They leave the processors to whatever runs beside them. */
async function lint() {
  const { output: listed } = await collect('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const files = listed.split('\0').filter((file) => file !== '');
  const scripts = files.filter((file) => {
    if (file.endsWith('.sh')) return true;
    try {
      return (
        readFileSync(join(root, file), 'latin1')
          .slice(0, 40)
          .match(/^#!.*\b(ba)?sh\b/) !== null
      );
    } catch {
      return false;
    }
  });
  const [node, eslint] = tool('eslint', 'bin', 'eslint.js');
  const [, prettier] = tool('prettier', 'bin', 'prettier.cjs');
  const [, tsc] = tool('typescript', 'bin', 'tsc');
  // The longest first.
  const checks = [
    ['ESLint finds nothing', node, [eslint, '--max-warnings=0', '.']],
    ['TypeScript is sound: extension and tests', node, [tsc, '-p', '.']],
    ['TypeScript is sound: timeline', node, [tsc, '-p', 'webview']],
    ['Prettier would change nothing', node, [prettier, '--check', '--log-level=warn', '.']],
    ['clang-format would change nothing', 'make', ['-C', 'helper', '--no-print-directory', 'check-format']],
    ['shell scripts parse', 'bash', ['-c', 'for file; do bash -n "$file" || exit 1; done', 'bash', ...scripts]],
  ];
  const results = { passed: 0, failed: [], skipped: [] };
  const queue = [...checks];
  // Two at a time: they are one thread each.
  const work = async () => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
      const [name, program, args] = check;
      const begun = Date.now();
      const { ok, output } = await collect('nice', ['-n', '19', program, ...args]);
      console.log(` ${ok ? '✓' : '✗'} ${name} (${seconds(begun)})`);
      if (ok) results.passed += 1;
      else {
        console.log(output.trimEnd());
        results.failed.push(name);
      }
    }
  };
  await Promise.all([work(), work()]);
  return outcomeOf('lint', results);
}

/** The helper's own tests; `make test` prints their count. */
async function helper() {
  const results = { passed: 0, failed: [], skipped: [] };
  const code = await stream('make', ['-j2', '-C', 'helper', '--no-print-directory', 'test'], {
    // The programs count checks by the ten thousand; each program is one test here.
    onLine(line) {
      const [, passed, failed] = /^(\d+) passed, (\d+) failed/.exec(line) ?? [];
      if (passed === undefined) return;
      if (failed === '0' && passed !== '0') results.passed += 1;
      else results.failed.push(`${failed} of the helper's checks`);
    },
  });
  if (code !== 0 && results.failed.length === 0)
    results.failed.push(`make -C helper test ended with ${code ?? 'a signal'}`);
  return outcomeOf('helper', results);
}

/** One of vitest.config.ts' projects, or some of its files. */
async function vitest(project, filter, { env = {}, files = [] } = {}) {
  const args = ['run', '--project', project, '--reporter=verbose', '--reporter=./test/vitestResults.ts', ...files];
  if (filter !== undefined) args.push(...(filter.includes('/') ? [filter] : ['-t', filter]), '--passWithNoTests');
  const results = resultsFile(project);
  const [node, program] = tool('vitest', 'vitest.mjs');
  const code = await stream(node, [program, ...args], { env: { PACKET_TRAIL_RESULTS: results, ...env } });
  const outcome = readOutcome(results, `vitest ${project}`, code);
  if (filter === undefined) return outcome;
  // A name filter makes the others "skipped" without a reason.
  const asked = ({ skipped }) => skipped.filter(({ reason }) => reason !== '');
  return { ...outcome, files: outcome.files.map((file) => ({ ...file, skipped: asked(file) })) };
}

/** The same, with a second try. */
const vitestTwice = (project, filter, env) =>
  tryTwice(
    (files) => vitest(project, filter, { env, files }),
    (what) => say(`${project}: ${what}`),
  );

/** The tests that run inside VS Code's extension host. */
const host = (filter) =>
  tryTwice(
    async () => {
      const results = resultsFile('host');
      const env = { PACKET_TRAIL_RESULTS: results, ...(filter !== undefined && { PACKET_TRAIL_TEST_FILTER: filter }) };
      const code = await stream(process.execPath, ['test/host/run.mjs'], { env });
      return readOutcome(results, 'extension-host tests', code);
    },
    (what) => say(`host: ${what}`),
  );

/** The bench in short: that it runs, and gives the rows it promises. */
async function bench() {
  const file = join(resultsDirectory, 'bench.json');
  rmSync(file, { force: true });
  const code = await stream(process.execPath, ['--import', 'tsx', 'test/bench/bench.ts', '--quick', '--json', file]);
  const failed =
    code === 0 ? wrongRows(JSON.parse(readFileSync(file, 'utf8'))) : [`bench --quick ended with ${code ?? 'a signal'}`];
  return outcomeOf('bench', { passed: failed.length === 0 ? 1 : 0, failed });
}

/** What is wrong with a quick run's rows; each kind of figure is there, and has a value. */
function wrongRows(rows) {
  const kinds = [
    'decoder',
    'start to first event',
    'BPF time per non-matching hit',
    'BPF time per matching hit',
    'BPF time per program entry and verdict',
    'peak RSS',
  ];
  kinds.push('flood of 300 pings: events received', 'idle CPU', 'stop to no probe left');
  const missing = kinds.filter((kind) => !rows.some(({ figure }) => figure === kind)).map((kind) => `no row "${kind}"`);
  const shape = 'figure,kernel,unit,ours,peer,ratio';
  const odd = rows.filter((row) => Object.keys(row).join() !== shape || !Number.isFinite(row.ours));
  return [...missing, ...odd.map((row) => `not a row of ${shape}: ${JSON.stringify(row)}`)];
}

function resultsFile(suite) {
  const file = join(resultsDirectory, `${suite}.json`);
  rmSync(file, { force: true });
  return file;
}

/**
 * The gate; each with the seconds it may take on two cores with warm caches. In a whole run the suites beside another one go on
 * meanwhile, one after the other: an emulated node takes one processor.
 */
const gate = {
  node: { run: (filter) => vitestTwice('node', filter), budget: 480 },
  unit: { run: (filter) => vitest('unit', filter), budget: 45, beside: 'node' },
  helper: { run: helper, budget: 10, beside: 'node' },
  host: { run: host, budget: 50, beside: 'node' },
  lint: { run: lint, budget: 30, beside: 'node' },
  smokes: { run: (filter) => vitestTwice('smokes', filter), budget: 120 },
  timeline: { run: (filter) => vitestTwice('timeline', filter), budget: 60, beside: 'node' },
  e2e: {
    // As a person installs it: from the package.
    run: async (filter) => vitestTwice('e2e', filter, { PACKET_TRAIL_VSIX: await makePackage(join(root, 'build')) }),
    budget: 110,
  },
  bench: { run: bench, budget: 60 },
};

/** Run when named only. */
const suites = {
  ...gate,
  soak: { run: (filter) => vitest('soak', filter), budget: 3000 },
  // What test/node/soaks/accident.soak.ts runs.
  accident: { run: () => vitestTwice('accident'), budget: 60 },
};

const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

await main(async () => {
  const words = process.argv.slice(2);
  const end = words.findIndex((word) => !(word in suites));
  const names = end === -1 ? words : words.slice(0, end);
  const filter = (end === -1 ? [] : words.slice(end)).filter((word) => word !== '--').join(' ') || undefined;
  if (filter !== undefined && names.length === 0)
    throw new SetupError(`"${filter}" is no suite: use ${Object.keys(suites).join(', ')}, or SUITE -- FILTER.`);

  const chosen = names.length === 0 ? Object.keys(gate) : names;
  try {
    // Linting and unit tests need no build.
    await setup(chosen.every((name) => name === 'lint' || name === 'unit') ? ['packages', 'modules'] : ['build']);
  } catch (error) {
    console.log(`packet-trail: ${error.message}\n\n0 passed, 1 failed, 0 skipped`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(resultsDirectory, { recursive: true });
  const total = { passed: 0, failed: [], skipped: [], retried: [], over: [] };
  const table = [];
  const started = new Map();
  const start = (name, after) => {
    const run = async () => {
      await after;
      say(`${name}: running`);
      const begun = Date.now();
      const outcome = await suites[name].run(filter).catch((error) => {
        console.log(String(error instanceof SetupError ? error.message : error.stack));
        return outcomeOf(name, { failed: [error.message] });
      });
      return { outcome, tookMs: Date.now() - begun };
    };
    const running = run();
    started.set(name, running);
    return running;
  };
  for (const name of chosen) {
    if (!started.has(name)) start(name);
    let before;
    for (const other of chosen) if (suites[other].beside === name && !started.has(other)) before = start(other, before);
    const { outcome, tookMs } = await started.get(name);
    const [passed, failed, skipped] = [passedOf(outcome), failedOf(outcome), skippedOf(outcome)];
    if (passed + failed.length + skipped.length === 0 && filter === undefined) failed.push('no test was run');
    const { budget } = suites[name];
    const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
    const time = `${(tookMs / 1000).toFixed(1)} of ${budget} s`;
    table.push(`${name.padEnd(8)} ${counts}, ${time}`);
    if (tookMs > budget * 1000) total.over.push(`${name}: ${time}`);
    total.passed += passed;
    total.failed.push(...failed.map((test) => `${name}: ${test}`));
    total.skipped.push(...skipped.map((test) => ({ ...test, name: `${name}: ${test.name}` })));
    total.retried.push(...outcome.retried.map((why) => `${name}: ${why}`));
  }

  console.log('');
  for (const line of table) console.log(line);
  for (const line of total.over) console.log(`over budget: ${line}`);
  for (const line of total.retried) console.log(`retried: ${line}`);
  // A skip without a reason hides something; in CI any skip does. Both count as failed.
  const allowed = total.skipped.filter(({ reason }) => reason !== '' && !inCI);
  for (const { name, reason } of total.skipped) console.log(`skipped: ${name}: ${reason || 'no reason given'}`);
  total.failed.push(...total.skipped.filter((test) => !allowed.includes(test)).map(({ name }) => `${name} (skipped)`));
  for (const name of total.failed) console.log(`failed: ${name}`);
  if (total.passed === 0) total.failed.push('no test was run');
  if (total.failed.length > 0) process.exitCode = 1;
  console.log('');
  console.log(`${total.passed} passed, ${total.failed.length} failed, ${allowed.length} skipped`);
});

// `npm test [SUITE …] [-- FILTER]`: set-up, then every suite (or those named), then the totals on the last line.
// FILTER picks tests by a part of their name, or files when it holds a slash. Exits with 1 when a test failed, a suite
// crashed or ran nothing; with CI=true also when a test was skipped, because nothing of the mission may be skipped there.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError, main, root, say, setup } from './setup/setup.mjs';
import { makePackage } from './setup/package.mjs';

const resultsDirectory = join(root, 'test-output', 'results');
const inCI = process.env.CI === 'true' || process.env.CI === '1';

/** A suite that hangs is ended after this; the longest takes a fraction of it. */
const suiteLimitMs = 45 * 60_000;

/** Groups of processes that we have started and that still run. */
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, async () => {
    console.log(`packet-trail: ${signal}: ending what runs`);
    await Promise.all([...running].map((pid) => endGroupGently(pid)));
    process.exit(130);
  });

/** Lets a group clean up before it is killed. */
async function endGroupGently(pid) {
  endGroup(pid, 'SIGTERM');
  const deadline = Date.now() + 15_000;
  while (running.has(pid) && Date.now() < deadline) await delay(50);
  endGroup(pid, 'SIGKILL');
}

function endGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // Over already.
  }
}

/** Runs a program with its output on ours; resolves with its exit code, undefined when it was killed. `onLine` sees each line of stdout. */
function stream(program, args, { env = {}, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      detached: true,
      stdio: ['ignore', onLine === undefined ? 'inherit' : 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    if (child.pid !== undefined) running.add(child.pid);
    const limit = setTimeout(() => {
      console.log(`packet-trail: ended after ${suiteLimitMs / 60_000} minutes: ${program} ${args.join(' ')}`);
      void endGroupGently(child.pid);
    }, suiteLimitMs);
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      process.stdout.write(text);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach((line) => onLine(line));
    });
    child.on('error', (error) => console.log(`packet-trail: ${program} could not be started: ${error.message}`));
    child.on('close', (code) => {
      clearTimeout(limit);
      running.delete(child.pid);
      resolve(code ?? undefined);
    });
  });
}

/** Runs a program to its end; resolves with whether it succeeded and all that it wrote. */
function collect(program, args) {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: root, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: `${stdout}${stderr}${error?.code === 'ENOENT' ? error.message : ''}` }),
    );
  });
}

const tool = (...path) => [process.execPath, join(root, 'node_modules', ...path)];

/** Each check counts as one test. */
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
  const checks = [
    ['TypeScript is sound: extension and tests', node, [tsc, '-p', '.']],
    ['TypeScript is sound: timeline', node, [tsc, '-p', 'webview']],
    ['ESLint finds nothing', node, [eslint, '--max-warnings=0', '.']],
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
      const { ok, output } = await collect(program, args);
      console.log(` ${ok ? '✓' : '✗'} ${name} (${seconds(begun)})`);
      if (ok) results.passed += 1;
      else {
        console.log(output.trimEnd());
        results.failed.push(name);
      }
    }
  };
  await Promise.all([work(), work()]);
  return results;
}

/** The helper's own tests; `make test` prints their count. */
async function helper() {
  const results = { passed: 0, failed: [], skipped: [] };
  const code = await stream('make', ['-C', 'helper', '--no-print-directory', 'test'], {
    // The programs count checks by the ten thousand; each program is one test here.
    onLine(line) {
      const [, passed, failed] = /^(\d+) passed, (\d+) failed/.exec(line) ?? [];
      if (passed === undefined) return;
      if (failed === '0' && passed !== '0') results.passed += 1;
      else results.failed.push(`${failed} of the helper's checks`);
    },
  });
  return crashed(results, code, 'make -C helper test');
}

/** One of vitest.config.ts' projects. */
async function vitest(project, filter, env = {}) {
  const args = ['run', '--project', project, '--reporter=verbose', '--reporter=./test/vitestResults.ts'];
  if (filter !== undefined) args.push(...(filter.includes('/') ? [filter] : ['-t', filter]), '--passWithNoTests');
  const file = resultsFile(project);
  const [node, program] = tool('vitest', 'vitest.mjs');
  const code = await stream(node, [program, ...args], { env: { PACKET_TRAIL_RESULTS: file, ...env } });
  const results = readResults(file);
  // A name filter makes the others "skipped" without a reason.
  if (filter !== undefined) results.skipped = results.skipped.filter(({ reason }) => reason !== '');
  return crashed(results, code, `vitest ${project}`);
}

/** The tests that run inside VS Code's extension host. */
async function host(filter) {
  const file = resultsFile('host');
  const env = { PACKET_TRAIL_RESULTS: file, ...(filter === undefined ? {} : { PACKET_TRAIL_TEST_FILTER: filter }) };
  const code = await stream(process.execPath, ['test/host/run.mjs'], { env });
  return crashed(readResults(file), code, 'extension-host tests');
}

function resultsFile(suite) {
  const file = join(resultsDirectory, `${suite}.json`);
  rmSync(file, { force: true });
  return file;
}

function readResults(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // The suite ended before it could write; its exit code tells.
    return { passed: 0, failed: [], skipped: [] };
  }
}

/** A suite that ends badly without a failed test has failed, too. */
function crashed(results, code, what) {
  if (code === 0 || results.failed.length > 0) return results;
  return { ...results, failed: [`${what} ended with ${code ?? 'a signal'}`] };
}

/** In the order that tells soonest what is wrong. */
const suites = {
  lint,
  helper,
  unit: (filter) => vitest('unit', filter),
  host,
  node: (filter) => vitest('node', filter),
  e2e: async (filter) =>
    // As a person installs it: from the package.
    vitest('e2e', filter, { PACKET_TRAIL_VSIX: await makePackage(join(root, 'build')) }),
};

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

await main(async () => {
  const words = process.argv.slice(2);
  const end = words.findIndex((word) => !(word in suites));
  const names = end === -1 ? words : words.slice(0, end);
  const filter = (end === -1 ? [] : words.slice(end)).filter((word) => word !== '--').join(' ') || undefined;
  if (filter !== undefined && names.length === 0)
    throw new SetupError(`"${filter}" is no suite: use ${Object.keys(suites).join(', ')}, or SUITE -- FILTER.`);

  const chosen = names.length === 0 ? Object.keys(suites) : names;
  try {
    // Linting and unit tests need no build.
    await setup(chosen.every((name) => name === 'lint' || name === 'unit') ? ['packages', 'modules'] : ['build']);
  } catch (error) {
    console.log(`packet-trail: ${error.message}\n\n0 passed, 1 failed, 0 skipped`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(resultsDirectory, { recursive: true });
  const total = { passed: 0, failed: [], skipped: [] };
  const table = [];
  for (const name of chosen) {
    say(`${name}: running`);
    const begun = Date.now();
    const { passed, failed, skipped } = await suites[name](filter).catch((error) => {
      console.log(String(error instanceof SetupError ? error.message : error.stack));
      return { passed: 0, failed: [error.message], skipped: [] };
    });
    if (passed + failed.length + skipped.length === 0 && filter === undefined) failed.push('no test was run');
    table.push(
      `${name.padEnd(8)} ${passed} passed, ${failed.length} failed, ${skipped.length} skipped, ${seconds(begun)}`,
    );
    total.passed += passed;
    total.failed.push(...failed.map((test) => `${name}: ${test}`));
    total.skipped.push(...skipped.map((test) => ({ ...test, name: `${name}: ${test.name}` })));
  }

  console.log('');
  for (const line of table) console.log(line);
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

// Makes a fresh clone ready: system packages, npm packages, the helper, the bundles. Every command calls it first, so it is
// plain Node.js without dependencies, does only what is missing or out of date, and says what it does and how long it takes.
// Usage: node test/setup/setup.mjs [packages] [modules] [helper] [bundles] [build]      (default: build, which is all of them)
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const started = Date.now();

/** Prints a progress line: "== helper: building (12 s)". */
export function say(what) {
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`== ${what} (${seconds} s)`);
}

/** A failure whose message says all that a person needs. */
export class SetupError extends Error {
  name = 'SetupError';
}

/**
 * Runs a program in the repository with its output on ours and resolves when it is done.
 * Rejects with a SetupError that names the step when it fails.
 */
export function run(step, program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
    // npm says nothing until it is done, which may take minutes.
    const patience = setInterval(() => say(`${step}: still at work`), 20_000);
    child.on('error', (error) => {
      clearInterval(patience);
      reject(new SetupError(`${step}: ${program} could not be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearInterval(patience);
      if (code === 0) resolve();
      else
        reject(new SetupError(`${step}: "${[program, ...args].join(' ')}" ended with ${code ?? signal}; see above.`));
    });
  });
}

const steps = {
  /** What is missing is installed; nothing happens, and root is not needed, when all is there. */
  packages: () =>
    // sudo may ask for a password.
    run('system packages', 'bash', ['test/setup/packages.sh'], { stdio: 'inherit' }),

  async modules() {
    if (modulesMatchLock()) return;
    say('npm packages: installing');
    // Scripts of packages are not run: none that is used here needs one.
    await run('npm packages', 'npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']);
  },

  async helper() {
    if (!existsSync(join(root, 'helper', 'Makefile'))) return;
    say('helper: building');
    await run('helper', 'make', ['-C', 'helper', '--no-print-directory', '-j2', 'both']);
  },

  async bundles() {
    if (newest(bundleSources) < oldestBundle()) return;
    say('extension and timeline: bundling');
    await run('bundles', process.execPath, ['esbuild.mjs', '--production']);
  },
};

/** Whether node_modules holds what package-lock.json asks for; times don't tell, because git sets them anew. */
function modulesMatchLock() {
  try {
    const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
    const installed = read('node_modules/.package-lock.json');
    return Object.entries(read('package-lock.json')).every(
      ([path, wanted]) => path === '' || wanted.optional === true || installed[path]?.version === wanted.version,
    );
  } catch {
    return false;
  }
}

const bundleSources = ['extension', 'webview', 'test/host', 'build/helper', 'esbuild.mjs', 'package-lock.json'];

/** Latest change, in ms, of any file under these paths. */
function newest(paths) {
  let latest = 0;
  for (const path of paths) {
    const full = join(root, path);
    if (!existsSync(full)) continue;
    const status = statSync(full);
    latest = Math.max(latest, status.mtimeMs);
    if (status.isDirectory()) latest = Math.max(latest, newest(readdirSync(full).map((name) => join(path, name))));
  }
  return latest;
}

/** When the bundles that must exist were made; 0 when one is missing. */
function oldestBundle() {
  const files = ['dist/extension.js', 'dist/webview/timeline.js'].map((file) => join(root, file));
  return files.every((file) => existsSync(file)) ? Math.min(...files.map((file) => statSync(file).mtimeMs)) : 0;
}

/** Steps that need nothing of one another are done at the same time. */
const together = [['modules', 'helper']];

/** Does these steps in order; `build` stands for all of them. Rejects with a SetupError. */
export async function setup(names = ['build']) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 15))
    throw new SetupError(`Node.js ${process.versions.node} is too old: install Node.js 20.15 or later.`);
  const wanted = names.flatMap((name) => (name === 'build' ? Object.keys(steps) : [name]));
  const unknown = wanted.find((name) => !(name in steps));
  if (unknown !== undefined)
    throw new SetupError(`unknown set-up step "${unknown}": use ${Object.keys(steps).join(', ')} or build.`);
  while (wanted.length > 0) {
    const group = together.find((names) => names.every((name) => wanted.slice(0, names.length).includes(name)));
    const now = wanted.splice(0, group?.length ?? 1);
    // Whatever fails, nothing is left running.
    const done = await Promise.allSettled(now.map((name) => steps[name]()));
    const failed = done.find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Runs a command's main function; a failure that a person can act on is told without a stack trace. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(`packet-trail: ${error instanceof SetupError ? error.message : (error?.stack ?? error)}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2);
  await main(async () => {
    await setup(names.length === 0 ? undefined : names);
    say('ready');
  });
}

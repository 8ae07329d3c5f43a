// Bundles the extension, the timeline and the extension-host tests into dist/, and puts the helper beside them.
// Usage: node esbuild.mjs [--production] [--watch]
import { chmod, copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, context } from 'esbuild';

const production = process.argv.includes('--production');
const watch = process.argv.includes('--watch');

/** ssh2 tries two native modules and goes on without them: they only make ciphers faster, and a .vsix is for every platform. */
const withoutNativeModules = {
  name: 'without-native-modules',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^cpu-features$|\.node$/ }, ({ path }) => ({ path, namespace: 'native-module' }));
    onLoad({ filter: /.*/, namespace: 'native-module' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not part of Packet Trail`)});`,
    }));
  },
};

const common = {
  bundle: true,
  minify: production,
  sourcemap: production ? false : 'linked',
  legalComments: 'none',
  logLevel: 'warning',
};

/** Code for the extension host, which is Node.js 20. */
const host = {
  ...common,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  mainFields: ['module', 'main'],
  plugins: [withoutNativeModules],
};

const tests = existsSync('test/host')
  ? (await readdir('test/host')).filter((file) => file.endsWith('.test.ts') || file === 'index.ts')
  : [];

/** A bundle without sources is left out: the extension-host tests are not part of a source package. */
const bundles = [
  {
    ...host,
    entryPoints: ['extension/extension.ts', 'extension/source/indexer.ts', 'extension/nodes/askpass.ts'],
    // Each is a file of its own: the indexer runs in a worker thread, askpass in a process.
    entryNames: '[name]',
    outdir: 'dist',
    external: ['vscode'],
  },
  {
    ...common,
    // Its style sheet is imported, and becomes timeline.css beside it.
    entryPoints: { timeline: 'webview/main.ts' },
    platform: 'browser',
    target: 'chrome132',
    format: 'iife',
    outdir: 'dist/webview',
    loader: { '.ttf': 'file', '.svg': 'dataurl' },
  },
  {
    ...host,
    minify: false,
    entryPoints: tests.map((file) => `test/host/${file}`),
    outdir: 'dist/test/host',
    external: ['vscode', 'mocha'],
  },
].filter(({ entryPoints }) => Object.keys(entryPoints).length > 0);

/** Copies every architecture's helper that has been built; removes those that no longer are. */
async function copyHelpers() {
  await rm('dist/helper', { recursive: true, force: true });
  const from = join('build', 'helper');
  if (!existsSync(from)) return;
  for (const architecture of await readdir(from)) {
    const binary = join(from, architecture, 'packet-trail-helper');
    if (!existsSync(binary)) continue;
    const to = join('dist', 'helper', architecture);
    await mkdir(to, { recursive: true });
    await copyFile(binary, join(to, basename(binary)));
    await chmod(join(to, basename(binary)), 0o755);
  }
}

/** Writes the licences of the packages that went into the bundles of the .vsix, as they ask for. */
async function writeNotices(metafiles) {
  const inputs = metafiles.flatMap(({ outputs }) =>
    Object.entries(outputs).flatMap(([file, output]) =>
      file.startsWith('dist/test/') ? [] : Object.keys(output.inputs),
    ),
  );
  const folders = new Set(inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []));
  const notices = await Promise.all(
    [...folders].sort().map(async (folder) => {
      const {
        name,
        version,
        license,
        licenses = [],
      } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      const file = (await readdir(folder)).find((candidate) => /^licen[cs]e/i.test(candidate));
      const text = file === undefined ? '' : await readFile(join(folder, file), 'utf8');
      return `${name} ${version} (${license ?? licenses.map(({ type }) => type).join(', ')})\n\n${text.trim()}\n`;
    }),
  );
  await writeFile('dist/third-party-notices.txt', notices.join(`\n${'-'.repeat(80)}\n\n`));
}

if (watch) {
  await copyHelpers();
  for (const options of bundles) await (await context({ ...options, logLevel: 'info' })).watch();
} else {
  // Nothing of an earlier build may end up in the package.
  await rm('dist', { recursive: true, force: true });
  const results = await Promise.allSettled([
    Promise.all(bundles.map((options) => build({ ...options, metafile: true }))).then((built) =>
      writeNotices(built.map(({ metafile }) => metafile)),
    ),
    copyHelpers(),
  ]);
  for (const { reason } of results) {
    if (reason === undefined) continue;
    // esbuild has told already where and why a bundle failed.
    if (!Array.isArray(reason.errors)) console.error(reason);
    process.exitCode = 1;
  }
}

// `npm run package [-- DIRECTORY]`: makes the installable .vsix with the helper inside.
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, main, root, run, say, setup } from './setup.mjs';

/** Builds all and packs it; resolves with the absolute path of the .vsix. `directory` is where it goes: the repository when left out. */
export async function makePackage(directory = root) {
  await setup();
  // Always bundled anew, for production: what is in dist/ may come from a watching build.
  await run('bundles', process.execPath, ['esbuild.mjs', '--production']);
  mkdirSync(directory, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const file = join(resolve(directory), `${manifest.name}-${manifest.version}.vsix`);
  say('package: packing');
  const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  // The bundles hold every dependency; --allow-missing-repository: the project has no public address yet, and so
  // its README's links stay relative.
  const args = [
    'package',
    '--no-dependencies',
    '--allow-missing-repository',
    '--no-rewrite-relative-links',
    '--out',
    file,
  ];
  // Its list of files says nothing new; warnings and errors come on standard error.
  await run('package', process.execPath, [vsce, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  return file;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    if (process.argv.length > 3)
      throw new SetupError('npm run package takes one argument: the directory of the .vsix.');
    const file = await makePackage(process.argv[2]);
    say(`package: ${file}`);
  });
}

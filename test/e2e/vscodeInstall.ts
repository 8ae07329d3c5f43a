// Installs a real VS Code that needs nothing but npm: code-server's copy of VS Code's server and web workbench, once, into the cache.
import { type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '../node/command.ts';

const version = '4.100.3';
/** VS Code 1.100.3, as npm publishes it: another tarball under this version is refused. */
const integrity = 'sha512-q/Fh2DOxCRNhC/WiG/6sAhSKnj7ZACTVBaeeZ+rWjol//0FCbl/qg1ln5ecZ99jYcfqMxZZAyWcN+YBIo0DgpA==';

/** Native modules that the server loads, with the file that their build makes. */
const nativeModules: readonly (readonly [name: string, built: string])[] = [
  ['node-pty', 'build/Release/pty.node'],
  ['@vscode/spdlog', 'build/Release/spdlog.node'],
  ['native-watchdog', 'build/Release/watchdog.node'],
];

/** An installed VS Code server. */
export interface VSCodeInstall {
  /** Absolute path of the server's `server-main.js`, to be run with this Node.js. */
  readonly serverMain: string;
  /** "1.100.3" */
  readonly version: string;
}

export type Progress = (message: string) => void;

/**
 * The VS Code server, from the cache or installed now (about a minute). Safe to call from several processes at once.
 * Rejects with an Error that names the step that failed and carries the end of its output.
 */
export async function installVSCode(progress: Progress = () => undefined): Promise<VSCodeInstall> {
  // Native modules are built for one Node.js ABI.
  const name = `code-server-${version}-${process.platform}-${process.arch}-abi${process.versions.modules}`;
  const place = join(cacheDirectory(), 'vscode', name);
  if (!(await exists(place))) {
    await mkdir(dirname(place), { recursive: true });
    const work = await mkdtemp(`${place}.`);
    try {
      await build(work, progress);
      try {
        await rename(work, place);
      } catch (error) {
        // Another process was faster; its copy is as good as ours.
        if (!(await exists(place))) throw error;
      }
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const root = join(place, 'node_modules', 'code-server', 'lib', 'vscode');
  const product: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const productVersion =
    typeof product === 'object' && product !== null && 'version' in product ? String(product.version) : 'unknown';
  return { serverMain: join(root, 'out', 'server-main.js'), version: productVersion };
}

async function build(work: string, progress: Progress): Promise<void> {
  progress(`downloading VS Code (code-server ${version}) with npm`);
  await writeFile(join(work, 'package.json'), '{"private":true}\n');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', ...quiet, '--save-exact', `code-server@${version}`], { cwd: work });
  const lock = await readFile(join(work, 'node_modules', '.package-lock.json'), 'utf8');
  if (!lock.includes(`"${integrity}"`))
    throw new Error(
      `VS Code: the npm registry delivered another code-server ${version} than the pinned one: use a registry that serves the original packages.`,
    );

  const root = join(work, 'node_modules', 'code-server', 'lib', 'vscode');
  progress('downloading its dependencies');
  await run('npm', ['install', '--omit=dev', ...quiet], { cwd: root });
  // Built-in extensions look for their modules in this folder.
  await symlink('node_modules', join(root, 'node_modules.asar'));

  // npm's own node-gyp, called directly: node-pty's install script would fetch another one only to write compile_commands.json.
  const nodeGyp = (await run('npm', ['config', 'get', 'node-gyp'], { cwd: work })).trim().split('\n').at(-1) ?? '';
  const headers = await nodeHeaders();
  progress(`building its native modules: ${nativeModules.map(([name]) => name).join(', ')}`);
  const args = ['rebuild', '--silent', ...(headers === undefined ? [] : [`--nodedir=${headers}`])];
  await Promise.all(
    nativeModules.map(async ([name, built]) => {
      const folder = join(root, 'node_modules', name);
      await run(process.execPath, [nodeGyp, ...args], { cwd: folder });
      await run(process.execPath, ['-e', 'require(process.argv[1])', join(folder, built)], { cwd: folder });
    }),
  );

  // The npm package of ripgrep downloads its binary from elsewhere; the system's serves search and quick open as well.
  const ripgrep = await findProgram('rg');
  if (ripgrep !== undefined) {
    const bin = join(root, 'node_modules', '@vscode', 'ripgrep', 'bin');
    await mkdir(bin, { recursive: true });
    await symlink(ripgrep, join(bin, 'rg'));
  }
}

/** The folder whose include/node has this Node.js' own headers; undefined lets node-gyp download them. */
async function nodeHeaders(): Promise<string | undefined> {
  const prefix = dirname(dirname(process.execPath));
  return (await exists(join(prefix, 'include', 'node', 'node_api.h'))) ? prefix : undefined;
}

/** Absolute path of a program on PATH. */
async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    if (folder !== '' && (await exists(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Runs a program to its end and returns its standard output; rejects with what it said when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: Pick<SpawnOptionsWithoutStdio, 'cwd' | 'env'> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all = (all + text).slice(-4000);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (all = (all + text).slice(-4000)));
    child.on('error', (error) => reject(new Error(`${program}: could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ended with ${String(code ?? signal)}\n${all.trimEnd()}`));
    });
  });
}

// Makes what a test node boots: a kernel and an initramfs, out of Debian packages, without root, kept in the cache.
// Nothing secret is in it: keys and the password are made for each boot (vm.ts).
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { cacheDirectory, output, run, type Log } from './command.ts';
import { cpio, type CpioEntry } from './cpio.ts';

/** The kernels that nodes can be booted with, named by their series, and by their machine where it isn't x86-64. */
export type Kernel = '5.10' | '6.1' | '6.12' | '7.2' | '6.12-arm64';

/** Processors in Debian's words. */
export type Architecture = 'amd64' | 'arm64';

/** Processors as `uname -m` prints them. */
export type Machine = 'x86_64' | 'aarch64';

interface KernelPackages {
  /** amd64 when not given. */
  readonly architecture?: Architecture;
  /** The suite that has the series' newest kernel, and its source. */
  readonly suite: string;
  /** Glob of the package that has the kernel itself; what follows "linux-image-" or "linux-binary-" is the release. */
  readonly kernel: string;
  /** The packages that bring the modules, where these are others. */
  readonly modules?: (release: string) => readonly string[];
}

export const kernelPackages: Readonly<Record<Kernel, KernelPackages>> = {
  '5.10': { suite: 'bullseye-security', kernel: 'linux-image-5.10.0-*-cloud-amd64' },
  '6.1': { suite: 'bookworm-security', kernel: 'linux-image-6.1.0-*-cloud-amd64' },
  '6.12': { suite: 'bookworm-security', kernel: 'linux-image-6.12.*+deb12-cloud-amd64' },
  '7.2': {
    suite: 'sid',
    kernel: 'linux-binary-7.2.*-cloud-amd64',
    modules: (release) => [`linux-modules-${release}`, `linux-base-${release}`],
  },
  '6.12-arm64': { architecture: 'arm64', suite: 'trixie-security', kernel: 'linux-image-6.12.*-cloud-arm64' },
};
export const kernels = Object.keys(kernelPackages) as readonly Kernel[];

export const architectureOf = (kernel: Kernel): Architecture => kernelPackages[kernel].architecture ?? 'amd64';

/** A node's image on this machine's disk. */
export interface Image {
  readonly kernel: Kernel;
  /** As `uname -r` prints it. */
  readonly release: string;
  /** Version of the kernel's Debian package. */
  readonly version: string;
  readonly vmlinuz: string;
  /** Archives that make the initramfs, in the order in which the kernel must read them. */
  readonly initramfs: readonly string[];
  readonly manifestFile: string;
}

/** What an image was made of; manifest.json holds it. */
interface Manifest {
  readonly kernel: Kernel;
  readonly release: string;
  readonly version: string;
  readonly built: string;
  readonly packages: readonly PackageFile[];
}
interface PackageFile {
  readonly suite: string;
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
}

const here = import.meta.dirname;
export const debianScript = join(here, '..', 'setup', 'debian.sh');
const rootFiles = join(here, 'root');

/** pwru, the independent record of a packet's way, is first in this release, and its libc must be the node's. */
const userlandSuite = 'trixie';
const programs = [
  ...['busybox-static', 'dash', 'openssh-server', 'openssh-sftp-server', 'sudo', 'kmod'],
  ...['iproute2', 'nftables', 'iputils-ping', 'socat', 'bpftool', 'pwru'],
];
/** A few programs of large packages: busybox's would run busybox's own `ping` or `ip` in place of the real ones. */
const picked: Readonly<Record<string, readonly string[]>> = {
  coreutils: ['usr/bin/env', 'usr/bin/nice', 'usr/bin/nohup', 'usr/bin/timeout'],
  findutils: ['usr/bin/xargs'],
  'util-linux': ['usr/bin/setsid', 'usr/bin/taskset'],
  // Since Linux-PAM 1.6 pam_unix has it look up a password's hash, as root too: without it sudo takes no password.
  'libpam-modules-bin': ['usr/sbin/unix_chkpwd'],
};
/** The libraries those need; missingLibraries() says when Debian has changed them. */
const libraries = [
  ...['libc6', 'libcrypt1', 'libpam0g', 'libpam-modules', 'libselinux1', 'libssl3t64', 'libwrap0', 'libwtmpdb0'],
  ...['zlib1g', 'libaudit1', 'libgssapi-krb5-2', 'libkrb5-3', 'libkrb5support0', 'libk5crypto3', 'libcom-err2'],
  ...['libkeyutils1', 'libbpf1', 'libcap2', 'libdb5.3t64', 'libelf1t64', 'libmnl0', 'libtirpc3t64', 'libxtables12'],
  ...['libnftables1', 'libnftnl11', 'libjansson4', 'libgmp10', 'libedit2', 'libtinfo6', 'libbsd0', 'libmd0'],
  ...['libidn2-0', 'libunistring5', 'libapparmor1', 'libkmod2', 'libpcap0.8t64', 'libdbus-1-3', 'libpcre2-8-0'],
  ...['libzstd1', 'liblzma5', 'libcap-ng0', 'libsystemd0', 'libsqlite3-0'],
];
const keptFolders = ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'usr/libexec', 'usr/share/iproute2'];
const droppedFiles =
  /^usr\/(lib\/(systemd|tmpfiles\.d|sysusers\.d|udev|modules-load\.d)\/|lib\/[^/]+\/(gconv|engines-3|krb5)\/)/;

/** Modules that no scenario wants are left out: a smaller archive boots faster under emulation. */
const wantedModules = /^kernel\/(net|drivers\/(net|virtio))\//;
const unwantedModules =
  /^kernel\/(drivers\/net\/(ethernet|wireless|usb|phy|mdio|can|wwan|hyperv|fjes)|net\/(sunrpc|ceph|9p|rds|rxrpc|tipc|smc|nfc|atm|bluetooth|wireless|mac80211|can|hsr|dccp|appletalk|x25|rfkill))\//;

/** An image is used without asking Debian for a newer kernel for so long. */
const freshMs = 7 * 24 * 3600_000;

const nodeCache = (): string => join(cacheDirectory(), 'node');
const userlandArchive = (recipe: string, architecture: Architecture): string =>
  join(nodeCache(), `userland-${recipe}-${architecture}`, 'userland.cpio');

/**
 * The image for a kernel: from the cache, or made from the newest packages when there is none, when it is a week old,
 * or when what goes into it has changed. `renew` asks Debian whatever the age. Needs the network only to make one.
 */
export async function nodeImage(
  kernel: Kernel,
  log: Log,
  options: { readonly renew?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<Image> {
  const recipe = await recipeHash();
  const current = await newestImage(kernel, recipe);
  if (current && !options.renew && Date.now() - current.checkedMs < freshMs) return current.image;
  let packageName: string;
  let version: string;
  try {
    [packageName, version] = await newestKernel(kernel, options.signal);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!current || options.renew) throw error;
    log(`using the node image of ${current.image.version}: Debian can't be asked for a newer kernel`);
    return current.image;
  }
  if (current?.image.version === version) {
    await fs.utimes(current.image.manifestFile, new Date(), new Date());
    return current.image;
  }
  const userland = await makeUserland(recipe, architectureOf(kernel), log, options.signal);
  return makeImage(kernel, packageName, version, recipe, userland, log, options.signal);
}

/** Changes whenever something that goes into an image changes in this folder. */
async function recipeHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['image.ts', 'cpio.ts']) hash.update(await fs.readFile(join(here, file)));
  for (const path of await filesBelow(rootFiles)) {
    hash.update(`${relative(rootFiles, path)}\0`).update(await fs.readFile(path));
  }
  return hash.digest('hex').slice(0, 12);
}

async function newestImage(kernel: Kernel, recipe: string): Promise<{ image: Image; checkedMs: number } | undefined> {
  const prefix = `${kernel}-${recipe}-`;
  const names = (await namesIn(nodeCache())).filter((name) => name.startsWith(prefix));
  const found = await Promise.all(
    names.map(async (name) => {
      const manifestFile = join(nodeCache(), name, 'manifest.json');
      const manifest = JSON.parse(await fs.readFile(manifestFile, 'utf8')) as Manifest;
      return {
        image: imageIn(dirname(manifestFile), recipe, manifest),
        checkedMs: (await fs.stat(manifestFile)).mtimeMs,
      };
    }),
  );
  return found.sort((a, b) => b.checkedMs - a.checkedMs)[0];
}

function imageIn(folder: string, recipe: string, manifest: Manifest): Image {
  return {
    kernel: manifest.kernel,
    release: manifest.release,
    version: manifest.version,
    vmlinuz: join(folder, 'vmlinuz'),
    initramfs: [userlandArchive(recipe, architectureOf(manifest.kernel)), join(folder, 'modules.cpio')],
    manifestFile: join(folder, 'manifest.json'),
  };
}

async function newestKernel(kernel: Kernel, signal?: AbortSignal): Promise<[name: string, version: string]> {
  const { suite, kernel: pattern } = kernelPackages[kernel];
  const list = await run(debianScript, ['list', suite, architectureOf(kernel), pattern], { signal });
  const [name, version] = list.trim().split('\n').at(-1)?.split(' ') ?? [];
  if (!name || !version) throw new Error(`Debian's ${suite} has no package ${pattern}: choose another kernel`);
  return [name, version];
}

/** Downloads packages into the cache (debian.sh checks them) and unpacks them. */
async function unpackPackages(
  suite: string,
  architecture: Architecture,
  names: readonly string[],
  target: string,
  log: Log,
  signal?: AbortSignal,
): Promise<PackageFile[]> {
  const folder = join(nodeCache(), 'packages', suite);
  await fs.mkdir(folder, { recursive: true });
  log(`downloading ${names.length === 1 ? (names[0] ?? '') : `${names.length} packages`} of Debian's ${suite}`);
  const started = Date.now();
  const printed = await run(debianScript, ['download', suite, architecture, folder, ...names], { signal });
  const files = await Promise.all(
    printed
      .trim()
      .split('\n')
      .map(async (file) => {
        const path = join(folder, file);
        return { suite, file, sha256: await sha256(path), bytes: (await fs.stat(path)).size };
      }),
  );
  const mb = files.reduce((sum, file) => sum + file.bytes, 0) / 1e6;
  log(`have ${mb.toFixed(0)} MB after ${seconds(started)} s, unpacking`);
  for (const { file } of files) await run('dpkg-deb', ['-x', join(folder, file), target], { signal });
  return files;
}

/** Packs the programs of a node, once for all kernels of a processor; gives the packages they are from. */
async function makeUserland(
  recipe: string,
  architecture: Architecture,
  log: Log,
  signal?: AbortSignal,
): Promise<readonly PackageFile[]> {
  const folder = dirname(userlandArchive(recipe, architecture));
  const packagesFile = join(folder, 'packages.json');
  if (!(await exists(packagesFile))) {
    await atomically(folder, async (partial) => {
      const tree = join(partial, 'tree');
      const names = [...programs, ...libraries];
      const packages = await unpackPackages(userlandSuite, architecture, names, tree, log, signal);
      const whole = join(partial, 'whole');
      packages.push(...(await unpackPackages(userlandSuite, architecture, Object.keys(picked), whole, log, signal)));
      for (const path of Object.values(picked).flat()) await fs.rename(join(whole, path), join(tree, path));
      await fs.rm(whole, { recursive: true });
      const missing = await missingLibraries(tree);
      if (missing.length > 0) {
        throw new Error(
          `Debian's ${userlandSuite} now needs libraries that the node's image lacks (${missing.join('; ')}): add their packages to "libraries" in test/node/image.ts`,
        );
      }
      log('packing the node’s programs');
      await pack(await userlandEntries(tree, await busyboxApplets()), join(partial, 'userland.cpio'));
      await fs.rm(tree, { recursive: true });
      await fs.writeFile(join(partial, 'packages.json'), JSON.stringify(packages, undefined, 2));
    });
  }
  return JSON.parse(await fs.readFile(packagesFile, 'utf8')) as PackageFile[];
}

async function makeImage(
  kernel: Kernel,
  packageName: string,
  version: string,
  recipe: string,
  userland: readonly PackageFile[],
  log: Log,
  signal?: AbortSignal,
): Promise<Image> {
  const folder = join(nodeCache(), `${kernel}-${recipe}-${version.replace(/[^\w.+-]/g, '_')}`);
  const release = packageName.replace(/^linux-(image|binary)-/, '');
  const { suite, modules: modulesPackages } = kernelPackages[kernel];
  await atomically(folder, async (partial) => {
    const tree = join(partial, 'tree');
    const names = [packageName, ...(modulesPackages?.(release) ?? [])];
    const versions = names.map((name) => `${name}=${version}`);
    const packages = await unpackPackages(suite, architectureOf(kernel), versions, tree, log, signal);
    log(`packing the modules of ${release}`);
    const modules = await pickModules(tree, join(partial, 'modules'), release, signal);
    await pack(await treeEntries(modules, '', () => true), join(partial, 'modules.cpio'));
    await fs.rename(
      await onePath(tree, `boot/vmlinuz-${release}`, `usr/lib/modules/${release}/vmlinuz`),
      join(partial, 'vmlinuz'),
    );
    await fs.rm(tree, { recursive: true });
    await fs.rm(modules, { recursive: true });
    const manifest: Manifest = {
      kernel,
      release,
      version,
      built: new Date().toISOString(),
      packages: [...packages, ...userland],
    };
    await fs.writeFile(join(partial, 'manifest.json'), JSON.stringify(manifest, undefined, 2));
  });
  const image = imageIn(
    folder,
    recipe,
    JSON.parse(await fs.readFile(join(folder, 'manifest.json'), 'utf8')) as Manifest,
  );
  const bytes = await Promise.all([image.vmlinuz, ...image.initramfs].map(async (file) => (await fs.stat(file)).size));
  log(`node image: Linux ${release}, Debian ${version}, ${(bytes.reduce((a, b) => a + b) / 1e6).toFixed(0)} MB`);
  return image;
}

/** Copies the wanted modules and all they depend on into `target`, unpacked, with their indexes; gives `target`. */
async function pickModules(tree: string, target: string, release: string, signal?: AbortSignal): Promise<string> {
  // depmod looks below lib/, where newer packages have nothing.
  if (!(await exists(join(tree, 'lib')))) await fs.symlink('usr/lib', join(tree, 'lib'));
  await run('depmod', ['-b', tree, release], { signal });
  const from = join(tree, 'lib', 'modules', release);
  const to = join(target, 'usr', 'lib', 'modules', release);
  const needs = new Map<string, string[]>();
  for (const line of (await fs.readFile(join(from, 'modules.dep'), 'utf8')).split('\n')) {
    const [module, rest = ''] = line.split(':');
    if (module) needs.set(module, rest.split(' ').filter(Boolean));
  }
  const wanted = new Set<string>();
  for (const [module, dependencies] of needs) {
    if (!wantedModules.test(module) || unwantedModules.test(module)) continue;
    // modules.dep lists indirect dependencies too.
    for (const path of [module, ...dependencies]) wanted.add(path);
  }
  for (const path of [...wanted, 'modules.order', 'modules.builtin', 'modules.builtin.modinfo']) {
    await fs.mkdir(dirname(join(to, path)), { recursive: true });
    await fs.copyFile(join(from, path), join(to, path));
  }
  const packed = [...wanted].filter((path) => path.endsWith('.xz')).map((path) => join(to, path));
  if (packed.length > 0) await run('xz', ['--decompress', ...packed], { signal });
  // depmod looks below lib/, which is usr/lib/ in the node.
  await fs.symlink('usr/lib', join(target, 'lib'));
  await run('depmod', ['-b', target, release], { signal });
  await fs.rm(join(target, 'lib'));
  return target;
}

/** The names that busybox goes by, asked from this machine's own, since the node's may be for another processor. */
async function busyboxApplets(): Promise<string[]> {
  return (await run('busybox', ['--list'])).trim().split('\n');
}

/** The first of these paths that is there. */
async function onePath(tree: string, ...paths: readonly string[]): Promise<string> {
  for (const path of paths) if (await exists(join(tree, path))) return join(tree, path);
  throw new Error(`the kernel's package has neither ${paths.join(' nor ')}: teach test/node/image.ts where it is now`);
}

async function userlandEntries(tree: string, applets: readonly string[]): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  for (const path of ['bin', 'sbin', 'lib', 'lib64']) {
    entries.push({ type: 'symlink', path, mode: 0o777, target: `usr/${path}` });
  }
  for (const path of ['proc', 'sys', 'dev', 'run', 'tmp', 'root', 'home', 'usr', 'usr/local', 'usr/local/bin', 'var']) {
    entries.push({ type: 'directory', path, mode: path === 'root' ? 0o700 : 0o755 });
  }
  entries.push({ type: 'symlink', path: 'var/run', mode: 0o777, target: '/run' });
  // The kernel opens it for the first program before any file system is mounted.
  entries.push({ type: 'character device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 });
  const kept = await treeEntries(
    tree,
    '',
    (path) => !droppedFiles.test(path) && keptFolders.some((k) => overlap(path, k)),
  );
  const known = new Set(entries.map((entry) => entry.path));
  entries.push(...kept.filter((entry) => !known.has(entry.path)));
  const names = new Set(kept.map((entry) => entry.path.split('/').at(-1)));
  // busybox fills in for what the packages don't bring, and never hides it.
  for (const applet of applets) {
    if (!names.has(applet))
      entries.push({ type: 'symlink', path: `usr/bin/${applet}`, mode: 0o777, target: 'busybox' });
  }
  entries.push(...(await treeEntries(rootFiles, '', () => true)).map(withNodesMode));
  return entries;
}

/** Permissions that a checkout doesn't keep. */
function withNodesMode(entry: CpioEntry): CpioEntry {
  if (entry.type !== 'file') return entry;
  const mode = entry.path === 'init' ? 0o755 : entry.path === 'etc/sudoers' ? 0o440 : 0o644;
  return { ...entry, mode: entry.path === 'etc/shadow' ? 0o600 : mode };
}

const overlap = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`) || folder.startsWith(`${path}/`);

/** Archive members for everything below a folder that `keep` takes; owned by root, as packages are. */
export async function treeEntries(base: string, prefix: string, keep: (path: string) => boolean): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  const names = (await fs.readdir(join(base, prefix))).sort();
  for (const name of names) {
    const path = prefix ? `${prefix}/${name}` : name;
    const onDisk = join(base, path);
    const stat = await fs.lstat(onDisk);
    const mode = stat.mode & 0o7777;
    if (!keep(stat.isDirectory() ? `${path}/`.slice(0, -1) : path)) continue;
    if (stat.isDirectory()) {
      entries.push({ type: 'directory', path, mode: 0o755 }, ...(await treeEntries(base, path, keep)));
    } else if (stat.isSymbolicLink()) {
      entries.push({ type: 'symlink', path, mode: 0o777, target: await fs.readlink(onDisk) });
    } else if (stat.isFile()) {
      entries.push({ type: 'file', path, mode, data: await fs.readFile(onDisk) });
    }
  }
  return entries;
}

/** Not compressed: under emulation the kernel takes longer to unpack an archive than to copy it. */
async function pack(entries: readonly CpioEntry[], file: string): Promise<void> {
  await fs.writeFile(file, cpio(entries));
}

/** "PROGRAM needs LIBRARY" for every library that a program or library of the tree asks for and the tree doesn't have. */
async function missingLibraries(tree: string): Promise<string[]> {
  const paths = await filesBelow(join(tree, 'usr'));
  const have = new Set(paths.map((path) => path.split(sep).at(-1)));
  const elf = paths.filter((path) => /\/(s?bin|libexec|openssh)\/|\.so(\.|$)/.test(path));
  const { stdout } = await output('readelf', ['--dynamic', '--wide', ...elf]);
  const missing: string[] = [];
  let file = '';
  for (const line of stdout.split('\n')) {
    file = /^File: (.*)$/.exec(line)?.[1] ?? file;
    const library = /\(NEEDED\).*\[(.*)\]/.exec(line)?.[1];
    if (library && !have.has(library)) missing.push(`${relative(tree, file)} needs ${library}`);
  }
  return missing;
}

/** Fills a new folder under another name and gives it its own when it is whole; if another process was first, its stays. */
export async function atomically(folder: string, fill: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${folder}.${randomBytes(4).toString('hex')}.partial`;
  await fs.mkdir(partial, { recursive: true });
  try {
    await fill(partial);
    await fs.rename(partial, folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await fs.rm(partial, { recursive: true, force: true });
  }
}

/** Paths of the files (and links) below a folder, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

export async function exists(path: string): Promise<boolean> {
  return fs.access(path).then(
    () => true,
    () => false,
  );
}

async function namesIn(folder: string): Promise<string[]> {
  return fs.readdir(folder).then(
    (names) => names.filter((name) => !name.endsWith('.partial')),
    () => [],
  );
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const seconds = (since: number): string => ((Date.now() - since) / 1000).toFixed(0);

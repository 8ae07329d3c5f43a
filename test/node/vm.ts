// Boots test nodes: virtual machines with a Debian kernel and an sshd, emulated, without root, gone with the process.
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheDirectory, output, run, type Log, type Output } from './command.ts';
import { cpio, type CpioEntry } from './cpio.ts';
import { emulatorFor, type Emulator } from './emulator.ts';
import {
  architectureOf,
  exists,
  nodeImage,
  treeEntries,
  type Architecture,
  type Image,
  type Kernel,
  type Machine,
} from './image.ts';
import { keep } from './prune.ts';
import { nodePrograms } from './programs.ts';

export { kernels, type Kernel } from './image.ts';

/** The accounts of a node: `tracer` may use sudo without a password, `guest` may not, `locked` signs in with a password only. */
export type User = 'root' | 'tracer' | 'guest' | 'locked';

export interface BootOptions {
  readonly kernel: Kernel;
  /** Gets lines of progress. */
  readonly log?: Log;
  /** Memory, 1024 when not given. */
  readonly memoryMiB?: number;
  /** Port on loopback that leads to the node's sshd; a free one when not given. */
  readonly port?: number;
  /** Aborting ends the boot, or the node. */
  readonly signal?: AbortSignal;
  /**
   * Nodes share the machine's cores and would make each other slow, so a boot waits until no other node runs.
   * True boots beside others.
   */
  readonly shared?: boolean;
  /**
   * Let the node's clock go by what its processors do, a nanosecond an instruction, and with the real one only while they
   * sleep. What is measured in the node is then a count of instructions, whatever else this machine does.
   */
  readonly countInstructions?: boolean;
  /** Milliseconds from the start of the emulator to a working sign-in, 180,000 when not given. */
  readonly bootTimeoutMs?: number;
}

export interface ExecOptions {
  readonly input?: string;
  /** root when not given. */
  readonly user?: Exclude<User, 'locked'>;
  /** 60,000 when not given; then the command is given up and its code is -1. */
  readonly timeoutMs?: number;
}

/** A node that runs. Dispose or stop it; it also ends with the process that booted it. */
export interface TestNode extends AsyncDisposable {
  readonly kernel: Kernel;
  /** As `uname -r` prints it. */
  readonly release: string;
  /** As `uname -m` prints it. */
  readonly machine: Machine;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Private key of root, tracer and guest. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** For `ssh -F`: hosts packet-trail-KERNEL (root) and packet-trail-KERNEL-{tracer,guest,locked}. */
  readonly sshConfigFile: string;
  /** Of the account `locked`, new for each boot. */
  readonly password: string;
  /** The kernel's console; gone after stop(). */
  readonly serialLog: string;
  /** From the emulator's start to the first command that ran over ssh. */
  readonly bootMs: number;
  /** Process id of the emulator. */
  readonly pid: number;
  /** Resolves when the emulator has ended, whatever ended it. */
  readonly exited: Promise<void>;
  /** Runs a shell command to its end. Rejects when the node is gone, with its console's panic. */
  exec(command: string, options?: ExecOptions): Promise<Output>;
  /** Copies a file into the node, owned by root. `mode` in octal digits, "755" when not given. */
  upload(localPath: string, remotePath: string, mode?: string): Promise<void>;
  /** Starts a shell command in an ssh connection of its own; killing the child cuts the connection. */
  spawn(command: string, user?: Exclude<User, 'locked'>): ChildProcessWithoutNullStreams;
  /** Runs scenarios/NAME.sh in the node; gives the facts that it printed as KEY=VALUE lines. */
  scenario(name: string, ...args: readonly (string | number)[]): Promise<Record<string, string>>;
  /** Why the node can't be used any longer, with its console's panic; undefined while it answers. */
  failure(): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** How each processor is emulated. */
const emulations: Readonly<Record<Architecture, Emulation>> = {
  amd64: {
    machine: 'x86_64',
    options: ['-cpu', 'max'],
    // Some kernels find the emulated CPUs' counters apart, and then ask a device for each time stamp; they are one counter.
    parameters: 'console=ttyS0 tsc=reliable',
  },
  arm64: {
    machine: 'aarch64',
    // The architected way of signing pointers costs half of the emulator's time.
    options: ['-M', 'virt', '-cpu', 'max,pauth-impdef=on'],
    parameters: 'console=ttyAMA0',
  },
};

interface Emulation {
  readonly machine: Machine;
  readonly options: readonly string[];
  /** For the kernel. */
  readonly parameters: string;
}

/** flock's exit status when somebody else holds the lock; qemu's own are 0 and 1. */
const lockIsHeld = 75;

/** Boots a node and waits until it can be used over ssh. Rejects with the end of its console when it can't. */
export async function bootNode(options: BootOptions): Promise<TestNode> {
  const { kernel, signal } = options;
  const log = options.log ?? (() => undefined);
  const image = await nodeImage(kernel, log, { signal });
  for (const file of [image.manifestFile, ...image.initramfs]) await keep(dirname(file), /^(userland-|\d+\.\d+-)/);
  const programs = await nodePrograms(log, signal);
  await removeLeftovers();
  // Short: a control socket's path must fit in 108 bytes.
  const folder = await fs.mkdtemp(folderPrefix());
  try {
    await fs.writeFile(join(folder, 'owner'), `${process.pid}\n`);
    const secrets = await makeSecrets(folder, kernel);
    const initramfs = await writeInitramfs(folder, image, programs, secrets);
    const emulator = await startEmulator(image, initramfs, folder, options, log);
    try {
      await writeSshFiles(folder, kernel, emulator.port);
      log(`booting Linux ${image.release}`);
      const bootMs = await waitForSsh(emulator, folder, options);
      await fs.rm(initramfs);
      log(`Linux ${image.release} is up after ${(bootMs / 1000).toFixed(1)} s`);
      const node = new RunningNode(image, emulator, folder, secrets.password, bootMs);
      signal?.addEventListener('abort', () => void node.stop(), { once: true });
      return node;
    } catch (error) {
      await emulator.stop();
      throw error;
    }
  } catch (error) {
    await fs.rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const folderPrefix = (): string => join(tmpdir(), 'packet-trail-node-');

/** Removes the folders of nodes whose process was killed before it could. */
async function removeLeftovers(): Promise<void> {
  const prefix = folderPrefix();
  const names = await fs.readdir(dirname(prefix));
  for (const folder of names.map((name) => join(dirname(prefix), name)).filter((path) => path.startsWith(prefix))) {
    const owner = Number(await fs.readFile(join(folder, 'owner'), 'utf8').catch(() => ''));
    if (owner === 0) continue; // just being made, or not ours to read
    if (!(await exists(`/proc/${owner}`))) await fs.rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

interface Secrets {
  readonly password: string;
  readonly entries: readonly CpioEntry[];
}

/** Makes this boot's keys and password here: key generation is slow in an emulated machine. */
async function makeSecrets(folder: string, kernel: Kernel): Promise<Secrets> {
  const keygen = (type: string, file: string, ...more: string[]): Promise<string> =>
    run('ssh-keygen', ['-q', '-t', type, ...more, '-N', '', '-C', `packet-trail-${kernel}`, '-f', join(folder, file)]);
  await Promise.all([
    keygen('ed25519', 'key'),
    keygen('ed25519', 'ssh_host_ed25519_key'),
    keygen('rsa', 'ssh_host_rsa_key', '-b', '2048'),
  ]);
  const password = randomBytes(12).toString('base64url');
  const file = async (name: string, from: string): Promise<CpioEntry> => ({
    type: 'file',
    path: `boot-data/${name}`,
    mode: 0o600,
    data: await fs.readFile(join(folder, from)),
  });
  return {
    password,
    entries: [
      { type: 'directory', path: 'boot-data', mode: 0o700 },
      { type: 'file', path: 'etc/shadow', mode: 0o600, data: Buffer.from(await shadowWith(password)) },
      await file('authorized_keys', 'key.pub'),
      await file('ssh_host_ed25519_key', 'ssh_host_ed25519_key'),
      await file('ssh_host_rsa_key', 'ssh_host_rsa_key'),
    ],
  };
}

/** The image's /etc/shadow, with the password's hash for `locked`. Perl, which every Debian has, can crypt(3); Node can't. */
async function shadowWith(password: string): Promise<string> {
  const script = 'my $password = <STDIN>; print crypt($password, $ARGV[0])';
  const hash = await run('perl', ['-e', script, `$6$${randomBytes(8).toString('hex')}$`], { input: password });
  const shadow = await fs.readFile(join(import.meta.dirname, 'root', 'etc', 'shadow'), 'utf8');
  return shadow.replace(/^locked:\*:/m, () => `locked:${hash}:`);
}

/** The image's archives and, last, one with what belongs to this boot: secrets, scenarios, BPF programs. */
async function writeInitramfs(folder: string, image: Image, programs: string, secrets: Secrets): Promise<string> {
  const scenarios = await treeEntries(join(import.meta.dirname, 'scenarios'), '', () => true);
  const entries: CpioEntry[] = [
    ...secrets.entries,
    { type: 'directory', path: 'scenarios', mode: 0o755 },
    ...scenarios.map((entry) => ({ ...entry, path: `scenarios/${entry.path}`, mode: 0o755 })),
    { type: 'directory', path: 'programs', mode: 0o755 },
    ...(await treeEntries(programs, '', (path) => path.endsWith('.o'))).map((entry) => ({
      ...entry,
      path: `programs/${entry.path}`,
    })),
  ];
  const path = join(folder, 'initramfs');
  const file = await fs.open(path, 'wx', 0o600);
  try {
    for (const archive of image.initramfs) {
      await file.write(await fs.readFile(archive));
    }
    await file.write(Buffer.concat([...cpio(entries)]));
  } finally {
    await file.close();
  }
  return path;
}

interface Running {
  readonly port: number;
  readonly pid: number;
  /** Name and version of the emulator. */
  readonly name: string;
  readonly startedMs: number;
  readonly exited: Promise<void>;
  readonly hasExited: () => boolean;
  /** How the emulator ended, for a message. */
  readonly ending: () => string;
  stop(): Promise<void>;
}

async function startEmulator(
  image: Image,
  initramfs: string,
  folder: string,
  options: BootOptions,
  log: Log,
): Promise<Running> {
  const emulator = await emulatorFor(architectureOf(image.kernel), log, options.signal);
  const lock = join(cacheDirectory(), 'vm.lock');
  let waiting = false;
  for (let tries = 1; ;) {
    options.signal?.throwIfAborted();
    const port = await freePort(options.port);
    const qemu = qemuArguments(emulator, image, initramfs, folder, port, options);
    // --no-fork: the emulator itself holds the lock, so the lock ends with it.
    const locked = options.shared ? qemu : ['flock', '--nonblock', '--no-fork', '-E', `${lockIsHeld}`, lock, ...qemu];
    const started = await launch(
      ['setpriv', '--pdeathsig', 'KILL', ...locked],
      port,
      folder,
      `QEMU ${emulator.version}`,
    );
    if (typeof started === 'object') return started;
    if (started === lockIsHeld) {
      if (!waiting) log('waiting for another node on this machine to stop');
      waiting = true;
      await sleep(500, undefined, { ...(options.signal && { signal: options.signal }) });
      continue;
    }
    const said = (await fs.readFile(join(folder, 'qemu.log'), 'utf8')).trim();
    // Somebody else may take a free port between the look and the use.
    if (options.port === undefined && said.includes('host forwarding') && tries++ < 5) continue;
    throw new Error(`QEMU ${emulator.version} ended at once: ${said || `exit status ${started}`}`);
  }
}

function qemuArguments(
  emulator: Emulator,
  image: Image,
  initramfs: string,
  folder: string,
  port: number,
  boot: BootOptions,
): string[] {
  const { options, parameters } = emulations[architectureOf(image.kernel)];
  return [
    emulator.program,
    ...emulator.options,
    ...options,
    // One thread runs all CPUs in turn, which costs an eighth. With a thread each, one CPU may run code that another is just rewriting,
    // and the kernel rewrites its own all the time (static keys, ftrace, probes): it dies of an "int3" that nobody set. QEMU 7.2 did
    // within seconds of pings beside a stream, 10.0 after three and a half minutes.
    ...['-accel', 'tcg,thread=single'],
    ...(boot.countInstructions ? ['-icount', 'shift=0,sleep=on'] : []),
    ...['-smp', '2', '-m', `${boot.memoryMiB ?? 1024}`],
    ...['-display', 'none', '-monitor', 'none', '-parallel', 'none', '-no-reboot', '-nodefaults'],
    ...['-serial', `file:${join(folder, 'serial.log')}`],
    ...['-kernel', image.vmlinuz, '-initrd', initramfs],
    // Self-tests of ciphers are a second of every start.
    ...['-append', `${parameters} mitigations=off cryptomgr.notests quiet panic=-1`],
    // restrict: nothing in the node reaches beyond this machine's loopback.
    ...['-netdev', `user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:22`],
    ...['-device', 'virtio-net-pci,netdev=net0,romfile='],
  ];
}

/** Starts the emulator; gives it once it runs, or its exit status when it ended before. */
async function launch(
  command: readonly string[],
  port: number,
  folder: string,
  name: string,
): Promise<Running | number> {
  const [program = '', ...args] = command;
  const qemuLog = await fs.open(join(folder, 'qemu.log'), 'w');
  const startedMs = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', qemuLog.fd, qemuLog.fd] });
  let ended = false;
  let how = '';
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => {
      ended = true;
      reject(new Error(`can't start ${program}: ${error.message}: run test/setup/packages.sh, which installs it`));
    });
    child.once('exit', (code, signal) => {
      ended = true;
      how = signal ? `killed by ${signal}` : `exit status ${code ?? 'unknown'}`;
      resolve(code ?? -1);
    });
  });
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  // Not before: one that ends at once, as it does while somebody holds the lock, would end unheard.
  await qemuLog.close();
  const over = exited.then(
    () => undefined,
    () => undefined,
  );
  void over.then(() => process.removeListener('exit', killOnExit));
  // The port answers, whatever the node does, once the emulator has set up its network.
  for (;;) {
    const code = await Promise.race([exited, sleep(50)]);
    if (typeof code === 'number') return code;
    if (await answers(port)) break;
  }
  return {
    port,
    name,
    pid: child.pid ?? -1,
    startedMs,
    exited: over,
    hasExited: () => ended,
    ending: () => how,
    stop: async () => {
      child.kill('SIGKILL');
      await over;
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A port that nobody listens on; `wanted` if it is one, else an error. */
async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening').catch((error: unknown) => {
    throw new Error(`port ${wanted} on 127.0.0.1 can't be used: choose another one`, { cause: error });
  });
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || !address) throw new Error('no free port on 127.0.0.1');
  return address.port;
}

async function writeSshFiles(folder: string, kernel: Kernel, port: number): Promise<void> {
  const knownHosts = await Promise.all(
    ['ssh_host_ed25519_key.pub', 'ssh_host_rsa_key.pub'].map(async (file) => {
      const [type, key] = (await fs.readFile(join(folder, file), 'utf8')).split(' ');
      return `[127.0.0.1]:${port} ${type ?? ''} ${key ?? ''}\n`;
    }),
  );
  await fs.writeFile(join(folder, 'known_hosts'), knownHosts.join(''));
  const users: User[] = ['root', 'tracer', 'guest', 'locked'];
  await fs.writeFile(join(folder, 'ssh_config'), users.map((user) => hostBlock(folder, kernel, port, user)).join('\n'));
}

const hostName = (kernel: Kernel, user: User): string => `packet-trail-${kernel}${user === 'root' ? '' : `-${user}`}`;

function hostBlock(folder: string, kernel: Kernel, port: number, user: User): string {
  const signIn =
    user === 'locked'
      ? ['PubkeyAuthentication no', 'PreferredAuthentications password']
      : [`IdentityFile ${join(folder, 'key')}`, 'IdentitiesOnly yes'];
  return [
    `Host ${hostName(kernel, user)}`,
    ...[
      'HostName 127.0.0.1',
      `Port ${port}`,
      `User ${user}`,
      ...signIn,
      `UserKnownHostsFile ${join(folder, 'known_hosts')}`,
      'GlobalKnownHostsFile /dev/null',
      'StrictHostKeyChecking yes',
    ].map((line) => `  ${line}`),
    '',
  ].join('\n');
}

/** Gives the milliseconds from the emulator's start until a command ran. */
async function waitForSsh(emulator: Running, folder: string, options: BootOptions): Promise<number> {
  const limit = options.bootTimeoutMs ?? 180_000;
  const elapsed = (): number => performance.now() - emulator.startedMs;
  let last = 'the node did not say that it is ready';
  while (elapsed() < limit) {
    options.signal?.throwIfAborted();
    if (emulator.hasExited())
      throw new Error(`the node ended while it booted (${emulator.ending()}). ${await consoleTail(folder)}`);
    const serial = await fs.readFile(join(folder, 'serial.log'), 'utf8').catch(() => '');
    if (serial.includes('packet-trail: node is ready')) {
      const args = sshArguments(folder, options.kernel, 'root', true);
      const { code, stderr } = await output('ssh', [...args, 'true'], { timeoutMs: 20_000 });
      if (code === 0) return elapsed();
      last = `ssh says: ${stderr.trim()}`;
    }
    await sleep(100);
  }
  throw new Error(`the node did not boot in ${limit / 1000} s: ${last}. ${await consoleTail(folder)}`);
}

/** How a kernel begins to tell that it can't go on. */
const trouble = /\b(BUG: |Oops|RIP: |Kernel panic|Unable to handle|Internal error|general protection fault)/;

/** The first line in which the kernel tells of trouble. */
async function firstTrouble(folder: string): Promise<string | undefined> {
  const serial = await fs.readFile(join(folder, 'serial.log'), 'utf8').catch(() => '');
  return serial
    .split('\n')
    .find((line) => trouble.test(line))
    ?.trim();
}

/** The console from the kernel's first trouble on, else its last lines. */
async function consoleTail(folder: string): Promise<string> {
  const serial = await fs.readFile(join(folder, 'serial.log'), 'utf8').catch(() => '');
  const lines = serial.trim().split('\n');
  const first = lines.findIndex((line) => trouble.test(line));
  const tail = (first < 0 ? lines.slice(-20) : lines.slice(first, first + 60)).join('\n');
  const said = (await fs.readFile(join(folder, 'qemu.log'), 'utf8').catch(() => '')).trim();
  const emulator = said ? `The emulator said: ${said}. ` : '';
  return emulator + (tail ? `Its console ${first < 0 ? 'ended with' : 'says'}:\n${tail}` : 'Its console is empty.');
}

/** `master`: start or use one connection that all commands share, since signing in is slow in an emulated machine. */
function sshArguments(folder: string, kernel: Kernel, user: User, master: boolean): string[] {
  const shared = master
    ? ['-o', 'ControlMaster=auto', '-o', 'ControlPersist=yes', '-o', `ControlPath=${join(folder, 'mux-%r')}`]
    : ['-o', 'ControlPath=none'];
  const config = join(folder, 'ssh_config');
  return ['-F', config, '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR', ...shared, hostName(kernel, user)];
}

class RunningNode implements TestNode {
  readonly host = '127.0.0.1';
  readonly kernel: Kernel;
  readonly release: string;
  readonly machine: Machine;
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly sshConfigFile: string;
  readonly serialLog: string;
  #stopped: Promise<void> | undefined;

  constructor(
    image: Image,
    private readonly emulator: Running,
    private readonly folder: string,
    readonly password: string,
    readonly bootMs: number,
  ) {
    this.kernel = image.kernel;
    this.release = image.release;
    this.machine = emulations[architectureOf(image.kernel)].machine;
    this.port = emulator.port;
    this.pid = emulator.pid;
    this.exited = emulator.exited;
    this.keyFile = join(folder, 'key');
    this.knownHostsFile = join(folder, 'known_hosts');
    this.sshConfigFile = join(folder, 'ssh_config');
    this.serialLog = join(folder, 'serial.log');
  }

  async exec(command: string, options: ExecOptions = {}): Promise<Output> {
    const args = sshArguments(this.folder, this.kernel, options.user ?? 'root', true);
    const result = await output('ssh', [...args, command], {
      ...(options.input !== undefined && { input: options.input }),
      timeoutMs: options.timeoutMs ?? 60_000,
    });
    if (result.code === 255) await this.#throwIfGone();
    return result;
  }

  async upload(localPath: string, remotePath: string, mode = '755'): Promise<void> {
    const quoted = shellQuote(remotePath);
    const args = sshArguments(this.folder, this.kernel, 'root', true);
    const command = `cat >${quoted}.partial && chmod ${mode} ${quoted}.partial && mv ${quoted}.partial ${quoted}`;
    await run('ssh', [...args, command], { input: [await fs.readFile(localPath)], timeoutMs: 120_000 });
  }

  spawn(command: string, user: Exclude<User, 'locked'> = 'root'): ChildProcessWithoutNullStreams {
    return spawn('ssh', [...sshArguments(this.folder, this.kernel, user, false), command]);
  }

  async scenario(name: string, ...args: readonly (string | number)[]): Promise<Record<string, string>> {
    const command = [`/scenarios/${name}.sh`, ...args.map(String)].map(shellQuote).join(' ');
    const { code, stdout, stderr } = await this.exec(command, { timeoutMs: 180_000 });
    if (code !== 0) throw new Error(`scenario ${name} failed in the node (${code}): ${stderr.trim() || stdout.trim()}`);
    const facts: Record<string, string> = {};
    for (const line of stdout.split('\n')) {
      const fact = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
      if (fact?.[1]) facts[fact[1]] = fact[2] ?? '';
    }
    return facts;
  }

  async failure(): Promise<string | undefined> {
    try {
      const { code, stderr } = await this.exec('true', { timeoutMs: 30_000 });
      if (code === 0) return undefined;
      return `the node doesn't answer (${stderr.trim() || 'nothing came for 30 s'}). ${await consoleTail(this.folder)}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** A kernel that panics ends the emulator a moment after its connections. */
  async #throwIfGone(): Promise<void> {
    const ended = await Promise.race([this.exited.then(() => true), sleep(2_000, false)]);
    if (!ended) return;
    const first = await firstTrouble(this.folder);
    throw new Error(
      `the node is gone: Linux ${this.release} on ${this.emulator.name}, ${this.emulator.ending()}` +
        `${first === undefined ? '' : `: ${first}`}. ${await consoleTail(this.folder)}`,
    );
  }

  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      await this.emulator.stop();
      // The shared connections end by themselves; their sockets go with the folder.
      await fs.rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
    })();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const shellQuote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

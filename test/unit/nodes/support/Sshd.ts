// A real OpenSSH server of the test's own: own port on loopback, own keys, own configuration, in a temporary directory.
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort, makeKey, makePlace, removePlace, runProgram } from './place.ts';

export interface SshdOptions {
  /** Types of host keys. */
  readonly hostKeys?: readonly string[];
  /** More lines for sshd_config. */
  readonly config?: readonly string[];
  /** Leave the sftp subsystem out. */
  readonly sftp?: boolean;
}

export class Sshd {
  readonly user = userInfo().username;

  private constructor(
    /** Holds everything: `id` (a key that is let in), `known_hosts`, `ssh_config`. */
    readonly place: string,
    readonly port: number,
    private readonly process: ChildProcess,
    private readonly said: () => string,
  ) {}

  static async start(options: SshdOptions = {}): Promise<Sshd> {
    const place = await makePlace();
    await makeKey(join(place, 'id'));
    const hostKeys: string[] = [];
    for (const type of options.hostKeys ?? ['ed25519']) {
      const file = join(place, `host_${type}`);
      await makeKey(file, type);
      hostKeys.push(`HostKey ${file}`);
    }
    await copyFile(join(place, 'id.pub'), join(place, 'authorized_keys'));
    await chmod(join(place, 'authorized_keys'), 0o600);
    const port = await freePort();
    const lines = [
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      ...hostKeys,
      `AuthorizedKeysFile ${join(place, 'authorized_keys')}`,
      `PidFile ${join(place, 'sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'MaxStartups 100',
      'PrintMotd no',
      ...(options.sftp === false ? [] : ['Subsystem sftp internal-sftp']),
      ...(options.config ?? []),
    ];
    await writeFile(join(place, 'sshd_config'), `${lines.join('\n')}\n`);
    // sshd started by root insists on its privilege separation directory.
    if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
    const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(place, 'sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString('utf8')).slice(-65_536);
        if (said.includes('Server listening')) resolve();
      });
      child.once('error', reject);
      child.once('exit', () => {
        reject(new Error(`sshd ended: ${said}`));
      });
    });
    const sshd = new Sshd(place, port, child, () => said);
    await sshd.configure('node');
    return sshd;
  }

  /** What the server logged. */
  get log(): string {
    return this.said();
  }

  get configFile(): string {
    return join(this.place, 'ssh_config');
  }

  get knownHosts(): string {
    return join(this.place, 'known_hosts');
  }

  /** Writes an ssh_config in which `name` is this server; `lines` come first and so win. */
  async configure(name: string, lines: readonly string[] = [], more: readonly string[] = []): Promise<void> {
    const block = [
      `Host ${name}`,
      ...lines,
      'HostName 127.0.0.1',
      `Port ${this.port}`,
      `User ${this.user}`,
      `IdentityFile ${join(this.place, 'id')}`,
      'IdentitiesOnly yes',
      'IdentityAgent none',
      `UserKnownHostsFile ${this.knownHosts}`,
      'GlobalKnownHostsFile /dev/null',
      'HashKnownHosts no',
      'StrictHostKeyChecking ask',
      ...more,
    ];
    await writeFile(this.configFile, `${block.join('\n')}\n`);
  }

  /** The public host key as `type base64`. */
  async hostKey(type = 'ed25519'): Promise<string> {
    const text = await readFile(join(this.place, `host_${type}.pub`), 'utf8');
    return text.split(' ').slice(0, 2).join(' ');
  }

  /** Makes known_hosts list the server's key. */
  async trust(type = 'ed25519'): Promise<void> {
    await writeFile(this.knownHosts, `[127.0.0.1]:${this.port} ${await this.hostKey(type)}\n`);
  }

  /** OpenSSH's own fingerprint of the host key. */
  async fingerprint(type = 'ed25519'): Promise<string> {
    return (await runProgram('ssh-keygen', ['-l', '-f', join(this.place, `host_${type}.pub`)])).split(' ')[1] ?? '';
  }

  /** Ends every process that serves a connection now, as a cut link would: no goodbye. */
  async cutConnections(): Promise<void> {
    for (const pid of await descendantsOf(this.process.pid ?? 0)) kill(pid);
  }

  async dispose(): Promise<void> {
    await this.cutConnections();
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const gone = new Promise((resolve) => this.process.once('exit', resolve));
      this.process.kill('SIGKILL');
      await gone;
    }
    await removePlace(this.place);
  }
}

/** Every process below `pid`, parents first. */
async function descendantsOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.split(' ').filter(Boolean).map(Number);
  return [...children, ...(await Promise.all(children.map(descendantsOf))).flat()];
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

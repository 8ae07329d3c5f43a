// An SSH server inside the test, for what a well-behaved sshd never does.
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import type { AuthContext, Connection, ServerChannel } from 'ssh2';
import { makePlace, removePlace } from './place.ts';

export interface FakeServerOptions {
  /** Decides on each attempt to sign in. Default: lets everybody in. */
  readonly authenticate?: (context: AuthContext, connection: Connection) => void;
  /** Answers a command. Default: exit status 0. */
  readonly exec?: (channel: ServerChannel, command: string, connection: Connection) => void;
  /** Refuse to open sessions. */
  readonly refuseSessions?: boolean;
}

export class FakeSshServer {
  readonly commands: string[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly place: string,
    readonly port: number,
    private readonly net: NetServer,
  ) {}

  static async start(options: FakeServerOptions = {}): Promise<FakeSshServer> {
    // Not ed25519: ssh2 cuts a leading zero byte off the public key, so that one key in 256 cannot be
    // read (ssh2 1.17, lib/keygen.js). A point of ECDSA begins with 4.
    const hostKey = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
    const fake: { server?: FakeSshServer } = {};
    const ssh = new ssh2.Server({ hostKeys: [hostKey.private] }, (connection) => {
      connection.on('error', () => undefined);
      connection.on('authentication', (context) => {
        if (options.authenticate) options.authenticate(context, connection);
        else context.accept();
      });
      connection.on('session', (accept, reject) => {
        if (options.refuseSessions === true) {
          reject();
          return;
        }
        accept().on('exec', (acceptExec, _reject, { command }) => {
          fake.server?.commands.push(command);
          const channel = acceptExec();
          channel.on('error', () => undefined);
          if (options.exec) options.exec(channel, command, connection);
          else {
            channel.exit(0);
            channel.end();
          }
        });
      });
    });
    return FakeSshServer.#listen(fake, (socket) => {
      ssh.injectSocket(socket);
    });
  }

  /** A server that is no SSH server: `talk` has the bare socket. */
  static startRaw(talk: (socket: Socket) => void): Promise<FakeSshServer> {
    return FakeSshServer.#listen({}, talk);
  }

  static async #listen(fake: { server?: FakeSshServer }, talk: (socket: Socket) => void): Promise<FakeSshServer> {
    const net = createServer((socket) => {
      fake.server?.track(socket);
      socket.on('error', () => undefined);
      talk(socket);
    });
    await new Promise<void>((resolve) => net.listen(0, '127.0.0.1', resolve));
    const place = await makePlace();
    const { port } = net.address() as AddressInfo;
    const server = new FakeSshServer(place, port, net);
    fake.server = server;
    await writeFile(
      server.configFile,
      [
        'Host node',
        'HostName 127.0.0.1',
        `Port ${port}`,
        'User jane',
        'IdentityFile /nonexistent',
        'IdentityAgent none',
        `UserKnownHostsFile ${join(place, 'known_hosts')}`,
        'GlobalKnownHostsFile /dev/null',
        'StrictHostKeyChecking accept-new',
        '',
      ].join('\n'),
    );
    return server;
  }

  get configFile(): string {
    return join(this.place, 'ssh_config');
  }

  track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Stops answering without closing anything, as a machine that has crashed. */
  freeze(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('data');
      socket.pause();
    }
  }

  async dispose(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.net.close(resolve));
    await removePlace(this.place);
  }
}

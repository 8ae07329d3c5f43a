// A node that is reached by SSH: the way there, host by host.
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { throwIfCancelled } from './cancel.ts';
import { NodeError, type ConnectOptions, type Node, type NodeConnection } from './node.ts';
import { resolveHost, type SshConfigOptions } from './sshConfig.ts';
import { SshConnection } from './sshConnection.ts';
import { dial, forward, within } from './sshDial.ts';
import type { Hop } from './sshErrors.ts';
import { signedIn } from './sshHandshake.ts';

/** What a connection takes from its surroundings; every field has a default. */
export interface SshOptions extends SshConfigOptions {
  /** The agent's socket; '' for none. Default: {@link usualAgent}. ssh_config's IdentityAgent wins. */
  readonly agentSocket?: string | undefined;
  /** Told what happens, a line each, for the log. Never a secret. */
  readonly log?: ((line: string) => void) | undefined;
  /** Milliseconds for reaching a host, and again for its handshake and signing in; ssh_config's ConnectTimeout wins. Default 20 s. */
  readonly timeout?: number | undefined;
  /** Milliseconds between two signs of life; the link counts as lost after three unanswered. Default 5 s. */
  readonly keepalive?: number | undefined;
}

/** Where an agent listens if nobody says otherwise: SSH_AUTH_SOCK, or the pipe of the agent that comes with Windows. '' = none. */
export function usualAgent(platform: NodeJS.Platform, env: Readonly<Record<string, string | undefined>>): string {
  const named = env['SSH_AUTH_SOCK'] ?? '';
  return named === '' && platform === 'win32' ? String.raw`\\.\pipe\openssh-ssh-agent` : named;
}

/** As many hosts as ssh itself would go through before it is surely a loop. */
const MAX_HOPS = 8;

/** A machine named as for ssh: a Host of ssh_config, `host`, `user@host`, `user@host:port`. */
export class SshNode implements Node {
  readonly kind = 'ssh';

  constructor(
    readonly name: string,
    private readonly options: SshOptions = {},
  ) {}

  /**
   * Connects through every ProxyJump host to the node.
   * @throws NodeError for everything that can go wrong; nothing stays open then.
   */
  async connect(options: ConnectOptions): Promise<NodeConnection> {
    const { signal, onStep } = options;
    const { keepalive = 5_000, log = () => undefined, timeout = 20_000 } = this.options;
    const agentSocket = this.options.agentSocket ?? usualAgent(process.platform, process.env);
    throwIfCancelled(this.name, signal);
    onStep?.(`Looking up ${this.name}`);
    const route = await this.#route(signal);
    log(`${this.name}: by way of ${route.map(({ host }) => `${host.user}@${host.host}:${host.port}`).join(', ')}`);
    const clients: Client[] = [];
    let root: Duplex | undefined;
    try {
      for (const hop of route) {
        const through = clients.at(-1);
        const limit = hop.host.connectTimeout ?? timeout;
        onStep?.(`Connecting to ${hop.label}`);
        const stream = await within(this.name, hop, limit, signal, (inner) =>
          through === undefined ? dial(this.name, hop, inner, log) : forward(this.name, through, hop, inner),
        );
        root ??= stream;
        clients.push(await signedIn(this.name, hop, stream, { limit, keepalive, agentSocket, log }, options));
      }
      const last = clients.pop();
      if (last === undefined || root === undefined) throw new RangeError('A route has at least one hop.');
      onStep?.(`Connected to ${this.name}`);
      return new SshConnection(this.name, [...clients, last], root, log);
    } catch (error) {
      for (const client of clients.reverse()) client.destroy();
      root?.destroy();
      throw error;
    }
  }

  /** The hosts to connect to, nearest first, the node last. */
  async #route(signal: AbortSignal): Promise<Hop[]> {
    const route: Hop[] = [];
    const add = async (text: string, label: string | undefined, seen: readonly string[]): Promise<void> => {
      const host = await resolveHost(this.name, text, this.options, signal);
      if (seen.length > MAX_HOPS || route.length > MAX_HOPS)
        throw new NodeError(
          'unknown-host',
          this.name,
          `The way to ${this.name} goes through more than ${MAX_HOPS} jump hosts, or round in circles.`,
          'Correct ProxyJump in the SSH configuration.',
        );
      for (const [index, hop] of host.proxyJump.entries()) {
        // "Host *" with a ProxyJump names the jump host as its own.
        if (hop === host.alias) continue;
        // As in ssh: a list replaces what its members, but the first, say of themselves.
        if (index === 0) await add(hop, undefined, [...seen, hop]);
        else route.push(await this.#hop(hop, signal));
      }
      route.push({ host, label: label ?? `jump host ${host.alias}` });
    };
    await add(this.name, this.name, []);
    return route;
  }

  async #hop(text: string, signal: AbortSignal): Promise<Hop> {
    const host = await resolveHost(this.name, text, this.options, signal);
    return { host, label: `jump host ${host.alias}` };
  }
}

// A node that this machine's own ssh program reaches: with certificates, FIDO keys, GSSAPI and ControlMaster, which the built-in client
// can't do. One connection carries everything, by ssh's own multiplexing: it is signed in to once.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { visible } from '../protocol/plainText.ts';
import { AskpassServer } from './askpassServer.ts';
import { orCancelled, throwIfCancelled } from './cancel.ts';
import { runChild, startChild } from './childCommand.ts';
import { collect } from './collect.ts';
import { NodeError, type ConnectOptions, type Node, type NodeConnection } from './node.ts';
import { commandLine } from './shell.ts';
import { parseHostSpec, resolveHost, type SshConfigOptions } from './sshConfig.ts';
import { configPath } from './sshConfigFile.ts';
import { firstArguments, nextArguments, targetArguments, type Sharing } from './systemSshArguments.ts';
import { endSsh, SystemSshConnection } from './systemSshConnection.ts';
import { systemSshError } from './systemSshErrors.ts';

/** What a connection takes from its surroundings. */
export interface SystemSshOptions extends Omit<SshConfigOptions, 'home'> {
  /** The vector that runs askpass.ts. */
  readonly askpass: readonly string[];
  /** Default: this one. */
  readonly platform?: NodeJS.Platform;
}

/** What the first command there says once it runs: from then on others can follow. */
const ready = 'packet-trail: connected';
/** Bytes of what ssh says, and of what comes before {@link ready}, that are kept for an error. */
const keptWords = 16_384;

/** A machine named as for ssh, reached by the ssh program. */
export class SystemSshNode implements Node {
  readonly kind = 'ssh';

  constructor(
    readonly name: string,
    private readonly options: SystemSshOptions,
  ) {}

  /**
   * Connects as `ssh NAME` does.
   * @throws NodeError for everything that can go wrong; nothing stays open then.
   */
  async connect({ signal, prompter, onStep }: ConnectOptions): Promise<NodeConnection> {
    const { askpass: program, configFile, platform = process.platform } = this.options;
    throwIfCancelled(this.name, signal);
    const { alias, connectTimeout } = await resolveHost(this.name, this.name, this.options, signal);
    const spec = parseHostSpec(this.name) ?? { host: alias, user: undefined, port: undefined };
    const target = targetArguments(spec, configFile === undefined ? undefined : configPath(configFile, homedir()));
    onStep?.(`Connecting to ${this.name} with ssh`);
    const attempt = new AbortController();
    const declined = new AbortController();
    const context = {
      node: this.name,
      prompter,
      signal: attempt.signal,
      onStep: (text: string) => onStep?.(visible(text)),
      onDeclined: () => declined.abort(),
    };
    // On Windows ssh can't ask through another program either.
    const askpass = platform === 'win32' ? undefined : await AskpassServer.start(program, context);
    const env = { ...process.env, ...askpass?.env };
    const sharing = await this.#sharing(askpass, target, signal);
    const first = commandLine(['/bin/sh', '-c', `echo '${ready}'; exec cat >/dev/null`]);
    const argv = [...firstArguments(sharing, connectTimeout !== undefined), ...target, first];
    const child = await this.#start(argv, env).catch(async (error: unknown) => {
      await askpass?.dispose();
      throw error;
    });
    // Not 'close': what it asked for holds its outputs open, and ends with this.
    child.once('exit', () => void askpass?.dispose());
    const words = this.#hear(child);
    try {
      const began = this.#begun(child, () => systemSshError(this.name, alias, words()));
      await orCancelled(this.name, signal, orCancelled(this.name, declined.signal, began));
    } catch (error) {
      endSsh(child);
      throw error;
    } finally {
      attempt.abort();
    }
    onStep?.(`Connected to ${this.name}`);
    const before = [this.#program, ...nextArguments(sharing), ...target];
    return new SystemSshConnection(this.name, { argv: before, env }, child, words);
  }

  get #program(): string {
    return this.options.sshProgram ?? 'ssh';
  }

  #start(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildProcessWithoutNullStreams> {
    return startChild(this.name, [this.#program, ...argv], { env }).catch(() => {
      throw new NodeError(
        'unsupported',
        this.name,
        `This machine has no ${this.#program} program.`,
        'Install the OpenSSH client, or set packetTrail.sshClient to "built-in".',
      );
    });
  }

  /** Logs what ssh says; gives what it has said up to now. */
  #hear(child: ChildProcessWithoutNullStreams): () => string {
    const { log } = this.options;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-keptWords);
      for (const line of text.split(/\r?\n/))
        if (line.trim() !== '') log?.(`${this.name}: ssh: ${visible(line.slice(0, 1_000))}`);
    });
    return () => said;
  }

  /** Resolves once the first command runs on the node; what a login shell says before is passed over. Rejects when ssh ends before. */
  async #begun(child: ChildProcessWithoutNullStreams, why: () => NodeError): Promise<void> {
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    let seen = '';
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      seen = (seen + String(chunk)).slice(-keptWords);
      if (seen.split('\n').some((line) => line.trim() === ready)) return;
    }
    await closed;
    // 255 is ssh's own; any other status is of a command, which isn't the one that was asked for.
    if (child.exitCode === 255 || child.exitCode === null) throw why();
    const line = visible(seen.trim().split('\n')[0] ?? '');
    throw new NodeError(
      'unsupported',
      this.name,
      `Commands cannot be run on ${this.name} (exit status ${child.exitCode}${line === '' ? '' : `: ${line.slice(0, 300)}`}).`,
      'The account needs a shell: check its login shell and any forced command.',
    );
  }

  /** How commands share the connection; the person's own one (ControlPath of ssh_config(5)) where there is one. */
  async #sharing(askpass: AskpassServer | undefined, target: readonly string[], signal: AbortSignal): Promise<Sharing> {
    if (askpass === undefined) return { by: 'none' };
    const own: Sharing = { by: 'own', socket: join(askpass.folder, 'ssh') };
    try {
      const command = await runChild(this.name, [this.#program, '-O', 'check', ...target], { signal });
      return (await collect(this.name, command, 'ssh', { signal })).code === 0 ? { by: 'theirs' } : own;
    } catch {
      return own; // Cancelled, or without ssh: whatever comes next says so.
    }
  }
}

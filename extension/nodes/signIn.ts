// How a person proves who they are to an SSH server: agent, key files, keyboard-interactive, password, in that order.
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import ssh2 from 'ssh2';
import type { AnyAuthMethod, AuthenticationType, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2';
import { cancelled } from './cancel.ts';
import type { Prompter } from './node.ts';
import type { ResolvedHost } from './sshConfig.ts';

/** What signing in needs from the connection. */
export interface SignInContext {
  /** The name that the person knows the node, or the jump host, by. */
  readonly node: string;
  readonly host: ResolvedHost;
  readonly prompter: Prompter;
  readonly step: (text: string) => void;
  readonly log: (line: string) => void;
  /** Runs a question with the connection's clock stopped, and ends it when the person cancels or the attempt is over. */
  readonly ask: <T>(question: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** '' = none. */
  readonly agentSocket: string;
}

/** The server's answer to one attempt: what it still accepts. */
export interface Answer {
  readonly left: readonly AuthenticationType[];
}

const MAX_KEY_BYTES = 1 << 20;
const TRIES = 3;

/** One key that can be offered: from the agent or a file. */
interface Offer {
  /** For people: "agent key jane@laptop", "key ~/.ssh/id_ed25519". */
  readonly label: string;
  readonly publicKey: ParsedKey;
  /** Signs; a file's passphrase is asked for only here, after the server has accepted the public key. */
  sign(data: Buffer, hash: string | undefined): Promise<Buffer>;
}

/** Goes through the ways to sign in; one per server and connection. */
export class SignIn {
  /** What was tried, for the message when nothing works. */
  readonly tried: string[] = [];
  /** What could not be tried, and why. */
  readonly notes: string[] = [];
  /** What the server accepted at last. */
  accepts: readonly string[] = [];
  readonly #beyond = new Set<string>();

  constructor(private readonly context: SignInContext) {}

  /** What is there to sign in with and only the ssh program can use: "the certificate ~/.ssh/id-cert.pub", "GSSAPI". */
  get beyond(): readonly string[] {
    return [...this.#beyond, ...(this.accepts.includes('gssapi-with-mic') ? ['GSSAPI'] : [])];
  }

  /**
   * The attempts, each answered through `next()`. Ends when nothing is left.
   * @throws NodeError `cancelled` when the person declines a password.
   */
  async *attempts(): AsyncGenerator<AnyAuthMethod, void, Answer> {
    const username = this.context.host.user;
    // "none" asks the server what it accepts; a few let people in that way.
    let left = this.#heard(yield { type: 'none', username });
    if (left.includes('publickey')) {
      for await (const offer of this.#offers()) {
        this.#try(offer.label);
        left = this.#heard(yield { type: 'agent', username, agent: new OneKeyAgent(offer) });
      }
      // ssh2 does not pass on the answer to an agent's key; asking anew tells whether a second factor is due.
      if (!left.includes('password') && !left.includes('keyboard-interactive'))
        left = this.#heard(yield { type: 'none', username });
    }
    let tries = 0;
    while (left.includes('keyboard-interactive') && tries < TRIES) {
      tries++;
      this.#try('keyboard-interactive');
      const round = { asked: false };
      left = this.#heard(
        yield {
          type: 'keyboard-interactive',
          username,
          prompt: (name, instructions, _lang, prompts, finish) => {
            round.asked = true;
            this.#answer(name, instructions, prompts, finish);
          },
        },
      );
      if (this.#declined && tries > 1) return;
      if (this.#declined) throw cancelled(this.context.node);
      if (!round.asked) break; // The server has the method but no question: more tries would change nothing.
    }
    while (left.includes('password') && tries < TRIES) {
      const again = tries++ > 0;
      const password = await this.context.ask((signal) =>
        this.context.prompter.password({
          node: this.context.node,
          signal,
          prompt: `${again ? 'That password was not accepted. ' : ''}Password of ${username} on ${this.context.node}`,
        }),
      );
      if (password === undefined) {
        // After a wrong one, the person gives up rather than changes their mind: the error is to say what was refused.
        if (again) return;
        throw cancelled(this.context.node);
      }
      this.#try('password');
      left = this.#heard(yield { type: 'password', username, password });
    }
  }

  /** Set when the person declined to answer the server's questions. */
  #declined = false;

  #answer(
    name: string,
    instructions: string,
    prompts: readonly { prompt: string; echo?: boolean }[],
    finish: (answers: string[]) => void,
  ): void {
    const question = {
      node: this.context.node,
      name: name.slice(0, 1_000),
      instructions: instructions.slice(0, 4_000),
      prompts: prompts
        .slice(0, 20)
        .map(({ prompt, echo }) => ({ prompt: prompt.slice(0, 1_000), echo: echo === true })),
    };
    this.context
      .ask((signal) => this.context.prompter.answers({ ...question, signal }))
      .then(
        (answers) => {
          this.#declined = answers === undefined;
          finish(prompts.map((_prompt, index) => answers?.[index] ?? ''));
        },
        () => {
          this.#declined = true;
          finish(prompts.map(() => ''));
        },
      );
  }

  #heard(answer: Answer): readonly AuthenticationType[] {
    this.accepts = answer.left;
    return answer.left;
  }

  #try(label: string): void {
    if (!this.tried.includes(label)) this.tried.push(label);
    const text = `Signing in to ${this.context.node} as ${this.context.host.user} with ${label}`;
    this.context.step(text);
  }

  /** Keys of the agent that ssh_config names first, then its other keys, then the files that the agent doesn't hold. */
  async *#offers(): AsyncGenerator<Offer> {
    const { certificateFiles, identityFiles } = this.context.host;
    for (const file of new Set([...certificateFiles, ...identityFiles.map((key) => `${key}-cert.pub`)]))
      if ((await this.#readKey(file, tilde(file))) !== undefined) this.#beyond.add(`the certificate ${tilde(file)}`);
    const files = await Promise.all(this.context.host.identityFiles.map((file) => this.#fileOffer(file)));
    const named = files.filter((offer) => offer !== undefined);
    const held = await this.#agentOffers();
    const isNamed = (key: ParsedKey) => named.some(({ publicKey }) => publicKey.equals(key));
    yield* held.filter(({ publicKey }) => isNamed(publicKey));
    if (!this.context.host.identitiesOnly) yield* held.filter(({ publicKey }) => !isNamed(publicKey));
    yield* named.filter(({ publicKey }) => !held.some((agent) => agent.publicKey.equals(publicKey)));
  }

  async #agentOffers(): Promise<Offer[]> {
    const socket = this.context.agentSocket;
    if (socket === '') return [];
    const agent = ssh2.createAgent(socket);
    const keys = await new Promise<ParsedKey[]>((resolve) => {
      agent.getIdentities((error, found) => {
        if (error) this.#note(`the agent at ${socket} does not answer`);
        // ssh2's own agents give parsed keys, and only of types that it can use.
        resolve((found ?? []) as ParsedKey[]);
      });
    });
    return keys.map((publicKey, index) => ({
      label: `agent key ${publicKey.comment === '' ? String(index + 1) : publicKey.comment}`,
      publicKey,
      // An agent may ask the person to confirm, or to touch a token: that is a wait like any prompt.
      sign: (data, hash) =>
        this.context.ask(
          () =>
            new Promise<Buffer>((resolve, reject) => {
              agent.sign(publicKey, data, hash === undefined ? {} : { hash: asHash(hash) }, (error, signature) => {
                if (signature === undefined) reject(error ?? new Error('The agent gave no signature.'));
                else resolve(signature);
              });
            }),
        ),
    }));
  }

  /** A key file as an offer; undefined, with a note where it matters, when it can't be one. */
  async #fileOffer(file: string): Promise<Offer | undefined> {
    const shown = tilde(file);
    const privateText = await this.#readKey(file, shown);
    const publicText = await this.#readKey(`${file}.pub`, `${shown}.pub`);
    // IdentityFile may name a public key whose private half only the agent has.
    const text = privateText ?? publicText;
    if (text === undefined) return undefined;
    if (publicText?.toString('latin1').startsWith('sk-') === true) this.#beyond.add(`the FIDO key ${shown}`);
    const plain = ssh2.utils.parseKey(text);
    if (!(plain instanceof Error)) {
      return {
        label: `key ${shown}`,
        publicKey: plain,
        sign: (data, hash) => {
          if (!plain.isPrivateKey()) return Promise.reject(new Error(`${shown} holds no private key.`));
          return Promise.resolve(signWith(plain, data, hash));
        },
      };
    }
    if (!/encrypted/i.test(plain.message)) {
      this.#note(`${shown} cannot be used: ${plain.message}`);
      return undefined;
    }
    const half = (publicText === undefined ? undefined : ssh2.utils.parseKey(publicText)) ?? publicHalf(text);
    if (half === undefined || half instanceof Error) {
      this.#note(`${shown} is encrypted in an old format and has no ${shown}.pub beside it`);
      return undefined;
    }
    return {
      label: `key ${shown}`,
      publicKey: half,
      sign: async (data, hash) => signWith(await this.#decrypt(text, shown), data, hash),
    };
  }

  async #decrypt(text: Buffer, shown: string): Promise<ParsedKey> {
    for (let tries = 0; tries < TRIES; tries++) {
      const passphrase = await this.context.ask((signal) =>
        this.context.prompter.passphrase({ node: this.context.node, signal, keyFile: shown }),
      );
      if (passphrase === undefined) {
        this.#note(`no passphrase was given for ${shown}`);
        throw new Error('no passphrase');
      }
      const key = ssh2.utils.parseKey(text, passphrase);
      if (!(key instanceof Error)) return key;
    }
    this.#note(`the passphrase for ${shown} was wrong`);
    throw new Error('wrong passphrase');
  }

  async #readKey(file: string, shown: string): Promise<Buffer | undefined> {
    try {
      const info = await stat(file);
      return info.isFile() && info.size <= MAX_KEY_BYTES ? await readFile(file) : undefined;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.#note(`${shown} cannot be read (${code})`);
      return undefined;
    }
  }

  #note(text: string): void {
    this.notes.push(text);
    this.context.log(text);
  }
}

/** An agent that holds one key, so that each key is one attempt with its own label. */
class OneKeyAgent extends ssh2.BaseAgent {
  readonly #offer: Offer;

  constructor(offer: Offer) {
    super();
    this.#offer = offer;
  }

  override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    callback(undefined, [this.#offer.publicKey]);
  }

  override sign(
    _key: unknown,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const done = typeof options === 'function' ? options : callback;
    this.#offer.sign(data, typeof options === 'function' ? undefined : options.hash).then(
      (signature) => done?.(null, signature),
      (error: unknown) => done?.(error instanceof Error ? error : new Error(String(error))),
    );
  }
}

function signWith(key: ParsedKey, data: Buffer, hash: string | undefined): Buffer {
  // The typings leave out that a failure is returned, not thrown.
  const signature: Buffer | Error = key.sign(data, hash);
  if (signature instanceof Error) throw signature;
  return signature;
}

/** The public key that the OpenSSH format keeps in the clear before the encrypted part (PROTOCOL.key). */
function publicHalf(text: Buffer): ParsedKey | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text.toString('latin1'))?.[1];
  if (body === undefined) return undefined;
  const data = Buffer.from(body, 'base64');
  let at = 'openssh-key-v1\0'.length;
  const next = (): Buffer | undefined => {
    if (at + 4 > data.length) return undefined;
    const length = data.readUInt32BE(at);
    if (at + 4 + length > data.length) return undefined;
    at += 4 + length;
    return data.subarray(at - length, at);
  };
  // Cipher, KDF and its options come first, then the number of keys, which is always 1.
  if (next() === undefined || next() === undefined || next() === undefined) return undefined;
  at += 4;
  const blob = next();
  if (blob === undefined) return undefined;
  const key = ssh2.utils.parseKey(blob);
  return key instanceof Error ? undefined : key;
}

function asHash(hash: string): 'sha1' | 'sha256' | 'sha512' {
  return hash === 'sha256' || hash === 'sha512' ? hash : 'sha1';
}

/** A path as people write it. */
function tilde(file: string): string {
  const home = homedir();
  return file.startsWith(`${home}/`) ? `~${file.slice(home.length)}` : file;
}

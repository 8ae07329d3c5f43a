// Answers what ssh asks, through a pipe that only this person's processes reach, by asking the person. Nothing of it is kept.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askpassPipe, askpassToken, type AskpassQuestion } from './askpassQuestion.ts';
import type { Prompter } from './node.ts';
import { commandLine } from './shell.ts';

const maxQuestion = 65_536;

/** What ssh wants to know, as a person is asked for it. */
export type SshQuestion =
  | { readonly kind: 'password'; readonly whose: string }
  | { readonly kind: 'passphrase'; readonly keyFile: string }
  | { readonly kind: 'host key'; readonly host: string; readonly keyType: string; readonly fingerprint: string }
  /** Nothing to answer: a token waits to be touched. */
  | { readonly kind: 'told'; readonly text: string }
  /** Anything else, in ssh's or the server's words. */
  | { readonly kind: 'words'; readonly prompt: string; readonly yesOrNo: boolean };

/** Takes a prompt of ssh apart. Its texts: sshconnect.c, sshconnect2.c, ssh-agent.c of OpenSSH. */
export function sshQuestion(prompt: string, hint: string): SshQuestion {
  if (hint === 'none') return { kind: 'told', text: prompt.trim() };
  const passphrase = /^Enter passphrase for key '([^\n]+)': $/.exec(prompt)?.[1];
  if (passphrase !== undefined) return { kind: 'passphrase', keyFile: passphrase };
  const whose = /^([^\s()]+)'s password: $/.exec(prompt)?.[1];
  if (whose !== undefined) return { kind: 'password', whose };
  const [, host, keyType, fingerprint] =
    /^The authenticity of host '([^\n]+)' can't be established\.\n(?:[^\n]*\n)*?(\S+) key fingerprint is (\S+?)\.?\n/.exec(
      prompt,
    ) ?? [];
  if (host !== undefined && keyType !== undefined && fingerprint !== undefined)
    return { kind: 'host key', host: host.replace(/ \(.*\)$/, ''), keyType, fingerprint };
  return { kind: 'words', prompt: prompt.trim(), yesOrNo: hint === 'confirm' || prompt.includes('(yes/no') };
}

/** Who is asked, and what happens then. */
export interface AskpassContext {
  readonly node: string;
  readonly prompter: Prompter;
  /** Fires when the attempt is over. */
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
  /** The person doesn't want to answer. */
  readonly onDeclined: () => void;
}

/** One attempt's answers. Everything that it keeps is in a folder of its own, which goes with it. */
export class AskpassServer {
  readonly #token = randomBytes(16).toString('hex');
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** One question after the other: a person answers one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Prompts that were answered: the same one again means that the answer was wrong. */
  readonly #answered = new Set<string>();

  private constructor(
    /** A folder that nobody else can read. */
    readonly folder: string,
    private readonly context: AskpassContext,
  ) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket));
  }

  /** @param program the vector that runs askpass.ts */
  static async start(program: readonly string[], context: AskpassContext): Promise<AskpassServer> {
    const folder = await mkdtemp(join(tmpdir(), 'packet-trail-'));
    const server = new AskpassServer(folder, context);
    try {
      // ssh takes one program without arguments.
      const script = `#!/bin/sh\nELECTRON_RUN_AS_NODE=1 exec ${commandLine(program)} "$@"\n`;
      await writeFile(server.#script, script, { mode: 0o700, flag: 'wx' });
      await new Promise<void>((resolve, reject) => {
        server.#server.once('error', reject);
        server.#server.listen(server.#pipe, resolve);
      });
      return server;
    } catch (error) {
      await server.dispose();
      throw error;
    }
  }

  /** What ssh finds it by, over this process' own environment. */
  get env(): Readonly<Record<string, string>> {
    return {
      SSH_ASKPASS: this.#script,
      SSH_ASKPASS_REQUIRE: 'force',
      // Before 8.4 ssh asks so only where there is a display.
      DISPLAY: process.env['DISPLAY'] ?? ':0',
      [askpassPipe]: this.#pipe,
      [askpassToken]: this.#token,
    };
  }

  async dispose(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  get #script(): string {
    return join(this.folder, 'askpass');
  }

  get #pipe(): string {
    return join(this.folder, 'pipe');
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    const parts: Buffer[] = [];
    let size = 0;
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > maxQuestion) socket.destroy();
    });
    socket.once('end', () => {
      const question = parse(Buffer.concat(parts).toString('utf8'));
      if (question?.token !== this.#token) {
        socket.destroy();
        return;
      }
      const answer = this.#turn.then(() => this.#answer(question, socket));
      this.#turn = answer.catch(() => undefined);
      answer.then(
        (text) => socket.end(JSON.stringify(text ?? null)),
        () => socket.destroy(),
      );
    });
  }

  /** The answer; undefined when the person has none. */
  async #answer({ prompt, hint }: AskpassQuestion, socket: Socket): Promise<string | undefined> {
    const { onDeclined, onStep, prompter } = this.context;
    const about = { node: this.context.node, signal: this.context.signal };
    const question = sshQuestion(prompt, hint);
    const again = this.#answered.has(prompt) ? 'That was not accepted. ' : '';
    this.#answered.add(prompt);
    const ask = async (): Promise<string | undefined> => {
      switch (question.kind) {
        case 'password':
          return await prompter.password({ ...about, prompt: `${again}Password of ${question.whose}` });
        case 'passphrase':
          return await prompter.passphrase({ ...about, keyFile: question.keyFile });
        case 'host key':
          // ssh says itself that it doesn't know the host then.
          return (await prompter.trustHostKey({ ...about, ...question })) ? 'yes' : 'no';
        case 'told':
          onStep(question.text);
          // ssh ends its question when the token was touched.
          await new Promise((resolve) => socket.once('close', resolve));
          return '';
        case 'words': {
          const text = `${again}${question.prompt}${question.yesOrNo && !question.prompt.includes('yes') ? ' (yes/no)' : ''}`;
          const prompts = [{ prompt: text, echo: question.yesOrNo }];
          return (await prompter.answers({ ...about, name: '', instructions: '', prompts }))?.[0];
        }
      }
    };
    const answer = await ask();
    if (answer === undefined) onDeclined();
    return answer;
  }
}

function parse(text: string): AskpassQuestion | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { token, prompt, hint } = value as Partial<Record<keyof AskpassQuestion, unknown>>;
    return typeof token === 'string' && typeof prompt === 'string' && typeof hint === 'string'
      ? { token, prompt, hint }
      : undefined;
  } catch {
    return undefined;
  }
}

// A person who has made up their mind: answers every question as told, and remembers what was asked.
import type { HostKeyQuestion, Prompter, Question } from '../../../../extension/nodes/node.ts';

/** Answers for a {@link FakePrompter}; what is left out is declined. Lists are used up in order, then declined. */
export interface FakeAnswers {
  readonly passwords?: readonly string[];
  readonly passphrases?: readonly string[];
  readonly answers?: readonly (readonly string[])[];
  readonly trust?: boolean;
}

export class FakePrompter implements Prompter {
  /** What was asked, as `kind: detail`. */
  readonly asked: string[] = [];
  readonly hostKeys: Omit<HostKeyQuestion, 'signal'>[] = [];
  readonly #passwords: string[];
  readonly #passphrases: string[];
  readonly #answers: (readonly string[])[];
  readonly #trust: boolean;

  constructor(answers: FakeAnswers = {}) {
    this.#passwords = [...(answers.passwords ?? [])];
    this.#passphrases = [...(answers.passphrases ?? [])];
    this.#answers = [...(answers.answers ?? [])];
    this.#trust = answers.trust ?? false;
  }

  password(request: { readonly prompt: string }): Promise<string | undefined> {
    this.asked.push(`password: ${request.prompt}`);
    return Promise.resolve(this.#passwords.shift());
  }

  passphrase(request: { readonly keyFile: string }): Promise<string | undefined> {
    this.asked.push(`passphrase: ${request.keyFile}`);
    return Promise.resolve(this.#passphrases.shift());
  }

  answers(request: {
    readonly prompts: readonly { readonly prompt: string }[];
  }): Promise<readonly string[] | undefined> {
    this.asked.push(`answers: ${request.prompts.map(({ prompt }) => prompt).join(', ')}`);
    return Promise.resolve(this.#answers.shift());
  }

  trustHostKey({ node, host, keyType, fingerprint, authority }: HostKeyQuestion): Promise<boolean> {
    this.asked.push(`host key: ${host}`);
    this.hostKeys.push({ node, host, keyType, fingerprint, ...(authority !== undefined && { authority }) });
    return Promise.resolve(this.#trust);
  }
}

/** A person who never answers. */
export class FakeSilentPrompter implements Prompter {
  /** Resolves when the first question is on the screen … */
  readonly asked: Promise<string>;
  /** … and when it is taken back. */
  readonly takenBack: Promise<string>;
  #ask: (what: string) => void = () => undefined;
  #takeBack: (what: string) => void = () => undefined;

  constructor() {
    this.asked = new Promise((resolve) => (this.#ask = resolve));
    this.takenBack = new Promise((resolve) => (this.#takeBack = resolve));
  }

  password(question: Question): Promise<never> {
    return this.#wait('password', question);
  }
  passphrase(question: Question): Promise<never> {
    return this.#wait('passphrase', question);
  }
  answers(question: Question): Promise<never> {
    return this.#wait('answers', question);
  }
  trustHostKey(question: Question): Promise<never> {
    return this.#wait('host key', question);
  }

  #wait(what: string, { signal }: Question): Promise<never> {
    signal.addEventListener('abort', () => {
      this.#takeBack(what);
    });
    this.#ask(what);
    return new Promise(() => undefined);
  }
}

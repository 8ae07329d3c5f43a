// A person who has made up their mind: answers every question as told, and remembers what was asked.
import type { Prompter } from '../../../../extension/nodes/node.ts';

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
  readonly hostKeys: { host: string; keyType: string; fingerprint: string }[] = [];
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

  trustHostKey(request: { host: string; keyType: string; fingerprint: string }): Promise<boolean> {
    this.asked.push(`host key: ${request.host}`);
    this.hostKeys.push(request);
    return Promise.resolve(this.#trust);
  }
}

/** A person who never answers; `asked` resolves when the first question is on the screen. */
export class FakeSilentPrompter implements Prompter {
  readonly asked: Promise<string>;
  #ask: (what: string) => void = () => undefined;

  constructor() {
    this.asked = new Promise((resolve) => (this.#ask = resolve));
  }

  password(): Promise<never> {
    return this.#wait('password');
  }
  passphrase(): Promise<never> {
    return this.#wait('passphrase');
  }
  answers(): Promise<never> {
    return this.#wait('answers');
  }
  trustHostKey(): Promise<never> {
    return this.#wait('host key');
  }

  #wait(what: string): Promise<never> {
    this.#ask(what);
    return new Promise(() => undefined);
  }
}

// Questions to a person in a real VS Code: each goes away with the attempt that asks it.
import * as assert from 'node:assert/strict';
import { WindowPrompter } from '../../extension/views/prompter.ts';

suite('questions of a connection', () => {
  const prompter = new WindowPrompter();
  const host = { host: 'host', keyType: 'ssh-ed25519', fingerprint: 'SHA256:x', authority: 'known_hosts, line 1' };
  const words = { name: 'n', instructions: 'i', prompts: [{ prompt: 'p', echo: false }] };
  const ways = {
    password: (signal: AbortSignal) => prompter.password({ node: 'node', signal, prompt: 'Password' }),
    passphrase: (signal: AbortSignal) => prompter.passphrase({ node: 'node', signal, keyFile: '~/.ssh/id' }),
    answers: (signal: AbortSignal) => prompter.answers({ node: 'node', signal, ...words }),
    trustHostKey: (signal: AbortSignal) => prompter.trustHostKey({ node: 'node', signal, ...host }),
  };

  for (const [what, ask] of Object.entries(ways)) {
    test(`${what}: declined when the attempt is over, before or after it is asked`, async () => {
      assert.ok(!(await ask(AbortSignal.abort())));
      const attempt = new AbortController();
      const answer = ask(attempt.signal);
      setImmediate(() => {
        attempt.abort();
      });
      assert.ok(!(await answer));
    });
  }
});

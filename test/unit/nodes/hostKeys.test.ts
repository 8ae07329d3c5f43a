// Promises of host keys that the OpenSSH client is the judge of: each known_hosts lets in whom ssh lets in.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeError } from '../../../extension/nodes/node.ts';
import { SshNode } from '../../../extension/nodes/ssh.ts';
import { FakePrompter } from './support/FakePrompter.ts';
import { makeKey, runProgram } from './support/place.ts';
import { Sshd } from './support/Sshd.ts';

let sshd: Sshd;
/** The server's own key, another of the same type, one of another type, and one that signs certificates. */
const keys = { own: '', other: '', ecdsa: '', authority: '' };
const host = '127.0.0.1';

beforeAll(async () => {
  sshd = await Sshd.start();
  keys.own = await sshd.hostKey();
  for (const name of ['other', 'ecdsa', 'authority'] as const) {
    const file = await makeKey(join(sshd.place, name), name === 'ecdsa' ? 'ecdsa' : 'ed25519');
    keys[name] = (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
  }
});
afterAll(() => sshd.dispose());

/** Does the OpenSSH client connect? Its words otherwise. */
async function askOpenSsh({ configFile }: Sshd): Promise<string> {
  return runProgram('ssh', ['-F', configFile, '-o', 'BatchMode=yes', 'node', 'true']).then(
    () => 'in',
    (error: unknown) => String(error),
  );
}

/** 'in', or the error. */
async function ask({ configFile }: Sshd): Promise<'in' | NodeError> {
  try {
    const node = new SshNode('node', { configFile });
    (await node.connect({ signal: new AbortController().signal, prompter: new FakePrompter() })).dispose();
    return 'in';
  } catch (error) {
    if (error instanceof NodeError) return error;
    throw error;
  }
}

describe('a server at a port of its own', () => {
  beforeAll(() => sshd.configure('node', ['StrictHostKeyChecking yes']));

  const at = (): string => `[${host}]:${sshd.port}`;
  const cases: readonly (readonly [what: string, text: () => string, ours: string, theirs: RegExp])[] = [
    ['its own entry', () => `${at()} ${keys.own}`, 'in', /^in$/],
    ['the bare name alone', () => `${host} ${keys.own}`, 'in', /^in$/],
    [
      'the bare name, and another key for the port',
      () => `${host} ${keys.own}\n${at()} ${keys.other}`,
      'host-key-changed',
      /IDENTIFICATION HAS CHANGED/,
    ],
    [
      'another key for the bare name alone',
      () => `${host} ${keys.other}`,
      'host-key-rejected',
      /No ED25519 host key is known/,
    ],
    ['nothing', () => '', 'host-key-rejected', /No ED25519 host key is known/],
    ['a revoked key', () => `@revoked * ${keys.own}\n${at()} ${keys.own}`, 'host-key-rejected', /REVOKED/],
    [
      'a pattern that leaves it out',
      () => `127.*,!${host} ${keys.own}`,
      'host-key-rejected',
      /No ED25519 host key is known/,
    ],
    [
      'an authority alone, and no certificate',
      () => `@cert-authority 127.* ${keys.authority}`,
      'host-key-rejected',
      /No ED25519 host key is known/,
    ],
  ];

  test.each(cases)('%s', async (_what, text, ours, theirs) => {
    for (const hashed of [false, true]) {
      await writeFile(sshd.knownHosts, `${text()}\n`);
      // What patterns and markers are in stays plain.
      if (hashed) await runProgram('ssh-keygen', ['-q', '-H', '-f', sshd.knownHosts]);
      expect(await askOpenSsh(sshd)).toMatch(theirs);
      const got = await ask(sshd);
      expect(got === 'in' ? got : got.code).toBe(ours);
    }
  });

  test('an authority that speaks for the host is named, whose certificates are not read', async () => {
    await writeFile(sshd.knownHosts, `${host} ${keys.ecdsa}\n@cert-authority 127.* ${keys.authority}\n`);
    expect(await ask(sshd)).toMatchObject({
      message: expect.stringContaining(
        `, and StrictHostKeyChecking is on. ${sshd.knownHosts}, line 2, lists a certificate authority for it, but `,
      ) as string,
      mend: expect.stringContaining('add the key itself to known_hosts') as string,
    });
    await sshd.configure('node');
    const prompter = new FakePrompter({ trust: false });
    const node = new SshNode('node', { configFile: sshd.configFile });
    await expect(node.connect({ signal: new AbortController().signal, prompter })).rejects.toThrow(NodeError);
    expect(prompter.hostKeys).toMatchObject([{ authority: `${sshd.knownHosts}, line 2` }]);
  });
});

test('beside an authority a key that differs is refused, and the way out is not to trust whatever comes', async () => {
  const key = join(sshd.place, 'host_ed25519');
  await runProgram('ssh-keygen', [
    '-q',
    '-s',
    join(sshd.place, 'authority'),
    '-h',
    '-I',
    'lab',
    '-n',
    host,
    `${key}.pub`,
  ]);
  const certified = await Sshd.start({ hostKeys: [], config: [`HostKey ${key}`, `HostCertificate ${key}-cert.pub`] });
  try {
    await certified.configure('node', ['StrictHostKeyChecking yes']);
    const authority = `@cert-authority 127.* ${keys.authority}\n`;
    await writeFile(certified.knownHosts, `${authority}[${host}]:${certified.port} ${keys.ecdsa}\n`);
    expect(await askOpenSsh(certified)).toBe('in');
    const error = await ask(certified);
    expect(error).toMatchObject({
      code: 'host-key-changed',
      message: expect.stringMatching(
        /, line 2, lists another ecdsa-sha2-nistp256 key\. .*, line 1, lists a certificate authority for it, /,
      ) as string,
      mend: expect.stringMatching(
        /^Set packetTrail\.sshClient to "system", which checks the certificate\. .*ssh-keygen -f /,
      ) as string,
    });
    // What the message says to do.
    await writeFile(certified.knownHosts, `${authority}[${host}]:${certified.port} ${keys.own}\n`);
    expect(await ask(certified)).toBe('in');
  } finally {
    await certified.dispose();
  }
});

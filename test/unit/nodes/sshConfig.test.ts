// Promises of ssh_config: a host means here what it means to ssh, with or without ssh to ask.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listHosts } from '../../../extension/nodes/hosts.ts';
import { parseHostSpec, resolveHost } from '../../../extension/nodes/sshConfig.ts';
import { makePlace, removePlace } from './support/place.ts';

let home: string;
let configFile: string;
beforeAll(async () => {
  home = await makePlace();
  await mkdir(join(home, '.ssh', 'conf.d'), { recursive: true });
  configFile = join(home, '.ssh', 'config');
  await writeFile(
    configFile,
    `# mine
Include ${join(home, '.ssh', 'conf.d')}/*.conf
Host alpha alias-of-alpha
  HostName 192.0.2.1
  Port=2200
  User "jane"
  IdentityFile ~/.ssh/alpha_%r
  IdentitiesOnly yes
  ProxyJump gate,jack@gate2:2022
  HostKeyAlias the-alpha
  ConnectTimeout 7
Host *.example !bad.example
  User pattern
host beta
  Hostname %h.example.net
  UserKnownHostsFile ${join(home, 'one')} ${join(home, 'two')}
Host *
  ServerAliveInterval 5
`,
  );
  await writeFile(join(home, '.ssh', 'conf.d', '1.conf'), 'Host gamma\n  Port 2201\n');
  await writeFile(join(home, '.ssh', 'conf.d', '2.conf'), 'Host delta gamma\n  User dora\n');
  await writeFile(join(home, '.ssh', 'conf.d', 'not-this'), 'Host epsilon\n');
});
afterAll(() => removePlace(home));

describe.each([undefined, ''])('with ssh %j', (sshProgram) => {
  const resolve = (text: string) => resolveHost('node', text, { configFile, home, sshProgram });

  test('every setting that a connection needs', async () => {
    expect(await resolve('alpha')).toMatchObject({
      alias: 'alpha',
      host: '192.0.2.1',
      port: 2200,
      user: 'jane',
      identityFiles: [join(home, '.ssh/alpha_jane')],
      identitiesOnly: true,
      proxyJump: ['gate', 'jack@gate2:2022'],
      hostKeyAlias: 'the-alpha',
      connectTimeout: 7_000,
    });
  });

  test('what the person writes wins over the file', async () => {
    expect(await resolve('joe@alpha:99')).toMatchObject({ user: 'joe', port: 99, host: '192.0.2.1' });
  });

  test('patterns, tokens, several known_hosts files, and included files', async () => {
    expect(await resolve('some.example')).toMatchObject({ user: 'pattern', host: 'some.example', port: 22 });
    expect((await resolve('bad.example')).user).not.toBe('pattern');
    expect(await resolve('beta')).toMatchObject({
      host: 'beta.example.net',
      userKnownHostsFiles: [join(home, 'one'), join(home, 'two')],
    });
    expect(await resolve('gamma')).toMatchObject({ port: 2201, user: 'dora' });
  });

  test.each(['', '-oProxyCommand=x', 'a b', 'a;b', '$(x)', 'user@', '@host', 'host:99999', "a'b", '::zz'])(
    '%j is no host',
    async (text) => {
      await expect(resolve(text)).rejects.toMatchObject({ code: 'unknown-host', node: 'node' });
    },
  );
});

test('the forms of a host', () => {
  expect(parseHostSpec('ssh://jo@host:22')).toEqual({ user: 'jo', host: 'host', port: 22 });
  expect(parseHostSpec('jo@[2001:db8::1]:2222')).toEqual({ user: 'jo', host: '2001:db8::1', port: 2222 });
  expect(parseHostSpec('2001:db8::1')).toEqual({ user: undefined, host: '2001:db8::1', port: undefined });
  expect(parseHostSpec('fe80::1%eth0')).toEqual({ user: undefined, host: 'fe80::1%eth0', port: undefined });
});

test('the named hosts are listed once each, patterns left out, Include followed', async () => {
  const hosts = await listHosts({ configFile, home });
  expect(hosts.map(({ name }) => name)).toEqual(['gamma', 'delta', 'alpha', 'alias-of-alpha', 'beta']);
  expect(hosts.find(({ name }) => name === 'gamma')).toMatchObject({ file: join(home, '.ssh/conf.d/1.conf'), line: 1 });
});

test('an Include that goes round in circles ends', async () => {
  const round = join(home, 'round');
  await writeFile(round, `Host one\nInclude ${round}\nHost two\n`);
  const hosts = await listHosts({ configFile: round, home });
  expect(hosts.map(({ name }) => name)).toEqual(['one', 'two']);
});

test('without a file there are no hosts', async () => {
  expect(await listHosts({ home: '/nonexistent' })).toEqual([]);
});

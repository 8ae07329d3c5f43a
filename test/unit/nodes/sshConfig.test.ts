// Promises of ssh_config: a host means here what it means to ssh, with or without ssh to ask.
import { createHash } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listHosts } from '../../../extension/nodes/hosts.ts';
import { usualAgent } from '../../../extension/nodes/ssh.ts';
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

/** A home with an ssh_config and files beside it; what a host means by it. */
async function withConfig(files: Readonly<Record<string, string | Buffer>>) {
  const place = join(home, `home-${++homes}`);
  for (const [name, content] of Object.entries(files)) {
    const path = join(place, '.ssh', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  const options = { configFile: join(place, '.ssh', 'config'), home: place };
  return {
    place,
    options,
    resolve: (text: string, sshProgram?: string) => resolveHost('node', text, { ...options, sshProgram }),
  };
}
let homes = 0;

const ways = [
  { way: 'with ssh', sshProgram: undefined },
  { way: 'without ssh', sshProgram: '' },
] as const;

describe.each(ways)('$way', ({ sshProgram }) => {
  test('an Include holds for what its block holds for, and a comma parts no patterns', async () => {
    const { options, resolve } = await withConfig({
      config: `Host *
  ConnectTimeout 9
Include conf.d/*.conf
Host work-*
  Include conf.d/only-work.inc
Host late
  Port 2209
Host *.prod,legacy
  Port 99
`,
      'conf.d/a.conf': 'Host lab1\n  HostName 192.0.2.21\n  Port 2201\n',
      'conf.d/b.conf': 'Host lab2 !lab3\n  HostName 192.0.2.22\nHost *.lab !gw.lab\n  User labber\n',
      'conf.d/only-work.inc': 'User worker\nHost beta\n  Port 2299\nHost work-2\n  Port 2298\n',
    });
    const told = async (text: string) => {
      const { host, port, user, connectTimeout } = await resolve(text, sshProgram);
      expect(connectTimeout).toBe(9_000);
      return `${user === userInfo().username ? '' : `${user}@`}${host}:${port}`;
    };
    for (const [text, meaning] of Object.entries({
      lab1: '192.0.2.21:2201',
      lab2: '192.0.2.22:22',
      beta: 'beta:22',
      'work-1': 'worker@work-1:22',
      'work-2': 'worker@work-2:2298',
      late: 'late:2209',
      'x.lab': 'labber@x.lab:22',
      'gw.lab': 'gw.lab:22',
      'a.prod': 'a.prod:22',
      legacy: 'legacy:22',
    }))
      expect(await told(text), text).toBe(meaning);
    expect((await listHosts(options)).map(({ name }) => name)).toEqual(['lab1', 'lab2', 'work-2', 'late']);
  });

  test('Match: by host, by the name that was typed, by user, all, negated, and last of all', async () => {
    const { resolve } = await withConfig({
      config: `Match final host 192.0.2.9
  ConnectTimeout 8
Host named
  HostName 192.0.2.9
Match host 192.0.2.9,192.0.2.10 originalhost named
  Port 2301
Match user joe
  Port 2302
Match !user joe,jim originalhost other
  Port 2303
Match localuser nobody-of-this-name
  Port 2304
Match all
  IdentitiesOnly yes
`,
    });
    expect(await resolve('named', sshProgram)).toMatchObject({
      port: 2301,
      connectTimeout: 8_000,
      identitiesOnly: true,
    });
    expect((await resolve('192.0.2.9', sshProgram)).port).toBe(22);
    expect((await resolve('joe@other', sshProgram)).port).toBe(2302);
    expect((await resolve('jim@other', sshProgram)).port).toBe(22);
    expect((await resolve('other', sshProgram)).port).toBe(2303);
  });

  test('ends of lines as on Windows', async () => {
    const { place, resolve } = await withConfig({
      config:
        'Host win1\r\n  HostName 192.0.2.31\r\n  Port 2231\r\n  IdentityFile "~/.ssh/win key"\r\n' +
        'Host win2\r\n  HostName 192.0.2.32\r\n  ProxyJump win1\r\n',
    });
    expect(await resolve('win1', sshProgram)).toMatchObject({
      host: '192.0.2.31',
      port: 2231,
      identityFiles: [join(place, '.ssh/win key')],
    });
    expect(await resolve('win2', sshProgram)).toMatchObject({ host: '192.0.2.32', proxyJump: ['win1'] });
  });

  test('the tokens of ssh_config', async () => {
    const { place, resolve } = await withConfig({
      config: `Host tok
  HostName %h.lab.example
  User deploy
  Port 2022
  IdentityFile %d/.ssh/%r@%h-%p
  IdentityFile ~/.ssh/by-hash/%C
  IdentityFile %d/by-jump/%j/100%%
  UserKnownHostsFile /kh/%k /kh/%C
  HostKeyAlias tokalias
Host jumping
  ProxyJump gate
  IdentityFile ~/.ssh/%C
  IdentityFile ~/.ssh/by-%j
`,
    });
    const hash = (...parts: string[]): string => createHash('sha1').update(parts.join('')).digest('hex');
    const tok = hash(hostname(), 'tok.lab.example', '2022', 'deploy');
    expect(await resolve('tok', sshProgram)).toMatchObject({
      identityFiles: [
        join(place, '.ssh/deploy@tok.lab.example-2022'),
        join(place, '.ssh/by-hash', tok),
        `${place}/by-jump//100%`,
      ],
      // With ssh these are its own words: the hash is what it makes of it.
      userKnownHostsFiles: ['/kh/tokalias', `/kh/${tok}`],
    });
    const { username } = userInfo();
    // Since OpenSSH 9.6 the jump hosts are part of it.
    expect((await resolve('jumping', sshProgram)).identityFiles).toEqual([
      join(place, '.ssh', hash(hostname(), 'jumping', '22', username, 'gate')),
      join(place, '.ssh', hash(hostname(), 'jumping', '22', username)),
      join(place, '.ssh/by-gate'),
    ]);
  });
});

const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le');
const marked = {
  'a byte order mark': Buffer.from('\ufeffHost odd\r\n  HostName 192.0.2.41\r\n'),
  'UTF-16': utf16('Host odd\r\n  HostName 192.0.2.41\r\n'),
  'UTF-16, the other way round': utf16('Host odd\r\n  HostName 192.0.2.41\r\n').swap16(),
};

describe.each(Object.entries(marked))('a configuration with %s', (what, config) => {
  test('is read where there is no ssh', async () => {
    const { options, resolve } = await withConfig({ config });
    expect((await resolve('odd', '')).host).toBe('192.0.2.41');
    expect((await listHosts(options)).map(({ name }) => name)).toEqual(['odd']);
  });

  test('is refused by ssh, and the mend says why', async () => {
    const { options, resolve } = await withConfig({ config });
    await expect(resolve('odd')).rejects.toMatchObject({
      code: 'unknown-host',
      message: expect.stringContaining(options.configFile) as string,
      mend: expect.stringContaining(
        what.startsWith('UTF-16')
          ? 'is UTF-16: save it as UTF-8'
          : 'begins with a byte order mark: save it as UTF-8 without one',
      ) as string,
    });
  });

  test('is found where it is included, too', async () => {
    const { place, resolve } = await withConfig({ config: 'Include odd.conf\n', 'odd.conf': config });
    await expect(resolve('odd')).rejects.toMatchObject({
      mend: expect.stringContaining(join(place, '.ssh/odd.conf')) as string,
    });
  });
});

test('commands that a configuration asks for are run by ssh alone, and said to be unread without it', async () => {
  const { place, options } = await withConfig({
    config:
      'Host a\nMatch exec "touch %d/ran"\n  Port 2401\nMatch tagged x\n  Port 2402\nHost *\n  CanonicalizeHostname yes\n',
  });
  const said: string[] = [];
  const log = (line: string): unknown => said.push(line);
  expect((await resolveHost('node', 'a', { ...options, sshProgram: '', log })).port).toBe(22);
  await expect(stat(join(place, 'ran'))).rejects.toThrow('ENOENT');
  expect(said).toEqual([
    `${options.configFile}:2 is not read without an OpenSSH client: Match exec`,
    `${options.configFile}:4 is not read without an OpenSSH client: Match tagged`,
    `${options.configFile}:7 is not read without an OpenSSH client: CanonicalizeHostname`,
  ]);
});

test('a configuration file can be named from the home folder', async () => {
  const { place } = await withConfig({ config: 'Host a\n  Port 2501\n', other: 'Host b\n  Port 2502\n' });
  for (const sshProgram of [undefined, ''])
    expect((await resolveHost('node', 'b', { configFile: '~/.ssh/other', home: place, sshProgram })).port).toBe(2502);
  expect((await listHosts({ configFile: '~/.ssh/other', home: place })).map(({ name }) => name)).toEqual(['b']);
});

test('an agent is looked for where the system has it', () => {
  const pipe = String.raw`\\.\pipe\openssh-ssh-agent`;
  expect(usualAgent('linux', { SSH_AUTH_SOCK: '/run/agent' })).toBe('/run/agent');
  expect(usualAgent('linux', {})).toBe('');
  expect(usualAgent('win32', {})).toBe(pipe);
  expect(usualAgent('win32', { SSH_AUTH_SOCK: pipe + '-mine' })).toBe(`${pipe}-mine`);
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

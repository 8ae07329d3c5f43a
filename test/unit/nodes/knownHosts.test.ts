// Promises of known_hosts: what is listed is found, what is damaged is named, what is added stays readable for ssh.
import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint, KnownHosts, keyType, remember } from '../../../extension/nodes/knownHosts.ts';
import { makeKey, makePlace, removePlace, runProgram } from './support/place.ts';

let place: string;
let serial = 0;
const keys: Record<'a' | 'b' | 'rsa', { text: string; blob: Buffer }> = {
  a: { text: '', blob: Buffer.alloc(0) },
  b: { text: '', blob: Buffer.alloc(0) },
  rsa: { text: '', blob: Buffer.alloc(0) },
};

beforeAll(async () => {
  place = await makePlace();
  for (const name of ['a', 'b', 'rsa'] as const) {
    const file = await makeKey(join(place, name), name === 'rsa' ? 'rsa' : 'ed25519');
    const text = (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
    keys[name] = { text, blob: Buffer.from(text.split(' ')[1] ?? '', 'base64') };
  }
});
afterAll(() => removePlace(place));

async function file(text: string): Promise<string> {
  const path = join(place, `known_hosts_${serial++}`);
  await writeFile(path, text);
  return path;
}

async function verdict(text: string, host: string, port = 22, key: keyof typeof keys = 'a') {
  const known = await KnownHosts.read([await file(text)]);
  return known.check(host, port, keys[key].blob);
}

describe('check', () => {
  test('a plain name, any case, among others', async () => {
    expect(await verdict(`other,Node.Example ${keys.a.text} comment\n`, 'node.example')).toMatchObject({
      kind: 'known',
    });
  });

  test('nothing listed is unknown', async () => {
    expect(await verdict(`other ${keys.a.text}\n`, 'node')).toEqual({ kind: 'unknown' });
  });

  test('another key of the same type is changed, with the line', async () => {
    expect(await verdict(`\n# note\nnode ${keys.b.text}\n`, 'node')).toMatchObject({
      kind: 'changed',
      place: { line: 3 },
      knownType: 'ssh-ed25519',
    });
  });

  test('only a key of another type is changed too', async () => {
    expect(await verdict(`node ${keys.rsa.text}\n`, 'node')).toMatchObject({ kind: 'changed', knownType: 'ssh-rsa' });
  });

  test('any of several keys is good', async () => {
    const text = `node ${keys.b.text}\nnode ${keys.rsa.text}\nnode ${keys.a.text}\n`;
    expect(await verdict(text, 'node')).toMatchObject({ kind: 'known', place: { line: 3 } });
  });

  test('a port belongs to the name; where it has no key, a matching bare name is accepted and a differing one does not count', async () => {
    expect(await verdict(`[node]:2222 ${keys.a.text}\n`, 'node', 2222)).toMatchObject({ kind: 'known' });
    expect(await verdict(`[node]:2222 ${keys.a.text}\n`, 'node', 22)).toEqual({ kind: 'unknown' });
    expect(await verdict(`node ${keys.a.text}\n`, 'node', 2222)).toMatchObject({ kind: 'known' });
    expect(await verdict(`node ${keys.b.text}\n`, 'node', 2222)).toEqual({ kind: 'unknown' });
  });

  test.each(['a plain name', 'a hashed name'])(
    'the key that is listed for the port decides, not that of %s',
    async (how) => {
      const path = await file(`node ${keys.a.text}\n[node]:2222 ${keys.b.text}\n`);
      if (how === 'a hashed name') await runProgram('ssh-keygen', ['-q', '-H', '-f', path]);
      const known = await KnownHosts.read([path]);
      expect(known.check('node', 2222, keys.a.blob)).toMatchObject({ kind: 'changed', place: { line: 2 } });
      expect(known.check('node', 2222, keys.b.blob)).toMatchObject({ kind: 'known', place: { line: 2 } });
      expect(known.check('node', 22, keys.a.blob)).toMatchObject({ kind: 'known', place: { line: 1 } });
    },
  );

  test('wildcards match and negation excludes', async () => {
    expect(await verdict(`*.example,!bad.example ${keys.a.text}\n`, 'good.example')).toMatchObject({ kind: 'known' });
    expect(await verdict(`*.example,!bad.example ${keys.a.text}\n`, 'bad.example')).toEqual({ kind: 'unknown' });
    expect(await verdict(`node? ${keys.a.text}\n`, 'node1')).toMatchObject({ kind: 'known' });
  });

  test('names that ssh-keygen hashed are found', async () => {
    const path = await file(`node ${keys.a.text}\n[node]:2222 ${keys.b.text}\n`);
    await runProgram('ssh-keygen', ['-q', '-H', '-f', path]);
    expect(await readFile(path, 'utf8')).not.toContain('node');
    const known = await KnownHosts.read([path]);
    expect(known.check('node', 22, keys.a.blob).kind).toBe('known');
    expect(known.check('node', 2222, keys.b.blob).kind).toBe('known');
    expect(known.check('elsewhere', 22, keys.a.blob).kind).toBe('unknown');
  });

  test('revoked wins over listed, in any file', async () => {
    const known = await KnownHosts.read([
      await file(`node ${keys.a.text}\n`),
      await file(`@revoked * ${keys.a.text}\n`),
    ]);
    expect(known.check('node', 22, keys.a.blob)).toMatchObject({ kind: 'revoked', place: { line: 1 } });
  });

  test('a certificate authority vouches for nothing here, and is named where it speaks for the host', async () => {
    const authority = `@cert-authority *.lab,!gw.lab ${keys.a.text}\n`;
    expect(await verdict(authority, 'node.lab')).toMatchObject({ kind: 'unknown', authority: { line: 1 } });
    expect(await verdict(authority, 'node.lab', 2222)).toMatchObject({ kind: 'unknown', authority: { line: 1 } });
    expect(await verdict(authority, 'gw.lab')).toEqual({ kind: 'unknown' });
    expect(await verdict(`${authority}node.lab ${keys.rsa.text}\n`, 'node.lab')).toMatchObject({
      kind: 'changed',
      place: { line: 2 },
      authority: { line: 1 },
    });
    expect(await verdict(`${authority}node.lab ${keys.a.text}\n`, 'node.lab')).toEqual({
      kind: 'known',
      place: { file: expect.any(String) as string, line: 2 },
    });
  });

  test('a missing file is empty; several files are read in order', async () => {
    const known = await KnownHosts.read(['/nonexistent/known_hosts', await file(`node ${keys.a.text}\n`)]);
    expect(known.ignored).toEqual([]);
    expect(known.check('node', 22, keys.a.blob).kind).toBe('known');
  });

  test('damaged lines are passed over and named, the others count', async () => {
    const bad = [
      'node',
      'node ssh-ed25519',
      'node ssh-ed25519 !!!',
      '@what node ssh-ed25519 AAAA',
      `node ssh-rsa ${keys.a.text.split(' ')[1] ?? ''}`,
      `${'x'.repeat(70_000)} y z`,
      '|1|x ssh-ed25519 AAAA',
      '\0\xff\0',
    ];
    const known = await KnownHosts.read([await file(`${bad.join('\n')}\nnode ${keys.a.text}\n`)]);
    expect(known.ignored.map(({ line }) => line)).toEqual(bad.map((_line, index) => index + 1));
    expect(known.check('node', 22, keys.a.blob)).toMatchObject({ kind: 'known', place: { line: bad.length + 1 } });
  });

  test('the types of a host are those to ask it for', async () => {
    const known = await KnownHosts.read([await file(`node ${keys.rsa.text}\n*,!x ${keys.a.text}\n`)]);
    expect(known.typesFor('node', 22)).toEqual(['ssh-rsa', 'ssh-ed25519']);
    expect(known.typesFor('x', 22)).toEqual([]);
  });
});

describe('remember', () => {
  test('makes file and folder for the person alone, and ssh-keygen finds the host', async () => {
    const path = join(place, 'new home', '.ssh', 'known_hosts');
    await remember(path, 'Node', 2222, keys.a.blob);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(place, 'new home', '.ssh'))).mode & 0o777).toBe(0o700);
    expect(await runProgram('ssh-keygen', ['-F', '[node]:2222', '-f', path])).toContain(keys.a.text);
  });

  test('keeps what is there, also after a last line without an end, and the mode', async () => {
    const path = await file(`first ${keys.b.text}`);
    await chmod(path, 0o640);
    await remember(path, 'node', 22, keys.a.blob);
    expect(await readFile(path, 'utf8')).toBe(`first ${keys.b.text}\nnode ${keys.a.text}\n`);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
  });

  test('hashes where the file does', async () => {
    const path = await file(`first ${keys.b.text}\n`);
    await runProgram('ssh-keygen', ['-q', '-H', '-f', path]);
    await remember(path, 'node', 22, keys.a.blob);
    expect(await readFile(path, 'utf8')).not.toContain('node');
    expect(await runProgram('ssh-keygen', ['-F', 'node', '-f', path])).toContain(keys.a.text);
  });

  test('writes through a link, and many at once stay whole', async () => {
    const path = await file('');
    const link = join(place, 'link');
    await symlink(path, link);
    await Promise.all(Array.from({ length: 20 }, (_none, index) => remember(link, `node${index}`, 22, keys.a.blob)));
    const lines = (await readFile(path, 'utf8')).trim().split('\n').sort();
    expect(lines).toEqual(Array.from({ length: 20 }, (_none, index) => `node${index} ${keys.a.text}`).sort());
  });

  test('a switched off file stays what it is', async () => {
    await remember('/dev/null', 'node', 22, keys.a.blob);
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });
});

test('fingerprints are those of ssh-keygen', async () => {
  const said = await runProgram('ssh-keygen', ['-l', '-f', join(place, 'rsa.pub')]);
  expect(said.split(' ')[1]).toBe(fingerprint(keys.rsa.blob));
});

test('what is no key has no type', () => {
  for (const bytes of [[], [0, 0, 0], [0, 0, 0, 9, 1], [255, 255, 255, 255, 1], [0, 0, 0, 1, 0]])
    expect(keyType(Uint8Array.from(bytes))).toBeUndefined();
});

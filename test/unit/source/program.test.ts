// Where the source of a BPF program is: paths that the compiler knew, mapped to files here, and the text that BTF's lines make.
import { expect, test } from 'vitest';
import { listProgram, programPlace } from '../../../extension/source/programListing.ts';
import { likeliest, mapPath, nameGlob, sameEnd } from '../../../extension/source/programPath.ts';
import type { Program, SourceLine } from '../../../extension/trace/programMessages.ts';

const program = (fields: Partial<Program> = {}): Program => ({
  id: 42,
  type: 3,
  name: 'cil_from_container',
  tag: '',
  state: 'hooked',
  reason: '',
  log: '',
  attachments: [],
  maps: [],
  pins: [],
  tailCalls: [],
  images: [],
  entryHook: 1,
  verdictHook: 2,
  goneNs: 0n,
  file: '',
  line: 0,
  ...fields,
});
const line = (file: string, number: number, text: string, name = ''): SourceLine => ({
  file,
  line: number,
  column: 1,
  text,
  function: name,
});

test.each<[string, Record<string, string>, string | undefined]>([
  ['/build/bpf/a.c', {}, undefined],
  ['/build/bpf/a.c', { '/build': '/home/me/src' }, '/home/me/src/bpf/a.c'],
  ['/build/bpf/a.c', { '/build/': '/home/me/src/' }, '/home/me/src/bpf/a.c'],
  ['/build/bpf/a.c', { '/build': '/one', '/build/bpf': '/two' }, '/two/a.c'],
  ['/build/bpf/a.c', { '/build/bpf': '/two', '/build': '/one' }, '/two/a.c'],
  ['/builder/a.c', { '/build': '/one' }, undefined],
  ['/build/./bpf//x/../a.c', { '/build/bpf': '/two' }, '/two/a.c'],
  ['/build/a.c', { '/build/a.c': '/two/b.c' }, '/two/b.c'],
  ['/a.c', { '/': '/root' }, '/root/a.c'],
  ['bpf/a.c', { '': 'sources' }, 'sources/bpf/a.c'],
  ['./a.c', { '.': '/sources' }, '/sources/a.c'],
  ['/abs/a.c', { '': 'sources' }, undefined],
  ['../../etc/passwd', { '': '/sources' }, undefined],
  ['/build/../../etc/passwd', { '/build': '/one' }, undefined],
  ['/build/a.c', { '/build': '' }, undefined],
  ['', { '': '/sources' }, undefined],
])('%s by %j is %s', (file, map, mapped) => {
  expect(mapPath(file, map)).toBe(mapped);
});

test('of the files with its name, those are likeliest whose folders are the same, too', () => {
  expect(sameEnd('/go/src/bpf/lib/nat.h', '/home/me/bpf/lib/nat.h')).toBe(3);
  expect(sameEnd('nat.h', '/home/me/snat.h')).toBe(0);
  expect(sameEnd('../nat.h', '/x/../nat.h')).toBe(1);
  const files = ['/w/bpf/nat.h', '/w/old/lib/nat.h', '/w/bpf/lib/nat.h', '/w/x/bpf/lib/nat.h'];
  expect(likeliest('/go/src/bpf/lib/nat.h', files, (file) => file)).toEqual(files.slice(2));
  expect(likeliest('nat.h', files, (file) => file)).toEqual(files);
  expect(likeliest('/go/other.h', files, (file) => file)).toEqual([]);
});

test('a file’s name is searched as it is written, whatever is in it', () => {
  expect(nameGlob('/src/bpf_lxc.c')).toBe('**/bpf_lxc.c');
  expect(nameGlob('/src/a*b?{c}.c')).toBe('**/a[*]b[?][{]c[}].c');
  expect(nameGlob('/src/a[1].c')).toBe('**/a?1?.c');
  expect(nameGlob('')).toBeUndefined();
  expect(nameGlob('..')).toBeUndefined();
  expect(nameGlob(`/${'a'.repeat(300)}`)).toBeUndefined();
});

test('a program begins where it says, else at its own first line, else at the first', () => {
  const lines = [line('b.h', 3, 'x', 'other'), line('a.c', 9, '\treturn 0;', 'cil_from_container')];
  expect(programPlace(program({ file: 'a.c', line: 9 }), lines)).toMatchObject({ line: 9, text: '\treturn 0;' });
  expect(programPlace(program({ file: 'a.c', line: 8 }), lines)).toEqual({ file: 'a.c', line: 8, column: 0, text: '' });
  expect(programPlace(program(), lines)).toMatchObject({ file: 'a.c', line: 9 });
  expect(programPlace(program({ name: 'none' }), lines)).toMatchObject({ file: 'b.h', line: 3 });
  expect(programPlace(program(), [])).toBeUndefined();
});

test('the lines that BTF carries make a text: each once, in order, with its number, the program’s file first', () => {
  const lines = [
    line('a.c', 12, '\treturn TC_ACT_OK;'),
    line('lib.h', 3, '\tif (x)'),
    line('a.c', 9, ''),
    line('a.c', 9, 'int cil_from_container(struct __sk_buff *ctx)'),
    line('a.c', 10, '{\n// not a line of its own'),
    line('a.c', 12, 'the same again'),
  ];
  const { text, line: start } = listProgram(program({ file: 'a.c', line: 9 }), lines);
  expect(text.split('\n')).toEqual([
    '// cil_from_container, BPF program 42: the source lines that its BTF carries.',
    '// Lines that made no instructions are not among them.',
    '',
    '// a.c',
    '/*  9 */ int cil_from_container(struct __sk_buff *ctx)',
    '/* 10 */ { // not a line of its own',
    '',
    '/* 12 */ \treturn TC_ACT_OK;',
    '',
    '// lib.h',
    '/* 3 */ \tif (x)',
    '',
  ]);
  expect(start).toBe(4);
});

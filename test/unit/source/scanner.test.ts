// The scanner reports what defines a function, and nothing that only looks like it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Flag } from '../../../extension/source/declaration.ts';
import { scan } from '../../../extension/source/scanner.ts';
import { fixtureTree } from './fixture.ts';

interface Found {
  readonly name: string;
  readonly line: number;
  readonly flags: number;
}

function scanText(text: string | Buffer): Found[] {
  const found: Found[] = [];
  scan(typeof text === 'string' ? Buffer.from(text) : text, (name, line, flags) => found.push({ name, line, flags }));
  return found;
}

const read = (file: string): Buffer => readFileSync(join(fixtureTree, file));
const names = (text: string | Buffer): string[] => scanText(text).map(({ name }) => name);

/** The definitions that a fixture file says it holds. */
function promised(file: string): string[] {
  return read(file)
    .toString()
    .split('\n')
    .flatMap((text, index) => {
      const name = /\/\* defines (\w+) \*\//.exec(text)?.[1];
      return name === undefined ? [] : [`${index + 1} ${name}`];
    });
}

describe('the scanner', () => {
  test.each(['net/core/tricky.c', 'net/core/odd_resync.c'])(
    'reports in %s every definition at its line, and nothing else',
    (file) => {
      expect(scanText(read(file)).map(({ name, line }) => `${line} ${name}`)).toEqual(promised(file));
    },
  );

  test('knows static, inline, weak, stub and macro definitions', () => {
    const flags = new Map(scanText(read('net/core/tricky.c')).map((found) => [found.name, found.flags]));
    expect(flags.get('plain')).toBe(0);
    expect(flags.get('same_line_brace')).toBe(Flag.static | Flag.inline);
    expect(flags.get('weak_default')).toBe(Flag.weak);
    expect(flags.get('sys_three')).toBe(Flag.macro);
    const header = new Map(scanText(read('include/linux/skbuff.h')).map((found) => [found.name, found.flags]));
    expect(header.get('feature')).toBe(Flag.static | Flag.inline | Flag.stub);
    expect(header.get('feature_off')).toBe(Flag.static | Flag.inline | Flag.stub);
    expect(header.get('accessor')).toBe(Flag.static | Flag.inline);
  });

  test('names a tracepoint by its system and event', () => {
    expect(scanText(read('include/trace/events/skb.h'))).toEqual([
      ...['skb:kfree_skb', ':kfree_skb'].map((name) => ({ name, line: 6, flags: Flag.tracepoint | Flag.macro })),
      { name: ':pair_class', line: 24, flags: Flag.tracepoint | Flag.macro },
      ...['skb:consume_skb', ':consume_skb'].map((name) => ({ name, line: 28, flags: Flag.tracepoint | Flag.macro })),
    ]);
  });

  test('names the functions that security hooks make, in whatever branch they stand', () => {
    expect(scanText(read('include/linux/lsm_hook_defs.h')).map(({ name, line }) => `${line} ${name}`)).toEqual([
      '2 bpf_lsm_binder_set_context_mgr',
      '5 bpf_lsm_socket_sock_rcv_skb',
      '6 bpf_lsm_inet_conn_established',
    ]);
  });

  test.each([
    [
      'Windows line ends',
      'int a(void)\r\n{\r\n}\r\n#define X \\\r\n int no(void) {\r\nint b(void)\r\n{\r\n}\r\n',
      ['a', 'b'],
    ],
    ['a file that ends inside a body', 'int a(void) {\n', ['a']],
    ['a file that ends inside a comment', 'int a(void) {\n}\n/* int b(void) {', ['a']],
    ['a file that ends inside parentheses', 'int a(void) {\n}\nint b(', ['a']],
    ['a file that ends inside a skipped branch', 'int a(void) {\n}\n#if 0\n#', ['a']],
    ['an unclosed string', 'int a(void) {\n}\nchar *s = "\nint b(void) {\n}\n', ['a']],
    ['extern "C"', 'extern "C" {\nint a(void) {\n}\n}\nint b(void) {\n}\n', ['a', 'b']],
    ['a directive after a comment', '/* x */ #define no(a) {\nint a(void) {\n}\n', ['a']],
    ['an apostrophe in #error', "#error don't\nint a(void) {\n}\n", ['a']],
  ])('gets along with %s', (_, text, expected) => {
    expect(names(text)).toEqual(expected);
  });

  test('a hostile file neither crashes nor hangs it', () => {
    const size = 1 << 20;
    const unit = [
      '{',
      '(',
      '#if\n',
      'a(b) ',
      'x ',
      '"\\',
      "'",
      '/*',
      '#else\n',
      'int f(int a) {\n#else\n',
      '\0',
      '\xff',
    ];
    for (const text of unit) {
      const started = performance.now();
      scanText(text.repeat(size / text.length));
      expect(performance.now() - started, JSON.stringify(text)).toBeLessThan(5000);
    }
  });

  test('no cut of a file crashes it', () => {
    const bytes = read('net/core/tricky.c');
    for (let length = 0; length <= bytes.length; length += 7) {
      // A cut may end a comment's line or a name early, but it invents no line beyond the file.
      for (const { line } of scanText(bytes.subarray(0, length))) expect(line).toBeLessThan(300);
    }
  });
});

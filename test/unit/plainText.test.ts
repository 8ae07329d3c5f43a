// Text of others moves, hides and runs nothing where a person is shown it.
import { expect, test } from 'vitest';
import { iconless, notice, visible } from '../../extension/protocol/plainText.ts';

test('what has no shape of its own is written out', () => {
  expect(visible('eth0 größe 日本 😀 \\ip')).toBe('eth0 größe 日本 😀 \\ip');
  expect(visible('\x1b[2J\x7f\x9b')).toBe(String.raw`\x1b[2J\x7f\u009b`);
  expect(visible('a\nb\r\tc')).toBe(String.raw`a\nb\r\tc`);
  expect(visible('\u202etcp\u2066\u200b\ufeff\u2028\u{e0041}')).toBe(
    String.raw`\u202etcp\u2066\u200b\ufeff\u2028\U000e0041`,
  );
});

test('a notice is one line', () => {
  expect(notice('first\n  second\r\nthird\t4')).toBe('first second third 4');
  expect(notice('\x1b[2J \u202e')).toBe(String.raw`\x1b[2J \u202e`);
});

test('what VS Code would draw icons for stays text', () => {
  // VS Code's labelWithIconsRegex (src/vs/base/common/iconLabels.ts).
  const icon = /(?:\\)?\$\([A-Za-z0-9-]+(?:~[A-Za-z]+)?\)/;
  for (const text of ['$(error) eth0', String.raw`\$(sync~spin)`, '$\u200b(error)', '$$(error)'])
    expect(iconless(text)).not.toMatch(icon);
  expect(iconless('$(pass)')).toBe('$ (pass)');
  expect(iconless('tcp[13] ($5)\n')).toBe(String.raw`tcp[13] ($5)\n`);
});

test('a notice has no link that somebody else put there', () => {
  // VS Code's parseLinkedText (src/vs/base/common/linkedText.ts).
  const link = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/gi;
  for (const text of [
    'no BTF: [see](command:workbench.action.quit): retry',
    '[a](https://example.com "b") [c](FILE:///etc/passwd)',
    '[a]\u200b(command:x)',
    '[a]\n(command:x)',
  ])
    expect(notice(text)).not.toMatch(link);
  expect(notice('tcp[13] (flags)')).toBe('tcp[13] (flags)');
});

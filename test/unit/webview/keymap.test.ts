// The table of keys is what README, the help text and the handler say and do.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { actionOf, keyHelp, keymap, type KeyPress, type KeyScope } from '../../../webview/keymap.ts';

function press(key: string, modifiers: Partial<KeyPress> = {}): KeyPress {
  return { key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...modifiers };
}

describe('the keys', () => {
  test('are told in README as the table has them', () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const section = readme.slice(readme.indexOf('| key '), readme.indexOf('## In a terminal'));
    const cells = section.split('\n').flatMap((line) => {
      const [, keys, effect] = /^\| (.+?) +\| (.+?) +\|$/.exec(line) ?? [];
      return keys === undefined || effect === undefined || keys.startsWith('-') ? [] : [[keys, effect]];
    });
    expect(cells).toEqual([['key', 'effect'], ...keymap.map(({ keys, effect }) => [keys, effect])]);
  });

  test('are told to a screen reader in one sentence', () => {
    expect(keyHelp).toBe(
      'Left and right arrows move between hops, up and down between packets, Enter opens the source, plus and minus zoom, ' +
        'A and D pan, F shows the whole trace, Z the packet, L follows live, slash filters, Escape clears.',
    );
  });

  test('do one thing each', () => {
    for (const scope of ['lanes', 'page'] satisfies readonly KeyScope[]) {
      const names = keymap.filter((row) => row.scope === scope).flatMap(({ bindings }) => Object.keys(bindings));
      expect(new Set(names).size).toBe(names.length);
    }
  });

  test('mean the same with Shift and with capital letters where Shift has no meaning of its own', () => {
    expect(actionOf(press('F', { shiftKey: true }), 'lanes')).toBe('wholeTrace');
    expect(actionOf(press('+', { shiftKey: true }), 'lanes')).toBe('zoomIn');
    expect(actionOf(press('Home', { shiftKey: true }), 'lanes')).toBe('firstHop');
    expect(actionOf(press('ArrowLeft', { shiftKey: true }), 'lanes')).toBe('panFarLeft');
    expect(actionOf(press('D', { shiftKey: true }), 'lanes')).toBe('panFarRight');
  });

  test('leave to VS Code what is pressed with Alt, or with Ctrl and isn’t in the table', () => {
    expect(actionOf(press('Home', { ctrlKey: true }), 'lanes')).toBe('firstPacket');
    expect(actionOf(press('Enter', { metaKey: true }), 'lanes')).toBe('openSourceBeside');
    expect(actionOf(press('f', { ctrlKey: true }), 'lanes')).toBeUndefined();
    expect(actionOf(press('ArrowLeft', { altKey: true }), 'lanes')).toBeUndefined();
    expect(actionOf(press('/', { ctrlKey: true }), 'page')).toBeUndefined();
  });

  test('count in their scope only', () => {
    expect(actionOf(press('/'), 'page')).toBe('focusFilter');
    expect(actionOf(press('/'), 'lanes')).toBeUndefined();
    expect(actionOf(press('f'), 'page')).toBeUndefined();
  });
});

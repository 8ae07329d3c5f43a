import { expect, test } from 'vitest';
import { readPalette } from '../../../webview/palette.ts';
import { readState, type SavedState } from '../../../webview/state.ts';

const state: SavedState = {
  version: 1,
  viewport: { startNs: 5, nsPerPx: 2 },
  follow: false,
  filter: 'drop:',
  lanesTop: 44,
  event: 17,
  sizes: { labels: 300, bottom: 0, detail: 340 },
  again: '{}',
};

test('saved state comes back as it was', () => {
  expect(readState(JSON.parse(JSON.stringify(state)))).toEqual(state);
});

test('state of another version, or that is broken, is not used', () => {
  for (const bad of [
    undefined,
    null,
    7,
    {},
    { ...state, version: 2 },
    { ...state, sizes: {} },
    { ...state, lanesTop: NaN },
  ]) {
    expect(readState(bad)).toBeUndefined();
  }
});

test('an impossible viewport is left out, the rest is kept', () => {
  expect(readState({ ...state, viewport: { startNs: 0, nsPerPx: 0 } })).toEqual({ ...state, viewport: undefined });
});

test('every layer has a colour of its own, also in a theme that sets none', () => {
  for (const contrast of ['normal', 'dark', 'light'] as const) {
    const { layers } = readPalette(() => '', contrast);
    expect(new Set(layers).size).toBe(layers.length);
  }
});

test('the theme decides the colours', () => {
  const palette = readPalette((name) => (name === '--vscode-charts-blue' ? ' #123456 ' : ''), 'normal');
  expect(palette.layers[0]).toBe('#123456');
});

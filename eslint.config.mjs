// Lint rules: typescript-eslint's strict, type-checked set for everything, and the walls between the folders.
import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** Forbids a folder to import what its place in the design must not know. */
const walls = (patterns, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }],
});

/** The control library; controls.ts alone knows it, and what makes it fit for the page's policy. */
const toolkit = '@vscode/webview-ui-toolkit';

/**
 * The webview's rooms: their files, and the rooms that these may import from. Host → model → panes; gestures and keys → controllers →
 * model; a pane knows no other pane. main.ts knows all of them. A file that is in no room may import none, and none may import it.
 */
const rooms = {
  model: {
    files:
      'changes format hopLabels keymap laneWindow marks model newest pageLoader palette ruler scroll state trailModel viewport',
    knows: ['model'],
  },
  controllers: { files: 'selection viewportController', knows: ['model', 'controllers'] },
  parts: {
    files:
      'canvasBackdrop canvasGaps canvasMarks canvasNames canvasRenderer canvasRuler canvasSheet canvasSigns captureBox controls dom ' +
      'focusProbe laneLabels lanesScene overviewView renderer scrollbar splitter strips trailCells',
    knows: ['model', 'parts'],
  },
  panes: { files: 'detailView lanesPane legend messages toasts toolbar tooltip trailView', knows: ['model', 'parts'] },
  wires: {
    files: 'host inspection interaction keys layout persistence theme',
    knows: ['model', 'controllers', 'parts'],
  },
  main: { files: 'main', knows: ['model', 'controllers', 'parts', 'panes', 'wires'] },
};
const filesOf = (room) => rooms[room].files.split(' ');

/** What a webview file must not import, when it knows these rooms. */
const webviewWalls = (knows, foreign = ['node:*', 'vscode', 'ssh2', toolkit]) => ({
  'no-restricted-imports': [
    'error',
    {
      patterns: [
        {
          group: foreign,
          message: 'The webview knows only extension/protocol, and controls.ts the library of controls.',
        },
        { regex: '^\\.\\./(?!extension/protocol/)', message: 'The webview knows only extension/protocol.' },
        {
          regex: `^\\./(?!(?:${knows.flatMap(filesOf).join('|')})\\.ts$|styles/)`,
          message: 'That is in no room that this file may know: see the rooms in eslint.config.mjs.',
        },
      ],
    },
  ],
});

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'test-output/', 'node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-console': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  { files: ['webview/**/*.ts'], rules: webviewWalls([]) },
  ...Object.entries(rooms).map(([room, { knows }]) => ({
    files: filesOf(room).map((file) => `webview/${file}.ts`),
    rules: webviewWalls(knows),
  })),
  {
    files: ['webview/controls.ts', 'webview/focusProbe.ts'],
    rules: webviewWalls(rooms.parts.knows, ['node:*', 'vscode', 'ssh2']),
  },
  {
    // What Node.js has as well isn't the DOM's.
    files: ['model', 'controllers'].flatMap(filesOf).map((file) => `webview/${file}.ts`),
    rules: {
      'no-restricted-globals': ['error', ...Object.keys(globals.browser).filter((name) => !(name in globals.node))],
    },
  },
  {
    files: ['extension/protocol/**/*.ts'],
    rules: walls(['node:*', 'vscode', 'ssh2', '../*'], 'The protocol is pure and shared by both sides.'),
  },
  {
    files: ['extension/trace/**/*.ts'],
    rules: walls(['vscode', 'ssh2', '**/webview/**'], 'The trace model is pure: no VS Code, no SSH.'),
  },
  {
    files: ['extension/nodes/**/*.ts'],
    rules: walls(
      ['vscode', '**/webview/**'],
      'Nodes are reached without VS Code; prompts come in through an interface.',
    ),
  },
  {
    files: ['extension/**/*.ts'],
    ignores: ['extension/protocol/**', 'extension/trace/**', 'extension/nodes/**'],
    rules: walls(['**/webview/**'], 'The extension host never imports webview code.'),
  },
  {
    files: ['test/**/*.ts', '*.mjs', 'test/**/*.mjs'],
    languageOptions: { globals: globals.node },
    rules: { 'no-console': 'off' },
  },
);

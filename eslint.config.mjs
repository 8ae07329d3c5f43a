// Lint rules: typescript-eslint's strict, type-checked set for everything, and the walls between the folders.
import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** The folders of extension/, and which of the others each may import. What a folder is for: ARCHITECTURE.md. */
const rooms = {
  protocol: [],
  trace: ['protocol'],
  nodes: ['protocol'],
  source: ['protocol', 'trace'],
  sessions: ['protocol', 'trace', 'nodes'],
  views: ['protocol', 'trace', 'nodes', 'source', 'sessions'],
  commands: ['protocol', 'trace', 'nodes', 'source', 'sessions', 'views'],
};

/** Packages that only some of the folders may import. */
const packages = {
  vscode: ['views', 'commands'],
  'vscode-languageclient': ['views'],
  ssh2: ['nodes'],
  'ssh-config': ['nodes'],
  fzstd: ['trace'],
};

const forbid = (patterns, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }],
});

/** The wall around a folder: what it doesn't name in `rooms`, the entry, the webview, and packages that aren't for it. */
const wall = ([room, may]) => ({
  files: [`extension/${room}/**/*.ts`],
  rules: forbid(
    [
      ...Object.keys(rooms)
        .filter((other) => other !== room && !may.includes(other))
        .map((other) => `../${other}/*`),
      ...Object.entries(packages)
        .filter(([, those]) => !those.includes(room))
        .flatMap(([name]) => [name, `${name}/*`]),
      ...(room === 'protocol' ? ['node:*', '../*'] : ['../extension.ts', '../api.ts']),
      '**/webview/**',
    ],
    `Of extension/, ${room}/ knows only ${may.length > 0 ? may.join(', ') : 'itself'}.`,
  ),
});

/** What runs in a page has neither Node.js nor VS Code. */
const notForPages = ['node:*', ...Object.keys(packages)];

/** The control library; controls.ts alone knows it, and what makes it fit for the page's policy. */
const toolkit = '@vscode/webview-ui-toolkit';

/**
 * The webview's rooms: their files, and the rooms that these may import from. Host → model → panes; gestures and keys → controllers →
 * model; a pane knows no other pane. main.ts knows all of them. A file that is in no room may import none, and none may import it.
 */
const timelineRooms = {
  model: {
    files:
      'changes format hopLabels keymap laneWindow marks model newest pace pageLoader palette ruler scroll state trailModel viewport',
    knows: ['model'],
  },
  controllers: { files: 'selection viewportController', knows: ['model', 'controllers'] },
  parts: {
    files:
      'canvasBackdrop canvasGaps canvasMarks canvasNames canvasRenderer canvasRuler canvasSheet canvasSigns captureBox controls dom ' +
      'focusProbe laneLabels lanesScene overviewView relativesView renderer scrollbar splitter strips trailCells',
    knows: ['model', 'parts'],
  },
  panes: { files: 'detailView lanesPane legend messages toasts toolbar tooltip trailView', knows: ['model', 'parts'] },
  wires: {
    files: 'host inspection interaction keys layout persistence theme',
    knows: ['model', 'controllers', 'parts'],
  },
  main: { files: 'main', knows: ['model', 'controllers', 'parts', 'panes', 'wires'] },
};
const filesOf = (room) => timelineRooms[room].files.split(' ');

/** What a webview file must not import, when it knows these rooms. */
const webviewWalls = (knows, foreign = [...notForPages, toolkit]) => ({
  'no-restricted-imports': [
    'error',
    {
      patterns: [
        { group: foreign, message: 'A page has no such package; controls.ts alone knows the library of controls.' },
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
  ...Object.entries(rooms).map(wall),
  {
    files: ['extension/extension.ts'],
    rules: forbid(['ssh2', '**/webview/**'], 'The entry puts the parts together and does nothing itself.'),
  },
  {
    files: ['extension/*.ts'],
    ignores: ['extension/extension.ts'],
    rules: forbid([...Object.keys(packages), '**/webview/**'], 'Only views/, commands/ and the entry know VS Code.'),
  },
  { files: ['webview/**/*.ts'], rules: webviewWalls([]) },
  ...Object.entries(timelineRooms).map(([room, { knows }]) => ({
    files: filesOf(room).map((file) => `webview/${file}.ts`),
    rules: webviewWalls(knows),
  })),
  {
    files: ['webview/controls.ts', 'webview/focusProbe.ts'],
    rules: webviewWalls(timelineRooms.parts.knows, notForPages),
  },
  {
    // What Node.js has as well isn't the DOM's.
    files: ['model', 'controllers'].flatMap(filesOf).map((file) => `webview/${file}.ts`),
    rules: {
      'no-restricted-globals': ['error', ...Object.keys(globals.browser).filter((name) => !(name in globals.node))],
    },
  },
  {
    files: ['test/**/*.ts', '*.mjs', 'test/**/*.mjs'],
    languageOptions: { globals: globals.node },
    rules: { 'no-console': 'off' },
  },
);

// Lint rules: typescript-eslint's strict, type-checked set for everything, and the walls between the folders.
import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** Forbids a folder to import what its place in the design must not know. */
const walls = (patterns, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }],
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
  {
    files: ['webview/**/*.ts'],
    rules: walls(
      ['node:*', 'vscode', 'ssh2', '**/extension/{nodes,trace,source,export,views}/**'],
      'The webview knows only extension/protocol.',
    ),
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

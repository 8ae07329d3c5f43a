#!/usr/bin/env -S node --import tsx
// Stands where @vscode/test-electron expects VS Code's program: opens VS Code's own workbench in headless Chromium with the
// extension and its tests, prints what they log, and exits with the code that they end with.
import { setTimeout as delay } from 'node:timers/promises';
import { format } from 'node:util';
import type { Browser } from 'playwright-core';
import { startBrowser } from '../e2e/browser.ts';
import { type VSCodeServer, startVSCodeServer } from '../e2e/vscodeServer.ts';

/** Ends a run in which VS Code never reports. */
const limitMs = 10 * 60_000;

const args = process.argv.slice(2);
const folder = args.find((arg) => !arg.startsWith('-'));

/** An absolute path from an option of VS Code's command line. */
function option(name: string): string {
  const value = args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  if (value === undefined) throw new Error(`workbench launcher: --${name}=PATH is missing`);
  return value;
}

/** What the workbench says of itself; shown only when a run ends badly. */
const complaints: string[] = [];

/** Prints what Mocha reports, which is told from the workbench's own lines by its colours. */
function print(type: string, values: readonly unknown[]): void {
  const text = format(...values);
  if (text.trimStart().startsWith('\u001b[')) console.log(text);
  else complaints.push(`[${type}] ${text}`);
}

/** Opens the workbench on the tests; resolves with their exit code, or with why there is none. */
async function runTests(server: VSCodeServer, browser: Browser): Promise<number | string> {
  const page = await browser.newPage();
  const exit = new Promise<number | string>((resolve) => {
    void page.exposeFunction('codeAutomationExit', (code: number) => resolve(code));
    page.on('crash', () => resolve('the page crashed'));
    void server.failed.then((error) => resolve(error.message));
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => resolve(signal));
  });
  await page.exposeFunction('codeAutomationLog', print);
  const at = (path: string): string => `vscode-remote://${server.authority}${path}`;
  const payload = ['extensionDevelopmentPath', 'extensionTestsPath'].map((name) => [name, at(option(name))] as const);
  await page.goto(server.url(folder, payload));
  return Promise.race([
    exit,
    delay(limitMs, `VS Code did not report within ${limitMs / 60_000} minutes`, { ref: false }),
  ]);
}

async function main(): Promise<void> {
  const server = await startVSCodeServer({ progress: (message) => console.log(message) });
  try {
    const browser = await startBrowser();
    try {
      const result = await runTests(server, browser);
      if (result !== 0) console.error(complaints.join('\n'));
      if (typeof result === 'string') console.error(`workbench launcher: ${result}\n${await server.logs()}`);
      process.exitCode = typeof result === 'string' ? 1 : result;
    } finally {
      await browser.close();
    }
  } finally {
    await server.stop();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});

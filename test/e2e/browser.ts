// Starts the system's Chromium without a window: the browser that every test opens VS Code in.
import { access } from 'node:fs/promises';
import { type Browser, chromium } from 'playwright-core';

const candidates = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
] as const;

const flags = [
  '--no-sandbox',
  // WebGL in software: neither a CI machine nor a server has a graphics card.
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-quic',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
];

/** The Chromium that `PACKET_TRAIL_CHROMIUM` names, else the system's. Rejects with the mend when there is none. */
export async function findChromium(): Promise<string> {
  const named = process.env['PACKET_TRAIL_CHROMIUM'];
  for (const path of named === undefined ? candidates : [named]) {
    try {
      await access(path);
      return path;
    } catch {
      // Try the next one.
    }
  }
  throw new Error(
    `Chromium: not found at ${named ?? candidates.join(', ')}: install the package "chromium", or set PACKET_TRAIL_CHROMIUM to a Chromium or Chrome.`,
  );
}

/** Starts Chromium; `close()` of the result ends all its processes. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await findChromium(), headless: true, args: flags, timeout: 60_000 });
}

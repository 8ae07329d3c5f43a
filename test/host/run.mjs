// Runs the extension-host tests in VS Code with @vscode/test-electron. Which VS Code:
//   PACKET_TRAIL_VSCODE=/path/to/code      that program
//   PACKET_TRAIL_VSCODE=download           the newest stable one, downloaded into .vscode-test
//   PACKET_TRAIL_VSCODE=workbench          VS Code's workbench in Chromium (workbenchLauncher.ts)
//   not set                                download where there is a display and the download answers, else workbench
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTests } from '@vscode/test-electron';
import { fetchStableVersions } from '@vscode/test-electron/out/download.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));

/** The program to run; undefined means that runTests downloads VS Code. */
async function executable() {
  const launcher = join(here, 'workbenchLauncher.ts');
  const wanted = process.env.PACKET_TRAIL_VSCODE;
  if (wanted === 'workbench') return launcher;
  if (wanted === 'download') return undefined;
  if (wanted !== undefined && wanted !== '') return wanted;
  // Desktop VS Code needs a display.
  if (!process.env.DISPLAY && !process.env.WAYLAND_DISPLAY && process.platform === 'linux') return launcher;
  try {
    await fetchStableVersions(true, 5000);
    return undefined;
  } catch {
    console.log('VS Code cannot be downloaded here: using its workbench in Chromium.');
    return launcher;
  }
}

// The launcher finds its TypeScript loader from here.
process.chdir(root);
const folder = await mkdtemp(join(tmpdir(), 'packet-trail-host-'));
try {
  const program = await executable();
  await runTests({
    ...(program === undefined ? {} : { vscodeExecutablePath: program }),
    extensionDevelopmentPath: root,
    extensionTestsPath: join(root, 'dist', 'test', 'host', 'index.js'),
    // An empty folder of its own as the workspace.
    launchArgs: [folder],
  });
} catch (error) {
  console.error(`packet-trail: extension-host tests: ${error.message}`);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

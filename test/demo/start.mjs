// `npm start [-- --port N]`: from a fresh clone to a VS Code in the browser with Packet Trail in it, a node to trace and its
// kernel's source. Plain Node.js: it makes ready what the rest (demo.ts) needs.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { main, root, say } from '../setup/setup.mjs';
import { makePackage } from '../setup/package.mjs';

await main(async () => {
  say('Packet Trail demo: set-up; the first time takes some minutes');
  const file = await makePackage(join(root, 'build'));
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/demo/demo.ts', file, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
  // Whoever asks us to end asks the child, whose end we wait for. A terminal's Ctrl+C reaches it twice, which does no harm.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
});

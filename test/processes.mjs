// Runs the programs of test commands in process groups of their own, and ends all that still run when the command is interrupted.
import { execFile, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from './setup/setup.mjs';

/** Groups of processes that we have started and that still run. */
const running = new Set();
/** Once interrupted, nothing is started any more, and what waits for a program waits until we have ended. */
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, async () => {
    interrupted = true;
    console.log(`packet-trail: ${signal}: ending what runs`);
    await Promise.all([...running].map((pid) => endGroupGently(pid)));
    process.exit(130);
  });

/** Lets a group clean up before it is killed. */
async function endGroupGently(pid) {
  endGroup(pid, 'SIGTERM');
  const deadline = Date.now() + 15_000;
  while (running.has(pid) && Date.now() < deadline) await delay(50);
  endGroup(pid, 'SIGKILL');
}

function endGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // Over already.
  }
}

/**
 * Runs a program with its output on ours; resolves with its exit code, undefined when it was killed.
 * `onLine` sees each line of stdout; a program that hangs is ended after `limitMs`.
 */
export function stream(program, args, { env = {}, onLine, limitMs = 45 * 60_000 } = {}) {
  return new Promise((resolve) => {
    if (interrupted) return;
    const child = spawn(program, args, {
      cwd: root,
      detached: true,
      stdio: ['ignore', onLine === undefined ? 'inherit' : 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    if (child.pid !== undefined) running.add(child.pid);
    const limit = setTimeout(() => {
      console.log(`packet-trail: ended after ${limitMs / 60_000} minutes: ${program} ${args.join(' ')}`);
      void endGroupGently(child.pid);
    }, limitMs);
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      process.stdout.write(text);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach((line) => onLine(line));
    });
    child.on('error', (error) => console.log(`packet-trail: ${program} could not be started: ${error.message}`));
    child.on('close', (code) => {
      clearTimeout(limit);
      running.delete(child.pid);
      if (!interrupted) resolve(code ?? undefined);
    });
  });
}

/** Runs a program to its end; resolves with whether it succeeded and all that it wrote. */
export function collect(program, args) {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: root, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: `${stdout}${stderr}${error?.code === 'ENOENT' ? error.message : ''}` }),
    );
  });
}

// The demo behind `npm start`: a node with traffic, the source of its kernel, and VS Code in the browser set up for both.
// Usage: demo.ts EXTENSION.vsix [--port N]
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type VSCodeServer, startVSCodeServer } from '../e2e/vscodeServer.ts';
import { installVSCode } from '../e2e/vscodeInstall.ts';
import { cacheDirectory } from '../node/command.ts';
import { kernelSource } from '../node/kernelSource.ts';
import { type Kernel, type TestNode, bootNode } from '../node/vm.ts';

const kernel: Kernel = '6.12';

/** What VS Code knows the node by. */
const nodeName = 'demo-node';

const welcome = `# Packet Trail demo

1. Press \`Ctrl+Shift+P\` (or \`F1\`) and run **Packet Trail: Start Trace**.
2. Pick the node **${nodeName}**: a virtual machine with a stock Debian kernel, on this computer.
3. Type the filter \`tcp port 8080\` and press Enter. The timeline opens and fills: each lane is a packet.
4. A red cross is a drop. Click its packet: the list beside it shows the packet's way, and why and where it ended.
5. Press Enter on a hop, or click its function: the kernel's source opens at the definition.
6. Run **Packet Trail: Save Trace As…** to keep the trace in this folder; it opens again with a click.

More traffic to look for: \`icmp\` passes a tc program, whose source is in this folder, and is answered; \`tcp port 80\`
passes a NAT.
`;

const started = Date.now();

function say(what: string): void {
  console.log(`== ${what} (${Math.round((Date.now() - started) / 1000)} s)`);
}

/** Folder that VS Code opens. Traces that a person saves there stay. */
async function makeWorkspace(): Promise<string> {
  const folder = join(cacheDirectory(), 'demo', 'workspace');
  await mkdir(folder, { recursive: true });
  // VS Code shows a folder's README when it opens.
  await writeFile(join(folder, 'README.md'), welcome);
  // The tc program that the demo's pings meet: a hop on it opens its source here.
  const programs = join(folder, 'programs');
  await mkdir(programs, { recursive: true });
  await copyFile(join(import.meta.dirname, '../node/programs/tc.bpf.c'), join(programs, 'tc.bpf.c'));
  return folder;
}

/** One host for one node; the node's own configuration lists the accounts that tests sign in to as well. */
async function writeSshConfig(node: TestNode): Promise<string> {
  const path = join(cacheDirectory(), 'demo', 'ssh_config');
  const lines = [
    `Host ${nodeName}`,
    `  HostName ${node.host}`,
    `  Port ${node.port}`,
    '  User root',
    `  IdentityFile ${node.keyFile}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${node.knownHostsFile}`,
    '  GlobalKnownHostsFile /dev/null',
    '',
  ];
  await writeFile(path, lines.join('\n'));
  return path;
}

function printBox(lines: readonly string[]): void {
  const width = Math.max(...lines.map((line) => line.length));
  console.log(`\n┌${'─'.repeat(width + 2)}┐`);
  for (const line of lines) console.log(`│ ${line.padEnd(width)} │`);
  console.log(`└${'─'.repeat(width + 2)}┘\n`);
}

/** Runs the demo until `signal` is aborted or a part of it ends. */
async function demo(extension: string, port: number | undefined, signal: AbortSignal): Promise<void> {
  let node: TestNode | undefined;
  let server: VSCodeServer | undefined;
  const parts = new AbortController();
  const either = AbortSignal.any([signal, parts.signal]);
  try {
    const boot = async (): Promise<TestNode> => {
      const log = (line: string): void => say(`node: ${line}`);
      node = await bootNode({ kernel, log, signal: either, shared: true });
      say('node: starting its traffic');
      await node.scenario('demo');
      return node;
    };
    // The slow parts wait for different things: the network, the emulator, the disk.
    const [running, source, folder] = await Promise.all([
      boot(),
      kernelSource(kernel, (line) => say(`kernel source: ${line}`), either),
      makeWorkspace(),
      installVSCode((line) => say(`VS Code: ${line}`)),
    ]);
    const sshConfigFile = await writeSshConfig(running);
    server = await startVSCodeServer({
      extensions: [extension],
      // Kept: traces that were not saved, the index of the kernel's source, and what the person has set up.
      dataDirectory: join(cacheDirectory(), 'demo', 'vscode'),
      settings: {
        'packetTrail.kernelSource': source,
        'packetTrail.sshConfigFile': sshConfigFile,
        'workbench.startupEditor': 'readme',
      },
      progress: (line) => say(`VS Code: ${line}`),
      ...(port === undefined ? {} : { port }),
    });
    printBox([
      'Packet Trail is ready. Open in a browser on this machine:',
      '',
      `    ${server.url(folder)}`,
      '',
      `Node to trace:  ${nodeName} (Linux ${running.release})`,
      `Its shell:      ssh -F ${sshConfigFile} ${nodeName}`,
      'Stop:           Ctrl+C',
    ]);
    const aborted = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
      if (signal.aborted) resolve(undefined);
    });
    const broken = await Promise.race([
      aborted,
      server.failed,
      running.exited.then(() => new Error('the node ended by itself: its memory may be used up; start again')),
    ]);
    if (broken !== undefined && !signal.aborted) throw broken;
  } finally {
    parts.abort();
    if (signal.aborted) say('stopping');
    await Promise.allSettled([server?.stop(), node?.stop()]);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { port: { type: 'string' } }, allowPositionals: true });
  const [extension] = positionals;
  const port = values.port === undefined ? undefined : Number(values.port);
  if (extension === undefined || (port !== undefined && !(port > 0 && port < 65536)))
    throw new Error('use: npm start [-- --port N], where N is a TCP port');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  try {
    await demo(extension, port, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

main().catch((error: unknown) => {
  console.error(`packet-trail: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});

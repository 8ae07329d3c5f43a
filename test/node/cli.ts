// `npm run node`: boots a test node for a person, says how to reach it, and keeps it until Ctrl+C.
import { parseArgs } from 'node:util';
import { bootNode, kernels, type Kernel } from './vm.ts';

const usage = `Usage: npm run node -- [--kernel VERSION] [--port PORT] [--memory MIB] [--scenario "NAME ARGUMENTS"]
       npm run node -- --list

  --kernel VERSION   one of ${kernels.join(', ')} (default 6.12)
  --port PORT        port on 127.0.0.1 that leads to the node's sshd (default: a free one)
  --memory MIB       the node's memory (default 1024)
  --scenario "..."   run a scenario once the node is up, for example "demo" or "nft-drop icmp 10"
  --list             print the kernels a node can be booted with`;

class UsageError extends Error {}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not '${text}'`);
  }
  return value;
}

function options(): {
  list: boolean;
  help: boolean;
  kernel: Kernel;
  port?: number;
  memoryMiB?: number;
  scenario: string[];
} {
  const { values } = parseArgs({
    options: {
      kernel: { type: 'string', default: '6.12' },
      port: { type: 'string' },
      memory: { type: 'string' },
      scenario: { type: 'string', default: '' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const kernel = kernels.find((known) => known === values.kernel);
  if (!kernel)
    throw new UsageError(`there is no node with kernel '${values.kernel}': choose one of ${kernels.join(', ')}`);
  return {
    kernel,
    list: values.list,
    help: values.help,
    scenario: values.scenario.split(' ').filter(Boolean),
    ...(values.port !== undefined && { port: wholeNumber('port', values.port, 1, 65_535) }),
    ...(values.memory !== undefined && { memoryMiB: wholeNumber('memory', values.memory, 512, 65_536) }),
  };
}

async function main(): Promise<void> {
  const { list, help, kernel, port, memoryMiB, scenario } = options();
  if (help || list) {
    console.log(help ? usage : kernels.join('\n'));
    return;
  }
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());
  const log = (line: string): void => console.log(`== ${line}`);
  // A person may keep a node for hours: it must not keep the tests from booting theirs.
  const node = await bootNode({
    kernel,
    log,
    shared: true,
    signal: abort.signal,
    ...(port !== undefined && { port }),
    ...(memoryMiB !== undefined && { memoryMiB }),
  });
  const [name, ...args] = scenario;
  if (name) {
    const facts = await node.scenario(name, ...args);
    log(`scenario ${scenario.join(' ')}:`);
    for (const [key, value] of Object.entries(facts)) console.log(`   ${key}=${value}`);
  }
  const host = `packet-trail-${kernel}`;
  console.log(`
The node runs Linux ${node.release}. Sign in:

  ssh -F ${node.sshConfigFile} ${host}          as root
  ssh -F ${node.sshConfigFile} ${host}-tracer   may use sudo
  ssh -F ${node.sshConfigFile} ${host}-guest    may not
  ssh -F ${node.sshConfigFile} ${host}-locked   password ${node.password}

To see these hosts in every program that reads ~/.ssh/config, put this line first in it:

  Include ${node.sshConfigFile}

Scenarios are in /scenarios on the node. Ctrl+C ends the node.`);
  await node.exited;
  await node.stop();
  if (!abort.signal.aborted) throw new Error('the node ended by itself');
}

main().catch((error: unknown) => {
  if (error instanceof Error && error.name === 'AbortError') return;
  const bad = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`packet-trail: ${error instanceof Error ? error.message : String(error)}`);
  if (bad) console.error(usage);
  process.exitCode = bad ? 2 : 1;
});

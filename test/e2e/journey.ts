// What journeys through VS Code stand on: a node that drops pings and connections, and a VS Code that knows it.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Kernel } from '../node/image.ts';
import { networkSource } from '../node/kernelSource.ts';
import { type TestNode, bootNode } from '../node/vm.ts';
import { extensionPackage } from './extensionPackage.ts';
import { type TimelineModel, TimelinePage } from './timelinePage.ts';
import { type VSCodeServer, startVSCodeServer } from './vscodeServer.ts';
import { Workbench } from './workbench.ts';

/** The name of the node with kernel 6.12 in the ssh configuration. */
export const host = 'packet-trail-6.12';

/** Two namespaces, a veth pair between them, and an nft rule that drops pings and connections to port 8080 on their way in. */
const network = `
set -e
ip netns add sender
ip netns add receiver
ip link add to-receiver netns sender type veth peer name to-sender netns receiver
ip -n sender addr add 10.77.0.1/24 dev to-receiver
ip -n receiver addr add 10.77.0.2/24 dev to-sender
ip -n sender link set to-receiver up
ip -n receiver link set to-sender up
ip netns exec receiver nft -f - <<END
table ip guard {
  chain in {
    type filter hook input priority 0; policy accept;
    icmp type echo-request counter drop
    tcp dport 8080 counter drop
  }
}
END
`;
/** In the node: a ping that is dropped. */
export const ping = 'ip netns exec sender ping -c 1 -W 1 10.77.0.2; true';
/** In the node: a connection that is dropped. */
export const connect = 'ip netns exec sender socat -u /dev/null TCP:10.77.0.2:8080,connect-timeout=0.3; true';

/** Boots a node and builds its namespaces; whoever calls stops it. */
export async function droppingNode(kernel: Kernel = '6.12'): Promise<TestNode> {
  const node = await bootNode({ kernel });
  const { code, stderr } = await node.exec(network);
  if (code === 0) return node;
  await node.stop();
  throw new Error(`the node's namespaces could not be made: ${stderr}`);
}

/** A VS Code with the extension and a workspace. */
export interface OpenVSCode {
  readonly server: VSCodeServer;
  readonly workbench: Workbench;
  readonly timeline: TimelinePage;
  stop(): Promise<void>;
}

/**
 * Opens VS Code on FOLDER/workspace; what it keeps is below the folder, too, and so there again the next time. `settings` are beside those
 * of every journey; with `restricted` the workspace is not trusted.
 */
export async function openVSCode(
  folder: string,
  node: TestNode,
  options: { readonly settings?: Readonly<Record<string, unknown>>; readonly restricted?: boolean } = {},
): Promise<OpenVSCode> {
  const { restricted = false, settings } = options;
  await mkdir(join(folder, 'workspace'), { recursive: true });
  await writeSshConfig(node, folder);
  const server = await startVSCodeServer({
    extensions: [await extensionPackage()],
    dataDirectory: join(folder, 'vscode'),
    settings: {
      'packetTrail.sshConfigFile': join(folder, 'ssh_config'),
      'packetTrail.kernelSource': await networkSource('6.12', (line) => console.log(line)),
      ...(restricted && {
        'security.workspace.trust.enabled': true,
        'security.workspace.trust.startupPrompt': 'never',
      }),
      ...settings,
    },
    workspaceTrust: restricted,
  });
  const workbench = await Workbench.open({ server, folder: join(folder, 'workspace') });
  const stop = async (): Promise<void> => {
    await workbench.close();
    await server.stop();
  };
  return { server, workbench, timeline: new TimelinePage(workbench), stop };
}

/** Whether the timeline shows a dropped packet of this protocol. */
export function dropOf(protocol: 'ICMP' | 'TCP'): (model: TimelineModel) => boolean {
  return ({ lanes }) => lanes.some(({ drop, label }) => drop !== undefined && label.startsWith(protocol));
}

/** The node's hosts, and one more, `changed-key`, whose key is another than the one that is known. */
async function writeSshConfig(node: TestNode, folder: string): Promise<void> {
  const key = join(folder, 'other-key');
  const config = join(folder, 'ssh_config');
  if (await readFile(config).catch(() => undefined)) return;
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const [type = '', data = ''] = (await readFile(`${key}.pub`, 'utf8')).split(' ');
  const known = join(folder, 'other_known_hosts');
  await writeFile(known, `[127.0.0.1]:${node.port} ${type} ${data}\n`);
  const hosts = `${await readFile(node.sshConfigFile, 'utf8')}
Host changed-key
  HostName ${node.host}
  Port ${node.port}
  User root
  IdentityFile ${node.keyFile}
  UserKnownHostsFile ${known}
  GlobalKnownHostsFile /dev/null
`;
  await writeFile(config, hosts);
}

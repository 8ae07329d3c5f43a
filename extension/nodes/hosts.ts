// The hosts that a person has named in ssh_config, for the pick of a node.
import { homedir } from 'node:os';
import type { SshConfigOptions } from './sshConfig.ts';
import { configPath, hostApplies, readDirectives } from './sshConfigFile.ts';

/** A Host of ssh_config and the place that names it first. */
export interface ListedHost {
  readonly name: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/**
 * The named hosts in the order of the file, Include followed. Patterns (`*`, `?`, `!`) are left out, and what no Host can be: names
 * below an Include that is for other hosts, or with a comma. No file: no hosts.
 */
export async function listHosts(options: SshConfigOptions = {}): Promise<ListedHost[]> {
  const home = options.home ?? homedir();
  const found = new Map<string, ListedHost>();
  for (const { keyword, args, file, line, blocks } of await readDirectives(
    configPath(options.configFile, home),
    home,
  )) {
    if (keyword !== 'host') continue;
    for (const name of args) {
      if (/[*?!,]/.test(name) || name.startsWith('-') || found.has(name)) continue;
      if (blocks.every((block) => block.keyword === 'match' || hostApplies(block.args, name)))
        found.set(name, { name, file, line });
    }
  }
  return [...found.values()];
}

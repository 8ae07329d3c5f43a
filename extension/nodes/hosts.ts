// The hosts that a person has named in ssh_config, for the pick of a node.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseDirective, readConfigLines, type SshConfigOptions } from './sshConfig.ts';

/** A Host of ssh_config and the place that names it first. */
export interface ListedHost {
  readonly name: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** The named hosts in the order of the file, Include followed; patterns (`*`, `?`, `!`) are left out. No file: no hosts. */
export async function listHosts(options: SshConfigOptions = {}): Promise<ListedHost[]> {
  const home = options.home ?? homedir();
  const found = new Map<string, ListedHost>();
  for (const { text, file, line } of await readConfigLines(options.configFile ?? join(home, '.ssh', 'config'), home)) {
    const { keyword, args } = parseDirective(text);
    if (keyword !== 'host') continue;
    for (const name of args)
      if (!/[*?!]/.test(name) && !name.startsWith('-') && !found.has(name)) found.set(name, { name, file, line });
  }
  return [...found.values()];
}

// Kernel versions: what a node's uname says, what a tree's Makefile says, and whether the two are the same source.

/** The version of a kernel's source. `sublevel` is undefined when a node's uname doesn't tell it. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
  readonly sublevel: number | undefined;
  /** "-rc3", or empty. */
  readonly extra: string;
}

/** What a node says of its kernel. */
export interface NodeKernel {
  /** `uname -r`: "6.12.117+deb12-cloud-amd64". */
  readonly release: string;
  /** `uname -m`: "x86_64"; empty when unknown. */
  readonly machine: string;
  /** `uname -v`: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-05-01)"; it tells what Debian's release doesn't. */
  readonly version?: string;
}

/**
 * The source version of a node's kernel; undefined when the release is not a kernel's.
 * Debian 12 and before, and Ubuntu, freeze the sublevel of `uname -r` at 0 and count the ABI behind it ("6.1.0-49-amd64"):
 * there only `uname -v` has the real one.
 */
export function nodeVersion(kernel: NodeKernel): KernelVersion | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(.*)$/s.exec(kernel.release.slice(0, 256));
  if (match === null) return undefined;
  const [, major = '', minor = '', sublevel, rest = ''] = match;
  const debian = /\bDebian (\d{1,4})\.(\d{1,4})\.(\d{1,6})[-~+ ]/.exec((kernel.version ?? '').slice(0, 256));
  if (debian?.[1] === major && debian[2] === minor) {
    return { major: Number(major), minor: Number(minor), sublevel: Number(debian[3]), extra: '' };
  }
  const candidate = /^-(?:0\.)?(rc\d{1,2})\b/.exec(rest);
  const frozen = sublevel === '0' && /^-\d+-/.test(rest);
  return {
    major: Number(major),
    minor: Number(minor),
    sublevel: frozen ? undefined : Number(sublevel ?? 0),
    extra: candidate === null ? '' : `-${candidate[1] ?? ''}`,
  };
}

/** How people write it: "6.12.117", "6.13-rc2", "6.1.x" when the sublevel is unknown. */
export function versionText(version: KernelVersion): string {
  const sublevel = version.sublevel === undefined ? '.x' : version.sublevel === 0 ? '' : `.${version.sublevel}`;
  return `${version.major}.${version.minor}${sublevel}${version.extra}`;
}

/** The upstream git tag: "v6.12.117", "v6.12" for the first release and where the sublevel is unknown. */
export function versionTag(version: KernelVersion): string {
  return `v${versionText({ ...version, sublevel: version.sublevel ?? 0 })}`;
}

/** How near a tree is to a node's kernel: lines differ a little between sublevels, a lot between versions. */
export function compareVersions(tree: KernelVersion, node: KernelVersion): 'same' | 'near' | 'other' {
  if (tree.major !== node.major || tree.minor !== node.minor) return 'other';
  if (node.sublevel === undefined) return 'same';
  return tree.sublevel === node.sublevel && tree.extra === node.extra ? 'same' : 'near';
}

// The helper's command line (docs/helper.md): each option that the extension gives it, and how its last words are read.

/** The helper's name: of its file, and in front of each of its messages. */
export const helperName = 'packet-trail-helper';

/** What to trace. Empty strings mean: not filtered by it. */
export interface TraceFilter {
  /** pcap-filter(7) expression. */
  readonly expression: string;
  /** Inode number, path, or name of a network namespace on the node. */
  readonly netns: string;
  /** Name or index of an interface; `NETNS/NAME` for one in another namespace. */
  readonly iface: string;
  /** VALUE or VALUE/MASK, decimal or 0x. */
  readonly mark: string;
  readonly hops: Hops;
}

/**
 * Where packets are watched: in all functions that take one; only in those that tell most of its way, which are a hundred or so;
 * or only in BPF programs and what they call.
 */
export type Hops = 'all' | 'telling' | 'programs';

/** How to trace. */
export interface TraceSettings {
  /** Globs of functions to hook; none = all of them. */
  readonly include: readonly string[];
  /** Globs of functions that are left out. */
  readonly exclude: readonly string[];
  /** Whether functions of modules are hooked, too. */
  readonly modules: boolean;
  readonly stacks: boolean;
  /** Events after which the trace stops. */
  readonly eventLimit: number;
  /** Ring buffer on the node: "16M". */
  readonly buffer: string;
  /** Whether BPF programs (tc, XDP) are hooked, too. */
  readonly programs: boolean;
  /** Globs of BPF programs' names to hook; none = all of them. */
  readonly includePrograms: readonly string[];
  /** BPF run time that the trace may take, percent of one core; 0 = no limit. */
  readonly maxOverhead: number;
  /** Whether the connection that carries the trace is traced, too. */
  readonly ownConnection: boolean;
}

/** What and how to trace, the filter's expression last. */
export function helperArguments(filter: TraceFilter, settings: TraceSettings): readonly string[] {
  const onlyPrograms = filter.hops === 'programs';
  return [
    ...(filter.netns ? ['--netns', filter.netns] : []),
    ...(filter.iface ? ['--interface', filter.iface] : []),
    ...(filter.mark ? ['--mark', filter.mark] : []),
    ...settings.include.flatMap((glob) => ['--function', glob]),
    ...settings.exclude.flatMap((glob) => ['--exclude', glob]),
    ...(settings.modules ? [] : ['--no-modules']),
    ...(settings.stacks ? ['--stack'] : []),
    ...(filter.hops === 'telling' ? ['--telling'] : []),
    ...(onlyPrograms ? ['--programs-only'] : settings.programs ? [] : ['--no-programs']),
    ...(onlyPrograms || settings.programs ? settings.includePrograms : []).flatMap((glob) => ['--program', glob]),
    ...(settings.maxOverhead > 0 ? ['--max-overhead', `${settings.maxOverhead}%`] : []),
    '--limit',
    String(settings.eventLimit),
    '--buffer',
    settings.buffer,
    // What begins with a dash would be an option.
    ...(filter.expression ? ['--', filter.expression] : []),
  ];
}

/** Makes the helper print this line first: what stands before it is a login shell's. Put before all other options. */
export function markerArguments(marker: string): readonly string[] {
  return ['--marker', marker];
}

/**
 * Writes the stream on standard output and obeys control lines. Put before what is to be traced.
 * @param heartbeat seconds without a control line after which the helper ends by itself
 * @param session the TCP connection whose packets are left out, as sshd tells it in SSH_CONNECTION
 */
export function streamArguments(heartbeat: number, session: string | undefined): readonly string[] {
  return ['--stream', '--heartbeat', String(heartbeat), ...(session === undefined ? [] : ['--not-session', session])];
}

/** The preflight, as a JSON array on standard output. Exit status 1: tracing can't work. */
export const checkArguments: readonly string[] = ['--check', '--json'];

/** Asks whether an expression is a packet filter. Exit status 0: yes; {@link filterRefused}: no, and the last message says why. */
export function checkFilterArguments(expression: string): readonly string[] {
  return ['--check-filter', expression];
}

export const filterRefused = 2;

/** Asks for the version, which any helper that runs at all can tell. */
export const versionFlag = '--version';

const messageHead = `${helperName}: `;

/** Whether a line of standard error is a message of the helper itself. */
export function isHelperMessage(line: string): boolean {
  return line.startsWith(messageHead);
}

/** A message without the helper's name in front. */
export function messageText(line: string): string {
  return isHelperMessage(line) ? line.slice(messageHead.length) : line;
}

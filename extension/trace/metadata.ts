// The message frames as typed values: what docs/stream-format.md calls Hello, Hooks, Names, …

/** Two clocks read together, ns. */
export interface Clock {
  readonly mono: bigint;
  readonly wall: bigint;
}

export interface Hello {
  readonly version: number;
  readonly helper: string;
  readonly buildId: string;
  readonly host: string;
  readonly bootId: string;
  readonly release: string;
  readonly machine: string;
  readonly cpus: number;
  readonly clock: Clock | undefined;
  readonly textBase: bigint;
  readonly filter: string;
  readonly args: readonly string[];
  readonly kernelVersion: string;
}

export const hookKinds = [
  'kprobe',
  'kprobe.multi',
  'tracepoint',
  'BPF entry',
  'BPF verdict',
  'lineage',
  'BPF helper',
] as const;
export type HookKind = (typeof hookKinds)[number] | 'unknown';

export interface Hook {
  readonly id: number;
  readonly kind: HookKind;
  readonly function: string;
  /** Empty for vmlinux. */
  readonly module: string;
  /** 0 when unknown. */
  readonly address: bigint;
  readonly prototype: string;
  readonly skbArgument: number;
  /** The kernel's id of the BPF program that a BPF entry or BPF verdict hook belongs to; 0 for other hooks. */
  readonly program: number;
}

export interface Netns {
  readonly inum: number;
  readonly name: string;
  readonly cookie: bigint;
  readonly pod: string;
  readonly container: string;
}
export interface Iface {
  readonly netns: number;
  readonly ifindex: number;
  readonly name: string;
  readonly kind: string;
}
export interface Task {
  readonly pid: number;
  readonly comm: string;
}
/** One name: of what is there. */
export interface Name {
  readonly netns?: Netns;
  readonly iface?: Iface;
  readonly task?: Task;
}

export interface KernelSymbol {
  readonly address: bigint;
  /** 0 when unknown. */
  readonly size: number;
  readonly name: string;
  readonly module: string;
}
export interface Stack {
  readonly id: number;
  /** Innermost first. */
  readonly addresses: readonly bigint[];
}
export interface Reason {
  readonly value: number;
  readonly name: string;
}

/** Why events were lost, or hits of hooks missed, in the stream's numbering. */
export const gapCauses = [
  'ring buffer full',
  'in an interrupt of another probe',
  'in an interrupt of a BPF program',
  'table full',
  'reader too slow',
  'limit reached',
] as const;
export interface Gap {
  /** Events. */
  readonly lost: number;
  /** Hits of hooks that the kernel ran no program for, of whatever packets. */
  readonly missed: number;
  readonly cpu: number;
  /** CLOCK_MONOTONIC ns. */
  readonly from: bigint;
  readonly to: bigint;
  readonly cause: string;
}

export const hookStates = ['attached', 'skipped', 'gone', 'shed'] as const;
export type HookState = (typeof hookStates)[number] | 'unknown';
export interface HookStatus {
  /** 0 for a hook that was skipped before it had a place in the hook table. */
  readonly id: number;
  readonly state: HookState;
  readonly reason: string;
  readonly function: string;
  readonly module: string;
}

export interface Progress {
  /** "functions", "load", "attach", "live", "detach". */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}
export interface Counters {
  /** CLOCK_MONOTONIC ns. */
  readonly mono: bigint;
  readonly sent: number;
  readonly delivered: number;
  readonly lost: number;
  readonly packets: number;
  readonly following: number;
  readonly hits: number;
  readonly runNs: number;
  /** Hits of hooks, not among those sent or lost. */
  readonly missed: number;
}
export interface End {
  readonly cause: string;
  readonly total: Counters | undefined;
  readonly error: string;
}
/** The answer to a packet filter that was asked for while the trace runs. */
export interface FilterChange {
  /** Empty: every packet. */
  readonly expression: string;
  /** Why it was refused; empty when it is in force. */
  readonly error: string;
  /** CLOCK_MONOTONIC ns: in force from here on, or when it was refused. */
  readonly mono: bigint;
  /** ns from the control line's arrival to then. */
  readonly tookNs: number;
}
export interface Context {
  readonly node: string;
  readonly filter: string;
  /** Wall clock ns, 0 when not said. */
  readonly savedNs: bigint;
  readonly tool: string;
  readonly title: string;
}

// The typed conversation between the extension host, which holds the trace, and the timeline webview, which draws it.
// Requests go from the webview to the host and are answered; notices go from the host to the webview and are not.
// Bulk data travels as one ArrayBuffer whose layout is in pages.ts.

/** Layers a hook belongs to, from the wire up. The number is the colour index and part of the packed pages. */
export const layers = ['driver', 'bpf', 'core', 'bridge', 'netfilter', 'ip', 'transport', 'socket', 'other'] as const;
export type Layer = (typeof layers)[number];

export type TraceStatus = 'starting' | 'live' | 'paused' | 'ended' | 'failed' | 'file';

/** All that the timeline shows around the lanes; sent whole, it is small. */
export interface TraceSummary {
  readonly title: string;
  readonly node: string;
  /** What is captured, in words; empty means every packet. */
  readonly filter: string;
  /** The packet filter alone, as it can be changed while the trace runs. */
  readonly expression: string;
  /** The TCP connection that carried the trace, whose packets are not in it: "10.0.0.1 4000 10.0.0.2 22"; empty when nothing is left out. */
  readonly leftOut: string;
  readonly kernel: string;
  readonly status: TraceStatus;
  /** Why it ended or failed; what was lost when a file was cut. Empty when there is nothing to say. */
  readonly message: string;
  /** It has ended, and the node still takes its hooks off. */
  readonly leaving: boolean;
  readonly events: number;
  readonly packets: number;
  readonly drops: number;
  /** Events that were counted as lost. */
  readonly lost: number;
  /** Hits of hooks that no program saw, since they interrupted one: of whatever packets, so that they may be of none of this trace. */
  readonly missed: number;
  readonly eventsPerSecond: number;
  readonly hooksAttached: number;
  /** Hooks that are still to be attached while the trace runs. */
  readonly hooksWaiting: number;
  readonly hooksSkipped: number;
  /** Hooks that were detached to keep within the overhead budget, and the functions of the first few. */
  readonly hooksShed: number;
  readonly shed: readonly string[];
  /** BPF run time as a part of one core, 0.03 = 3 %; undefined when it isn't measured. */
  readonly overhead: number | undefined;
  /** ns between the first and the last event; times on this interface are ns since the trace's first event. */
  readonly durationNs: number;
  /** Wall clock of the first event, ms since 1970; 0 while there is none. */
  readonly startMs: number;
}

/** One lane: a packet. */
export interface Lane {
  /** Index in the store, dense from 0, in order of appearance. The page layouts use it. */
  readonly index: number;
  /** Packet id in the stream. */
  readonly id: string;
  /** "ICMP 10.0.0.1 → 10.0.0.2", "TCP 10.0.0.1:43210 → 10.0.0.2:8080 [S]". */
  readonly label: string;
  readonly firstNs: number;
  readonly lastNs: number;
  readonly events: number;
  /** Name of the drop reason; undefined when the packet was not dropped. */
  readonly drop: string | undefined;
  /** Where the data went that the kernel freed for that reason: "the raw socket of ping got a copy of it"; empty for a drop and without one. */
  readonly discard: string;
  /** Index of the packet that this one was made from. */
  readonly parent: number | undefined;
  /** Packets that went into this one later, and when: other fragments of a datagram, what GRO merged. */
  readonly joins: readonly { readonly lane: number; readonly ns: number }[];
}

/** A packet that the selected one was made from, or that was made from it. */
export interface Relative {
  /** Index in the store. */
  readonly lane: number;
  readonly id: string;
  readonly label: string;
  /** "clone", "fragment", "reassembled": how the one came from the other. */
  readonly edge: string;
  readonly side: 'parent' | 'child';
  /** Its first event. */
  readonly event: number;
}

/** One hop in the selected packet's trail. */
export interface TrailRow {
  /** Event index in the store. */
  readonly event: number;
  readonly timeNs: number;
  /** ns since the previous hop; 0 for the first. */
  readonly sinceNs: number;
  readonly function: string;
  readonly module: string;
  readonly layer: Layer;
  readonly iface: string;
  readonly netns: string;
  readonly cpu: number;
  /** What this hop changed against the previous one: "dst 10.0.0.2:80 → 10.1.0.2:8080", "len 84 → 98". */
  readonly changes: readonly string[];
  /** `discard`: where the data went, of what the kernel freed and nobody lost; empty for a drop. */
  readonly drop: { readonly reason: string; readonly where: string; readonly discard: string } | undefined;
  /** The kernel's own words on a drop that a BPF program's verdict made a hop before: "TC_INGRESS at sch_handle_ingress+0x40". */
  readonly record: string;
  /** "TC_ACT_OK", "TC_ACT_REDIRECT → eth1". */
  readonly verdict: string | undefined;
  /** A BPF program's entry or verdict, and where it is attached: "tc ingress eth0, prio 1, bpf_lxc.o cil_from_container". */
  readonly program: { readonly kind: 'entry' | 'verdict'; readonly where: string } | undefined;
  /**
   * The BPF program whose code called this function. `tailCalls`: the programs that tail calls led to since the hop before,
   * this one last; inferred, since a tail call leaves no event.
   */
  readonly calledFrom: { readonly program: string; readonly tailCalls: readonly string[] } | undefined;
}

export interface EventDetail {
  readonly event: number;
  readonly title: string;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  /** Symbolised, innermost first; empty when stacks were not recorded. */
  readonly stack: readonly string[];
}

/** What is written on and beside a hop in the lanes; short, because many are asked for at once. */
export interface HopLabel {
  readonly function: string;
  readonly iface: string;
  readonly netns: string;
  /** A BPF program's entry or verdict: where it is attached and what it returned; empty for other hops. */
  readonly note: string;
}

/** A counted loss, drawn as a hatched band; or, where no event was lost, hits that were missed, drawn as a line at the ruler. */
export interface GapMark {
  readonly fromNs: number;
  readonly toNs: number;
  readonly lost: number;
  readonly missed: number;
  readonly cpu: number;
  readonly cause: string;
}

/** Requests of the webview. Name → [argument, answer]. */
export interface TimelineRequests {
  /** First call; the answer brings everything for the first paint. */
  ready: [
    Record<string, never>,
    {
      summary: TraceSummary;
      gaps: readonly GapMark[];
      /** Text filter that something outside wants to be set; undefined: the timeline keeps its own. */
      filter: string | undefined;
      /** What the host wants to be kept with the timeline's own state; the timeline makes nothing of it. */
      again: string;
    },
  ];
  /** Lanes that match the text filter, a window of the list. `total` counts all that match. */
  lanes: [{ filter: string; offset: number; count: number }, { total: number; lanes: readonly Lane[] }];
  /** Hops of these lanes in [fromNs, toNs], at most one mark per lane and bucket: see pages.ts. */
  page: [{ lanes: readonly number[]; fromNs: number; toNs: number; buckets: number }, { data: ArrayBuffer }];
  /** A window of a packet's trail, and its relatives: those that it was made from first. */
  trail: [
    { lane: number; offset: number; count: number },
    { total: number; rows: readonly TrailRow[]; relatives: readonly Relative[] },
  ];
  event: [{ event: number }, EventDetail];
  /** Labels of these events, at most 1,000 a request, in the order asked for; an unknown event has empty strings. */
  hops: [{ events: readonly number[] }, { hops: readonly HopLabel[] }];
  /**
   * Where an event is: its packet, that packet's row among the lanes that match the filter (-1 when it doesn't match),
   * and the event's index in the packet's trail.
   */
  locate: [{ event: number; filter: string }, { lane: Lane; row: number; index: number }];
  /** Events and drops in each of `buckets` equal parts of the whole trace [0, durationNs]: the overview strip. */
  overview: [{ buckets: number }, { events: readonly number[]; drops: readonly number[] }];
  gaps: [Record<string, never>, { gaps: readonly GapMark[] }];
  /** Opens the definition of the event's function; the answer says what was done, or what to do about it. */
  openSource: [{ event: number; beside: boolean }, { message: string }];
  /** Captures by another packet filter from now on. `problem`: why it was refused, and the one before stays; empty when it is in force. */
  capture: [{ expression: string }, { problem: string }];
  stop: [Record<string, never>, Record<string, never>];
  pause: [{ paused: boolean }, Record<string, never>];
  save: [Record<string, never>, Record<string, never>];
}

/** Notices of the host. Name → argument. */
export interface TimelineNotices {
  /** The trace grew or its status changed; at most ten a second. */
  summary: TraceSummary;
  /** Something outside asks to show this event (a search, a test, a link). */
  reveal: { lane: number; event: number };
  /** Something outside asks to show the packets that match this text filter. */
  find: { filter: string };
  /** What is kept for the host is this from now on. */
  again: { again: string };
}

export type RequestName = keyof TimelineRequests;
/** The host as a function: resolves with its answer, or rejects with an Error whose message is fit to be shown. */
export type Ask = <K extends RequestName>(name: K, argument: TimelineRequests[K][0]) => Promise<TimelineRequests[K][1]>;
export type RequestMessage = {
  [K in RequestName]: {
    readonly type: 'request';
    readonly id: number;
    readonly name: K;
    readonly argument: TimelineRequests[K][0];
  };
}[RequestName];
export type ResponseMessage =
  | { readonly type: 'response'; readonly id: number; readonly ok: TimelineRequests[RequestName][1] }
  | { readonly type: 'response'; readonly id: number; readonly err: string };
export type NoticeMessage = {
  [K in keyof TimelineNotices]: { readonly type: 'notice'; readonly name: K; readonly argument: TimelineNotices[K] };
}[keyof TimelineNotices];

// What a node is to the rest of the extension: a machine that can be connected to, run a command on, and take a file.
// Implementations: SSH (ssh.ts) and the local machine (local.ts). Nothing here knows how.

/** A command on a node. Output comes as bytes; backpressure is the consumer's: a reader that stops stops the sender. */
export interface RunningCommand {
  /** Standard output, in chunks as they come; ends when the command closes it. */
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Standard error, likewise. Both must be drained: on SSH they share one flow-control window. */
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Writes to standard input; resolves when the bytes are handed to the transport. */
  write(data: string | Uint8Array): Promise<void>;
  /** Closes standard input. */
  end(): void;
  /** Resolves once, when the command is over and both outputs are closed. `code` is undefined when it was killed or the link was cut. */
  readonly done: Promise<{ readonly code: number | undefined; readonly signal: string | undefined }>;
  /** Ends the command at once by closing its channel (SSH) or killing it (local). */
  dispose(): void;
}

/** The result of a short command. Output beyond 1 MiB a stream is an error, not silence. */
export interface CommandResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a connected node can do. All methods reject with a {@link NodeError} when the link breaks. */
export interface NodeConnection {
  /** Starts a command: an argument vector, quoted for the node's shell by the implementation. */
  run(argv: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<RunningCommand>;
  /** Runs a short command to its end. */
  exec(
    argv: readonly string[],
    options?: { readonly signal?: AbortSignal; readonly stdin?: string | Uint8Array },
  ): Promise<CommandResult>;
  /** Writes a file so that it is whole or not there: temporary name in the same directory, fsync, rename, then mode. */
  upload(
    data: Uint8Array,
    path: string,
    mode: number,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (sent: number) => void },
  ): Promise<void>;
  /** Resolves when the connection is over, with the reason if it was not asked for. */
  readonly closed: Promise<NodeError | undefined>;
  dispose(): void;
}

/** A machine that can be traced. */
export interface Node {
  /** As the person knows it: ssh_config's Host, `user@host:port`, or "This Machine". Unique among nodes. */
  readonly name: string;
  readonly kind: 'ssh' | 'local';
  connect(options: ConnectOptions): Promise<NodeConnection>;
}

export interface ConnectOptions {
  readonly signal: AbortSignal;
  readonly prompter: Prompter;
  /** Short, for progress: "Connecting", "Checking the host key", "Signing in as root with key ~/.ssh/id_ed25519". */
  readonly onStep?: (step: string) => void;
}

/** What a person is asked for. */
export interface Question {
  readonly node: string;
  /** Fires when no answer is of use any more, because the attempt is over: then the question is to go away. */
  readonly signal: AbortSignal;
}

/** The questions that a server asks to let somebody in. All texts are the server's. */
export interface ServerQuestion extends Question {
  readonly name: string;
  readonly instructions: string;
  readonly prompts: readonly { readonly prompt: string; readonly echo: boolean }[];
}

/** A host key that known_hosts doesn't list. */
export interface HostKeyQuestion extends Question {
  readonly host: string;
  readonly keyType: string;
  readonly fingerprint: string;
  /** Where a certificate authority is listed for the host, whose certificates aren't read: "FILE, line N". */
  readonly authority?: string;
}

/** How a connection asks a person. Every method resolves undefined/false when the person declines. */
export interface Prompter {
  password(question: Question & { readonly prompt: string }): Promise<string | undefined>;
  passphrase(question: Question & { readonly keyFile: string }): Promise<string | undefined>;
  /** Keyboard-interactive: one answer a prompt. */
  answers(question: ServerQuestion): Promise<readonly string[] | undefined>;
  /** Trust the host and remember its key? */
  trustHostKey(question: HostKeyQuestion): Promise<boolean>;
}

export type NodeErrorCode =
  | 'unknown-host' // the name doesn't resolve
  | 'unreachable' // refused, no route, timeout
  | 'host-key-changed'
  | 'host-key-rejected' // unknown key and the person declined
  | 'auth-failed'
  | 'lost' // the link broke
  | 'cancelled'
  | 'no-privilege' // neither root nor passwordless sudo
  | 'unsupported' // architecture, no BTF, …
  | 'upload-failed' // disk full, no writable directory that allows execution, checksum
  | 'helper-failed'; // the helper said why

/** A failure that a person can act on: what happened, on which node, and the mend. Shown as is, never with a stack trace. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  constructor(
    readonly code: NodeErrorCode,
    /** The node's name. */
    readonly node: string,
    /** One sentence: what happened. */
    message: string,
    /** One sentence: what to do about it. */
    readonly mend: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

// A failure with the kernel source that a person can act on.

/** What happened, where, and the mend. Shown as is, never with a stack trace. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  constructor(
    readonly code: 'no-tree' | 'unreadable' | 'index-failed' | 'cancelled',
    message: string,
    /** One sentence: what to do about it. Empty when there is nothing to do. */
    readonly mend: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

// The one error that reading a trace may end in: what is wrong with the bytes, and where.

/** Bytes that are no valid trace. Everything decoded before them stays. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  constructor(
    /** Bytes from the start of the stream or file. */
    readonly offset: number,
    /** What is wrong, without the place: "a varint of more than 10 bytes". */
    readonly what: string,
  ) {
    super(`${what} (at byte ${offset})`);
  }
}

/** A value or a table beyond what a trace takes; the decoder turns it into a {@link FormatError} with the place. */
export class LimitError extends Error {
  override readonly name = 'LimitError';
}

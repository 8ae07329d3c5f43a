// What went wrong, in words: the one way from a thrown thing to what a person reads, on either side.

/** The message of an error; whatever else was thrown, as text. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

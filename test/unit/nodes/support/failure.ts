// The error that an attempt must end in, with what every error owes to a person.
import { expect } from 'vitest';
import { NodeError } from '../../../../extension/nodes/node.ts';

/** Rejects when the work didn't fail, or failed with something else. */
export async function failure(work: Promise<unknown>): Promise<NodeError> {
  const error: unknown = await work.then(
    () => new Error('It did not fail.'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof NodeError)) throw error;
  expect(error.node).toBe('node');
  expect(error.message).toMatch(/^\S[^\n]*\.$/);
  expect(error.mend).not.toBe('');
  expect(error.mend).not.toMatch(/\n\s+at /);
  return error;
}

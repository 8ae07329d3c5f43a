// A cancellation token as the standard's signal, which the parts without VS Code understand.
import type * as vscode from 'vscode';

/** Aborts when the token is cancelled. */
export function abortSignal(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  else token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}

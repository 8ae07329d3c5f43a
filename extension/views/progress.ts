// Shows that something takes time, with a way to end it.
import * as vscode from 'vscode';
import { abortSignal } from './abortSignal.ts';

/**
 * Shows a notification while a task runs. Cancelling fires the task's signal; what comes of that is the task's.
 * @param task `fraction` in its reports is of the whole, 0 … 1, where that is known
 */
export async function withProgress<T>(
  title: string,
  task: (report: (message: string, fraction?: number) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (progress, token) => {
      let shown = 0;
      return await task((message, fraction) => {
        // An increment, of nothing too, ends the bar that only says that something goes on.
        if (fraction === undefined) progress.report({ message });
        else progress.report({ message, increment: Math.max(0, fraction - shown) * 100 });
        shown = Math.max(shown, fraction ?? 0);
      }, abortSignal(token));
    },
  );
}

// Asks and tells through VS Code's own windows what click-through needs to.
import * as vscode from 'vscode';
import type { SourceChoice, SourcePrompter } from '../source/openSource.ts';

/** The prompter of the user interface. */
export class WindowSourcePrompter implements SourcePrompter {
  async choose(title: string, choices: readonly SourceChoice[]): Promise<number | undefined> {
    const picked = await vscode.window.showQuickPick(
      choices.map((choice, index) => ({ ...choice, index })),
      { title, placeHolder: title, matchOnDescription: true, matchOnDetail: true },
    );
    return picked?.index;
  }

  async chooseFolder(title: string): Promise<string | undefined> {
    const picked = await vscode.window.showOpenDialog({
      title,
      openLabel: 'Use as Kernel Source',
      canSelectFolders: true,
      canSelectFiles: false,
      canSelectMany: false,
    });
    return picked?.[0]?.fsPath;
  }

  async say(
    severity: 'information' | 'warning' | 'error',
    message: string,
    buttons: readonly string[],
  ): Promise<string | undefined> {
    switch (severity) {
      case 'information':
        return await vscode.window.showInformationMessage(message, ...buttons);
      case 'warning':
        return await vscode.window.showWarningMessage(message, ...buttons);
      case 'error':
        return await vscode.window.showErrorMessage(message, ...buttons);
    }
  }

  async browse(address: string): Promise<void> {
    await vscode.env.openExternal(vscode.Uri.parse(address, true));
  }

  async progress<T>(
    title: string,
    task: (report: (message: string, fraction: number) => void, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      async (progress, token) => {
        const abort = new AbortController();
        const listener = token.onCancellationRequested(() => abort.abort());
        let shown = 0;
        try {
          return await task((message, fraction) => {
            progress.report({ message, increment: Math.max(0, fraction - shown) * 100 });
            shown = Math.max(shown, fraction);
          }, abort.signal);
        } finally {
          listener.dispose();
        }
      },
    );
  }
}

// Asks and tells through VS Code's own windows what click-through needs to.
import * as vscode from 'vscode';
import { iconless, notice } from '../protocol/plainText.ts';
import type { SourceChoice, SourcePrompter } from '../source/openSource.ts';
import { withProgress } from './progress.ts';

/** The prompter of the user interface. */
export class WindowSourcePrompter implements SourcePrompter {
  async choose(title: string, choices: readonly SourceChoice[]): Promise<number | undefined> {
    const picked = await vscode.window.showQuickPick(
      choices.map(({ label, description, detail }, index) => ({
        label: iconless(label),
        description: iconless(description),
        detail: iconless(detail),
        index,
      })),
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
    // Functions, programs and files are called as a node says.
    const text = notice(message);
    switch (severity) {
      case 'information':
        return await vscode.window.showInformationMessage(text, ...buttons);
      case 'warning':
        return await vscode.window.showWarningMessage(text, ...buttons);
      case 'error':
        return await vscode.window.showErrorMessage(text, ...buttons);
    }
  }

  async browse(address: string): Promise<void> {
    await vscode.env.openExternal(vscode.Uri.parse(address, true));
  }

  readonly progress = withProgress;
}

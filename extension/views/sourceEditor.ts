// Where click-through ends: a text editor with what was asked for in its middle.
import * as vscode from 'vscode';
import type { SourceRange } from '../source/definition.ts';
import type { OpenOptions, SourceEditor } from '../source/openSource.ts';
import { keepKernelSource, sourceSettings } from './settings.ts';

/** Opens a file or document with a selection. */
export async function showSelection(
  what: vscode.Uri | vscode.TextDocument,
  selection: vscode.Range,
  { beside, preview = true }: OpenOptions,
): Promise<void> {
  const options = { selection, preview, viewColumn: beside ? vscode.ViewColumn.Beside : vscode.ViewColumn.Active };
  const document = 'uri' in what ? what : await vscode.workspace.openTextDocument(what);
  const editor = await vscode.window.showTextDocument(document, options);
  editor.revealRange(selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

/** The editors and settings of this window. */
export class WindowSourceEditor implements SourceEditor {
  readonly settings = sourceSettings;
  readonly keepKernelSource = keepKernelSource;

  async show({ path, line, column, endLine, endColumn }: SourceRange, options: OpenOptions): Promise<void> {
    await showSelection(vscode.Uri.file(path), new vscode.Range(line, column, endLine, endColumn), options);
  }
}

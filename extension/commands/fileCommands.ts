// Commands about traces as files: save, open, discard.
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { OpenTrace, Traces } from '../sessions/traces.ts';
import { isLive } from '../trace/source.ts';
import { copyWhole } from '../trace/wholeFile.ts';
import { askTraceFile, askWhere, confirmDiscard, pickTrace, saySaved } from '../views/traceDialogs.ts';
import type { TimelinePanels } from '../views/timelinePanels.ts';
import type { TraceEditor } from '../views/traceEditor.ts';
import type { TraceItem } from '../views/tracesView.ts';
import { noTrace, noTraceHere } from './conditions.ts';
import type { Command } from './registry.ts';
import { recordingOf, traceOf } from './rows.ts';

/** What the commands work on. */
interface FileCommandContext {
  readonly traces: Traces;
  readonly shown: ShownTraces;
  readonly panels: TimelinePanels;
  readonly editor: TraceEditor;
}

/** Makes the commands. */
export function fileCommands({ traces, shown, panels, editor }: FileCommandContext): readonly Command[] {
  return [
    {
      id: 'saveTraceAs',
      unavailable: (argument) => (recordingOf(argument) === undefined ? noTrace(traces, shown) : undefined),
      run: async (argument) => {
        const { front } = shown;
        const given = traceOf(argument);
        const recording = recordingOf(argument);
        if (recording !== undefined) {
          if (await copyFile(vscode.Uri.file(recording.path))) await traces.discardRecording(recording);
          return;
        }
        if (given === undefined && front?.uri !== undefined) {
          await copyFile(vscode.Uri.parse(front.uri, true));
          return;
        }
        const trace = given ?? front?.trace ?? (await pickTrace(traces.all(), 'Save which trace?'));
        if (trace) await saveTrace(trace, traces);
      },
    },
    {
      id: 'openTrace',
      run: async () => {
        const uri = await askTraceFile();
        if (uri) await vscode.commands.executeCommand('vscode.open', uri);
      },
    },
    {
      id: 'reloadTrace',
      run: async () => {
        if ((await editor.reload()) === undefined)
          void vscode.window.showInformationMessage('Open a trace file first: what is read again is the one in front.');
      },
    },
    {
      id: 'closeTrace',
      unavailable: () => noTraceHere(traces),
      run: async (argument) => {
        const ended = traces.all().filter(({ source }) => !isLive(source));
        const trace = traceOf(argument) ?? shown.front?.trace ?? (await pickTrace(ended, 'Close which trace?'));
        if (trace === undefined) return;
        await traces.close(trace);
        panels.close(trace);
      },
    },
    {
      id: 'discardTrace',
      run: async (argument) => {
        const item = argument as TraceItem | undefined;
        if (item?.kind === 'trace') {
          if (!(await confirmDiscard(item.trace.source.title))) return;
          await traces.discard(item.trace);
          panels.close(item.trace);
        } else if (item?.kind === 'recording') {
          if (await confirmDiscard(basename(item.recording.path))) await traces.discardRecording(item.recording);
        }
      },
    },
  ];
}

/** Asks where to, and writes the trace up to now there. Rejects with what a person should read. */
export async function saveTrace(trace: OpenTrace, traces: Traces): Promise<void> {
  const target = await askWhere(basename(trace.recording));
  if (!target) return;
  const whole = !isLive(trace.source);
  const file = localPath(target);
  await trace.saveTo(file);
  if (whole) traces.markSaved(trace, file);
  saySaved(target, isLive(trace.source));
}

function localPath(target: vscode.Uri): string {
  if (target.scheme !== 'file') throw new Error(`A trace can't be saved to ${target.toString()}. Pick a local folder.`);
  return target.fsPath;
}

/** Asks where to, and copies a trace file there; false when the person thought better of it. */
async function copyFile(uri: vscode.Uri): Promise<boolean> {
  const target = await askWhere(basename(uri.path));
  if (!target) return false;
  if (target.toString() === uri.toString()) throw new Error(`${basename(uri.path)} is that file. Pick another name.`);
  if (uri.scheme === 'file') await copyWhole(uri.fsPath, localPath(target));
  else await vscode.workspace.fs.copy(uri, target, { overwrite: true });
  saySaved(target, false);
  return true;
}

// Why a command can't run now, in words; undefined when it can.
import * as vscode from 'vscode';
import type { ShownTraces } from '../sessions/shownTraces.ts';
import type { Traces } from '../sessions/traces.ts';

/** A workspace's settings name files and programs, so that nothing is run before the person trusts it. */
export function untrusted(): string | undefined {
  return vscode.workspace.isTrusted
    ? undefined
    : 'This needs a trusted workspace. Workspaces: Manage Workspace Trust decides.';
}

/** For a command that is about a trace of this window. */
export function noTraceHere(traces: Traces): string | undefined {
  return traces.all().length > 0 ? undefined : 'There is no trace yet. Packet Trail: Start Trace begins one.';
}

/** For a command that is about a trace of this window, or a file. */
export function noTrace(traces: Traces, shown: ShownTraces): string | undefined {
  return shown.last === undefined ? noTraceHere(traces) : undefined;
}

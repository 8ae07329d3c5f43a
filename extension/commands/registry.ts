// The commands as data: what each runs, and why it can't run now, so that a command never does nothing in silence.
import * as vscode from 'vscode';
import { notice } from '../protocol/plainText.ts';
import { reasonOf } from '../protocol/reason.ts';
import { NodeError } from '../nodes/node.ts';

/** A command of the extension. */
export interface Command {
  /** Without the `packetTrail.` prefix. */
  readonly id: string;
  /** What to say when it can't run now; undefined when it can. */
  readonly unavailable?: (argument: unknown) => string | undefined;
  readonly run: (argument: unknown) => Promise<void> | void;
}

/** Registers the commands; a failure is shown once, with what to do, and logged. */
export function registerCommands(commands: readonly Command[], log: vscode.LogOutputChannel): vscode.Disposable {
  return vscode.Disposable.from(
    ...commands.map(({ id, unavailable, run }) =>
      vscode.commands.registerCommand(`packetTrail.${id}`, async (argument: unknown) => {
        const why = unavailable?.(argument);
        if (why !== undefined) {
          void vscode.window.showInformationMessage(why);
          return;
        }
        try {
          await run(argument);
        } catch (error) {
          showFailure(error, log);
        }
      }),
    ),
  );
}

/** Shows a failure as one message: what happened and the mend. Details go to the log. */
export function showFailure(error: unknown, log: vscode.LogOutputChannel): void {
  if (error instanceof NodeError && error.code === 'cancelled') return;
  // What a node refuses is no fault of ours: its words say all. Of a fault the log keeps where it happened.
  if (error instanceof NodeError) log.error(`${error.node}: ${failureText(error)}`);
  else log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const showLog = 'Show Log';
  void vscode.window.showErrorMessage(failureText(error), showLog).then((answer) => {
    if (answer === showLog) log.show();
  });
}

/** What a person reads of a failure. */
function failureText(error: unknown): string {
  if (error instanceof NodeError) {
    const place = error.message.includes(error.node) ? '' : ` (node ${error.node})`;
    return notice(`${error.message}${place} ${error.mend}`.trim());
  }
  return notice(reasonOf(error));
}

// Lists the hooks of a trace: those attached, those skipped and why. Picking one opens its source.
import * as vscode from 'vscode';
import { iconless } from '../protocol/plainText.ts';
import type { Hook } from '../trace/metadata.ts';
import type { TraceSource } from '../trace/source.ts';

/** Shows the list; it can be searched by function, module and reason. `open` opens the source of the hook that is picked. */
export async function showHooks(source: TraceSource, open: (hook: Hook) => Promise<unknown>): Promise<void> {
  const { table, unattached } = await source.queries.hooks();
  const picks = [
    ...(unattached.length ? [separator(`not attached: ${unattached.length}`)] : []),
    ...unattached.map(({ function: name, module, reason, state, hook }) => ({
      label: `$(circle-slash) ${iconless(name)}`,
      description: iconless([module, state].filter(Boolean).join(', ')),
      detail: state === 'shed' && reason === '' ? 'detached to keep within the overhead budget' : iconless(reason),
      hook,
    })),
    separator(`in the hook table: ${table.length}`),
    ...table.map((hook) => ({
      label: `$(pass) ${iconless(hook.function)}`,
      description: iconless([hook.module, hook.kind].filter(Boolean).join(', ')),
      detail: iconless(hook.prototype),
      hook,
    })),
  ];
  const picked = await vscode.window.showQuickPick(picks, {
    title: `Packet Trail: hooks on ${source.node}`,
    placeHolder: 'Function, module, or reason; Enter opens the source',
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (picked && 'hook' in picked && picked.hook) await open(picked.hook);
}

function separator(label: string): vscode.QuickPickItem {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

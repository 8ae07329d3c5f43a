// Lists the hooks of a trace: those attached, those skipped and why. Picking one opens its source.
import * as vscode from 'vscode';
import type { Hook } from '../trace/metadata.ts';
import type { TraceSource } from '../trace/source.ts';

/** Shows the list; it can be searched by function, module and reason. `open` opens the source of the hook that is picked. */
export async function showHooks(source: TraceSource, open: (hook: Hook) => Promise<unknown>): Promise<void> {
  const { store } = source;
  const skipped = store.hooks.statuses().filter(({ state }) => state !== 'attached');
  const attached = [...store.hooks.all()];
  const picks = [
    ...(skipped.length ? [separator(`not attached: ${skipped.length}`)] : []),
    ...skipped.map(({ function: name, id, module, reason, state }) => ({
      label: `$(circle-slash) ${name || store.hooks.name(id)}`,
      description: [module, state].filter(Boolean).join(', '),
      detail: state === 'shed' && reason === '' ? 'detached to keep within the overhead budget' : reason,
      hook: store.hooks.get(id),
    })),
    separator(`in the hook table: ${attached.length}`),
    ...attached.map((hook) => ({
      label: `$(pass) ${hook.function}`,
      description: [hook.module, hook.kind].filter(Boolean).join(', '),
      detail: hook.prototype,
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

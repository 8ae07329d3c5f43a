// Shows what the preflight of a node found: what passes, what fails, and the mend.
import * as vscode from 'vscode';
import type { CheckReport } from '../nodes/helperProcess.ts';
import { iconless } from '../protocol/plainText.ts';

const icons = { pass: '$(pass)', warn: '$(warning)', fail: '$(error)' } as const;
const order = { fail: 0, warn: 1, pass: 2 } as const;

/** Lists the requirements, those that fail first; picking one copies its mend. */
export async function showCheck(node: string, report: CheckReport): Promise<void> {
  const items = [...report.results]
    .sort((a, b) => order[a.state] - order[b.state])
    .map(({ name, state, detail, mend }) => ({
      label: `${icons[state]} ${iconless(name)}`,
      description: iconless(detail),
      ...(mend ? { detail: iconless(mend) } : {}),
      mend,
    }));
  const picked = await vscode.window.showQuickPick(items, {
    title: `Packet Trail: ${node} ${report.ok ? 'can be traced' : "can't be traced yet"}`,
    placeHolder: 'Pick a line to copy its mend',
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (picked?.mend) await vscode.env.clipboard.writeText(picked.mend);
}

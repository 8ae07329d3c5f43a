// Asks what to trace: a pcap-filter expression, and behind the gear the filters that aren't part of that language.
import * as vscode from 'vscode';
import type { Hops, TraceFilter } from '../nodes/helperFlags.ts';
import { notice } from '../protocol/plainText.ts';
import { reasonOf } from '../protocol/reason.ts';
import { filterText, hopsText, markProblem } from '../sessions/traceFilter.ts';

interface Extra {
  readonly key: 'netns' | 'iface' | 'mark';
  readonly label: string;
  readonly prompt: string;
  readonly placeHolder: string;
  readonly problem: (value: string) => string | undefined;
}

const extras: readonly Extra[] = [
  {
    key: 'netns',
    label: 'Network namespace',
    prompt:
      'Only packets in this network namespace: its name in /run/netns, its inode number, or a path such as /proc/PID/ns/net',
    placeHolder: 'blue',
    problem: () => undefined,
  },
  {
    key: 'iface',
    label: 'Interface',
    prompt: 'Only packets on this interface: NAME, NETNS/NAME, or its index',
    placeHolder: 'eth0',
    problem: () => undefined,
  },
  {
    key: 'mark',
    label: 'Mark',
    prompt: 'Only packets with this mark: VALUE or VALUE/MASK',
    placeHolder: '0x10/0xff',
    problem: markProblem,
  },
];

/**
 * Asks for the filter; resolves undefined when the person gave up.
 * @param check says why an expression can't be used, or undefined when it can or nobody can tell yet
 * @param problem shown at once, when the node has refused the expression that is in `initial`
 */
export async function askFilter(options: {
  readonly node: string;
  readonly initial: TraceFilter;
  readonly recent: readonly string[];
  readonly check: (expression: string) => Promise<string | undefined>;
  readonly problem?: string;
}): Promise<TraceFilter | undefined> {
  const gear: vscode.QuickInputButton = {
    iconPath: new vscode.ThemeIcon('settings-gear'),
    tooltip: 'Filter by network namespace, interface or mark, or watch fewer functions',
  };
  const history: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('history'), tooltip: 'Recent filters' };
  let filter = options.initial;
  let problem = options.problem;
  for (;;) {
    const answer = await askExpression(options, filter, problem, [gear, ...(options.recent.length ? [history] : [])]);
    problem = undefined;
    if (!answer) return undefined;
    filter = { ...filter, expression: answer.expression };
    if (answer.button === gear) filter = await askExtras(filter);
    else if (answer.button === history)
      filter = { ...filter, expression: (await pickRecent(options.recent)) ?? filter.expression };
    else return filter;
  }
}

type Answer = { readonly expression: string; readonly button?: vscode.QuickInputButton } | undefined;

function askExpression(
  options: Parameters<typeof askFilter>[0],
  filter: TraceFilter,
  problem: string | undefined,
  buttons: readonly vscode.QuickInputButton[],
): Promise<Answer> {
  const input = vscode.window.createInputBox();
  const more = filterText({ ...filter, expression: '' });
  const what = filter.hops === 'programs' ? 'Trace tc/XDP Programs Only' : 'Start Trace';
  input.title = `Packet Trail: ${what} on ${options.node} (2/2)`;
  input.prompt = `Packet filter as in tcpdump; empty means every packet${more ? `. Also: ${more}` : ''}`;
  input.placeholder = 'icmp and host 10.0.0.1, or tcp port 8080';
  input.value = filter.expression;
  input.ignoreFocusOut = true;
  input.buttons = buttons;
  // The node's words, and what was typed.
  const refuse = (reason: string): void => void (input.validationMessage = notice(reason));
  if (problem !== undefined) refuse(problem);
  return new Promise<Answer>((resolve) => {
    const finish = (answer: Answer): void => {
      resolve(answer);
      input.dispose();
    };
    const accept = async (): Promise<void> => {
      const expression = input.value.trim();
      input.busy = true;
      input.enabled = false;
      const reason = expression === '' ? undefined : await options.check(expression);
      input.busy = false;
      input.enabled = true;
      if (reason === undefined) finish({ expression });
      else refuse(reason);
    };
    input.onDidChangeValue(() => (input.validationMessage = undefined));
    input.onDidTriggerButton((button) => finish({ expression: input.value.trim(), button }));
    input.onDidAccept(() => {
      accept().catch((error: unknown) => {
        input.busy = false;
        input.enabled = true;
        refuse(reasonOf(error));
      });
    });
    input.onDidHide(() => finish(undefined));
    input.show();
  });
}

async function askExtras(filter: TraceFilter): Promise<TraceFilter> {
  const functions = { label: 'Functions', description: hopsText[filter.hops] || 'all', extra: undefined };
  const picked = await vscode.window.showQuickPick(
    [...extras.map((extra) => ({ label: extra.label, description: filter[extra.key] || 'any', extra })), functions],
    {
      title: 'Packet Trail: More Filters',
      placeHolder: 'These are tested before the packet filter',
      ignoreFocusOut: true,
    },
  );
  if (!picked) return filter;
  if (!picked.extra) return { ...filter, hops: (await askHops(filter.hops)) ?? filter.hops };
  const { key, label, prompt, placeHolder, problem } = picked.extra;
  const value = await vscode.window.showInputBox({
    title: `Packet Trail: ${label}`,
    prompt: `${prompt}; empty means any`,
    placeHolder,
    value: filter[key],
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === '' ? undefined : problem(text.trim())),
  });
  return value === undefined ? filter : { ...filter, [key]: value.trim() };
}

async function askHops(now: Hops): Promise<Hops | undefined> {
  const picks: readonly (vscode.QuickPickItem & { readonly hops: Hops })[] = [
    {
      hops: 'all',
      label: 'All functions',
      detail: 'Every kernel function that takes a packet, and every tc and XDP program',
    },
    {
      hops: 'telling',
      label: 'The most telling functions',
      detail: 'A hundred or so, and the programs: quick where functions are hooked one by one',
    },
    { hops: 'programs', label: 'tc and XDP programs only', detail: 'Programs and what they call; no other function' },
  ];
  const picked = await vscode.window.showQuickPick(
    picks.map((pick) => (pick.hops === now ? { ...pick, description: 'now' } : pick)),
    { title: 'Packet Trail: Functions', placeHolder: 'Where to watch packets', ignoreFocusOut: true },
  );
  return picked?.hops;
}

async function pickRecent(recent: readonly string[]): Promise<string | undefined> {
  return await vscode.window.showQuickPick([...recent], {
    title: 'Packet Trail: Recent Filters',
    ignoreFocusOut: true,
  });
}

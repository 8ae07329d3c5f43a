// What the commands about BPF programs do. They are run from the rows of the BPF Programs view.
import * as vscode from 'vscode';
import { notice } from '../protocol/plainText.ts';
import { untrusted } from './conditions.ts';
import type { Command } from './registry.ts';
import { originOf, type ProgramSources } from '../views/programSources.ts';
import type { ProgramWithLines } from '../trace/queries.ts';
import type { ProgramItem, ProgramTrace } from '../views/programsView.ts';
import type { TimelineHost } from '../views/timelineHost.ts';
import type { TimelinePanels } from '../views/timelinePanels.ts';
import type { TraceEditor } from '../views/traceEditor.ts';

/** What the commands work on. */
export interface ProgramCommandContext {
  readonly sources: ProgramSources;
  readonly panels: TimelinePanels;
  readonly editor: TraceEditor;
}

const noRow = 'Pick a program in the view BPF Programs.';

/** Makes the commands. */
export function programCommands(at: ProgramCommandContext): readonly Command[] {
  const timeline = async ({ trace, uri }: ProgramTrace): Promise<TimelineHost | undefined> => {
    if (trace !== undefined) return at.panels.show(trace);
    return uri === undefined ? undefined : await at.editor.show(uri);
  };
  return [
    {
      id: 'openProgramSource',
      unavailable: untrusted,
      run: async (argument) => {
        const { of, program, lines } = await pickedProgram(argument);
        const message = await at.sources.open(program, lines, originOf(of.source), { beside: false });
        if (!message.startsWith('Opened')) void vscode.window.showInformationMessage(notice(message));
      },
    },
    {
      id: 'showProgramPackets',
      run: async (argument) => {
        const item = picked(argument);
        const filter = item.kind === 'row' ? await item.of.source.queries.hitsFilter(item.row) : '';
        const host = await timeline(item.of);
        if (filter !== '') host?.find(filter);
      },
    },
    {
      id: 'showProgramLog',
      run: async (argument) => {
        const { of, program } = await pickedProgram(argument);
        await at.sources.showLog(program, originOf(of.source));
      },
    },
  ];
}

function picked(argument: unknown): ProgramItem {
  const item = argument as Partial<ProgramItem> | undefined;
  if (item?.of === undefined) throw new Error(noRow);
  return item as ProgramItem;
}

async function pickedProgram(argument: unknown): Promise<ProgramWithLines & { readonly of: ProgramTrace }> {
  const item = picked(argument);
  const found = item.kind === 'row' ? await item.of.source.queries.program(item.row.program) : undefined;
  if (found === undefined) throw new Error(noRow);
  return { of: item.of, ...found };
}

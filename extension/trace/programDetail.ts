// A BPF program's fields for the details view, and the words about its state.
import type { Program } from './programMessages.ts';
import { attachmentText, programName, programTypeText } from './programText.ts';
import type { TraceData } from './traceData.ts';
import { attachedAt, type EventValues } from './trail.ts';

/** Items of a list that are named before the rest is only counted. */
const most = 32;

function listText(items: readonly string[]): string {
  const rest = items.length - most;
  return [...items.slice(0, most), ...(rest > 0 ? [`${rest} more`] : [])].join('; ');
}

/** "gone after 12 s", by the time since the trace's first event; "gone" when the time isn't known. */
export function goneText(data: TraceData, program: Program): string {
  const ns = data.sinceStartOf(program.goneNs);
  if (ns === undefined || ns < 0) return 'gone';
  const seconds = ns / 1e9;
  if (seconds < 10) return `gone after ${seconds.toFixed(1)} s`;
  if (seconds < 120) return `gone after ${Math.round(seconds)} s`;
  return `gone after ${Math.round(seconds / 60)} min`;
}

/** What is the matter with a program: "gone after 12 s", "not hooked: …"; empty when it is hooked. */
function stateText(data: TraceData, program: Program): string {
  switch (program.state) {
    case 'hooked':
      return '';
    case 'gone':
      return goneText(data, program);
    case 'reported':
    case 'unknown':
      return program.reason === '' ? 'not hooked' : `not hooked: ${program.reason}`;
  }
}

/**
 * Whose the verdict of a program is: a tail call doesn't come back, so that the kernel tells the last program's verdict as that of the
 * one that was entered (docs/helper.md). `reached` is the one that was seen to run last; empty when it is the program's own.
 */
export function returnedByText(program: Program, reached: Program | undefined): string {
  if (reached !== undefined)
    return `${programName(reached)} (id ${reached.id}), reached by a tail call: the last that was seen to run`;
  return program.tailCalls.length > 0 ? 'itself, or a program that it left for by a tail call' : '';
}

/** The fields of a program that an event met. */
export function programFields(
  data: TraceData,
  program: Program,
  event: EventValues,
): { readonly name: string; readonly value: string }[] {
  const { names, programs } = data;
  const iface = (inum: number, index: number): string => names.iface(inum, index);
  const here = attachedAt(data, program, event);
  const attachments = program.attachments.map((attachment) => {
    const { netns: inum, handle, link } = attachment;
    const more = [
      inum === 0 ? '' : `netns ${names.netns(inum)}`,
      handle === 0 ? '' : `handle 0x${handle.toString(16)}`,
      link === 0 ? '' : `link ${link}`,
    ].filter((part) => part !== '');
    const text = attachmentText(programs, program, attachment, iface);
    return more.length === 0 ? text : `${text} (${more.join(', ')})`;
  });
  const slots = program.tailCalls.map(({ map, index, program: id }) => {
    const target = programs.get(id);
    return `${map}[${index}] → ${target === undefined ? `program ${id}` : programName(target)}`;
  });
  const fields: readonly (readonly [string, string])[] = [
    ['Program', `${programName(program)} (id ${program.id})`],
    ['Program type', programTypeText(program.type)],
    ['Tag', program.tag],
    ['Program state', stateText(data, program)],
    ['Attached here', here],
    ['Attachments', listText(attachments)],
    ['Maps', listText(program.maps)],
    ['Pins', listText(program.pins)],
    ['Tail calls', listText(slots)],
    ['Program source', program.file === '' ? '' : `${program.file}:${program.line}`],
  ];
  return fields.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value }));
}

// The lines of a BPF program that its BTF carries, put together as a text that can be read like its source. Pure.
import type { Program, SourceLine } from '../trace/programMessages.ts';
import { programName } from '../trace/programText.ts';

/** Where a program begins in its source. */
export interface ProgramPlace {
  /** As the compiler knew it. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based; 0: not known. */
  readonly column: number;
  /** The line as it was compiled; empty when it isn't known. */
  readonly text: string;
}

/** The first line of a program's entry function; undefined when it was compiled without line information. */
export function programPlace(program: Program, lines: readonly SourceLine[]): ProgramPlace | undefined {
  const { file, line } = program;
  if (file !== '' && line > 0) {
    const known = lines.find((each) => each.file === file && each.line === line);
    return { file, line, column: known?.column ?? 0, text: known?.text ?? '' };
  }
  const first = lines.find((each) => each.function === program.name) ?? lines[0];
  return first === undefined || first.file === '' ? undefined : first;
}

/** A text made of a program's lines. */
export interface Listing {
  readonly text: string;
  /** 0-based line of the text where the program begins. */
  readonly line: number;
}

/** One line of text for a person, whatever it was. */
function plain(text: string): string {
  return text.replace(/[\r\n\u2028\u2029]+/g, ' ');
}

/**
 * Lists the lines by file and number, each once, with its number in front as a comment so that the text stays C. What lies between
 * two of them made no instructions and isn't known.
 */
export function listProgram(program: Program, lines: readonly SourceLine[]): Listing {
  const place = programPlace(program, lines);
  const files = new Map<string, Map<number, string>>();
  for (const { file, line, text } of lines) {
    let known = files.get(file);
    if (known === undefined) files.set(file, (known = new Map<number, string>()));
    // A line that is there without its text doesn't hide the same one with it.
    if ((known.get(line) ?? '') === '') known.set(line, plain(text));
  }
  const out = [
    `// ${plain(programName(program))}, BPF program ${program.id}: the source lines that its BTF carries.`,
    '// Lines that made no instructions are not among them.',
  ];
  let start = 0;
  // The file that the program is in comes first.
  const sorted = [...files].sort(([a], [b]) => Number(b === place?.file) - Number(a === place?.file));
  for (const [file, known] of sorted) {
    out.push('', `// ${plain(file) || 'a file without a name'}`);
    const numbers = [...known.keys()].sort((a, b) => a - b);
    const width = String(numbers.at(-1) ?? 0).length;
    let before: number | undefined;
    for (const number of numbers) {
      if (before !== undefined && number > before + 1) out.push('');
      if (place?.file === file && place.line === number) start = out.length;
      out.push(`/* ${String(number).padStart(width)} */ ${known.get(number) ?? ''}`);
      before = number;
    }
  }
  return { text: `${out.join('\n')}\n`, line: start };
}

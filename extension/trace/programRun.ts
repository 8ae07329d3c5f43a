// Follows a packet through BPF programs: which program is running at a hop, and which one a function was called from. A tail
// call leaves no event of its own; it is inferred from code that runs inside a program that was not entered.
import type { Hook } from './metadata.ts';
import type { Program } from './programMessages.ts';
import type { ProgramTable } from './programs.ts';
import { programType } from './programText.ts';

/** What a hop says about the program that it was called from. */
export interface ProgramCall {
  readonly program: Program;
  /** Programs that a tail call led to since the last hop, the last one is {@link program}; empty when there was none. */
  readonly tailCalls: readonly Program[];
}

/** A program that was entered and whose verdict hasn't come. */
interface Entered {
  readonly program: Program;
  /** The program whose code was last seen to run: another one after a tail call. */
  reached: Program;
}

/** More programs than ever run inside one another: freplace programs in one that is attached. */
const maxOpen = 16;

/** Takes a packet's hops one after the other in order of time. */
export class ProgramRun {
  readonly #open: Entered[] = [];

  constructor(private readonly programs: ProgramTable) {}

  /**
   * Takes the next hop.
   * @param caller the address that the function returns to; 0 when it isn't known
   * @param mono CLOCK_MONOTONIC ns of the hop
   * @returns the program whose code called the function; undefined for other callers, and for a program's own entry and verdict
   */
  step(hook: Hook | undefined, caller: bigint, mono: bigint): ProgramCall | undefined {
    const own = this.programs.ofHook(hook);
    if (own !== undefined) {
      if (hook?.kind === 'BPF entry') {
        if (this.#open.length === maxOpen) this.#open.shift();
        this.#open.push({ program: own, reached: own });
      } else {
        // Whatever was entered after it and gave no verdict is over, too: that event was lost.
        const at = this.#open.findLastIndex(({ program }) => program.id === own.id);
        if (at >= 0) this.#open.splice(at);
      }
      return undefined;
    }
    const program = caller === 0n ? undefined : this.programs.at(caller, mono);
    if (program === undefined) return undefined;
    const top = this.#open.at(-1);
    if (top === undefined || !this.#isTailCall(top, program)) return { program, tailCalls: [] };
    const path = this.programs.tailCallPath(top.reached.id, program.id);
    top.reached = program;
    return { program, tailCalls: path ?? [program] };
  }

  /** The program whose code was last seen to run inside of one that was entered, by a tail call; undefined when none was. */
  reachedFrom(program: number): Program | undefined {
    const entered = this.#open.findLast(({ program: { id } }) => id === program);
    return entered === undefined || entered.reached.id === program ? undefined : entered.reached;
  }

  #isTailCall(top: Entered, program: Program): boolean {
    if (program.id === top.reached.id || program.type === programType.ext) return false;
    // An freplace program runs inside another one, which goes on after it.
    if (top.program.attachments.some(({ kind, target }) => kind === 'freplace' && target === program.id)) return false;
    return !this.#open.slice(0, -1).some((outer) => program.id === outer.program.id || program.id === outer.reached.id);
  }
}

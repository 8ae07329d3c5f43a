// The BPF programs of a trace as a tree: interface → where in it → program → how often it returned what; beside them the programs
// that can't be placed so, and those that aren't hooked, with the reason. Every program that the helper told of is in it.
import type { Attachment, Program } from './programMessages.ts';
import {
  attachmentLabel,
  attachmentsAt,
  directionText,
  isDropVerdict,
  programName,
  programVerdict,
} from './programText.ts';
import { goneText } from './programDetail.ts';
import type { TraceData } from './traceData.ts';
import type { Counts } from './verdictCounts.ts';

/** A row of the tree; plain data, so that it can leave the extension host. */
export interface ProgramRow {
  /** Unique in the trace, and the same while the trace grows. */
  readonly key: string;
  readonly kind: 'interface' | 'direction' | 'program' | 'verdict' | 'group';
  readonly label: string;
  readonly description: string;
  /** Id of the program that a program's or a verdict's row is about; 0 for others. */
  readonly program: number;
  /** Of a program's row; "hooked" for others. */
  readonly state: Program['state'];
  /** Of a verdict's row: times. */
  readonly count: number;
  /** A verdict that drops the packet. */
  readonly drops: boolean;
  /** A program whose source file is known, or lines of it. */
  readonly hasSource: boolean;
  readonly children: readonly ProgramRow[];
}

type Named = { readonly key: string; readonly label: string } & Partial<ProgramRow>;

const blank = {
  description: '',
  program: 0,
  state: 'hooked',
  count: 0,
  drops: false,
  hasSource: false,
  children: [],
} as const;

function row(kind: ProgramRow['kind'], fields: Named): ProgramRow {
  return { kind, ...blank, ...fields };
}

/** Order of the places in an interface: as a packet meets them. */
const order = [
  'xdp offload',
  'xdp',
  'xdp generic',
  'tcx ingress',
  'tc ingress',
  'tc action ingress',
  'netkit primary',
  'netkit peer',
  'tcx egress',
  'tc egress',
  'tc action egress',
];

/** Where in an interface: "tc ingress", "xdp", "netkit peer". */
function placeText({ kind, direction }: Attachment): string {
  return [kind, directionText(kind, direction)].filter((part) => part !== '').join(' ');
}

/** Verdicts of one program at one or more places, in words, with how often; the most frequent first. */
class Tally {
  readonly #names = new Map<string, { count: number; readonly drops: boolean }>();
  total = 0;

  add(data: TraceData, program: Program, counts: Counts): void {
    const { netns, ifindex } = counts;
    const note = (name: string, count: number, drops: boolean): void => {
      if (count === 0) return;
      this.total += count;
      const known = this.#names.get(name);
      if (known === undefined) this.#names.set(name, { count, drops });
      else known.count += count;
    };
    for (const [value, count] of counts.values) {
      const verdict = BigInt(value);
      const name = programVerdict(data.programs, program, verdict, netns, ifindex);
      note(name, count, isDropVerdict(program, verdict, netns, ifindex));
    }
    note('other verdicts', counts.others, false);
  }

  text(): string {
    return this.#sorted()
      .slice(0, 3)
      .map(([name, { count }]) => `${name} ${count.toLocaleString('en')}`)
      .join(', ');
  }

  rows(key: string, program: Program): ProgramRow[] {
    return this.#sorted().map(([name, { count, drops }]) =>
      row('verdict', {
        key: `${key}/${name}`,
        label: name,
        description: count.toLocaleString('en'),
        program: program.id,
        count,
        drops,
      }),
    );
  }

  #sorted(): [string, { count: number; drops: boolean }][] {
    return [...this.#names].sort(([a, x], [b, y]) => y.count - x.count || a.localeCompare(b));
  }
}

/** A program in one place of an interface, or outside of any. */
interface Placed {
  readonly program: Program;
  readonly attachment: Attachment | undefined;
  readonly tally: Tally;
  /** Where else the verdicts may have been returned: the events don't tell these apart. */
  readonly shared: Set<string>;
}

interface Interface {
  readonly netns: number;
  readonly ifindex: number;
  readonly directions: Map<string, Placed[]>;
}

class Builder {
  readonly #interfaces = new Map<string, Interface>();
  /** Replaced program → those that replace a function of it. */
  readonly #replacements = new Map<number, Placed[]>();
  readonly #loose: Placed[] = [];

  constructor(private readonly data: TraceData) {
    for (const program of data.programs.all()) this.#place(program);
  }

  rows(): ProgramRow[] {
    const { names } = this.data;
    const interfaces = [...this.#interfaces.values()]
      .map((at) => ({ at, label: names.iface(at.netns, at.ifindex), netns: names.netns(at.netns) }))
      .sort((a, b) => a.netns.localeCompare(b.netns) || a.label.localeCompare(b.label, 'en', { numeric: true }))
      .map(({ at, label, netns }) => {
        const key = `${at.netns}/${at.ifindex}`;
        return row('interface', {
          key,
          label,
          description: netns === '' ? '' : `netns ${netns}`,
          children: [...at.directions]
            .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
            .map(([name, placed]) => this.#direction(`${key}/${name}`, name, placed)),
        });
      });
    const groups: [string, string, Placed[]][] = [
      ['tail', 'Reached by tail calls', []],
      ['replacing', 'Replacing functions of programs that are not listed', []],
      ['loaded', 'Loaded, not attached', []],
    ];
    const gone: Placed[] = [];
    for (const placed of this.#loose) {
      const { program, attachment } = placed;
      if (program.state === 'gone') gone.push(placed);
      else if (attachment !== undefined) groups[1]?.[2].push(placed);
      else groups[this.data.programs.callerOf(program.id) === undefined ? 2 : 0]?.[2].push(placed);
    }
    groups.push(['gone', 'Gone', gone]);
    const unhooked = [...this.data.programs.all()].filter(({ state }) => state === 'reported' || state === 'unknown');
    groups.push(['unhooked', 'Not hooked', unhooked.map((program) => this.#placed(program, undefined))]);
    return [
      ...interfaces,
      ...groups
        .filter(([, , members]) => members.length > 0)
        .map(([key, label, members]) => this.#group(key, label, members)),
    ];
  }

  #placed(program: Program, attachment: Attachment | undefined): Placed {
    return { program, attachment, tally: new Tally(), shared: new Set() };
  }

  #at(netns: number, ifindex: number, direction: string): Placed[] {
    const key = `${netns}/${ifindex}`;
    let at = this.#interfaces.get(key);
    if (at === undefined) this.#interfaces.set(key, (at = { netns, ifindex, directions: new Map() }));
    let list = at.directions.get(direction);
    if (list === undefined) at.directions.set(direction, (list = []));
    return list;
  }

  #place(program: Program): void {
    const { data } = this;
    const all = new Map<Attachment, Placed>();
    for (const attachment of program.attachments) {
      const placed = this.#placed(program, attachment);
      all.set(attachment, placed);
      if (attachment.kind === 'freplace' && data.programs.get(attachment.target) !== undefined) {
        const list = this.#replacements.get(attachment.target);
        if (list === undefined) this.#replacements.set(attachment.target, [placed]);
        else list.push(placed);
      } else if (attachment.ifindex === 0) this.#loose.push(placed);
      else this.#at(attachment.netns, attachment.ifindex, placeText(attachment)).push(placed);
    }
    let loose: Placed | undefined;
    if (program.attachments.length === 0) this.#loose.push((loose = this.#placed(program, undefined)));
    for (const counts of data.verdictCounts.of(program.verdictHook)) {
      const { netns, ifindex, direction } = counts;
      const fits = attachmentsAt(program, netns, ifindex, direction).map((attachment) => all.get(attachment));
      const [first] = fits;
      if (loose !== undefined) loose.tally.add(data, program, counts);
      else if (first === undefined) {
        // It was attached here once, or is by now.
        const placed = this.#placed(program, undefined);
        placed.tally.add(data, program, counts);
        this.#at(netns, ifindex, 'seen here').push(placed);
      } else {
        for (const placed of fits) {
          placed?.tally.add(data, program, counts);
          for (const other of fits) {
            if (placed !== other && other?.attachment) placed?.shared.add(placeText(other.attachment));
          }
        }
      }
    }
  }

  #direction(key: string, label: string, placed: readonly Placed[]): ProgramRow {
    const live = placed.filter(({ program }) => program.state !== 'gone').sort(byPriority);
    const gone = placed.filter(({ program }) => program.state === 'gone');
    return row('direction', {
      key,
      label,
      children: [
        ...live.map((each) => this.#program(key, each)),
        ...(gone.length === 0 ? [] : [this.#group(`${key}/gone`, 'Gone', gone)]),
      ],
    });
  }

  #group(key: string, label: string, placed: readonly Placed[]): ProgramRow {
    const sorted = [...placed].sort(
      (a, b) => programName(a.program).localeCompare(programName(b.program)) || a.program.id - b.program.id,
    );
    return row('group', {
      key,
      label,
      description: String(placed.length),
      children: sorted.map((each) => this.#program(key, each)),
    });
  }

  #program(parent: string, placed: Placed): ProgramRow {
    const { program, attachment, tally } = placed;
    const { id, state } = program;
    const handle = attachment === undefined ? '' : `/${attachment.priority}/${attachment.handle}/${attachment.link}`;
    const key = `${parent}/${id}${handle}`;
    const replacements = this.#replacements.get(id) ?? [];
    return row('program', {
      key,
      label: programName(program),
      description: this.#description(placed),
      program: id,
      state,
      hasSource: program.file !== '' || this.data.programs.source(id).length > 0,
      children: [
        ...tally.rows(key, program),
        // Programs of this type can't be replaced in turn: the kernel refuses it, and a hostile trace ends here.
        ...(attachment?.kind === 'freplace' ? [] : replacements.map((each) => this.#program(key, each))),
      ],
    });
  }

  /** What matters most first: a side bar is narrow. */
  #description({ program, attachment, tally, shared }: Placed): string {
    const { state, verdictHook, entryHook } = program;
    const parts: string[] = [];
    if (attachment?.kind === 'freplace')
      parts.push(`replaces ${attachment.label === '' ? 'a function' : attachment.label}`);
    if (state === 'gone') parts.push(goneText(this.data, program));
    if (state === 'reported' || state === 'unknown') parts.push(program.reason || 'not hooked');
    else if (tally.total > 0) parts.push(tally.text());
    else if (state === 'hooked' && verdictHook !== 0) parts.push('no packet yet');
    else if (state === 'hooked') parts.push(entryHook === 0 ? 'not hooked itself' : 'its verdicts are not seen');
    if (shared.size > 0 && tally.total > 0) parts.push(`counted together with ${[...shared].join(', ')}`);
    if (attachment === undefined) {
      const caller = this.data.programs.callerOf(program.id);
      if (caller !== undefined)
        parts.push(`from ${programName(caller.program)}, ${caller.slot.map}[${caller.slot.index}]`);
      return parts.join(', ');
    }
    if (attachment.priority !== 0) parts.push(`prio ${attachment.priority}`);
    if (attachment.block !== 0) parts.push(`block ${attachment.block}`);
    if (attachment.chain !== 0) parts.push(`chain ${attachment.chain}`);
    parts.push(attachmentLabel(attachment, program));
    return parts.filter((part) => part !== '').join(', ');
  }
}

function rank(place: string): number {
  const at = order.indexOf(place);
  return at < 0 ? order.length : at;
}

function byPriority(a: Placed, b: Placed): number {
  const of = ({ attachment }: Placed): number => attachment?.priority ?? 0;
  return of(a) - of(b) || (a.attachment?.handle ?? 0) - (b.attachment?.handle ?? 0) || a.program.id - b.program.id;
}

/** The tree. O(programs with their attachments and places, and their neighbours by tail calls). */
export function programTree(data: TraceData): readonly ProgramRow[] {
  return new Builder(data).rows();
}

/** The filter (query.ts) that finds the packets of a program's or a verdict's row; empty for other rows. */
export function hitsFilter(data: TraceData, { kind, program: id, label }: ProgramRow): string {
  const program = data.programs.get(id);
  if (program === undefined || (kind !== 'program' && kind !== 'verdict')) return '';
  const name = program.name.toLowerCase();
  const others = [...data.programs.all()].filter((other) => other.id !== id && other.name.toLowerCase().includes(name));
  // The id where the name would find others, too, or is none.
  const which = /^[\w.-]+$/.test(name) && !/^\d+$/.test(name) && others.length === 0 ? program.name : String(id);
  if (kind === 'program') return `prog:${which}`;
  return label.includes(' ') ? `verdict:"${which}=${label}"` : `verdict:${which}=${label}`;
}

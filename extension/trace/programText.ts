// BPF programs in the field's words: types, where they are attached, what their verdicts are called, and which of them drop.
import type { Attachment, Direction, Program } from './programMessages.ts';
import type { ProgramTable } from './programs.ts';

/** enum bpf_prog_type of include/uapi/linux/bpf.h, as far as programs see packets. */
export const programType = { schedCls: 3, schedAct: 4, xdp: 6, ext: 28 } as const;

const typeNames = new Map<number, string>([
  [programType.schedCls, 'sched_cls'],
  [programType.schedAct, 'sched_act'],
  [programType.xdp, 'xdp'],
  [programType.ext, 'freplace'],
]);

/** "sched_cls", "type 99". */
export function programTypeText(type: number): string {
  return typeNames.get(type) ?? `type ${type}`;
}

/** The program's name, "program 42" for one without. */
export function programName({ id, name }: Program): string {
  return name === '' ? `program ${id}` : name;
}

/**
 * Whether an attachment's program meets packets at a place. netkit's primary device runs its programs when the skb is the other
 * end's already, whose namespace isn't told (drivers/net/netkit.c, netkit_xmit).
 */
function meetsAt({ kind, direction, netns, ifindex, peer }: Attachment, inum: number, index: number): boolean {
  if (kind === 'netkit' && direction === 'egress') return peer !== 0 && index === peer;
  return netns === inum && ifindex === index;
}

/**
 * The attachments that an event at this place, of a packet that goes in this direction, can belong to: those that fit, else the
 * only one there is, else those to netkit devices.
 */
export function attachmentsAt(
  { attachments }: Program,
  netns: number,
  ifindex: number,
  direction: Direction = 'none',
): readonly Attachment[] {
  const here = attachments.filter((attachment) => meetsAt(attachment, netns, ifindex));
  // netkit's packets are on their way out at both ends, and XDP's have no direction.
  const along = here.filter((one) => !one.kind.startsWith('tc') || one.direction === direction);
  if (direction !== 'none' && along.length > 0) return along;
  if (here.length > 0) return here;
  return attachments.length === 1 ? attachments : attachments.filter(({ kind }) => kind === 'netkit');
}

/** The attachments whose numbering a verdict at this place can have: those it can belong to, else all of them. */
function attachmentsFor(program: Program, netns: number, ifindex: number): readonly Attachment[] {
  const here = attachmentsAt(program, netns, ifindex);
  return here.length > 0 ? here : program.attachments;
}

/** "ingress", for netkit "peer" and "primary"; empty where it goes without saying. */
export function directionText(kind: string, direction: Direction): string {
  if (direction === 'none') return '';
  if (kind === 'netkit') return direction === 'ingress' ? 'peer' : 'primary';
  return kind.startsWith('xdp') ? '' : direction;
}

/** The object file of a tc filter's name, "bpf_lxc.o" of "bpf_lxc.o:[tc]"; empty when it says no more than the program's name. */
export function attachmentLabel({ kind, label }: Attachment, program: Program): string {
  if (!kind.startsWith('tc')) return '';
  const plain = label.replace(/:\[[^\]]*\]$/, '');
  return plain === program.name ? '' : plain;
}

/**
 * Where a program is attached, for a person: "tc ingress eth0, prio 1, bpf_lxc.o cil_from_container".
 * @param iface names an interface
 */
export function attachmentText(
  programs: ProgramTable,
  program: Program,
  attachment: Attachment,
  iface: (netns: number, ifindex: number) => string,
): string {
  const { kind, direction, netns, ifindex, priority, chain, block, target, label } = attachment;
  if (kind === 'freplace') {
    const replaced = programs.get(target);
    const where = replaced === undefined ? `program ${target}` : programName(replaced);
    return `freplace of ${label === '' ? 'a function' : label} in ${where}`;
  }
  const place = [kind, directionText(kind, direction), iface(netns, ifindex)].filter((part) => part !== '').join(' ');
  const parts = [place];
  if (priority !== 0) parts.push(`prio ${priority}`);
  if (block !== 0) parts.push(`block ${block}`);
  if (chain !== 0) parts.push(`chain ${chain}`);
  parts.push([attachmentLabel(attachment, program), programName(program)].filter((part) => part !== '').join(' '));
  return parts.join(', ');
}

// include/uapi/linux/bpf.h (enum xdp_action, enum tcx_action_base), include/uapi/linux/pkt_cls.h (TC_ACT_*),
// include/uapi/linux/if_link.h (enum netkit_action).
const xdpActions: readonly (readonly [number, string])[] = [
  [0, 'XDP_ABORTED'],
  [1, 'XDP_DROP'],
  [2, 'XDP_PASS'],
  [3, 'XDP_TX'],
  [4, 'XDP_REDIRECT'],
];
const tcActions: readonly (readonly [number, string])[] = [
  [-1, 'TC_ACT_UNSPEC'],
  [0, 'TC_ACT_OK'],
  [1, 'TC_ACT_RECLASSIFY'],
  [2, 'TC_ACT_SHOT'],
  [3, 'TC_ACT_PIPE'],
  [4, 'TC_ACT_STOLEN'],
  [5, 'TC_ACT_QUEUED'],
  [6, 'TC_ACT_REPEAT'],
  [7, 'TC_ACT_REDIRECT'],
  [8, 'TC_ACT_TRAP'],
];
const shortActions: readonly (readonly [number, string])[] = [
  [-1, 'NEXT'],
  [0, 'PASS'],
  [2, 'DROP'],
  [7, 'REDIRECT'],
];
const verdictNames = {
  xdp: new Map(xdpActions),
  tc: new Map(tcActions),
  tcx: new Map(shortActions.map(([value, name]) => [value, `TCX_${name}`])),
  netkit: new Map(shortActions.map(([value, name]) => [value, `NETKIT_${name}`])),
} as const;
type Numbering = keyof typeof verdictNames | 'class' | 'unknown';

/** A verdict is an int in C; a helper that sends all of the register may have left the upper half zero. */
function verdictValue(verdict: bigint): bigint {
  return verdict > 0x7fff_ffffn && verdict <= 0xffff_ffffn ? BigInt.asIntN(32, verdict) : verdict;
}

function numberingOf(attachment: Attachment): Numbering {
  if (attachment.kind === 'tcx' || attachment.kind === 'netkit') return attachment.kind;
  return attachment.kind === 'tc' && !attachment.direct ? 'class' : 'tc';
}

/** In whose numbering a program's verdict at a place is; "unknown" when its attachments there don't agree. */
function numbering(programs: ProgramTable, program: Program, netns: number, ifindex: number): Numbering {
  switch (program.type) {
    case programType.xdp:
      return 'xdp';
    case programType.schedAct:
      return 'tc';
    case programType.schedCls: {
      const [first, ...rest] = attachmentsFor(program, netns, ifindex).map(numberingOf);
      if (first === undefined) return 'tc';
      return rest.every((other) => other === first) ? first : 'unknown';
    }
    case programType.ext: {
      // It returns what the function returns that it replaces: mostly, and in libxdp always, a verdict of the target's kind.
      const target = programs.get(program.attachments[0]?.target ?? 0);
      return target === undefined || target.type === programType.ext
        ? 'unknown'
        : numbering(programs, target, netns, ifindex);
    }
    default:
      return 'unknown';
  }
}

/** A program's verdict at a place in words; the number where nobody has given it a name. */
export function programVerdict(
  programs: ProgramTable,
  program: Program,
  verdict: bigint,
  netns: number,
  ifindex: number,
): string {
  const value = verdictValue(verdict);
  const kind = numbering(programs, program, netns, ifindex);
  if (kind === 'unknown') return String(value);
  return kind === 'class' ? classText(value) : (verdictNames[kind].get(Number(value)) ?? String(value));
}

/** What a filter without direct action says: net/sched/cls_bpf.c, cls_bpf_classify(). */
function classText(value: bigint): string {
  if (value === 0n) return 'no match';
  if (value === -1n) return 'match';
  const id = BigInt.asUintN(32, value);
  return `class ${(id >> 16n).toString(16)}:${(id & 0xffffn).toString(16)}`;
}

/**
 * Whether a program's verdict drops the packet: TC_ACT_SHOT of a program that acts directly, TCX_DROP, NETKIT_DROP, XDP_DROP
 * and XDP_ABORTED. Never that of an freplace program, since the program whose function it replaces returns after it, and
 * never when it isn't sure that the number is an action.
 */
export function isDropVerdict(program: Program, verdict: bigint, netns: number, ifindex: number): boolean {
  const value = verdictValue(verdict);
  if (program.type === programType.xdp) return value === 0n || value === 1n;
  if (program.type === programType.schedAct) return value === 2n;
  if (program.type !== programType.schedCls || value !== 2n) return false;
  const here = attachmentsFor(program, netns, ifindex);
  return here.length > 0 && here.every((attachment) => numberingOf(attachment) !== 'class');
}

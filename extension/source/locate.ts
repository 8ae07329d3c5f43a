// Decides which definition of a function a hook stands for: ranks what the index has by the hook's module, the node's
// architecture and what kind of code it is.
import { readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import type { HookKind } from '../trace/metadata.ts';
import type { Definition } from './indexFile.ts';
import { Flag } from './declaration.ts';
import { readHead } from './tree.ts';

/** What is known of the hook that was clicked. */
export interface SourceHook {
  /** As in kallsyms ("ip_rcv", "tcp_v4_rcv.isra.0"), or a tracepoint "skb:kfree_skb". */
  readonly function: string;
  /** Empty for vmlinux. */
  readonly module: string;
  readonly kind: HookKind;
  /** From the node's BTF; tells functions of one name apart. */
  readonly prototype?: string;
  /**
   * Whether other hooks of the trace have the name, too. BTF may describe only one of them, so the prototype may be another's. Then it
   * says what is likelier and decides nothing.
   */
  readonly shared?: boolean;
  /** In the kernel's memory, until it boots again; 0 or undefined when not known. */
  readonly address?: bigint;
}

/** Where definitions are looked up; an {@link IndexFile}. */
export interface DefinitionIndex {
  lookUp(name: string): readonly Definition[];
}

export interface Located {
  /** Every definition, best first. */
  readonly definitions: readonly Definition[];
  /** How many of the first could each be the one: 1 = open it, more = let the person choose. */
  readonly plausible: number;
}

/** The name that the source has for a kernel symbol: the compiler's suffixes (".isra.0", ".constprop.0", ".part.0", ".cold") are cut. */
export function sourceName(symbol: string): string {
  return /^[^.]+/.exec(symbol)?.[0] ?? symbol;
}

/** The index's names for a symbol, in the order to try: system calls have a symbol an architecture, but one definition. */
export function indexNames(symbol: string): readonly string[] {
  const name = sourceName(symbol);
  const names = [name];
  // SYSCALL_DEFINE and COMPAT_SYSCALL_DEFINE: include/linux/syscalls.h, arch/*/include/asm/syscall_wrapper.h.
  const call = /^__(?:do|se|x64|ia32|arm64|s390x?|riscv|powerpc|loongarch)_(compat_)?sys_(\w+)$/.exec(name);
  if (call !== null) names.push(`${call[1] ?? ''}sys_${call[2] ?? ''}`);
  // BPF_CALL_n: ____name holds the body (include/linux/filter.h).
  if (name.startsWith('____')) names.push(name.slice(4));
  // A tracepoint's own functions (include/linux/tracepoint.h, include/trace/trace_events.h, perf.h, bpf_probe.h): the event's
  // system isn't in their names.
  const event =
    /^(?:__(?:traceiter|probestub|bpf_trace)|(?:do_)?(?:trace_event_raw_event|perf_trace)|trace_(?:raw_output|event_get_offsets))_(\w+)$/.exec(
      name,
    );
  if (event !== null) names.push(`:${event[1] ?? ''}`);
  return names;
}

/** The folder below arch/ for a `uname -m`. */
function archFolder(machine: string): string {
  if (/^(?:x86_64|amd64|i[3-6]86)$/.test(machine)) return 'x86';
  if (/^(?:aarch64|arm64)/.test(machine)) return 'arm64';
  return (
    /^(?:arm|powerpc|ppc|s390|riscv|mips|loongarch|sparc|parisc|alpha|m68k)/
      .exec(machine)?.[0]
      .replace('ppc', 'powerpc') ?? machine
  );
}

/** Ranks the definitions of a hook's function. */
export async function locate(
  index: DefinitionIndex,
  root: string,
  hook: SourceHook,
  machine: string,
): Promise<Located> {
  let found: readonly Definition[] = [];
  for (const name of indexNames(hook.function)) {
    found = index.lookUp(name);
    if (found.length > 0) break;
  }
  const makefiles = new Map<string, Promise<string | undefined>>();
  const ranked = await Promise.all(
    found.slice(0, candidateLimit).map(async (definition) => ({
      definition,
      rank:
        rankPlace(definition, machine) +
        (hook.module === '' ? 0 : await rankModule(root, definition.file, hook.module, makefiles)),
    })),
  );
  ranked.sort(
    (a, b) =>
      a.rank - b.rank ||
      (a.definition.file < b.definition.file
        ? -1
        : a.definition.file > b.definition.file
          ? 1
          : a.definition.line - b.definition.line),
  );
  const best = ranked[0]?.rank ?? 0;
  const plausible = ranked.filter(({ rank }) => rank < best + clearly).map(({ definition }) => definition);
  const likeliest = plausible.length > 1 ? await byPrototype(root, plausible, hook) : plausible;
  const others = ranked.map(({ definition }) => definition).filter((definition) => !likeliest.includes(definition));
  return {
    definitions: [
      ...likeliest,
      ...others.filter((one) => plausible.includes(one)),
      ...others.filter((one) => !plausible.includes(one)),
    ],
    plausible: hook.shared === true ? plausible.length : likeliest.length,
  };
}

/** Definitions of one name that are looked at: names such as `init_module` or `probe` of drivers have hundreds. */
const candidateLimit = 1000;
/** A definition that ranks this much better than another is the one; less is a matter of taste and so for the person. */
const clearly = 10;

/** Ranks by where a definition is and what it is; smaller is better. */
function rankPlace({ file, flags }: Definition, machine: string): number {
  let rank = 0;
  // Programs that come with the kernel but aren't part of it.
  if (/^(?:Documentation|samples|scripts|tools|usr)\//.test(file)) rank += 1000;
  const arch = /^arch\/([^/]+)\//.exec(file)?.[1];
  if (arch !== undefined && machine !== '' && arch !== archFolder(machine)) rank += 500;
  if (/(?:^|\/)(?:kunit|selftests?|tests?)\/|[-_](?:kunit|test|selftest)\.c$/.test(file)) rank += 300;
  // What a header gives when an option is off never runs as a function of its own.
  if ((flags & Flag.stub) !== 0) rank += 200;
  if ((flags & Flag.weak) !== 0) rank += 50;
  // A tracepoint is defined in a header; a function that can be hooked, rarely.
  if (file.endsWith('.h') && (flags & Flag.tracepoint) === 0) rank += 20;
  if (/^(?:drivers|sound)\//.test(file)) rank += 5;
  return rank;
}

/** 0 when the file is part of the module; more when the Makefiles don't say so. */
async function rankModule(
  root: string,
  file: string,
  module: string,
  makefiles: Map<string, Promise<string | undefined>>,
): Promise<number> {
  if (file.endsWith('.h')) return 20;
  const object = file.replace(/\.c$/, '.o');
  const plain = (name: string): string => name.replaceAll('-', '_');
  if (plain(posix.basename(file, '.c')) === plain(module)) return 0;
  let folder = posix.dirname(object);
  for (let level = 0; level < 5 && folder !== '.'; level++) {
    for (const name of ['Makefile', 'Kbuild']) {
      const path = join(root, folder, name);
      let text = makefiles.get(path);
      if (text === undefined) makefiles.set(path, (text = readHead(path)));
      if (isPartOf(posix.relative(folder, object), module, (await text) ?? '')) return 0;
    }
    folder = posix.dirname(folder);
  }
  return 60;
}

/** Does a kbuild Makefile list the object among the parts of a module: `nf_tables-objs := nf_tables_core.o …`? */
export function isPartOf(object: string, module: string, makefile: string): boolean {
  const name = module.replace(/[-_]/g, '[-_]').replace(/[^\w[\]-]/g, '');
  const parts = new RegExp(`^[ \\t]*${name}-(?:objs|y|m|objs-y|\\$\\([^\\n=]*\\))[ \\t]*[:+]?=(.*)$`, 'gm');
  for (const [, objects = ''] of makefile.replace(/\\\r?\n/g, ' ').matchAll(parts)) {
    if (objects.split(/\s+/).includes(object)) return true;
  }
  return false;
}

/** Those whose parameters are written as in the hook's prototype; all of them when none is, or nothing is known. */
async function byPrototype(
  root: string,
  definitions: readonly Definition[],
  hook: SourceHook,
): Promise<readonly Definition[]> {
  const name = sourceName(hook.function);
  const wanted = parameters(hook.prototype ?? '', name);
  if (wanted === undefined || definitions.length > 50) return definitions;
  const same = await Promise.all(
    definitions.map(async ({ file, line }) => {
      const text = await readFile(join(root, dirname(file), posix.basename(file)), 'latin1').catch(() => '');
      return (
        parameters(
          text
            .split('\n', line + 20)
            .slice(line - 1)
            .join('\n'),
          name,
        ) === wanted
      );
    }),
  );
  const matching = definitions.filter((_, index) => same[index]);
  return matching.length > 0 ? matching : definitions;
}

/** The parameter list after a function's name, with the white space made even. */
function parameters(text: string, name: string): string | undefined {
  const at = text.indexOf(`${name}(`);
  if (at < 0) return undefined;
  const list = /^\(((?:[^()]|\([^()]*\))*)\)/.exec(text.slice(at + name.length, at + 4096))?.[1];
  return list
    ?.replace(/\/\*[^]*?\*\//g, ' ')
    .replace(/\b__(?:user|rcu|iomem|percpu|force|always_unused|maybe_unused)\b/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ?([*,]) ?/g, '$1')
    .trim();
}

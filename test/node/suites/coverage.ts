// The hook table is complete: every function that takes an skb is hooked, or skipped for a reason that holds. What there is, is
// counted here anew from the node's BTF (by bpftool), its symbols and its list of traceable functions.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { output, run } from '../command.ts';
import { helperPath, helpersRunning, trace, type NodeTrace } from '../tracing.ts';
import type { TestNode } from '../vm.ts';
import type { Suite } from './suite.ts';

interface BtfType {
  readonly kind: string;
  readonly name: string;
  readonly type_id?: number;
  readonly params?: readonly { readonly name: string; readonly type_id: number }[];
}

interface Symbol {
  readonly address: string;
  readonly name: string;
  readonly module: string;
}

interface Listed {
  readonly function: string;
  readonly module: string;
  readonly address?: string;
  readonly prototype?: string;
  readonly skipped: string | null;
}

/** What a command on the node prints, which may be binary. */
async function outputOf(node: TestNode, command: string): Promise<Buffer> {
  const child = node.spawn(command);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve, reject) => child.on('error', reject).on('close', () => resolve()));
  return Buffer.concat(chunks);
}

async function btfTypes(file: string, ...options: readonly string[]): Promise<readonly BtfType[]> {
  const { code, stdout, stderr } = await output('/usr/sbin/bpftool', ['-j', ...options, 'btf', 'dump', 'file', file]);
  if (code !== 0) throw new Error(`bpftool can't read ${file}: ${stderr}`);
  return (JSON.parse(stdout) as { readonly types: readonly BtfType[] }).types;
}

/** Names of the functions whose prototype has a pointer to an sk_buff, in one BTF; a module's stands on the kernel's. */
function skbFunctions(own: readonly BtfType[], base: readonly BtfType[] = []): ReadonlySet<string> {
  // Ids count on from 1, through the kernel's and on into a module's.
  const typeOf = (id: number): BtfType | undefined => (id > base.length ? own[id - base.length - 1] : base[id - 1]);
  const bare = (id: number | undefined): BtfType | undefined => {
    let type = typeOf(id ?? 0);
    while (type && ['CONST', 'VOLATILE', 'RESTRICT', 'TYPEDEF', 'TYPE_TAG'].includes(type.kind))
      type = typeOf(type.type_id ?? 0);
    return type;
  };
  const isSkb = (id: number): boolean => {
    const pointer = bare(id);
    const target = pointer?.kind === 'PTR' ? bare(pointer.type_id) : undefined;
    return target?.name === 'sk_buff' && ['STRUCT', 'FWD'].includes(target.kind);
  };
  return new Set(
    own
      .filter(({ kind, type_id }) => kind === 'FUNC' && typeOf(type_id ?? 0)?.params?.some((one) => isSkb(one.type_id)))
      .map(({ name }) => name),
  );
}

/** Names of all functions that the kernel's own BTF describes. */
async function described(node: TestNode): Promise<ReadonlySet<string>> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'packet-trail-btf-'));
  try {
    const file = join(folder, 'vmlinux');
    await fs.writeFile(file, await outputOf(node, 'cat /sys/kernel/btf/vmlinux'));
    return new Set((await btfTypes(file)).filter(({ kind }) => kind === 'FUNC').map(({ name }) => name));
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

async function candidates(node: TestNode): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'packet-trail-btf-'));
  try {
    const found = new Map<string, ReadonlySet<string>>();
    await run('tar', ['-x', '-C', folder], { input: [await outputOf(node, 'tar -c -C /sys/kernel/btf .')] });
    const vmlinux = join(folder, 'vmlinux');
    const kernels = await btfTypes(vmlinux);
    found.set('', skbFunctions(kernels));
    for (const module of await fs.readdir(folder)) {
      if (module === 'vmlinux') continue;
      found.set(module, skbFunctions(await btfTypes(join(folder, module), '-B', vmlinux), kernels));
    }
    return found;
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

/** Code symbols, and where the code is that is freed after boot. */
async function symbolsOf(node: TestNode): Promise<readonly Symbol[]> {
  const text = (await outputOf(node, 'cat /proc/kallsyms')).toString('utf8');
  const all = [...text.matchAll(/^([0-9a-f]+) (\S) (\S+)(?:\s+\[(\S+)\])?$/gm)].map(
    ([, address = '', type = '', name = '', module = '']) => ({ address: BigInt(`0x${address}`), type, name, module }),
  );
  const at = (wanted: string): bigint =>
    all.find(({ name, module }) => name === wanted && module === '')?.address ?? 0n;
  const [begin, end] = [at('_sinittext'), at('_einittext')];
  return all
    .filter(({ type, address }) => /[tw]/i.test(type) && !(address >= begin && address < end))
    .map(({ address, name, module }) => ({ address: `0x${address.toString(16)}`, name, module }));
}

/** What the kernel lets ftrace, and so kprobes, have: `name` or `module:name`. */
async function traceable(node: TestNode): Promise<ReadonlySet<string>> {
  const text = (await outputOf(node, 'cat /sys/kernel/tracing/available_filter_functions')).toString('utf8');
  return new Set(
    [...text.matchAll(/^(\S+)(?:\s+\[(\S+)\])?$/gm)].map(([, name = '', module]) =>
      module ? `${module}:${name}` : name,
    ),
  );
}

const key = (name: string, module: string): string => (module ? `${module}:${name}` : name);

export const coverage: Suite = (kernel, booted, whole) => {
  // Debian's 5.10 has no BTF of modules: what they hold can't be found there.
  const modulesHaveBtf = kernel !== '5.10';

  describe('of functions that take an skb', () => {
    if (whole)
      test('every one is hooked, or skipped for a reason that holds', async () => {
        const node = booted();
        await node.scenario('bridge', 'build');
        await node.exec('nft add table inet coverage');
        const { code, stdout, stderr } = await node.exec(`${helperPath} --list-hooks --json --no-programs`);
        expect(code, stderr).toBe(0);
        const listed = JSON.parse(stdout) as readonly Listed[];
        const [functions, symbols, allowed] = [await candidates(node), await symbolsOf(node), await traceable(node)];
        if (modulesHaveBtf) expect(functions.size, 'modules with BTF').toBeGreaterThan(3);
        else expect([...functions.keys()], 'modules with BTF').toEqual(['']);

        const hooked = new Map(
          listed.flatMap((one) =>
            one.skipped === null && one.address !== undefined ? [[one.address, one] as const] : [],
          ),
        );
        const skipped = new Map(
          listed.flatMap((one) =>
            one.skipped === null ? [] : [[key(one.function, one.module), one.skipped] as const],
          ),
        );
        const wanted = symbols.filter(({ name, module }) => functions.get(module)?.has(name.split('.')[0] ?? ''));
        const wantedAddresses = new Set(wanted.map(({ address }) => address));
        const reasons = new Map<string, number>();
        const unexplained: string[] = [];
        for (const symbol of wanted) {
          const name = key(symbol.name, symbol.module);
          const other = hooked.get(symbol.address);
          const reason = skipped.get(name);
          if (other && key(other.function, other.module) === name) continue;
          const holds =
            reason !== undefined &&
            ((other && reason.startsWith('another name')) === true ||
              (symbol.name.includes('.cold') && reason.startsWith('a part that its function jumps into')) ||
              (!allowed.has(name) && reason.includes('notrace')));
          if (holds) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          else unexplained.push(`${name} at ${symbol.address}: ${reason ?? 'not a word of it'}`);
        }
        // Those that are nowhere in the kernel's text.
        const placed = new Set(wanted.map(({ name, module }) => key(name.split('.')[0] ?? '', module)));
        for (const [module, names] of functions) {
          for (const name of names) {
            if (placed.has(key(name, module))) continue;
            const reason = skipped.get(key(name, module));
            if (reason !== undefined && /no address|kernel's start/.test(reason))
              reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
            else unexplained.push(`${key(name, module)} without an address: ${reason ?? 'not a word of it'}`);
          }
        }
        // Three functions that end packets are hooked for identity alone; they take an skb, too.
        const uncalledFor = [...hooked]
          .filter(([address]) => !wantedAddresses.has(address))
          .map(([, one]) => one.function);
        console.log(`${hooked.size} of ${wantedAddresses.size} addresses hooked;`, Object.fromEntries(reasons));
        expect(unexplained).toEqual([]);
        expect(uncalledFor).toEqual([]);
        const callable = wanted.filter(({ name }) => !name.includes('.cold'));
        expect(hooked.size).toBeGreaterThan(callable.length * 0.9);
      }, 240_000);

    // 7.2's BTF describes no name that several functions have.
    if (whole && kernel !== '7.2')
      test('each of several of one name is hooked, and none shows a prototype that may be the others’', async () => {
        const { code, stdout, stderr } = await booted().exec(`${helperPath} --list-hooks --json --no-programs`);
        expect(code, stderr).toBe(0);
        const hooked = (JSON.parse(stdout) as readonly Listed[]).filter(({ skipped }) => skipped === null);
        const places = new Map<string, Listed[]>();
        for (const one of hooked) places.set(one.function, [...(places.get(one.function) ?? []), one]);
        // add_grec of IGMP and of MLD for one: net/ipv4/igmp.c, net/ipv6/mcast.c.
        const twins = [...places.values()].flatMap((all) => (all.length > 1 ? all : []));
        expect(twins.length).toBeGreaterThan(3);
        expect(new Set(twins.map(({ address }) => address)).size).toBe(twins.length);
        expect(twins.filter(({ module }) => module === '').filter(({ prototype }) => prototype !== '')).toEqual([]);
        expect(hooked.find((one) => one.function === 'ip_rcv')?.prototype).toMatch(/^int ip_rcv\(struct sk_buff \*/);
      });

    if (whole)
      test('one that BTF leaves out is listed as that when it is asked for by name', async () => {
        const list = async (name: string): Promise<readonly Listed[]> => {
          const { code, stdout, stderr } = await booted().exec(`${helperPath} --list-hooks --json --function ${name}`);
          expect(code, stderr).toBe(0);
          return (JSON.parse(stdout) as readonly Listed[]).filter((one) => one.function.split('.')[0] === name);
        };
        const [symbols, known] = [await symbolsOf(booted()), await described(booted())];
        const names = new Set(symbols.map(({ name }) => name));
        const variants = symbols.filter(
          ({ name, module }) => module === '' && /^(?!__pfx_)\w+\.(isra|constprop)\.\d+$/.test(name),
        );
        const alone = variants.filter(({ name }) => !names.has(name.split('.')[0] ?? ''));
        const unknown = alone.find(({ name }) => !known.has(name.split('.')[0] ?? ''));
        if (!unknown) throw new Error('the kernel has no variant that its BTF lacks');
        const base = unknown.name.split('.')[0] ?? '';
        const listed = await list(base);
        expect(listed.map((one) => one.function)).toContain(unknown.name);
        for (const { skipped } of listed) expect(skipped).toMatch(/^a variant that the compiler made, which BTF/);
        // Assembler has no types either. Of what BTF describes, and of what isn't there, nothing is said.
        const varied = new Set(symbols.flatMap(({ name }) => (name.includes('.') ? [name.split('.')[0]] : [])));
        const bare = symbols.find(
          ({ name, module }) => module === '' && /^(?!_)\w+$/.test(name) && !known.has(name) && !varied.has(name),
        );
        if (!bare) throw new Error('the kernel has no function that its BTF lacks');
        const [entry, ...others] = await list(bare.name);
        expect(entry?.skipped).toMatch(/^BTF doesn't describe it/);
        expect(others).toEqual([]);
        expect(await list('jiffies_to_msecs')).toEqual([]);
        expect(await list('no_such_function_at_all')).toEqual([]);
        const { code, stderr } = await booted().exec(`${helperPath} --function ${bare.name}`);
        expect(code).not.toBe(0);
        expect(stderr).toMatch(new RegExp(`no function to hook: ${bare.name}: BTF doesn't describe it`));
      });

    test('every function hook of a trace is attached, or says why not, and with all of them the helper holds at most 16 MB', async () => {
      const running = await trace(booted(), ['icmp']);
      const [pid = 0] = await helpersRunning(booted());
      const { stdout } = await booted().exec(`awk '/^VmHWM/ {print $2}' /proc/${pid}/status`);
      await running.stop();
      expect(Number(stdout.trim() || NaN)).toBeLessThan(16 * 1024);
      const told = new Map(running.statuses.filter(({ id }) => id !== 0).map((status) => [status.id, status]));
      const hooks = [...running.store.hooks.all()].filter(({ kind }) => kind === 'kprobe' || kind === 'kprobe.multi');
      const silent = hooks.filter(({ id }) => {
        const status = told.get(id);
        return status?.state !== 'attached' && !status?.reason;
      });
      expect(silent.map((hook) => hook.function)).toEqual([]);
      const attached = hooks.filter(({ id }) => told.get(id)?.state === 'attached');
      expect(attached.length).toBeGreaterThan(hooks.length * 0.95);
    }, 240_000);
  });

  if (!modulesHaveBtf) return;
  describe('of modules that come and go', () => {
    const begin = async (...args: string[]) => {
      await booted().exec('rmmod dummy');
      return trace(booted(), ['--function', 'ip_rcv', '--function', 'dummy_*', ...args]);
    };
    const untilHooked = (running: NodeTrace) => {
      const hooked = () =>
        running.statuses.some(({ module, state, function: name }) => {
          return module === 'dummy' && name === 'dummy_xmit' && state === 'attached';
        });
      return expect.poll(hooked, { timeout: 60_000, interval: 50 }).toBe(true);
    };
    const load = () => booted().exec('modprobe dummy && cat /proc/uptime');

    test('a module that is loaded during the trace is hooked', async () => {
      const running = await begin('icmp');
      expect([...running.store.hooks.all()].map((hook) => hook.module)).not.toContain('dummy');
      await load();
      await untilHooked(running);
      await running.stop();
    });

    if (whole)
      test('one that is loaded while functions are still being hooked one by one doesn’t wait for the last of them', async () => {
        await booted().exec('rmmod dummy');
        const running = await trace(booted(), ['--backend', 'kprobe', 'icmp'], { first: true });
        await load();
        await untilHooked(running);
        expect(running.store.hooks.waiting).toBeGreaterThan(0);
        await running.stop();
      });

    if (whole)
      test('--no-modules leaves it alone', async () => {
        const running = await begin('--no-modules', '--duration', '4', 'icmp');
        await load();
        await running.closed;
        expect([...running.store.hooks.all()].map((hook) => hook.module)).not.toContain('dummy');
      });

    if (whole)
      test('one that is unloaded has its hooks marked as gone, and the trace goes on', async () => {
        const running = await begin('--backend', 'kprobe', 'icmp');
        await load();
        const state = () => running.statuses.filter(({ module }) => module === 'dummy').at(-1)?.state;
        await expect.poll(state, { timeout: 60_000, interval: 50 }).toBe('attached');
        expect((await booted().exec('rmmod dummy')).code).toBe(0);
        await expect.poll(state, { timeout: 60_000, interval: 50 }).toBe('gone');
        await booted().exec('/usr/bin/ping -q -c 1 -W 2 127.0.0.1');
        await running.until((store) => store.eventCount > 0, 'a ping after the module was gone');
        await running.stop();
      });
  });
};

// Of several definitions of a name, the hook's own is first; where that can't be known, the person chooses.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { compiledFiles, findCompileDatabase } from '../../../extension/source/compileDatabase.ts';
import { findPlace } from '../../../extension/source/definition.ts';
import type { IndexFile } from '../../../extension/source/indexFile.ts';
import { indexNames, isPartOf, locate, sourceName, type SourceHook } from '../../../extension/source/locate.ts';
import { readTree } from '../../../extension/source/tree.ts';
import { copyFixture, fixtureTree, never, newIndexes, temporaryFolder } from './fixture.ts';

let index: IndexFile;
beforeAll(async () => {
  index = await (await newIndexes()).open(await readTree(fixtureTree), { signal: never });
});

/** The definitions that a click would open (one) or offer (several). */
async function find(hook: Partial<SourceHook>, machine = 'x86_64'): Promise<string[]> {
  const whole: SourceHook = { function: '', module: '', kind: 'kprobe.multi', ...hook };
  const { definitions, plausible } = await locate(index, fixtureTree, whole, machine);
  return definitions.slice(0, plausible).map(({ file, line }) => `${file}:${line}`);
}

describe('a hook opens at', () => {
  test.each(['plain', 'plain.isra.0', 'plain.constprop.0.isra.1', 'plain.part.0.cold'])(
    '%s: the definition of plain',
    async (name) => {
      expect(await find({ function: name })).toEqual(['net/core/tricky.c:11']);
    },
  );

  test('the file of its module', async () => {
    expect(await find({ function: 'shared_name', module: 'test_mod' })).toEqual(['net/testmod/extra.c:2']);
    expect(await find({ function: 'shared_name', module: 'single' })).toEqual(['net/testmod/single.c:2']);
  });

  test('the definition with its prototype', async () => {
    const prototype = 'int shared_name(struct net_device *dev, struct sk_buff *skb)';
    expect(await find({ function: 'shared_name', prototype })).toEqual(['drivers/net/elsewhere.c:2']);
  });

  test("the node's architecture, not another's and not a tool's", async () => {
    expect(await find({ function: 'checksum' }, 'x86_64')).toEqual(['arch/x86/lib/checksum.c:2']);
    expect(await find({ function: 'checksum' }, 'aarch64')).toEqual(['arch/arm64/lib/checksum.c:2']);
    expect(await find({ function: 'checksum' }, '')).toHaveLength(2);
  });

  test('the function, not the stub for kernels without it', async () => {
    expect(await find({ function: 'feature' })).toEqual(['net/core/feature.c:2']);
  });

  test('a tracepoint where the event is defined', async () => {
    expect(await find({ function: 'skb:kfree_skb', kind: 'tracepoint' })).toEqual(['include/trace/events/skb.h:6']);
  });

  test.each(['__x64_sys_three', '__arm64_sys_three', '__do_sys_three', '__se_sys_three'])(
    '%s: its SYSCALL_DEFINE',
    async (name) => {
      const [place] = await find({ function: name });
      expect(place).toMatch(/^net\/core\/tricky\.c:/);
    },
  );

  test('____bpf_helper: its BPF_CALL', async () => {
    expect(await find({ function: '____bpf_helper' })).toHaveLength(1);
  });

  test.each([
    '__traceiter_kfree_skb',
    '__probestub_kfree_skb',
    '__bpf_trace_kfree_skb',
    'trace_event_raw_event_kfree_skb',
    'do_trace_event_raw_event_kfree_skb',
    'perf_trace_kfree_skb',
    'trace_raw_output_kfree_skb',
  ])('%s: the event that it is made of', async (name) => {
    expect(await find({ function: name })).toEqual(['include/trace/events/skb.h:6']);
    const place = await findPlace(fixtureTree, { file: 'include/trace/events/skb.h', line: 6, flags: 0 }, name);
    expect(place).toMatchObject({ line: 5, length: 'kfree_skb'.length });
  });

  test('trace_event_raw_event_pair_class: the class of events', async () => {
    expect(await find({ function: 'trace_event_raw_event_pair_class' })).toEqual(['include/trace/events/skb.h:24']);
  });

  test('bpf_lsm_socket_sock_rcv_skb: the security hook', async () => {
    const file = 'include/linux/lsm_hook_defs.h';
    expect(await find({ function: 'bpf_lsm_socket_sock_rcv_skb' })).toEqual([`${file}:5`]);
    const place = await findPlace(fixtureTree, { file, line: 5, flags: 0 }, 'bpf_lsm_socket_sock_rcv_skb');
    expect(place).toMatchObject({ line: 4, length: 'socket_sock_rcv_skb'.length });
  });

  test('each of its definitions, the one with the prototype first, when other hooks have the name, too', async () => {
    const hook = { function: 'shared_name', prototype: 'int shared_name(struct net_device *dev, struct sk_buff *skb)' };
    const alone = await find(hook);
    expect(alone).toHaveLength(1);
    const shared = await find({ ...hook, shared: true });
    expect(shared.length).toBeGreaterThan(1);
    expect(shared[0]).toBe(alone[0]);
  });

  test('nothing when no file defines it', async () => {
    expect(await find({ function: 'no_such_function' })).toEqual([]);
  });
});

describe('a person chooses', () => {
  test('between the branches of an #ifdef', async () => {
    expect(await find({ function: 'either' })).toHaveLength(2);
  });

  test('between functions of one name that nothing tells apart', async () => {
    expect(await find({ function: 'shared_name' })).toHaveLength(3);
  });
});

test('names are cut where the compiler added to them', () => {
  expect(sourceName('tcp_v4_rcv.isra.0')).toBe('tcp_v4_rcv');
  expect(sourceName('skb:kfree_skb')).toBe('skb:kfree_skb');
  expect(indexNames('__ia32_compat_sys_recv')).toContain('compat_sys_recv');
});

test("a module's parts are read from its Makefile", () => {
  const makefile = 'obj-m += a-b.o\na-b-y := x.o \\\n  sub/y.o\na-b-$(CONFIG_Z) += z.o\nother-y := w.o\n';
  for (const object of ['x.o', 'sub/y.o', 'z.o']) expect(isPartOf(object, 'a_b', makefile), object).toBe(true);
  for (const object of ['w.o', 'y.o', 'a-b.o']) expect(isPartOf(object, 'a_b', makefile), object).toBe(false);
  expect(isPartOf('x.o', 'a.b(', makefile)).toBe(false);
});

describe('the place that an editor goes to', () => {
  test('is the name, not the line start', async () => {
    const [definition] = index.lookUp('name_on_its_own_line');
    expect(definition).toBeDefined();
    if (definition === undefined) return;
    const place = await findPlace(fixtureTree, definition, 'name_on_its_own_line.isra.0');
    expect(place).toMatchObject({
      column: 0,
      length: 20,
      preview: expect.stringContaining('name_on_its_own_line(') as string,
    });
  });

  test('is the bare name in a macro that defines it', async () => {
    for (const [name, symbol, written] of [
      ['sys_three', '__x64_sys_three', 'three'],
      ['skb:kfree_skb', 'skb:kfree_skb', 'kfree_skb'],
      ['bpf_helper', '____bpf_helper', 'bpf_helper'],
    ] as const) {
      const [definition] = index.lookUp(name);
      const place = definition === undefined ? undefined : await findPlace(fixtureTree, definition, symbol);
      expect(place?.length, name).toBe(written.length);
    }
  });

  test('follows the definition when the file was edited after it was indexed, and is none when it went', async () => {
    const tree = await copyFixture();
    const definition = { file: 'net/core/feature.c', line: 2, flags: 0 };
    const path = join(tree, definition.file);
    await writeFile(path, `${'\n'.repeat(40)}int feature(struct sk_buff *skb)\n{\n}\n`);
    expect(await findPlace(tree, definition, 'feature')).toMatchObject({ line: 40, column: 4 });
    await writeFile(path, 'int renamed(void)\n{\n}\n');
    expect(await findPlace(tree, definition, 'feature')).toBeUndefined();
    expect(await findPlace(tree, { ...definition, file: 'net/gone.c' }, 'feature')).toBeUndefined();
  });
});

test('a compile database tells which files are built', async () => {
  const folder = await temporaryFolder();
  expect(await findCompileDatabase(folder, '')).toBeUndefined();
  await writeFile(
    join(folder, 'compile_commands.json'),
    JSON.stringify([
      { directory: folder, file: `${folder}/net/core/feature.c`, command: 'cc' },
      { directory: folder, file: 'net/testmod/extra.c', command: 'cc' },
    ]),
  );
  expect(await findCompileDatabase(folder, '')).toBe(folder);
  expect(await findCompileDatabase('/nowhere', join(folder, 'compile_commands.json'))).toBe(folder);
  const files = ['net/core/feature.c', 'net/testmod/extra.c', 'core/feature.c.c', 'net/testmod/single.c'];
  expect([...((await compiledFiles(folder, files)) ?? [])]).toEqual(files.slice(0, 2));
});

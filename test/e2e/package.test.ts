// The .vsix holds what runs and nothing else.
import { beforeAll, describe, expect, test } from 'vitest';
import { type ZipEntry, extensionPackage, zipEntries } from './extensionPackage.ts';

describe('the package', () => {
  let entries: readonly ZipEntry[];
  const entry = (name: string): ZipEntry => {
    const found = entries.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`the package has no ${name}`);
    return found;
  };

  beforeAll(async () => {
    entries = await zipEntries(await extensionPackage());
  });

  test('it holds the bundles, both helpers, the icons and the papers, and nothing else', () => {
    // vsce renames the papers.
    expect(entries.map(({ name }) => name).sort()).toEqual([
      '[Content_Types].xml',
      'extension.vsixmanifest',
      'extension/LICENSE.txt',
      'extension/changelog.md',
      'extension/dist/askpass.js',
      'extension/dist/extension.js',
      'extension/dist/helper/aarch64/packet-trail-helper',
      'extension/dist/helper/x86_64/packet-trail-helper',
      'extension/dist/indexer.js',
      'extension/dist/third-party-notices.txt',
      'extension/dist/webview/timeline.css',
      'extension/dist/webview/timeline.js',
      'extension/extension/media/activity.svg',
      'extension/extension/media/icon.png',
      'extension/extension/media/trace-dark.svg',
      'extension/extension/media/trace-light.svg',
      'extension/package.json',
      'extension/readme.md',
    ]);
  });

  test.each([
    ['x86_64', 62], // EM_X86_64
    ['aarch64', 183], // EM_AARCH64
  ])('the helper for %s is a static program for it', (machine, elfMachine) => {
    const elf = entry(`extension/dist/helper/${machine}/packet-trail-helper`).data();
    expect(elf.toString('latin1', 0, 4)).toBe('\x7fELF');
    expect(elf.readUInt16LE(18)).toBe(elfMachine);
    const [offset, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
    const types = Array.from({ length: count }, (_, index) => elf.readUInt32LE(offset + index * size));
    expect(types).not.toContain(3); // PT_INTERP: a dynamic loader
  });

  test('the bundles name no path of the machine that made them', () => {
    for (const name of ['extension/dist/extension.js', 'extension/dist/webview/timeline.js'])
      expect(entry(name).data().toString('utf8')).not.toContain(process.cwd());
  });
});

// No file reaches itself through its imports, so that each can be read, and moved, after those it builds on.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { preProcessFile } from 'typescript';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** The files that a file imports by a relative path, those imported for their types alone included. */
function importsOf(file: string): string[] {
  return preProcessFile(readFileSync(file, 'utf8'))
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => resolve(dirname(file), fileName));
}

/** The files of the first circle that is found, in the order of their imports; undefined when there is none. */
function circle(imports: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of imports.get(file) ?? []) {
      const found = visit(next, [...way, file]);
      if (found !== undefined) return found;
    }
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const found = visit(file, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

test('a circle is found, however long', () => {
  const imports = new Map([
    ['a', ['b', 'c']],
    ['b', ['c']],
    ['c', ['d']],
  ]);
  expect(circle(imports)).toBeUndefined();
  expect(circle(imports.set('d', ['b']))).toEqual(['b', 'c', 'd', 'b']);
});

test('no import leads back', () => {
  const files = ['extension', 'webview', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(root, folder, file)),
  );
  expect(files.length).toBeGreaterThan(200);
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  expect(circle(imports)?.map((file) => relative(root, file))).toBeUndefined();
});

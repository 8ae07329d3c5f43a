// A kernel build's compile database (compile_commands.json): where it is, and whether it compiles a file.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** compile_commands.json of a distribution kernel is about 30 MB. */
const sizeLimit = 512 * 1024 * 1024;

/**
 * The folder of the compile database: the setting (the file or its folder) or the tree itself. Undefined when there is none.
 * @param setting `packetTrail.clangd.compileCommands`; empty means the tree.
 */
export async function findCompileDatabase(root: string, setting: string): Promise<string | undefined> {
  const folder = setting === '' ? root : setting.replace(/[\\/]compile_commands\.json$/, '');
  const found = await stat(join(folder, 'compile_commands.json')).catch(() => undefined);
  return found?.isFile() === true ? folder : undefined;
}

/** Of these files, those that the database compiles; undefined when it can't be read. Paths are relative to the tree. */
export async function compiledFiles(
  folder: string,
  files: readonly string[],
): Promise<ReadonlySet<string> | undefined> {
  const path = join(folder, 'compile_commands.json');
  try {
    if ((await stat(path)).size > sizeLimit) return undefined;
    // Looked for as bytes: it takes milliseconds, parsing the whole takes a second. Entries name files relative or absolute.
    const bytes = await readFile(path);
    return new Set(files.filter((file) => bytes.includes(`/${file}"`) || bytes.includes(`"${file}"`)));
  } catch {
    return undefined;
  }
}

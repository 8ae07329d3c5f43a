// From a hop to its source: opens the definition of a hook's function, and where that can't be, says why and offers what can.
import { reasonOf } from '../protocol/reason.ts';
import type { Clangd, ClangdOptions, SourceLog } from './clangd.ts';
import { findPlace, type SourceRange } from './definition.ts';
import { SourceError } from './error.ts';
import type { Definition, IndexFile } from './indexFile.ts';
import { progressText, type KernelIndexes, type OpenIndexOptions } from './kernelIndex.ts';
import { locate, sourceName, type SourceHook } from './locate.ts';
import { onlineAddress } from './online.ts';
import { readTree, type KernelTree } from './tree.ts';
import { compareVersions, nodeVersion, versionText, type NodeKernel } from './version.ts';

/** One definition to choose from. */
export interface SourceChoice {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
}

/** How click-through asks and tells a person. Methods resolve undefined when the person declines. */
export interface SourcePrompter {
  /** Lets the person choose one; the answer is its index. */
  choose(title: string, choices: readonly SourceChoice[]): Promise<number | undefined>;
  /** Lets the person choose a folder. */
  chooseFolder(title: string): Promise<string | undefined>;
  /** Shows a message; the answer is the button that was pressed. */
  say(
    severity: 'information' | 'warning' | 'error',
    message: string,
    buttons: readonly string[],
  ): Promise<string | undefined>;
  /** Opens an address in the person's browser. */
  browse(address: string): Promise<void>;
  /** Runs a task with progress that can be cancelled; `fraction` is of the whole, 0 … 1. */
  progress<T>(
    title: string,
    task: (report: (message: string, fraction: number) => void, signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
}

/** The settings of click-through. */
export interface SourceSettings extends ClangdOptions {
  /** `packetTrail.kernelSource`; empty when not set. */
  readonly kernelSource: string;
  /** `packetTrail.onlineSource`. */
  readonly onlineSource: string;
}

/** The editor that a definition opens in, and its settings. */
export interface SourceEditor {
  show(range: SourceRange, options: OpenOptions): Promise<void>;
  /** The settings as they are now. */
  settings(): SourceSettings;
  /** Keeps `kernelSource` in the settings. */
  keepKernelSource(folder: string): Promise<void>;
}

export interface OpenOptions {
  /** In the editor group beside the active one, so that the timeline stays in view. */
  readonly beside: boolean;
  /** As a preview tab, which the next click replaces; the default. */
  readonly preview?: boolean;
}

/** What a person has chosen before among definitions of one name. */
export interface ChoiceMemory {
  sourceChoice(of: string): string | undefined;
  keepSourceChoice(of: string, choice: string): Promise<void>;
  forgetSourceChoices(): Promise<void>;
}

const chooseFolder = 'Choose Kernel Source Folder…';
const openOnline = 'Open Online Cross-Reference';
const notNow = 'Not Now';

/** The kernel's source, as the rest of the extension knows it: opens hooks in it. One for the whole extension. */
export class SourceOpener {
  /** Tree and kernel pairs whose mismatch the person knows of. */
  private readonly warned = new Set<string>();

  constructor(
    private readonly indexes: KernelIndexes,
    private readonly clangd: Clangd,
    private readonly prompter: SourcePrompter,
    private readonly editor: SourceEditor,
    private readonly memory: ChoiceMemory,
    private readonly log: SourceLog,
  ) {}

  /** Opens the definition of a hook's function; resolves with what was done, or why not, in one sentence. Never rejects. */
  async openHook(hook: SourceHook | undefined, kernel: NodeKernel, options: OpenOptions): Promise<string> {
    if (hook === undefined) return 'The trace does not say which function this event belongs to.';
    try {
      if (hook.kind === 'BPF entry' || hook.kind === 'BPF verdict') {
        return `${hook.function} is a BPF program; its source is not part of the kernel.`;
      }
      const { kernelSource } = this.editor.settings();
      if (kernelSource === '') return this.offerSource(hook, kernel, options);
      const tree = await readTree(kernelSource);
      return await this.openIn(tree, hook, kernel, options, true);
    } catch (error) {
      return this.fail(error, hook, kernel, options);
    }
  }

  /** The command "Packet Trail: Choose Kernel Source…": asks for a folder and keeps it in the settings. */
  async chooseKernelSource(): Promise<KernelTree | undefined> {
    const folder = await this.prompter.chooseFolder('Choose the folder of the Linux kernel source');
    if (folder === undefined) return undefined;
    try {
      const tree = await readTree(folder);
      await this.editor.keepKernelSource(folder);
      this.log.info(`source: ${folder} is Linux ${versionText(tree.version)}.`);
      return tree;
    } catch (error) {
      if ((await this.prompter.say('error', words(error), [chooseFolder])) !== chooseFolder) return undefined;
      return await this.chooseKernelSource();
    }
  }

  /** The command "Packet Trail: Rebuild Kernel Source Index". */
  async rebuildIndex(): Promise<void> {
    try {
      const { kernelSource } = this.editor.settings();
      const tree = kernelSource === '' ? await this.chooseKernelSource() : await readTree(kernelSource);
      if (tree === undefined) return;
      const index = await this.withProgress((open) => this.indexes.rebuild(tree, open));
      await this.memory.forgetSourceChoices();
      this.offer('information', indexed(tree, index), [], () => Promise.resolve());
    } catch (error) {
      if (error instanceof SourceError && error.code === 'cancelled') return;
      this.log.warn(`source: ${words(error)}`);
      this.offer('error', words(error), [chooseFolder], () => this.chooseKernelSource());
    }
  }

  /** Stops what is being indexed. */
  async dispose(): Promise<void> {
    await this.indexes.dispose();
  }

  // ---- from a hook to an editor ----

  private async openIn(
    tree: KernelTree,
    hook: SourceHook,
    kernel: NodeKernel,
    options: OpenOptions,
    mayRebuild: boolean,
  ): Promise<string> {
    const name = sourceName(hook.function);
    const index = await this.withProgress((open) => this.indexes.open(tree, open));
    const located = await locate(index, tree.root, hook, kernel.machine);
    let { definitions, plausible } = located;
    const settings = this.editor.settings();
    if (plausible === 0) {
      const found = await this.clangd.find(tree.root, name, settings);
      if (found === undefined) return this.notDefined(tree, hook, kernel);
      await this.editor.show(found, options);
      return `Opened ${name}, found by clangd.`;
    }
    const before = plausible > 1 ? this.choiceBefore(tree, hook, kernel, definitions.slice(0, plausible)) : undefined;
    if (before !== undefined) {
      definitions = [before];
      plausible = 1;
    }
    if (plausible > 1) {
      const compiled = await this.askClangd(tree, name, definitions.slice(0, plausible), settings);
      if (compiled !== undefined) {
        definitions = [...compiled, ...definitions.filter((definition) => !compiled.includes(definition))];
        plausible = compiled.length;
      }
    }
    const chosen = plausible === 1 ? definitions[0] : await this.pick(tree, name, definitions, plausible);
    if (chosen === undefined) return 'No definition was chosen.';
    if (plausible > 1) await this.memory.keepSourceChoice(choiceOf(tree, hook, kernel), placeOf(chosen));
    const place = await findPlace(tree.root, chosen, hook.function);
    if (place === undefined) {
      if (mayRebuild) {
        this.log.info(`source: ${chosen.file} no longer defines ${name}; the index is built anew.`);
        await this.withProgress((open) => this.indexes.rebuild(tree, open));
        return await this.openIn(tree, hook, kernel, options, false);
      }
      return this.notDefined(tree, hook, kernel);
    }
    const { path, line, column, length } = place;
    await this.editor.show({ path, line, column, endLine: line, endColumn: column + length }, options);
    this.warnOfOtherVersion(tree, kernel);
    const how = before === undefined ? '' : ', as chosen before; Rebuild Kernel Source Index asks anew';
    return `Opened ${name} at ${chosen.file}:${line + 1}${how}.`;
  }

  /** The one of these definitions that the person chose before. */
  private choiceBefore(
    tree: KernelTree,
    hook: SourceHook,
    kernel: NodeKernel,
    definitions: readonly Definition[],
  ): Definition | undefined {
    const choice = this.memory.sourceChoice(choiceOf(tree, hook, kernel));
    return choice === undefined ? undefined : definitions.find((definition) => placeOf(definition) === choice);
  }

  private async askClangd(
    tree: KernelTree,
    name: string,
    definitions: readonly Definition[],
    settings: SourceSettings,
  ): Promise<readonly Definition[] | undefined> {
    return await this.prompter.progress('Packet Trail', async (report, signal) => {
      report(`Asking clangd which ${name} this kernel is built with`, 0);
      return await this.clangd.narrow(tree.root, name, definitions, settings, signal);
    });
  }

  private async pick(
    tree: KernelTree,
    name: string,
    definitions: readonly Definition[],
    plausible: number,
  ): Promise<Definition | undefined> {
    const shown = definitions.slice(0, 200);
    const places = await Promise.all(
      // The preview costs reading the file: the likely ones get it.
      shown.slice(0, Math.max(plausible, 20)).map((definition) => findPlace(tree.root, definition, name)),
    );
    const choices = shown.map((definition, index) => ({
      label: definition.file.slice(definition.file.lastIndexOf('/') + 1),
      description: `${definition.file}:${definition.line}`,
      detail: places[index]?.preview ?? '',
    }));
    const chosen = await this.prompter.choose(`Choose a definition of ${name}`, choices);
    return chosen === undefined ? undefined : shown[chosen];
  }

  private async withProgress(open: (options: OpenIndexOptions) => Promise<IndexFile>): Promise<IndexFile> {
    const abort = new AbortController();
    let report: ((message: string, fraction: number) => void) | undefined;
    let begin = (): void => undefined;
    const began = new Promise<true>((resolve) => {
      begin = () => resolve(true);
    });
    const onProgress = (done: number, total: number): void => {
      report?.(progressText(done, total), total === 0 ? 0 : done / total);
      begin();
    };
    const result = open({ signal: abort.signal, onProgress });
    const over = result.then(
      () => false,
      () => false,
    );
    // A cached index opens within a blink: progress is shown only once there is some.
    if (!(await Promise.race([began, over]))) return await result;
    return await this.prompter.progress('Packet Trail', async (show, signal) => {
      report = show;
      signal.addEventListener('abort', () => abort.abort(), { once: true });
      return await result;
    });
  }

  // ---- where it can't be opened ----

  /** No tree is configured: offers to choose one, after which the hook opens, or the online cross-reference. */
  private offerSource(hook: SourceHook, kernel: NodeKernel, options: OpenOptions): string {
    const version = nodeVersion(kernel);
    const wanted = version === undefined ? 'the Linux kernel source' : `the Linux ${versionText(version)} source`;
    const message = `Opening ${sourceName(hook.function)} needs ${wanted}, and no kernel source folder is configured.`;
    this.offer('information', message, [chooseFolder, openOnline, notNow], async (answer) => {
      if (answer === openOnline) await this.online(hook, kernel);
      else if (answer === chooseFolder && (await this.chooseKernelSource())) await this.openHook(hook, kernel, options);
    });
    return message;
  }

  private async online(hook: SourceHook, kernel: NodeKernel): Promise<string> {
    const name = sourceName(hook.function);
    const address = onlineAddress(this.editor.settings().onlineSource, hook.function, kernel);
    if (address === undefined) {
      const message = 'The setting packetTrail.onlineSource is no http(s) address; correct it in the settings.';
      this.offer('error', message, [], () => Promise.resolve());
      return message;
    }
    await this.prompter.browse(address);
    return `Opened ${name} in the online cross-reference.`;
  }

  private notDefined(tree: KernelTree, hook: SourceHook, kernel: NodeKernel): string {
    const name = sourceName(hook.function);
    const where = hook.module === '' ? '' : ` of the module ${hook.module}`;
    const message =
      `${name}${where} has no definition in ${tree.root} (Linux ${versionText(tree.version)}): ` +
      `a macro may make it, or it is not part of that source.`;
    this.log.info(`source: ${message}`);
    this.offer('information', message, [openOnline, chooseFolder], async (answer) => {
      if (answer === openOnline) await this.online(hook, kernel);
      else await this.chooseKernelSource();
    });
    return message;
  }

  /** Shows a message whose buttons are followed up when one is pressed; nobody waits for a message that may stay open. */
  private offer(
    severity: 'information' | 'warning' | 'error',
    message: string,
    buttons: readonly string[],
    follow: (answer: string) => Promise<unknown>,
  ): void {
    const run = async (): Promise<void> => {
      const answer = await this.prompter.say(severity, message, buttons);
      if (answer !== undefined) await follow(answer);
    };
    run().catch((error: unknown) => this.log.warn(`source: ${reasonOf(error)}`));
  }

  private fail(error: unknown, hook: SourceHook, kernel: NodeKernel, options: OpenOptions): string {
    if (error instanceof SourceError && error.code === 'cancelled') return error.message;
    const message = words(error);
    this.log.warn(`source: ${message}`);
    this.offer('error', message, [chooseFolder, openOnline], async (answer) => {
      if (answer === openOnline) await this.online(hook, kernel);
      else if (await this.chooseKernelSource()) await this.openHook(hook, kernel, options);
    });
    return message;
  }

  private warnOfOtherVersion(tree: KernelTree, kernel: NodeKernel): void {
    const version = nodeVersion(kernel);
    if (version === undefined) return;
    const distance = compareVersions(tree.version, version);
    const key = `${tree.root}\n${versionText(version)}`;
    if (distance === 'same' || this.warned.has(key)) return;
    this.warned.add(key);
    const message = `The source is Linux ${versionText(tree.version)}, the node runs ${versionText(version)}: lines may differ.`;
    this.log.info(`source: ${message}`);
    this.offer(distance === 'near' ? 'information' : 'warning', message, [chooseFolder], () =>
      this.chooseKernelSource(),
    );
  }
}

function indexed(tree: KernelTree, { details }: IndexFile): string {
  const count = (value: number): string => value.toLocaleString('en');
  const left = [
    details.tooLarge > 0 ? `${count(details.tooLarge)} very large files were left out` : '',
    details.unreadable > 0
      ? `${count(details.unreadable)} could not be read (the first: ${details.unreadableExample || tree.root})`
      : '',
  ].filter(Boolean);
  return [
    `Indexed Linux ${versionText(tree.version)}: ${count(details.definitions)} definitions in ${count(details.files)} files.`,
    ...left.map((text) => `${text}.`),
  ].join(' ');
}

function words(error: unknown): string {
  if (error instanceof SourceError) return [error.message, error.mend].filter(Boolean).join(' ');
  return `The kernel source can't be opened: ${reasonOf(error)}.`;
}

/** What a choice is made for. Functions that share a name are told apart by where the kernel has them. */
function choiceOf({ root }: KernelTree, hook: SourceHook, { release }: NodeKernel): string {
  const where = hook.shared === true ? ` of ${release} at ${(hook.address ?? 0n).toString(16)}` : '';
  return `${sourceName(hook.function)} ${hook.module}${where} in ${root}`;
}

function placeOf({ file, line }: Definition): string {
  return `${file}:${line}`;
}

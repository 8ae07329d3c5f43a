// The settings of the extension, typed, and what a value must be to be used.
import * as vscode from 'vscode';
import type { TraceSettings } from '../nodes/helperFlags.ts';
import { defaultOnlineSource } from '../source/online.ts';
import type { SourceSettings } from '../source/openSource.ts';
import { mostEvents } from '../trace/traceData.ts';

function read<T>(name: string, fallback: T, valid: (value: unknown) => value is T): T {
  const value: unknown = vscode.workspace.getConfiguration('packetTrail').get(name);
  return valid(value) ? value : fallback;
}

const isString = (value: unknown): value is string => typeof value === 'string';
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isStrings = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isString);
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0;
const isPercent = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 10_000;
const isFolders = (value: unknown): value is Readonly<Record<string, string>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isString);
const isSshClient = (value: unknown): value is 'built-in' | 'system' => value === 'built-in' || value === 'system';
const isSize = (value: unknown): value is string => isString(value) && /^[0-9]+[KM]$/.test(value);

/** Reads the trace settings; a value of the wrong type counts as its default (the settings editor marks it). */
export function traceSettings(): TraceSettings {
  return {
    include: read('trace.include', [], isStrings),
    exclude: read('trace.exclude', [], isStrings),
    modules: read('trace.modules', true, isBoolean),
    stacks: read('trace.stacks', false, isBoolean),
    eventLimit: Math.min(read('trace.eventLimit', 5_000_000, isCount), mostEvents),
    buffer: read('trace.buffer', '16M', isSize),
    programs: read('trace.programs', true, isBoolean),
    includePrograms: read('trace.includePrograms', [], isStrings),
    maxOverhead: read('trace.maxOverhead', 0, isPercent),
    ownConnection: read('trace.ownConnection', false, isBoolean),
  };
}

/** Where the sources of BPF programs are: the beginning of a path as the compiler knew it → a folder here. */
export function programPathMap(): Readonly<Record<string, string>> {
  return read('programSource.pathMap', {}, isFolders);
}

/** The SSH configuration file to use; undefined means OpenSSH's own default. */
export function sshConfigFile(): string | undefined {
  return read('sshConfigFile', '', isString) || undefined;
}

/** What connects to nodes. */
export function sshClient(): 'built-in' | 'system' {
  return read('sshClient', 'built-in', isSshClient);
}

/** Reads the settings of click-through. */
export function sourceSettings(): SourceSettings {
  const text = (name: string, fallback: string): string => read(name, '', isString).trim() || fallback;
  return {
    kernelSource: text('kernelSource', ''),
    onlineSource: text('onlineSource', defaultOnlineSource),
    program: text('clangd.path', 'clangd'),
    compileCommands: text('clangd.compileCommands', ''),
  };
}

/** Keeps the folder of the kernel's source, which {@link sourceSettings} gives from then on. */
export async function keepKernelSource(folder: string): Promise<void> {
  const settings = vscode.workspace.getConfiguration('packetTrail');
  // Where it is set already, or a workspace's older value would hide the new one.
  const inWorkspace = settings.inspect('kernelSource')?.workspaceValue !== undefined;
  await settings.update(
    'kernelSource',
    folder,
    inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global,
  );
}

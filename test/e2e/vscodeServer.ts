// A running VS Code server on loopback with its own settings and extensions: what the browser tests and the demo open.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Progress, type VSCodeInstall, installVSCode, run } from './vscodeInstall.ts';

/** What the title of every window ends with once the user settings are in force. */
export const windowTitleEnd = 'Packet Trail';

/** User settings of every server here: no questions, no network, nothing that moves. */
const baseSettings: Readonly<Record<string, unknown>> = {
  // Tells that the window has read these settings: see Workbench.settled.
  'window.title': '${activeEditorShort}${separator}${rootName}${separator}' + windowTitleEnd,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'update.showReleaseNotes': false,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.colorTheme': 'Default Dark Modern',
  'window.autoDetectColorScheme': false,
  'git.enabled': false,
  'remote.autoForwardPorts': false,
  'chat.commandCenter.enabled': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
};

/**
 * Runs the server, and ends its whole process group when standard input closes: however this process ends, the server
 * and all that it started go with it.
 */
const guard = `
exec 3<&0
{ trap '' TERM; cat; kill -TERM 0; sleep 5; kill -KILL 0; } <&3 >/dev/null 2>&1 &
"$@" </dev/null 3<&- &
wait $!`;

export interface VSCodeServerOptions {
  /** `.vsix` files, installed as a person would install them. */
  readonly extensions?: readonly string[];
  /** User settings beside (and over) the base ones. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Keeps server data and extensions here across runs; a fresh temporary folder that `stop` removes when left out. */
  readonly dataDirectory?: string;
  /** Asks about workspaces whether they are trusted, as VS Code does by itself. */
  readonly workspaceTrust?: boolean;
  /** Environment of the server and its extension host, over this process' own. */
  readonly env?: Readonly<Record<string, string>>;
  /** TCP port on 127.0.0.1; a free one when left out. */
  readonly port?: number;
  readonly progress?: Progress;
}

/** A VS Code server that listens. */
export interface VSCodeServer {
  /** "http://127.0.0.1:34567", no slash at the end. */
  readonly origin: string;
  /** "127.0.0.1:34567": the authority in `vscode-remote://` addresses. */
  readonly authority: string;
  readonly version: string;
  readonly dataDirectory: string;
  /** What the server and the extensions have logged so far, every file under its log folder, joined. */
  logs(): Promise<string>;
  /** Changes user settings; windows that are opened or reloaded afterwards take them up. `undefined` removes one. */
  configure(settings: Readonly<Record<string, unknown>>): Promise<void>;
  /** The workbench's address with this folder open and these payload entries. */
  url(folder?: string, payload?: readonly (readonly [string, string])[]): string;
  /** Resolves with the reason when the server ends without being asked to. */
  readonly failed: Promise<Error>;
  /** Ends it with every process it started and removes its temporary data. */
  stop(): Promise<void>;
}

/** Starts a server and resolves when it listens. Rejects with an Error that says which step failed. */
export async function startVSCodeServer(options: VSCodeServerOptions = {}): Promise<VSCodeServer> {
  const install = await installVSCode(options.progress);
  const temporary = options.dataDirectory === undefined;
  const data = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'packet-trail-vscode-')));
  const discard = async (): Promise<void> => {
    if (temporary) await rm(data, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return await launch(install, data, discard, options);
  } catch (error) {
    await discard();
    throw error;
  }
}

async function launch(
  install: VSCodeInstall,
  data: string,
  discard: () => Promise<void>,
  options: VSCodeServerOptions,
): Promise<VSCodeServer> {
  const settingsFile = join(data, 'data', 'User', 'settings.json');
  const machineSettingsFile = join(data, 'data', 'Machine', 'settings.json');
  const writeSettings = async (settings: Readonly<Record<string, unknown>>): Promise<void> => {
    // Settings of the machine scope count in the machine's own file only.
    for (const file of [settingsFile, machineSettingsFile]) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, `${JSON.stringify(settings, undefined, 2)}\n`);
    }
  };
  // What a person has set in kept data stays.
  await writeSettings({ ...baseSettings, ...(await readSettings(settingsFile)), ...options.settings });

  const common = [
    install.serverMain,
    '--accept-server-license-terms',
    '--server-data-dir',
    data,
    '--extensions-dir',
    join(data, 'extensions'),
  ];
  for (const extension of options.extensions ?? []) {
    options.progress?.(`installing ${extension} in VS Code`);
    await run(process.execPath, [...common, '--install-extension', extension, '--force'], { env: environment() });
  }

  options.progress?.('starting the VS Code server');
  const child = spawn(
    'bash',
    [
      ...['-c', guard, 'vscode-server'],
      ...[process.execPath, ...common],
      ...['--host', '127.0.0.1', '--port', String(options.port ?? 0)],
      ...['--without-connection-token', '--telemetry-level', 'off'],
      ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
    ],
    // A group of its own, so that everything it starts can be ended with it.
    { stdio: 'pipe', detached: true, env: { ...environment(), ...options.env } },
  );
  let stopping = false;
  let output = '';
  const ended = new Promise<Error>((resolve) => {
    child.on('error', (error) => resolve(new Error(`VS Code server: could not be started: ${error.message}`)));
    child.on('close', (code, signal) =>
      resolve(new Error(`VS Code server: ended with ${String(code ?? signal)}\n${output.trimEnd()}`)),
    );
  });
  const listening = new Promise<number>((resolve) => {
    const read = (text: string): void => {
      output = (output + text).slice(-4000);
      const port = /agent listening on (\d+)/.exec(output)?.[1];
      if (port !== undefined) resolve(Number(port));
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    signalGroup(child, 'SIGTERM');
    const hard = setTimeout(() => signalGroup(child, 'SIGKILL'), 5000);
    await ended;
    clearTimeout(hard);
    // What outlived its parent (a terminal's shell) goes too.
    signalGroup(child, 'SIGKILL');
    await discard();
  };

  const limit = setTimeout(() => signalGroup(child, 'SIGKILL'), 60_000);
  const port = await Promise.race([listening, ended]);
  clearTimeout(limit);
  if (port instanceof Error) {
    signalGroup(child, 'SIGKILL');
    throw port;
  }
  const authority = `127.0.0.1:${port}`;
  return {
    origin: `http://${authority}`,
    authority,
    version: install.version,
    dataDirectory: data,
    logs: () => readLogs(join(data, 'data', 'logs')),
    configure: async (changes) => {
      // Read anew: the window writes this file too.
      await writeSettings({ ...(await readSettings(settingsFile)), ...changes });
    },
    url: (folder, payload) => {
      const url = new URL(`http://${authority}/`);
      if (folder !== undefined) url.searchParams.set('folder', folder);
      if (payload !== undefined) url.searchParams.set('payload', JSON.stringify(payload));
      return url.href;
    },
    failed: ended.then((error) => (stopping ? new Promise<never>(() => undefined) : error)),
    stop,
  };
}

/** Settings as VS Code keeps them; none when there is no such file, or when a person left it half edited or with comments. */
async function readSettings(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}

/**
 * This process' environment less what would change how VS Code or its extension host run, and without an extension gallery. The
 * timeline offers its model to whoever drives the browser (timelinePage.ts).
 */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(VSCODE_|VITEST|NODE_OPTIONS$|NODE_ENV$|npm_)/.test(name),
  );
  return { ...Object.fromEntries(kept), EXTENSIONS_GALLERY: '{"serviceUrl":""}', PACKET_TRAIL_INSPECT: '1' };
}

async function readLogs(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.log'));
  const texts = await Promise.all(
    files.map(async (file) => {
      const path = join(file.parentPath, file.name);
      return `--- ${path.slice(folder.length + 1)}\n${await readFile(path, 'utf8')}`;
    }),
  );
  return texts.join('\n');
}

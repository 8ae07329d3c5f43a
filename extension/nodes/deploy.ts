// Puts the helper on a node, once for each version of it, and makes it ready to run with root's rights.
//
// Trust: the binary lies in a directory that only the signed-in user can write, and its SHA-256 is checked by the very command
// that runs it. Between check and start another process of the same user could still swap the file. That is accepted: such a
// process could as well replace the `sudo` that this user's PATH finds, or read the password from the terminal; nobody else
// can write there, and where sudo needs no password there is no border left to defend. A sudoers rule for the path of the
// helper alone would pretend a border that the user can step over, so none is suggested.
import { createHash } from 'node:crypto';
import { helperName, versionFlag } from './helperFlags.ts';
import { NodeError, type NodeConnection, type Prompter, type RunningCommand } from './node.ts';
import { acquirePrivilege, type PrivilegeKind } from './privilege.ts';

/** The machine names of `uname -m` that a helper can be built for. */
export type HelperMachine = 'x86_64' | 'aarch64';

/** What {@link deploy} works with. */
export interface DeployOptions {
  readonly node: string;
  readonly connection: NodeConnection;
  readonly prompter: Prompter;
  /** The helper's binary for a machine; undefined when there is none. */
  readonly helper: (machine: HelperMachine) => Promise<Uint8Array | undefined>;
  readonly signal: AbortSignal;
  readonly onStep?: ((step: string) => void) | undefined;
  /** Bytes sent so far, of how many. Not called when the node has this helper already. */
  readonly onUpload?: ((sent: number, total: number) => void) | undefined;
  /** Absolute paths to try instead of the usual directories, best first. */
  readonly directories?: readonly string[] | undefined;
}

/** A helper on a node, ready to run. */
export interface Deployment {
  readonly node: string;
  readonly connection: NodeConnection;
  /** On the node. */
  readonly path: string;
  /** Of the binary, lower-case hex. */
  readonly sha256: string;
  readonly privilege: PrivilegeKind;
  /** The TCP connection to the node, as its sshd tells it in SSH_CONNECTION; undefined when it doesn't. */
  readonly session: string | undefined;
  /** Whether this call had to send the binary. */
  readonly uploaded: boolean;
  /** The vector that checks the binary and runs it with root's rights. With `sudo-password`, use {@link run}. */
  argv(helperArgs: readonly string[]): string[];
  /** Checks the binary and starts it with root's rights; a sudo password is answered on the way. */
  run(helperArgs: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<RunningCommand>;
  /** The vector that checks the binary and runs it as the signed-in user, for what needs no rights. */
  plainArgv(helperArgs: readonly string[]): string[];
}

/** What kind of machine this is. Answers are `@key value` lines, because a login script may print lines of its own. */
const PROBE = `LC_ALL=C; export LC_ALL
echo "@system $(uname -s)"
echo "@machine $(uname -m)"
echo "@user $(id -un)"
[ -z "$SSH_CONNECTION" ] || echo "@session $SSH_CONNECTION"
for tool in sha256sum df tail; do command -v $tool >/dev/null || echo "@missing $tool"; done
if [ "$(id -u)" = 0 ]; then echo '@privilege root'
elif ! command -v sudo >/dev/null; then echo '@privilege none'
elif sudo -n true >/dev/null 2>&1; then echo '@privilege sudo'
else echo '@privilege sudo-asks'; fi`;

/**
 * Finds the directory: the first that is or can be made ours alone, has room, and lets programs run. /run/user is left out: it
 * exists only while somebody is logged in, and is memory. $1 file name, $2 its SHA-256, $3 KiB needed, then directories.
 */
const CHOOSE = `LC_ALL=C; export LC_ALL
umask 077
name=$1 sum=$2 need=$3
shift 3
uid=$(id -u)
[ $# -gt 0 ] || set -- "\${XDG_CACHE_HOME:-\${HOME:-/nonexistent}/.cache}/packet-trail" \\
	"/var/tmp/packet-trail-$uid" "/tmp/packet-trail-$uid" "/dev/shm/packet-trail-$uid"
try() {
	dir=$1
	[ ! -L "$dir" ] || { why='is a symbolic link'; return 1; }
	why=$(mkdir -p -m 700 -- "$dir" 2>&1) || { why="cannot be made (\${why##*: })"; return 1; }
	chmod 700 -- "$dir" 2>/dev/null
	set -- $(ls -ldn -- "$dir")
	[ "$3" = "$uid" ] || { why="belongs to user $3"; return 1; }
	case $1 in drwx------*) ;; *) why="has the mode $1"; return 1 ;; esac
	file=$dir/$name have=
	if [ -f "$file" ] && [ ! -L "$file" ]; then
		have=$(sha256sum <"$file")
		[ "\${have%% *}" = "$sum" ] && have=yes || have=
	fi
	if [ -n "$have" ]; then
		"$file" ${versionFlag} >/dev/null 2>&1 && return 0
		why='holds a helper that does not run'
		return 1
	fi
	set -- $(df -Pk -- "$dir" 2>/dev/null | tail -n 1)
	case \${4:-x} in
	*[!0-9]*) ;;
	*) [ "$4" -ge "$need" ] || { why="has $4 KiB free on $6, $need KiB are needed"; return 1; } ;;
	esac
	probe=$dir/.try.$$
	{ printf '#!/bin/sh\\nexit 0\\n' >"$probe" && chmod 700 "$probe"; } 2>/dev/null ||
		{ why='is not writable'; rm -f -- "$probe"; return 1; }
	"$probe" 2>/dev/null
	ran=$?
	rm -f -- "$probe"
	[ "$ran" = 0 ] || { why='does not allow programs to run (mounted noexec)'; return 1; }
}
for dir; do
	if try "$dir"; then
		echo "@have \${have:-no}"
		echo "@directory $dir"
		exit 0
	fi
	echo "@refused $dir $why"
done`;

/** Checks what has arrived, sees that it runs, and clears away what earlier versions left. $1 directory, $2 file, $3 SHA-256. */
const SETTLE = `LC_ALL=C; export LC_ALL
file=$1/$2
sum=$(sha256sum <"$file")
if [ "\${sum%% *}" != "$3" ]; then rm -f -- "$file"; echo "@sum \${sum%% *}"; exit 0; fi
why=$("$file" ${versionFlag} 2>&1) || { echo "@broken $(printf %s "$why" | tail -n 1)"; exit 0; }
echo '@ready yes'
for old in "$1"/${helperName}-*; do
	[ "$old" != "$file" ] && [ -f "$old" ] && [ ! -L "$old" ] || continue
	# A program that runs can't be opened for writing, whoever runs it.
	( : >>"$old" ) 2>/dev/null && rm -f -- "$old"
done
find "$1" -name '.*.part' -mmin +60 -exec rm -f -- {} + 2>/dev/null
true`;

/** $0 file, $1 SHA-256, then the command. Standard input is left to the command. */
const VERIFY = `s=$(sha256sum <"$0") && [ "\${s%% *}" = "$1" ] || {
	echo "${helperName}: the helper has changed: $0: start the trace again to replace it" >&2
	exit 1
}
shift
exec "$@"`;

/**
 * Makes the helper ready on the node: detects the machine, finds a directory, sends the binary if it isn't there already,
 * checks it, and gets root's rights.
 * @throws NodeError `unsupported`, `upload-failed`, `no-privilege`, `cancelled`, `lost`.
 */
export async function deploy(options: DeployOptions): Promise<Deployment> {
  const { node, connection, signal } = options;
  options.onStep?.(`Checking ${node}`);
  const facts = await answers(options, ['/bin/sh', '-c', PROBE]);
  const binary = await choose(options, facts);
  const sha256 = createHash('sha256').update(binary).digest('hex');
  const name = `${helperName}-${sha256.slice(0, 16)}`;

  const need = Math.ceil(binary.length / 1024) + 64;
  const script = ['/bin/sh', '-c', CHOOSE, 'sh', name, sha256, String(need), ...(options.directories ?? [])];
  const place = await answers(options, script);
  const directory = place.get('directory')?.[0];
  if (directory === undefined) throw noDirectory(node, place.get('refused') ?? []);
  const path = `${directory}/${name}`;
  const present = place.get('have')?.[0] === 'yes';
  if (!present) {
    options.onStep?.(`Sending the helper to ${node}`);
    await send(options, binary, path, directory);
  }
  await settle(options, directory, name, sha256);

  options.onStep?.(`Getting root's rights on ${node}`);
  const privilege = await acquirePrivilege({
    node,
    connection,
    prompter: options.prompter,
    user: facts.get('user')?.[0] ?? 'the user',
    found: privilegeFound(facts.get('privilege')?.[0]),
    signal,
  });
  const verified = (argv: readonly string[]) => ['/bin/sh', '-c', VERIFY, path, sha256, ...argv];
  return {
    node,
    connection,
    path,
    sha256,
    privilege: privilege.kind,
    session: sessionFound(facts.get('session')?.[0]),
    uploaded: !present,
    argv: (args) => verified(privilege.argv([path, ...args])),
    run: (args, runOptions) => privilege.run([path, ...args], { ...runOptions, wrap: verified }),
    plainArgv: (args) => verified([path, ...args]),
  };
}

/** Runs a script that answers in `@key value` lines. */
async function answers(
  { node, connection, signal }: DeployOptions,
  argv: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { stdout, stderr, code } = await connection.exec(argv, { signal });
  const found = new Map<string, string[]>();
  for (const line of stdout.split('\n')) {
    const parts = /^@([a-z]+) (.*)$/.exec(line);
    if (parts?.[1] === undefined || parts[2] === undefined) continue;
    found.set(parts[1], [...(found.get(parts[1]) ?? []), parts[2]]);
  }
  if (found.size > 0) return found;
  const said = `${stderr}\n${stdout}`.trim().split('\n')[0] ?? '';
  throw new NodeError(
    'unsupported',
    node,
    `Commands cannot be run on ${node} (exit status ${code ?? 'none'}${said === '' ? '' : `: ${said.slice(0, 300)}`}).`,
    'The account needs a shell: check its login shell and any forced command.',
  );
}

async function choose(options: DeployOptions, facts: ReadonlyMap<string, readonly string[]>): Promise<Uint8Array> {
  const { node } = options;
  const system = facts.get('system')?.[0] ?? 'unknown';
  if (system !== 'Linux')
    throw new NodeError('unsupported', node, `${node} runs ${system}.`, 'Pick a node that runs Linux.');
  const missing = facts.get('missing');
  if (missing !== undefined)
    throw new NodeError(
      'unsupported',
      node,
      `${node} lacks ${missing.join(', ')}.`,
      'Install coreutils or busybox on the node.',
    );
  const machine = facts.get('machine')?.[0] ?? 'unknown';
  const binary = machine === 'x86_64' || machine === 'aarch64' ? await options.helper(machine) : undefined;
  if (binary === undefined)
    throw new NodeError(
      'unsupported',
      node,
      `There is no helper for ${machine}, the machine of ${node}.`,
      'Pick a node that is x86_64 or aarch64.',
    );
  return binary;
}

async function send(options: DeployOptions, binary: Uint8Array, path: string, directory: string): Promise<void> {
  const { node, connection, signal, onUpload } = options;
  try {
    await connection.upload(binary, path, 0o700, {
      signal,
      onProgress: (sent) => onUpload?.(sent, binary.length),
    });
  } catch (error) {
    if (!(error instanceof NodeError) || error.code !== 'upload-failed') throw error;
    // SFTP says no more than "Failure" when the disk is full; df knows.
    const { stdout } = await connection.exec(['df', '-Pk', directory], { signal });
    const [, , , free, , mount] = stdout.trim().split('\n').at(-1)?.split(/\s+/) ?? [];
    throw new NodeError(
      'upload-failed',
      node,
      `The helper could not be put on ${node}: ${error.message.replace(/\.$/, '')}` +
        `${free === undefined || mount === undefined ? '' : ` (${free} KiB free on ${mount}, ${Math.ceil(binary.length / 1024)} KiB needed)`}.`,
      `Make room${mount === undefined ? '' : ` on ${mount}`} or make ${directory} writable, then start again.`,
    );
  }
}

async function settle(options: DeployOptions, directory: string, name: string, sha256: string): Promise<void> {
  const { node } = options;
  const found = await answers(options, ['/bin/sh', '-c', SETTLE, 'sh', directory, name, sha256]);
  if (found.get('ready')?.[0] === 'yes') return;
  const broken = found.get('broken')?.[0];
  if (broken !== undefined)
    throw new NodeError(
      'unsupported',
      node,
      `The helper does not run on ${node}: ${broken}.`,
      `Check that programs in ${directory} may be run (SELinux, fapolicyd) and that the helper is built for this machine.`,
    );
  throw new NodeError(
    'upload-failed',
    node,
    `The helper arrived damaged on ${node}: its SHA-256 is ${found.get('sum')?.[0] ?? 'unknown'}, not ${sha256}; it was removed.`,
    'Start again; if it happens again, check the disk and the memory of the node.',
  );
}

function noDirectory(node: string, refused: readonly string[]): NodeError {
  const full = refused.some((line) => line.includes('KiB free'));
  return new NodeError(
    'upload-failed',
    node,
    `${node} has no directory for the helper: ${refused.join('; ')}.`,
    full
      ? 'Make room in one of them, then start again.'
      : 'Make one of them writable for this user and mounted without noexec, then start again.',
  );
}

function privilegeFound(text: string | undefined): 'root' | 'sudo' | 'sudo-asks' | 'none' {
  return text === 'root' || text === 'sudo' || text === 'sudo-asks' ? text : 'none';
}

/** A node may say anything; what isn't four words of addresses and ports is no connection. */
function sessionFound(text: string | undefined): string | undefined {
  return text !== undefined && /^([0-9a-fA-F:.]+(%[\w.-]+)? \d{1,5}( |$)){2}$/.test(text) ? text : undefined;
}

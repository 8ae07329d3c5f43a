// Writes an argument vector as one command line that the login shell of a node, whichever it is, hands on unchanged.

/** Words that no shell treats specially. */
const PLAIN = /^[A-Za-z0-9_@%+:,./-]+$/;

/** What single quotes do not protect in every shell: fish reads backslashes, csh reads `!` and newlines, all read `'`. */
const NOT_IN_SINGLE_QUOTES = /['\\!\n\r]/;

/** One word for a POSIX shell. */
function posixWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Every byte that is not plainly harmless as `\0ooo`, which printf's %b turns back. */
function octal(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte);
    out += /[A-Za-z0-9_@+:,./ -]/.test(char) ? char : `\\0${byte.toString(8).padStart(3, '0')}`;
  }
  return out;
}

/**
 * The command line for `argv`. sshd passes it to the person's login shell, which may be bash, dash, fish or csh. Simple
 * vectors become single-quoted words, which all of them read alike; anything else is sent as an escaped POSIX command
 * that only /bin/sh unpacks.
 * @throws RangeError when the vector is empty or a word holds a NUL, which no program can be given.
 */
export function commandLine(argv: readonly string[]): string {
  if (argv.length === 0) throw new RangeError('A command needs at least one word.');
  if (argv.some((word) => word.includes('\0'))) throw new RangeError('A command cannot hold a NUL character.');
  const posix = argv.map(posixWord).join(' ');
  if (!argv.some((word) => NOT_IN_SINGLE_QUOTES.test(word))) return posix;
  return `/bin/sh -c 'eval "$(printf %b "${octal(posix)}")"'`;
}

// Text of others as a person is shown it: names that a node or a file carries, lines that a node says. Whoever chose them may have put in
// what hides, moves or turns round the text beside it, or a link.

/** Characters without a shape of their own: what helper/utf8.c calls unseen. */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu;
const letters: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` };

/** One line in which such characters are written out as the helper does for a terminal: `\n`, `\x1b`, `\u202e`, `\U000e0041`. */
export function visible(text: string): string {
  return text.replace(unseen, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = (digits: number): string => code.toString(16).padStart(digits, '0');
    return letters[character] ?? (code < 0x80 ? `\\x${hex(2)}` : code < 0x1_0000 ? `\\u${hex(4)}` : `\\U${hex(8)}`);
  });
}

/**
 * The same for where VS Code makes links of `[text](address)`, which may run commands: notifications, and what stands below an input box.
 * None is left; ends of lines are spaces, as VS Code itself has them there.
 */
export function notice(text: string): string {
  return visible(text.replace(/\s+/g, ' ')).replaceAll('](', '] (');
}

/** The same for where VS Code draws icons for `$(name)`: quick picks and the status bar. */
export function iconless(text: string): string {
  return visible(text).replaceAll('$(', '$ (');
}

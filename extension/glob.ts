// Globs: shell-like patterns with * and ?, which people write in filters and ssh_config, and texts as patterns that match them alone.

/**
 * Whether a glob covers the whole text; upper and lower case differ. Time grows with glob × text at most: no regular expression
 * that somebody could make explode.
 */
export function globMatch(glob: string, text: string): boolean {
  let g = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (g < glob.length && glob[g] === '*') {
      star = g++;
      resume = t;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === text[t])) {
      g++;
      t++;
    } else if (star >= 0) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}

/** A text as a glob of VS Code that matches it alone; a bracket, which these can't quote, becomes "any character". */
export function escapeGlob(text: string): string {
  return text.replace(/[[\]{}*?]/g, (found) => (found === '[' || found === ']' ? '?' : `[${found}]`));
}

// From the path of a source file as the compiler of a BPF program knew it to a file here. Pure; what is read and asked comes in.
import { posix } from 'node:path';
import { escapeGlob } from '../glob.ts';

/** A path in one shape: no "./", no "x/..", no doubled slashes. */
function tidy(path: string): string {
  const normal = posix.normalize(path.replaceAll('\\', '/')).replace(/(.)\/$/, '$1');
  return normal === '.' ? '' : normal;
}

/**
 * Replaces the longest beginning of a path that the map knows; undefined when it knows none. An empty key, or ".", is the
 * beginning of every relative path. What climbs out of the folder that it is mapped to is none.
 */
export function mapPath(file: string, map: Readonly<Record<string, string>>): string | undefined {
  const path = tidy(file);
  if (path === '') return undefined;
  let best: { readonly length: number; readonly mapped: string } | undefined;
  for (const [key, folder] of Object.entries(map)) {
    const prefix = tidy(key);
    const fits =
      prefix === '' ? !path.startsWith('/') : path === prefix || path.startsWith(prefix === '/' ? '/' : `${prefix}/`);
    if (!fits || folder === '' || (best !== undefined && best.length >= prefix.length)) continue;
    const rest = path.slice(prefix.length).replace(/^\/+/, '');
    if (rest === '..' || rest.startsWith('../')) continue;
    best = { length: prefix.length, mapped: posix.join(folder, rest) };
  }
  return best?.mapped;
}

/** How many names at the end of both paths are the same; 0 when not even the file's is. */
export function sameEnd(a: string, b: string): number {
  const left = tidy(a).split('/').reverse();
  const right = tidy(b).split('/').reverse();
  let same = 0;
  while (same < left.length && same < right.length && left[same] === right[same] && left[same] !== '..') same++;
  return same;
}

/** Those of the candidates whose paths end most like the file's, in their order; none when none has its name. */
export function likeliest<T>(file: string, candidates: readonly T[], pathOf: (candidate: T) => string): readonly T[] {
  const scored = candidates.map((candidate) => ({ candidate, score: sameEnd(file, pathOf(candidate)) }));
  const best = Math.max(0, ...scored.map(({ score }) => score));
  return best === 0 ? [] : scored.filter(({ score }) => score === best).map(({ candidate }) => candidate);
}

/** A file name as a glob that matches it alone; undefined for a path that has no usable name. */
export function nameGlob(file: string): string | undefined {
  const name = posix.basename(tidy(file));
  if (name === '' || name === '..' || name.length > 255) return undefined;
  return `**/${escapeGlob(name)}`;
}

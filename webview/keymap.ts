// The keys: one table, which the key handler (keys.ts), the help that screen readers get and the table in README.md are made of. Pure.

/** What a key does. */
export type KeyAction =
  | 'previousHop'
  | 'nextHop'
  | 'firstHop'
  | 'lastHop'
  | 'previousPacket'
  | 'nextPacket'
  | 'pageUp'
  | 'pageDown'
  | 'firstPacket'
  | 'lastPacket'
  | 'openSource'
  | 'openSourceBeside'
  | 'zoomIn'
  | 'zoomOut'
  | 'zoomInLittle'
  | 'zoomOutLittle'
  | 'panLeft'
  | 'panRight'
  | 'panFarLeft'
  | 'panFarRight'
  | 'wholeTrace'
  | 'wholePacket'
  | 'toggleFollow'
  | 'focusFilter'
  | 'escape';

/** Where keys are heard: on the lanes, or anywhere but in a field. */
export type KeyScope = 'lanes' | 'page';

/** Keys that belong together. */
export interface KeyRow {
  /** The keys as README.md names them, and what they do there. */
  readonly keys: string;
  readonly effect: string;
  /** The same as a screen reader says it. */
  readonly spoken: string;
  readonly scope: KeyScope;
  /** Names of keys as events have them, letters small, with "Ctrl+" (Cmd as well) or "Shift+" before them. */
  readonly bindings: Readonly<Record<string, KeyAction>>;
}

/** Which key does what. */
export const keymap: readonly KeyRow[] = [
  {
    keys: '← →, Home, End',
    effect: 'previous, next, first, last hop',
    spoken: 'Left and right arrows move between hops',
    scope: 'lanes',
    bindings: { ArrowLeft: 'previousHop', ArrowRight: 'nextHop', Home: 'firstHop', End: 'lastHop' },
  },
  {
    keys: '↑ ↓, Page Up, Page Down, Ctrl+Home, Ctrl+End',
    effect: 'previous, next packet; a page; first, last',
    spoken: 'up and down between packets',
    scope: 'lanes',
    bindings: {
      ArrowUp: 'previousPacket',
      ArrowDown: 'nextPacket',
      PageUp: 'pageUp',
      PageDown: 'pageDown',
      'Ctrl+Home': 'firstPacket',
      'Ctrl+End': 'lastPacket',
    },
  },
  {
    keys: 'Enter, Ctrl+Enter',
    effect: "open the hop's source, beside",
    spoken: 'Enter opens the source',
    scope: 'lanes',
    bindings: { Enter: 'openSource', 'Ctrl+Enter': 'openSourceBeside' },
  },
  {
    keys: '+ −, W S',
    effect: 'zoom',
    spoken: 'plus and minus zoom',
    scope: 'lanes',
    // "=" is the key of "+" without Shift.
    bindings: { '+': 'zoomIn', '=': 'zoomIn', '-': 'zoomOut', w: 'zoomInLittle', s: 'zoomOutLittle' },
  },
  {
    keys: 'A D, Shift+← →',
    effect: 'pan',
    spoken: 'A and D pan',
    scope: 'lanes',
    bindings: {
      a: 'panLeft',
      d: 'panRight',
      'Shift+a': 'panFarLeft',
      'Shift+d': 'panFarRight',
      'Shift+ArrowLeft': 'panFarLeft',
      'Shift+ArrowRight': 'panFarRight',
    },
  },
  {
    keys: 'F, Z, L',
    effect: 'whole trace, this packet, follow live',
    spoken: 'F shows the whole trace, Z the packet, L follows live',
    scope: 'lanes',
    bindings: { f: 'wholeTrace', z: 'wholePacket', l: 'toggleFollow' },
  },
  {
    keys: '/, Esc',
    effect: 'filter; clear selection, then the filter',
    spoken: 'slash filters, Escape clears',
    scope: 'page',
    bindings: { '/': 'focusFilter', Escape: 'escape' },
  },
];

/** What a screen reader says of the keys. */
export const keyHelp = `${keymap.map(({ spoken }) => spoken).join(', ')}.`;

/** What is looked at of a key press. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
}

/** What a key press does in a scope. Shift counts only where the table names it. */
export function actionOf(press: KeyPress, scope: KeyScope): KeyAction | undefined {
  if (press.altKey) return undefined;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const control = press.ctrlKey || press.metaKey ? 'Ctrl+' : '';
  const names = [...(press.shiftKey ? [`${control}Shift+${key}`] : []), control + key];
  for (const name of names) {
    for (const row of keymap) {
      const action = row.scope === scope ? row.bindings[name] : undefined;
      if (action !== undefined) return action;
    }
  }
  return undefined;
}

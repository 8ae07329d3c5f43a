// The hooks of a trace as a list for a person: those of the hook table, and those that aren't attached, with why.
import type { Hook, HookStatus } from './metadata.ts';
import type { TraceData } from './traceData.ts';

/** A hook that isn't attached. */
export interface UnattachedHook {
  readonly function: string;
  readonly module: string;
  readonly state: HookStatus['state'];
  /** Why; empty when the helper didn't say. */
  readonly reason: string;
  /** Undefined for one that never got into the hook table. */
  readonly hook: Hook | undefined;
}

/** Both lists, in the order of the stream. */
export interface HookList {
  readonly table: readonly Hook[];
  readonly unattached: readonly UnattachedHook[];
}

/** Makes the lists. O(hooks). */
export function hookList({ hooks }: TraceData): HookList {
  return {
    table: [...hooks.all()],
    unattached: hooks
      .statuses()
      .filter(({ state }) => state !== 'attached')
      .map(({ id, function: name, module, state, reason }) => ({
        function: name || hooks.name(id),
        module,
        state,
        reason,
        hook: hooks.get(id),
      })),
  };
}

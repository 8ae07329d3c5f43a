// What is remembered from one window to the next: the nodes and filters that were used, the sources that were chosen. Never a secret.

/** A node that was used, newest first in the list. */
export interface RecentNode {
  /** What the person typed or picked: an ssh_config host or `user@host:port`. */
  readonly target: string;
  readonly lastUsedMs: number;
  readonly lastFilter: string;
  /** Whether the last trace there watched the most telling functions only. */
  readonly telling?: boolean;
}

const recentNodesKey = 'recentNodes.v1';
const recentFiltersKey = 'recentFilters.v1';
const sourceChoicesKey = 'sourceChoices.v1';
const most = 20;
const mostChoices = 200;

function isRecentNode(value: unknown): value is RecentNode {
  if (typeof value !== 'object' || value === null) return false;
  const { target, lastUsedMs, lastFilter, telling } = value as Partial<Record<keyof RecentNode, unknown>>;
  return (
    typeof target === 'string' &&
    typeof lastUsedMs === 'number' &&
    typeof lastFilter === 'string' &&
    (telling === undefined || typeof telling === 'boolean')
  );
}

function isPair(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string');
}

/** Where it is kept: VS Code's Memento. */
export interface Memento {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}

/** Typed access to what is kept. */
export class State {
  constructor(private readonly memento: Memento) {}

  recentNodes(): readonly RecentNode[] {
    const value = this.memento.get(recentNodesKey);
    return Array.isArray(value) ? value.filter(isRecentNode) : [];
  }

  /** What is remembered of a node; undefined when it was never used. */
  recentNode(target: string): RecentNode | undefined {
    return this.recentNodes().find((node) => node.target === target);
  }

  recentFilters(): readonly string[] {
    const value = this.memento.get(recentFiltersKey);
    return Array.isArray(value) ? value.filter((filter) => typeof filter === 'string') : [];
  }

  /** Puts a node at the head of the recent ones. What isn't given, the filter or how much was watched, stays as it was. */
  async remember(target: string, filter?: string, telling?: boolean): Promise<void> {
    const known = this.recentNode(target);
    const others = this.recentNodes().filter((node) => node.target !== target);
    const entry: RecentNode = {
      target,
      lastUsedMs: Date.now(),
      lastFilter: filter ?? known?.lastFilter ?? '',
      telling: telling ?? known?.telling ?? false,
    };
    await this.memento.update(recentNodesKey, [entry, ...others].slice(0, most));
    if (filter) {
      const filters = this.recentFilters().filter((other) => other !== filter);
      await this.memento.update(recentFiltersKey, [filter, ...filters].slice(0, most));
    }
  }

  /** What was chosen among definitions of one name; undefined when nothing was. */
  sourceChoice(of: string): string | undefined {
    return this.sourceChoices().find(([key]) => key === of)?.[1];
  }

  async keepSourceChoice(of: string, choice: string): Promise<void> {
    const others = this.sourceChoices().filter(([key]) => key !== of);
    await this.memento.update(sourceChoicesKey, [[of, choice], ...others].slice(0, mostChoices));
  }

  async forgetSourceChoices(): Promise<void> {
    await this.memento.update(sourceChoicesKey, undefined);
  }

  private sourceChoices(): readonly (readonly [string, string])[] {
    const value = this.memento.get(sourceChoicesKey);
    return Array.isArray(value) ? value.filter(isPair) : [];
  }

  async forget(target: string): Promise<void> {
    const nodes = this.recentNodes().filter((node) => node.target !== target);
    await this.memento.update(recentNodesKey, nodes);
  }
}

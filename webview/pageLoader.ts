// Keeps the page of marks that fits what is in view: asks for a new one when the view leaves it or the trace grew in it,
// and keeps the old one on screen until the new one is there.
import { openPage } from '../extension/protocol/pages.ts';
import type { TimelineRequests } from '../extension/protocol/timeline.ts';
import type { LoadedPage } from './marks.ts';
import { NewestWins } from './newest.ts';
import type { PageWindow } from './viewport.ts';

type Request = TimelineRequests['page'][0];

/** The page of marks that is drawn. */
export class PageLoader {
  private readonly loader: NewestWins<Request, TimelineRequests['page'][1]>;
  private asked = '';
  /** The newest page. */
  loaded: LoadedPage | undefined;

  constructor(
    ask: (request: Request) => Promise<TimelineRequests['page'][1]>,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {
    this.loader = new NewestWins(
      ask,
      (request, { data }) => this.apply(request, data),
      (error) => {
        // Ask again when the view changes next, not at once.
        this.asked = '';
        onError(error);
      },
    );
  }

  /** Has the marks of these lanes in this window loaded; nothing is asked twice unless {@link refresh} was called. */
  show(lanes: readonly number[], window: PageWindow): void {
    if (lanes.length === 0) return;
    const key = `${window.fromNs} ${window.toNs} ${window.buckets} ${lanes.join(' ')}`;
    if (key === this.asked) return;
    this.asked = key;
    this.loader.request({ lanes, ...window });
  }

  /** The trace grew: the page is asked for again if anything after `sinceNs` can be in it. */
  refresh(sinceNs: number): void {
    if (this.loaded === undefined || this.loaded.toNs >= sinceNs) this.asked = '';
  }

  /** Another filter: answers on the way belong to lanes that are gone. */
  invalidate(): void {
    this.loader.invalidate();
    this.asked = '';
  }

  private apply(request: Request, data: ArrayBuffer): void {
    try {
      const page = openPage(data);
      if (page.first.length !== request.lanes.length + 1)
        throw new RangeError('page: not the lanes that were asked for');
      const slots = new Map(request.lanes.map((lane, slot) => [lane, slot]));
      this.loaded = { page, fromNs: request.fromNs, toNs: request.toNs, slots };
    } catch (error) {
      this.onError(error);
      return;
    }
    this.onChange();
  }
}

// Newest wins: a question that is asked again and again, where only answers newer than the one shown may be shown. Pure.

/**
 * Asks at most `atOnce` questions at a time; while all are out, only the newest that waits is kept. An answer is applied
 * only when no newer one was applied before, and not at all when it was asked before the last {@link invalidate}.
 */
export class NewestWins<A, R> {
  private sequence = 0;
  private applied = 0;
  private out = 0;
  private waiting: A | undefined;

  constructor(
    private readonly ask: (argument: A) => Promise<R>,
    private readonly apply: (argument: A, answer: R) => void,
    private readonly fail: (error: unknown, argument: A) => void,
    private readonly atOnce = 2,
  ) {}

  /** True while a question is unanswered. */
  get busy(): boolean {
    return this.out > 0;
  }

  request(argument: A): void {
    if (this.out >= this.atOnce) {
      this.waiting = argument;
      return;
    }
    const sequence = ++this.sequence;
    this.out++;
    void this.ask(argument)
      .then(
        (answer) => {
          if (sequence <= this.applied) return;
          this.applied = sequence;
          this.apply(argument, answer);
        },
        (error: unknown) => {
          if (sequence > this.applied) this.fail(error, argument);
        },
      )
      .finally(() => {
        this.out--;
        const next = this.waiting;
        this.waiting = undefined;
        if (next !== undefined) this.request(next);
      });
  }

  /** Drops the answers of everything asked until now. */
  invalidate(): void {
    this.applied = this.sequence;
    this.waiting = undefined;
  }
}

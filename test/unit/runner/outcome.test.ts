// What the runner makes of a suite that fails at its first try.
import { describe, expect, test } from 'vitest';
import { failedOf, passedOf, tryTwice, type Outcome } from '../../outcome.mjs';

const file = (name: string, passed: number, ...failed: string[]) => ({ file: name, passed, failed, skipped: [] });
const outcome = (...files: Outcome['files']): Outcome => ({ files, retried: [] });

/** Plays tries one after the other; keeps what each was asked to run. */
function player(...tries: readonly Outcome[]) {
  const asked: (readonly string[] | undefined)[] = [];
  const attempt = (files?: readonly string[]): Promise<Outcome> => {
    const next = tries[asked.length] ?? expect.fail('tried too often');
    asked.push(files);
    return Promise.resolve(next);
  };
  return { asked, run: () => tryTwice(attempt, () => undefined) };
}

describe('a suite', () => {
  test('that passes is run once', async () => {
    const { run, asked } = player(outcome(file('a', 3), file('b', 2)));
    expect(passedOf(await run())).toBe(5);
    expect(asked).toEqual([undefined]);
  });

  test('whose file fails and passes then has passed, and tells its first failure', async () => {
    const { run, asked } = player(outcome(file('a', 3), file('b', 1, 'b > node died')), outcome(file('b', 2)));
    const both = await run();
    expect(asked).toEqual([undefined, ['b']]);
    expect([passedOf(both), failedOf(both), both.retried]).toEqual([5, [], ['b > node died']]);
  });

  test('whose file fails twice has failed, with the second failure', async () => {
    const { run } = player(outcome(file('a', 3), file('b', 1, 'first')), outcome(file('b', 1, 'second')));
    const both = await run();
    expect([passedOf(both), failedOf(both), both.retried]).toEqual([4, ['second'], []]);
  });

  test('that crashes outside of any file is run again whole', async () => {
    const { run, asked } = player(outcome(file('a', 1), file('', 0, 'crashed')), outcome(file('a', 3)));
    const both = await run();
    expect(asked).toEqual([undefined, undefined]);
    expect([passedOf(both), failedOf(both), both.retried]).toEqual([3, [], ['crashed']]);
  });

  test('whose file is not there at the second try has failed', async () => {
    const { run } = player(outcome(file('a', 1, 'first')), outcome());
    expect(failedOf(await run())).toEqual(['first']);
  });
});

import { expect, test } from 'vitest';
import { NewestWins } from '../../../webview/newest.ts';

/** A host whose answers the test gives, in any order. */
function fakeHost(atOnce?: number) {
  const open = new Map<string, { resolve: (answer: string) => void; reject: (error: Error) => void }>();
  const asked: string[] = [];
  const applied: string[] = [];
  const failed: string[] = [];
  const newest = new NewestWins<string, string>(
    (argument) => {
      asked.push(argument);
      return new Promise((resolve, reject) => open.set(argument, { resolve, reject }));
    },
    (argument) => applied.push(argument),
    (error) => failed.push(String(error)),
    atOnce,
  );
  const settle = async (argument: string, error?: Error): Promise<void> => {
    if (error === undefined) open.get(argument)?.resolve('');
    else open.get(argument)?.reject(error);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  return { newest, asked, applied, failed, settle };
}

test('an answer older than the one applied is dropped', async () => {
  const { newest, applied, settle } = fakeHost();
  newest.request('old');
  newest.request('new');
  await settle('new');
  await settle('old');
  expect(applied).toEqual(['new']);
});

test('while all are out only the newest that waits is asked', async () => {
  const { newest, asked, applied, settle } = fakeHost();
  for (const each of ['a', 'b', 'c', 'd', 'e']) newest.request(each);
  expect(asked).toEqual(['a', 'b']);
  await settle('a');
  expect(asked).toEqual(['a', 'b', 'e']);
  await settle('b');
  await settle('e');
  expect(applied).toEqual(['a', 'b', 'e']);
  expect(newest.busy).toBe(false);
});

test('nothing asked before an invalidation is applied, and nothing of it fails aloud', async () => {
  const { newest, applied, failed, settle } = fakeHost();
  newest.request('a');
  newest.request('b');
  newest.invalidate();
  newest.request('c');
  await settle('a');
  await settle('b', new Error('gone'));
  await settle('c');
  expect(applied).toEqual(['c']);
  expect(failed).toEqual([]);
});

test('a failure is told and the next question is asked all the same', async () => {
  const { newest, asked, failed, settle } = fakeHost(1);
  newest.request('a');
  newest.request('b');
  await settle('a', new Error('no such lane'));
  expect(failed).toEqual(['Error: no such lane']);
  expect(asked).toEqual(['a', 'b']);
});

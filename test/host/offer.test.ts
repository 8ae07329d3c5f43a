// The quicker start that is offered where functions are hooked one by one: asked in a real VS Code, answered there.
import * as assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { StreamDecoder } from '../../extension/trace/decoder.ts';
import type { TraceQueries } from '../../extension/trace/queries.ts';
import { TraceStore } from '../../extension/trace/store.ts';
import { StoreQueries } from '../../extension/trace/storeQueries.ts';
import { offerTelling } from '../../extension/views/offerTelling.ts';
import { hello, hooks, join } from '../unit/trace/encode.ts';

/** A trace that has told of its hooks and attached none. */
function waiting(count: number, kind: 'kprobe' | 'kprobe.multi'): TraceQueries {
  const store = new TraceStore();
  const rows = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    name: `function_${index}`,
    kind: kind === 'kprobe' ? 0 : 1,
  }));
  new StreamDecoder(store).feed(join(hello(), hooks(...rows)));
  const about = { node: 'demo', filter: '', expression: '', status: 'live', title: 'demo', message: '' } as const;
  return new StoreQueries({ ...about, store });
}

/** Answers the notification on screen as its key does, again and again until one is there to answer. */
async function answered(offer: Promise<boolean>, command: string): Promise<boolean> {
  const stop = new AbortController();
  const press = async (): Promise<never> => {
    for (;;) {
      await vscode.commands.executeCommand(command);
      await delay(50, undefined, { signal: stop.signal });
    }
  };
  try {
    return await Promise.race([offer, press()]);
  } finally {
    stop.abort();
  }
}

suite('where functions are hooked one by one', () => {
  setup(() => vscode.commands.executeCommand('notifications.clearAll'));

  test('a quicker start is offered while many are to come, and taken at a click', async () => {
    const queries = waiting(300, 'kprobe');
    assert.equal((await queries.summary()).hooksWaiting, 300);
    assert.equal(await answered(offerTelling('demo', queries), 'notification.acceptPrimaryAction'), true);
  });

  test('who closes the offer waits for all', async () => {
    const offer = offerTelling('demo', waiting(300, 'kprobe'));
    assert.equal(await answered(offer, 'notifications.clearAll'), false);
  });

  test('nothing is asked where few are to come, or all come at once', async () => {
    assert.equal(await offerTelling('demo', waiting(199, 'kprobe')), false);
    assert.equal(await offerTelling('demo', waiting(300, 'kprobe.multi')), false);
  });
});

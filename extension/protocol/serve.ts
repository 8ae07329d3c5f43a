// The host's end of the conversation in timeline.ts: answers requests out of a table of handlers. Pure; the transport is handed in.
import { reasonOf } from './reason.ts';
import type { RequestName, ResponseMessage, TimelineRequests } from './timeline.ts';

/** One function a request. A handler that throws or rejects is answered with its error's message. */
export type Handlers = {
  readonly [K in RequestName]: (
    argument: TimelineRequests[K][0],
  ) => TimelineRequests[K][1] | Promise<TimelineRequests[K][1]>;
};

interface AnyRequest {
  readonly type: 'request';
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

function isRequest(message: unknown): message is AnyRequest {
  if (typeof message !== 'object' || message === null) return false;
  const { type, id, name } = message as Partial<Record<string, unknown>>;
  return type === 'request' && typeof id === 'number' && typeof name === 'string';
}

/**
 * Makes the listener for incoming messages. Answers go out through `post` in the order in which handlers finish; what is
 * no request is ignored, since other parties share a webview's message channel.
 */
export function serve(handlers: Handlers, post: (message: ResponseMessage) => void): (message: unknown) => void {
  return (message) => {
    if (!isRequest(message)) return;
    const { id, name, argument } = message;
    void answer(handlers, name, argument).then(
      (ok) => post({ type: 'response', id, ok }),
      (error: unknown) => post({ type: 'response', id, err: reasonOf(error) }),
    );
  };
}

type Answer = TimelineRequests[RequestName][1];

async function answer(handlers: Handlers, name: string, argument: unknown): Promise<Answer> {
  if (!Object.hasOwn(handlers, name)) {
    throw new Error(`The timeline asked for "${name}", which this version doesn't know.`);
  }
  // The name picks the handler and its argument type together; the compiler can't follow that through a string.
  const handler = handlers[name as RequestName] as (argument: unknown) => Answer | Promise<Answer>;
  return await handler(argument);
}

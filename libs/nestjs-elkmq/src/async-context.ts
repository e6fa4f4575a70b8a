import { AsyncResource } from 'node:async_hooks';

/** The context in which this module was loaded. It belongs to no message. */
const outside = new AsyncResource('ElkMq');

/**
 * Calls `work` in an async context of its own. `work` may enter something there, such as a store with
 * `enterWith`: only the code that it starts sees that.
 */
export function inOwnContext<T>(work: (value: T) => void, value: T): void {
  const context = outside.runInAsyncScope(newContext);
  context.runInAsyncScope(work, undefined, value);
}

/** Makes a context from the one of its caller. `runInAsyncScope` of the result goes on there. */
export function newContext(): AsyncResource {
  return new AsyncResource('ElkMqMessage');
}

import { AsyncResource } from 'node:async_hooks';

/** The context in which this module was loaded. It belongs to no message. */
const outside = new AsyncResource('ElkMq');

/**
 * Calls `work` in an async context of its own. What it enters there, such as a store with `enterWith`, is seen by what
 * it starts and by nothing else.
 */
export function inOwnContext<T>(work: (value: T) => void, value: T): void {
  const context = outside.runInAsyncScope(newContext);
  context.runInAsyncScope(work, undefined, value);
}

/** The context of who calls this. Its `runInAsyncScope` goes on there. */
export function newContext(): AsyncResource {
  return new AsyncResource('ElkMqMessage');
}

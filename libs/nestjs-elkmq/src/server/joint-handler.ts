import type { MessageHandler } from '@nestjs/microservices';
import { catchError, defaultIfEmpty, defer, EMPTY, forkJoin, ignoreElements, isObservable, map } from 'rxjs';
import { mergeMap, of, type Observable } from 'rxjs';
import type { ElkMqContext, OriginalError } from './elk-mq.context.js';

/** One handler that stands for several event handlers. */
interface JointHandler extends MessageHandler {
  readonly handlers: readonly MessageHandler[];
}

/** Nest passes on all arguments, so the interceptor gets the last one too. */
type EventHandler = (data: unknown, context: ElkMqContext, original: OriginalError) => unknown;

interface Failed {
  readonly error: unknown;
  readonly original: OriginalError;
}

/** Returns the handlers that `handler` stands for. */
export function handlersOf(handler: MessageHandler): readonly MessageHandler[] {
  return (handler as Partial<JointHandler>).handlers ?? [handler];
}

/**
 * Returns one handler that runs all handlers to their end. When some fail, the event has failed with the
 * error of the first of them. For each extra, the first handler that has it decides.
 */
export function combineHandlers(handlers: readonly MessageHandler[]): MessageHandler | undefined {
  if (handlers.length < 2) return handlers[0];
  const run = (data: unknown, context: ElkMqContext): Observable<void> =>
    forkJoin(handlers.map((handler) => endOf(handler as EventHandler, data, context))).pipe(
      map((ends) => {
        const failed = ends.find((end) => end !== undefined);
        if (!failed) return;
        if ('error' in failed.original) context.originalError.error = failed.original.error;
        throw failed.error;
      }),
    );
  return Object.assign(run, { isEventHandler: true, extras: extrasOf(handlers), handlers }) as never;
}

/** Runs a handler to its end, and tells whether it has failed. */
function endOf(handler: EventHandler, data: unknown, context: ElkMqContext): Observable<Failed | undefined> {
  const original: OriginalError = { isWatched: false };
  // eslint-disable-next-line @typescript-eslint/require-await -- what the handler throws becomes a rejection
  return defer(async () => handler(data, context, original)).pipe(
    mergeMap((answer) => (isObservable(answer) ? answer : EMPTY)),
    ignoreElements(),
    catchError((error: unknown) => of({ error, original })),
    defaultIfEmpty(undefined),
  );
}

function extrasOf(handlers: readonly MessageHandler[]): Record<string, unknown> {
  const joint: Record<string, unknown> = {};
  for (const { extras } of handlers)
    for (const [name, value] of Object.entries(extras ?? {})) joint[name] ??= value;
  return joint;
}

import type { ConsumerDeserializer, IncomingEvent, MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable, type Subscription } from 'rxjs';
import { ACKNOWLEDGE, type Delivery, type Failure, messageOf, valueOf } from 'elkmq/internal';
import type { ElkMqContext } from './elk-mq.context.js';
import { originalOf, type Failures } from './failures.js';
import { whenFulfilled } from '../value-or-promise.js';

/** Runs the handlers of one kind of message: of requests, or of events. */
export interface Handling {
  /**
   * Runs the handler. In every case it ends the delivery, calls `end` and then resolves; it never rejects.
   */
  run(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: (failure?: Failure) => void,
  ): Promise<void>;
  /** Ends the delivery after a failure of the instrumentation around the handler. */
  failed(delivery: Delivery, error: unknown): void;
}

/** Handles events. An event is done when its handler has finished, and the result is ignored. */
export class EventHandling implements Handling {
  readonly #failures: Failures;
  readonly #deserializer: ConsumerDeserializer;
  readonly #log: (message: string) => void;

  constructor(failures: Failures, deserializer: ConsumerDeserializer, log: (message: string) => void) {
    this.#failures = failures;
    this.#deserializer = deserializer;
    this.#log = log;
  }

  run(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: (failure?: Failure) => void,
  ): Promise<void> {
    if (!handler) {
      delivery.end({ kind: 'dead-letter', reason: 'unhandled' });
      end();
      return Promise.resolve();
    }
    const handled = (): void => {
      delivery.end(ACKNOWLEDGE);
      end();
    };
    const failed = (error: unknown): void => {
      this.#failures.ofEvent(delivery, handler, context, error);
      end({ error: originalOf(context, error) });
    };
    return callHandler(handler, delivery, context, this.#deserializer).then((answer) => {
      try {
        if (isObservable(answer)) return this.#follow(answer, delivery, handled, failed, end);
        handled();
      } catch (error) {
        // It only looks like an Observable.
        failed(error);
      }
      return undefined;
    }, failed);
  }

  /** Resolves when the Observable has ended, or was stopped because others have the message. */
  #follow(
    source: Observable<unknown>,
    delivery: Delivery,
    handled: () => void,
    failed: (error: unknown) => void,
    end: (failure?: Failure) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      try {
        const values = source.subscribe({
          error: (error: unknown) => {
            failed(error);
            resolve();
          },
          complete: () => {
            handled();
            resolve();
          },
        });
        if (values.closed) return;
        delivery.whenAborted((reason) => {
          stopValues(values, delivery, this.#log);
          end({ error: reason });
          resolve();
        });
      } catch (error) {
        // It only looks like an Observable.
        failed(error);
        resolve();
      }
    });
  }

  failed(delivery: Delivery, error: unknown): void {
    delivery.end({ kind: 'dead-letter', reason: 'failed', error });
  }
}

/** A dispatch hook of the client can send metadata with a message (Nest 12.1). */
type Packet = IncomingEvent & { metadata?: Readonly<Record<string, string>> | undefined };

/**
 * Returns the answer of `handler`. Rejects with an error of the handler or of the deserializer. Neither this
 * function nor its callers are async functions: see "No async function" in docs/performance.md.
 */
export function callHandler(
  handler: MessageHandler,
  delivery: Delivery,
  context: ElkMqContext,
  deserializer: ConsumerDeserializer,
): Promise<unknown> {
  try {
    const answer = whenFulfilled<unknown, unknown>(dataOf(delivery, context, deserializer), (data) =>
      handler(data, context),
    );
    // A handler that Nest has not wrapped may return a plain value.
    return Promise.resolve(answer);
  } catch (error) {
    const reason = error as Error;
    return Promise.reject(reason);
  }
}

/**
 * Unsubscribes from the values of a handler. Its caller is not the handler, so an error must not reach it.
 */
export function stopValues(values: Subscription, delivery: Delivery, log: (message: string) => void): void {
  try {
    values.unsubscribe();
  } catch (error) {
    log(`What ends the values of '${delivery.queued.event.action}' has failed: ${messageOf(error)}`);
  }
}

/** Returns the data for the handler. */
function dataOf(
  { queued: { event, metadata } }: Delivery,
  context: ElkMqContext,
  deserializer: ConsumerDeserializer,
): unknown {
  const packet: Packet = { pattern: event.action, data: valueOf(event.payload) };
  if (metadata !== undefined) packet.metadata = context.getMetadata();
  return whenFulfilled(
    deserializer.deserialize(packet, { channel: event.action }),
    ({ data }) => data as unknown,
  );
}

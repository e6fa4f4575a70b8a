import type { ConsumerDeserializer, IncomingEvent, MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { ACKNOWLEDGE, type Delivery, type Failure, valueOf } from 'elkmq/internal';
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

  constructor(failures: Failures, deserializer: ConsumerDeserializer) {
    this.#failures = failures;
    this.#deserializer = deserializer;
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
        if (isObservable(answer))
          return lastValueFrom(answer, { defaultValue: undefined }).then(handled, failed);
        handled();
      } catch (error) {
        // It only looks like an Observable.
        failed(error);
      }
      return undefined;
    }, failed);
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

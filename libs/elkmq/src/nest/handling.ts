import type { ConsumerDeserializer, IncomingEvent, MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Delivery } from '../core/handling/delivery.js';
import type { Failure } from '../core/thrown.js';
import { valueOf } from '../core/wire/codec.js';
import type { ElkMqContext } from './elk-mq.context.js';
import { originalOf, type Failures } from './failures.js';

/** Has one kind of message handled: requests, or events. */
export interface Handling {
  /** Whatever comes of it, the delivery is ended, and `end` called. Resolves then, and does not reject. */
  run(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: (failure?: Failure) => void,
  ): Promise<void>;
  /** What surrounds handlers has failed. */
  failed(delivery: Delivery, error: unknown): void;
}

/** An event is done when its handler is; what it answers is for nobody. */
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
      delivery.deadLetter('unhandled');
      end();
      return Promise.resolve();
    }
    const handled = (): void => {
      delivery.end();
      end();
    };
    const failed = (error: unknown): void => {
      this.#failures.ofEvent(delivery, handler, context, error);
      end({ error: originalOf(context, error) });
    };
    return answerOf(handler, delivery, context, this.#deserializer).then((answer) => {
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
    delivery.deadLetter('failed', error);
  }
}

/** Metadata is what a dispatch hook of the client has sent along (Nest 12.1). */
type Packet = IncomingEvent & { metadata?: Readonly<Record<string, string>> | undefined };

/**
 * What `handler` answers; rejects with what it, or the deserializer, throws. Not an async function: its callers are no
 * such either, since each would cost every message a promise and a turn.
 */
export function answerOf(
  handler: MessageHandler,
  delivery: Delivery,
  context: ElkMqContext,
  deserializer: ConsumerDeserializer,
): Promise<unknown> {
  try {
    const data = dataOf(delivery, context, deserializer);
    const answer =
      data instanceof Promise ? data.then((read) => handler(read, context)) : handler(data, context);
    // Handlers that were not made by Nest may answer a plain value.
    return Promise.resolve(answer);
  } catch (error) {
    const reason = error as Error;
    return Promise.reject(reason);
  }
}

/** What a handler gets. */
function dataOf(
  { queued: { event, metadata } }: Delivery,
  context: ElkMqContext,
  deserializer: ConsumerDeserializer,
): unknown {
  const packet: Packet = { pattern: event.action, data: valueOf(event.payload) };
  if (metadata !== undefined) packet.metadata = context.getMetadata();
  const read = deserializer.deserialize(packet, { channel: event.action });
  return read instanceof Promise ? read.then(({ data }) => data as unknown) : (read.data as unknown);
}

import type { ConsumerDeserializer, MessageHandler } from '@nestjs/microservices';
import { isObservable, Subscription, type Observable } from 'rxjs';
import { type Delivery, DROP, EXPIRE, type Failure, messageOf, nameOfMessage } from 'elkmq/internal';
import type { ElkMqContext } from './elk-mq.context.js';
import { originalOf, type Failures } from './failures.js';
import { callHandler, stopValues, type Handling } from './event-handling.js';
import { INTERNAL_ERROR_PACKET, ReplyWriter, type ReplyFormat } from './reply-writer.js';

/** Nest's own transports use this text. */
const NO_MESSAGE_HANDLER = 'There is no matching message handler defined in the remote service.';

/** Answers a request with the values of its handler, one by one, then with their end or an error. */
export class RequestHandling implements Handling {
  readonly #failures: Failures;
  readonly #deserializer: ConsumerDeserializer;
  readonly #format: ReplyFormat;

  constructor(failures: Failures, deserializer: ConsumerDeserializer, format: ReplyFormat) {
    this.#failures = failures;
    this.#deserializer = deserializer;
    this.#format = format;
  }

  run(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: (failure?: Failure) => void,
  ): Promise<void> {
    const writer = new ReplyWriter(delivery, this.#format);
    if (!handler) {
      writer.error(NO_MESSAGE_HANDLER);
      end({ error: NO_MESSAGE_HANDLER });
      return Promise.resolve();
    }
    // Nest makes an Observable of an error of a handler. This error is the deserializer's, or an exception
    // filter's.
    const failed = (error: unknown): void => {
      this.failed(delivery, error);
      end({ error });
    };
    return callHandler(handler, delivery, context, this.#deserializer).then((answer) => {
      try {
        if (!isObservable(answer)) {
          writer.value(answer);
          writer.end();
          end();
          return;
        }
        this.#follow(answer, writer, delivery, context, end, (error) =>
          this.#failures.ofRequest(delivery, handler, context, error),
        );
      } catch (error) {
        // It only looks like an Observable: one of RxJS would give the error to its subscriber.
        failed(error);
      }
    }, failed);
  }

  /**
   * Answers a failure that Nest does not know of, with Nest's text for a failure that is not the handler's
   * own.
   */
  failed(delivery: Delivery, error: unknown): void {
    this.#format.log(`${nameOfMessage(delivery.queued)} was not handled: ${messageOf(error)}`);
    new ReplyWriter(delivery, this.#format).error(INTERNAL_ERROR_PACKET);
  }

  #follow(
    source: Observable<unknown>,
    writer: ReplyWriter,
    delivery: Delivery,
    context: ElkMqContext,
    end: (failure?: Failure) => void,
    isRetried: (error: unknown) => boolean,
  ): void {
    let hasAnswered = false;
    const answer = new Subscription(() => {
      end();
    });
    const stop = (): void => {
      stopValues(answer, delivery, (message) => {
        this.#format.log(message);
      });
    };
    const values = source.subscribe({
      next: (value) => {
        hasAnswered = true;
        writer.value(value);
        if (writer.hasFailed) stop();
      },
      error: (error: unknown) => {
        if (isDeduplicatedAndCancelled(delivery)) delivery.end(EXPIRE);
        else if (hasAnswered || !isRetried(error)) writer.error(error);
        end({ error: originalOf(context, error) });
      },
      complete: () => {
        writer.end();
        end();
      },
    });
    answer.add(values);
    // Most handlers have finished by now.
    if (values.closed) return;
    const giveUp = (): void => {
      stop();
      const { deduplication, isOurs } = delivery.queued;
      // This end is no answer. A later caller with the same key must not get it, and a caller that is late
      // must not take it for one: it would see a request that succeeded without a value.
      if (deduplication !== undefined) delivery.end(EXPIRE);
      else if (isOurs) delivery.end(DROP);
      else writer.end();
    };
    endAtDeadline(delivery, values, giveUp);
    delivery.whenAborted((reason) => {
      if (delivery.isCancelled || delivery.timeLeft <= 0) giveUp();
      else {
        // Others end the message.
        end({ error: reason });
        stop();
      }
    });
  }
}

/**
 * Whether a deduplicated request was cancelled. Then its error may only say that nobody waits, and a later
 * caller with the same key must not get it.
 */
function isDeduplicatedAndCancelled({ isCancelled, queued }: Delivery): boolean {
  return isCancelled && queued.deduplication !== undefined;
}

/** Ends the values when nobody waits any more. Without that, endless values would take up a slot for ever. */
function endAtDeadline({ timerMs, queued }: Delivery, values: Subscription, end: () => void): void {
  if (timerMs === Infinity) return;
  // An entry may say that it was due in years. No caller waits for longer than its timeout.
  const ms = Math.min(Math.max(timerMs, 0), queued.event.timeout * 1_000);
  const timer = setTimeout(end, ms).unref();
  values.add(() => {
    clearTimeout(timer);
  });
}

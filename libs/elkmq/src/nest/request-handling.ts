import type { ConsumerDeserializer, ConsumerSerializer, MessageHandler } from '@nestjs/microservices';
import { Subscription, type Observable } from 'rxjs';
import type { Delivery } from '../core/handling/delivery.js';
import type { ElkMqContext } from './elk-mq.context.js';
import { originalOf, type Failures } from './failures.js';
import { dataOf, messageOf, type Handling } from './handling.js';
import { ReplyWriter } from './reply-writer.js';

/** What Nest's own transports say. */
const NO_MESSAGE_HANDLER = 'There is no matching message handler defined in the remote service.';
const INTERNAL_ERROR = { status: 'error', message: 'Internal server error' };

export interface RequestSettings {
  readonly maxPayloadBytes: number;
  toObservable(result: unknown): Observable<unknown>;
  log(message: string): void;
}

/** A request is answered with the values of its handler, one by one, then with their end or an error. */
export class RequestHandling implements Handling {
  readonly #failures: Failures;
  readonly #serializer: ConsumerSerializer;
  readonly #deserializer: ConsumerDeserializer;
  readonly #settings: RequestSettings;

  constructor(
    failures: Failures,
    serializer: ConsumerSerializer,
    deserializer: ConsumerDeserializer,
    settings: RequestSettings,
  ) {
    this.#failures = failures;
    this.#serializer = serializer;
    this.#deserializer = deserializer;
    this.#settings = settings;
  }

  async run(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: (error?: unknown) => void,
  ): Promise<void> {
    const writer = this.#writer(delivery);
    if (!handler) {
      writer.error(NO_MESSAGE_HANDLER);
      end(NO_MESSAGE_HANDLER);
      return;
    }
    let hasAnswered = false;
    const fail = (error: unknown): void => {
      if (hasAnswered || !this.#failures.ofRequest(delivery, handler, context, error)) writer.error(error);
      end(originalOf(context, error));
    };
    try {
      const data = await dataOf(delivery, context, this.#deserializer);
      const result: unknown = await handler(data, context);
      const answer = new Subscription(() => {
        end();
      });
      const values = this.#settings.toObservable(result).subscribe({
        next: (value) => {
          hasAnswered = true;
          writer.value(value);
          if (writer.hasFailed) answer.unsubscribe();
        },
        error: fail,
        complete: () => {
          writer.end();
          end();
        },
      });
      answer.add(values);
      // Most handlers have answered by now.
      if (values.closed) return;
      const giveUp = (): void => {
        answer.unsubscribe();
        writer.end();
      };
      endWhenOver(delivery, values, giveUp);
      delivery.whenCancelled(giveUp);
    } catch (error) {
      // What a handler throws is an Observable by now: this is the deserializer's, or an exception filter's.
      this.failed(delivery, error);
      end(error);
    }
  }

  /** Answers a failure that Nest knows nothing of, as Nest answers one that is not the handler's own. */
  failed(delivery: Delivery, error: unknown): void {
    this.#settings.log(`'${delivery.queued.event.action}' was not handled: ${messageOf(error)}`);
    this.#writer(delivery).error(INTERNAL_ERROR);
  }

  #writer(delivery: Delivery): ReplyWriter {
    return new ReplyWriter(delivery, this.#serializer, this.#settings.maxPayloadBytes, (error) => {
      const { action } = delivery.queued.event;
      this.#settings.log(`The response to '${action}' cannot be sent: ${messageOf(error)}`);
    });
  }
}

/** Nobody waits for longer than this. Without it, values without end would keep their slot for ever. */
function endWhenOver({ queued }: Delivery, values: Subscription, end: () => void): void {
  const timer = setTimeout(end, queued.event.timeout * 1_000).unref();
  values.add(() => {
    clearTimeout(timer);
  });
}

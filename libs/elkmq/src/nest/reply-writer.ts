import type { ConsumerSerializer, WritePacket } from '@nestjs/microservices';
import { textOf } from '../core/wire/codec.js';
import type { Delivery } from '../core/handling/delivery.js';
import { PayloadTooLargeError } from '../core/errors.js';
import { ServiceEvent } from '../core/service-event.js';

/**
 * Writes what a handler answers: values, then the end or an error. An original client reads one response only: it
 * gets the last value, or the error.
 */
export class ReplyWriter {
  readonly #delivery: Delivery;
  readonly #serializer: ConsumerSerializer;
  readonly #maxBytes: number;
  readonly #onError: (error: unknown) => void;
  #latest: string | null = null;
  /** A serializer may be asynchronous: then what follows waits for it. */
  #before: Promise<void> | undefined;
  #failed = false;

  /** @param onError is told what could not be answered; the requester is told as well */
  constructor(
    delivery: Delivery,
    serializer: ConsumerSerializer,
    maxBytes: number,
    onError: (error: unknown) => void,
  ) {
    this.#delivery = delivery;
    this.#serializer = serializer;
    this.#maxBytes = maxBytes;
    this.#onError = onError;
  }

  /** Whether something could not be written: then what follows is not either. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  value(response: unknown): void {
    this.#write({ response });
  }

  error(err: unknown): void {
    this.#write({ err });
    this.end();
  }

  end(): void {
    this.#inTurn(() => {
      this.#finish();
      return undefined;
    });
  }

  #finish(): void {
    const { isOurs, event } = this.#delivery.queued;
    if (isOurs) this.#delivery.finish();
    else this.#delivery.answerOriginal(ServiceEvent.responseTo(event, event.action, this.#latest));
  }

  #write(packet: WritePacket): void {
    this.#inTurn(() => {
      const serialized: unknown = this.#serializer.serialize(packet as never);
      if (!(serialized instanceof Promise)) {
        this.#send(serialized);
        return undefined;
      }
      return serialized.then((value: unknown) => {
        this.#send(value);
      });
    });
  }

  #send(packet: unknown): void {
    if (!this.#delivery.queued.isOurs) {
      const { response, err } = packet as { response?: unknown; err?: unknown };
      this.#latest = err === undefined ? textOf(response) : JSON.stringify({ err });
      return;
    }
    const body = JSON.stringify(packet);
    if (body.length * 3 > this.#maxBytes && Buffer.byteLength(body) > this.#maxBytes) {
      throw new PayloadTooLargeError(
        `the response to '${this.#delivery.queued.event.action}' has ${String(Buffer.byteLength(body))} bytes; maxPayloadBytes is ${String(this.#maxBytes)}`,
      );
    }
    this.#delivery.reply(body);
  }

  /** Runs `step` after those before it. What cannot be written ends the reply with an error. */
  #inTurn(step: () => Promise<void> | undefined): void {
    if (this.#before) {
      this.#before = this.#before.then(step).catch((error: unknown) => {
        this.#fail(error);
      });
      return;
    }
    try {
      this.#before = step()?.catch((error: unknown) => {
        this.#fail(error);
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#onError(error);
    const body = JSON.stringify(failure(error instanceof Error ? error.message : String(error)));
    this.#latest = body;
    this.#delivery.reply(body);
    this.#finish();
  }
}

/** Nest's shape of a failure that is not the handler's own. */
function failure(message: string): WritePacket {
  return { err: { status: 'error', message } };
}

import type { ConsumerSerializer, WritePacket } from '@nestjs/microservices';
import { PayloadTooLargeError, ServiceEvent } from 'elkmq';
import { ACKNOWLEDGE, type Delivery, messageOf, textOf, toJson } from 'elkmq/internal';
import { runStep, whenFulfilled, type ValueOrPromise } from '../value-or-promise.js';

/** Nest's answer when a failure is not the handler's own, or is empty. */
export const INTERNAL_ERROR_PACKET = { status: 'error', message: 'Internal server error' };

/** The means by which a server writes its replies. */
export interface ReplyFormat {
  readonly serializer: ConsumerSerializer;
  readonly maxPayloadBytes: number;
  log(message: string): void;
}

/**
 * Writes the replies of a handler: values, then the end or an error. A legacy client reads only one response:
 * it gets the last value, or the error.
 */
export class ReplyWriter {
  readonly #delivery: Delivery;
  readonly #format: ReplyFormat;
  #latest: string | null = null;
  /** Set when the serializer is asynchronous: later replies wait for it. */
  #before: Promise<void> | undefined;
  #failed = false;

  constructor(delivery: Delivery, format: ReplyFormat) {
    this.#delivery = delivery;
    this.#format = format;
  }

  /** Whether a reply could not be written. Then the later ones are not written either. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  value(response: unknown): void {
    this.#inTurn({ response });
  }

  error(err: unknown): void {
    this.#inTurn({ err: saysNothing(err) ? INTERNAL_ERROR_PACKET : err });
    this.end();
  }

  end(): void {
    this.#inTurn(undefined);
  }

  /**
   * Writes after the replies before it. A packet that cannot be written ends the replies with an error.
   * @param packet `undefined` for the end
   */
  #inTurn(packet: WritePacket | undefined): void {
    this.#before = runStep(
      () => this.#write(packet),
      (error) => {
        this.#fail(error);
      },
      this.#before,
    );
  }

  #write(packet: WritePacket | undefined): ValueOrPromise<void> {
    if (packet) {
      return whenFulfilled(this.#format.serializer.serialize(packet as never) as unknown, (serialized) => {
        this.#send(serialized);
      });
    }
    this.#finish();
  }

  #finish(): void {
    const { isOurs, event } = this.#delivery.queued;
    if (isOurs) this.#delivery.end(ACKNOWLEDGE);
    else {
      const response = ServiceEvent.responseTo(event, event.action, this.#latest);
      this.#delivery.end({ kind: 'legacy-response', response });
    }
  }

  #send(packet: unknown): void {
    if (!this.#delivery.queued.isOurs) {
      const { response, err } = packet as { response?: unknown; err?: unknown };
      this.#latest = err === undefined ? textOf(response) : JSON.stringify({ err });
      return;
    }
    const body = JSON.stringify(packet);
    const { maxPayloadBytes } = this.#format;
    if (body.length * 3 > maxPayloadBytes && Buffer.byteLength(body) > maxPayloadBytes) {
      throw new PayloadTooLargeError(
        `the response to '${this.#delivery.queued.event.action}' has ${String(Buffer.byteLength(body))} bytes; maxPayloadBytes is ${String(maxPayloadBytes)}`,
      );
    }
    this.#delivery.reply(body);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#format.log(
      `The response to '${this.#delivery.queued.event.action}' cannot be sent: ${messageOf(error)}`,
    );
    const body = JSON.stringify(failure(messageOf(error)));
    if (this.#delivery.queued.isOurs) this.#delivery.reply(body);
    else this.#latest = body;
    this.#finish();
  }
}

/**
 * Errors that a client does not see, as JSON: Nest's clients ignore an error that is falsy. `undefined` is
 * what JSON makes of a function.
 */
const NOTHING: ReadonlySet<string | undefined> = new Set(['null', 'false', '0', '""', undefined]);

/** Whether a client would take this error for none. */
function saysNothing(err: unknown): boolean {
  try {
    return NOTHING.has(toJson(err));
  } catch {
    // JSON cannot hold it. The serializer may still be able to write it.
    return false;
  }
}

/** Nest's shape of a failure that is not the handler's own. */
function failure(message: string): WritePacket {
  return { err: { status: 'error', message } };
}

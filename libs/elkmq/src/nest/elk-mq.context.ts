import { BaseRpcContext } from '@nestjs/microservices';
import type { Delivery } from '../core/delivery.js';
import type { ServiceEvent, Timestamp } from '../core/service-event.js';
import { readStrings } from './headers.js';

/** What a handler can know of the message that it handles: `@Ctx() context: ElkMqContext`. */
export class ElkMqContext extends BaseRpcContext<[queue: string, event: ServiceEvent]> {
  readonly #delivery: Delivery;

  /** @internal */
  constructor(queue: string, delivery: Delivery) {
    super([queue, delivery.queued.event]);
    this.#delivery = delivery;
  }

  /** The pattern that the message was sent to. */
  getPattern(): string {
    return this.getEvent().action;
  }

  getQueue(): string {
    return this.args[0];
  }

  /** The message as it is in the queue. */
  getEvent(): ServiceEvent {
    return this.args[1];
  }

  /** When Redis registered the message, ms since 1970. */
  getTimestamp(): Timestamp {
    return this.#delivery.queued.timestamp;
  }

  /** When nobody waits for it any more, ms since 1970 on the clock of Redis. */
  getDeadline(): number {
    return this.#delivery.deadline;
  }

  /** 1 for the first attempt at this message. */
  getAttempt(): number {
    return this.#delivery.queued.attempt;
  }

  /** Headers of the record that was sent; empty when it had none. */
  getHeaders(): Record<string, string> {
    return readStrings(this.#delivery.queued.headers);
  }

  /** What `setOnDispatchHook` of the sending client has put into the packet; empty when it has put nothing. */
  getMetadata(): Record<string, string> {
    return readStrings(this.#delivery.queued.metadata);
  }
}

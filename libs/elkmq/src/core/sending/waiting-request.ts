import { AbandonedError, TimeoutExpiredError } from '../errors.js';
import type { Deduplication, OutgoingEvent } from './batch.js';
import type { Identified } from './request-lookup.js';
import type { ServiceEvent } from '../service-event.js';
import { timestampOf } from '../wire/entry.js';

/** What becomes of a request; after `failed`, or a reply that is the last, nothing more is said. */
export interface ReplyListener {
  /** Redis has the request. @param id its origin */
  stored?(id: string): void;
  /** @param id of the entry that Redis has registered the reply as */
  reply(body: unknown, last: boolean, id: string): void;
  failed(error: Error): void;
}

/** Where a request waits. */
export interface RequestTable {
  ended(request: WaitingRequest): void;
  /** Takes back a request that has not been sent. Answers whether it could. */
  withdraw(request: WaitingRequest): boolean;
  /**
   * Takes back a request that is in the queue, unless others wait for it too. A worker that runs it already is told.
   * @param deadline when nobody would wait for it anyway, ms since 1970 on the clock of Redis
   */
  withdrawStored(request: WaitingRequest, id: string, deadline: number): void;
}

/**
 * A request from when it is made until nobody waits for it: its last reply, its failure, its timeout, or `abandon`,
 * whichever comes first; what comes later changes nothing. When nobody waits before a reply came, the request is
 * withdrawn: at once if it has not been sent or is known to be stored, else as soon as it is.
 */
export class WaitingRequest implements OutgoingEvent, Identified {
  readonly requestId: string;
  next: this | undefined;
  readonly #action: string;
  readonly #listener: ReplyListener;
  readonly #table: RequestTable;
  #timer: NodeJS.Timeout | undefined;
  /** From when it is stored, ms. */
  readonly replyWithin: number;
  #ended = false;
  #id: string | undefined;
  #withdrawOnceStored = false;
  #attempt = 0;
  #nextNumber = 0;

  constructor(
    event: ServiceEvent,
    public json: string,
    readonly fields: readonly string[],
    readonly delay: number,
    readonly deduplication: Deduplication | undefined,
    timeout: number,
    listener: ReplyListener,
    table: RequestTable,
  ) {
    this.requestId = event.requestId;
    this.#action = event.action;
    this.#listener = listener;
    this.#table = table;
    this.replyWithin = delay + timeout;
  }

  /** From now on `replyWithin` counts. */
  startTimeout(): void {
    if (this.#ended) return;
    // No argument for it: Node keeps those in an array literal (see PlainEvent).
    this.#timer = setTimeout(() => {
      // A reply may lie in the socket: if this process was busy, nobody has looked.
      setImmediate(() => {
        this.#expire();
      });
    }, this.replyWithin);
  }

  stored(id: string): void {
    this.#id = id;
    this.#listener.stored?.(id);
    // Not needed any more, and there may be thousands of requests that wait for long.
    this.json = '';
    if (this.#withdrawOnceStored) this.#withdraw(id);
  }

  failed(error: Error): void {
    if (this.#end()) this.#listener.failed(error);
  }

  /**
   * Only the next reply of one attempt counts: the same may be read twice, and another attempt starts anew. That there is
   * another one although this one has answered in part means that what says so in Redis was deleted.
   */
  receive(attempt: number, number: number, last: boolean, body: unknown, id: string): void {
    if (this.#nextNumber === 0) this.#attempt = attempt;
    if (attempt > this.#attempt)
      this.failed(new AbandonedError(`'${this.#action}' had answered in part, and was run again`));
    if (attempt !== this.#attempt || number !== this.#nextNumber) return;
    this.#nextNumber++;
    if (last) this.#end();
    this.#listener.reply(body, last, id);
  }

  /** The response of an original consumer, of which there is only one. @param json of the response event, its entry's id is `id` */
  answer(json: string, id: string): void {
    if (this.#end()) this.#listener.reply(json, true, id);
  }

  /** Nobody waits any more. @param error what the listener is told, if it did not bring this about itself */
  abandon(error?: Error): void {
    if (!this.#end()) return;
    if (this.#id !== undefined) this.#withdraw(this.#id);
    else if (!this.#table.withdraw(this)) this.#withdrawOnceStored = true;
    if (error) this.#listener.failed(error);
  }

  #expire(): void {
    const within = `${String(this.replyWithin)} ms`;
    this.abandon(new TimeoutExpiredError(`no response to '${this.#action}' within ${within}`));
  }

  #withdraw(id: string): void {
    this.#table.withdrawStored(this, id, timestampOf(id) + this.replyWithin);
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#table.ended(this);
    return true;
  }
}

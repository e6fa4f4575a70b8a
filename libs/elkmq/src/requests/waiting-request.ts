import { AbandonedError, TimeoutExpiredError } from '../model/errors.js';
import type { Deduplication } from '../model/deduplication.js';
import type { OutgoingEvent } from '../producer/batch.js';
import type { Identified } from './request-table.js';
import type { ServiceEvent } from '../model/service-event.js';
import { timestampOf } from '../model/stream-id.js';

/** Receives the events of one request. Nothing is called after `failed`, or after the last reply. */
export interface ReplyListener {
  /**
   * Redis has the request.
   * @param id its origin
   */
  stored?(id: string): void;
  /** @param id of the entry in which Redis has registered the reply */
  reply(body: unknown, last: boolean, id: string): void;
  failed(error: Error): void;
}

/** Is called by a waiting request: it takes it out of the table, and cancels it. */
export interface RequestCallbacks {
  ended(request: WaitingRequest): void;
  /** Takes back a request that has not been sent. Returns whether that was possible. */
  takeBack(request: WaitingRequest): boolean;
  /**
   * Cancels a request that is in the queue, unless others wait for it too. A worker that runs it already is
   * notified.
   * @param deadline the time at which the request expires, ms since 1970 on the clock of Redis
   */
  cancelStored(request: WaitingRequest, id: string, deadline: number): void;
}

/**
 * One request, while somebody waits for it. The waiting ends with the last reply, a failure, the timeout, or
 * `stopWaiting`, whichever comes first. Later events change nothing. A request that ends without its last
 * reply is cancelled: at once if it has not been sent or is known to be stored, else as soon as it is stored.
 */
export class WaitingRequest implements OutgoingEvent, Identified {
  readonly requestId: string;
  next: this | undefined;
  readonly #action: string;
  readonly #listener: ReplyListener;
  readonly #callbacks: RequestCallbacks;
  #timer: NodeJS.Timeout | undefined;
  /**
   * The time that the reply can take, ms, with the delay. Redis counts it from the storing of the request.
   */
  readonly replyWithin: number;
  /** The time from the storing until the request expires, ms. On the wire a timeout has whole seconds. */
  readonly #expiresWithin: number;
  #ended = false;
  #id: string | undefined;
  #cancelOnceStored = false;
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
    callbacks: RequestCallbacks,
  ) {
    this.requestId = event.requestId;
    this.#action = event.action;
    this.#listener = listener;
    this.#callbacks = callbacks;
    this.replyWithin = delay + timeout;
    this.#expiresWithin = delay + event.timeout * 1_000;
  }

  /** Starts the timeout: `replyWithin` counts from now on in this process. */
  startTimeout(): void {
    if (this.#ended) return;
    // The callback closes over `this`, and has no argument: see "No literal" in docs/performance.md.
    this.#timer = setTimeout(() => {
      // A reply may lie in the socket: a busy process has not looked yet.
      setImmediate(() => {
        this.#expire();
      });
    }, this.replyWithin);
  }

  stored(id: string): void {
    this.#id = id;
    this.#listener.stored?.(id);
    // The text is not needed any more, and there may be thousands of requests that wait for long.
    this.json = '';
    if (this.#cancelOnceStored) this.#cancelStored(id);
  }

  failed(error: Error): void {
    if (this.#end()) this.#listener.failed(error);
  }

  /**
   * Takes a reply. Only the next reply of one attempt counts, because the same entry may be read twice.
   * Another attempt starts anew. When this attempt has answered in part and another one answers, the record
   * of the partial answer was deleted from Redis.
   * @returns false when the reply comes too early: one before it has not come
   */
  receive(attempt: number, number: number, last: boolean, body: unknown, id: string): boolean {
    if (this.#nextNumber === 0) this.#attempt = attempt;
    if (attempt > this.#attempt)
      this.failed(new AbandonedError(`'${this.#action}' had answered in part, and was run again`));
    if (attempt !== this.#attempt || number < this.#nextNumber) return true;
    if (number > this.#nextNumber) return false;
    this.#nextNumber++;
    if (last) this.#end();
    this.#listener.reply(body, last, id);
    return true;
  }

  /**
   * Takes the response of a legacy consumer. There is only one.
   * @param json of the response event
   * @param id of its entry
   */
  receiveResponse(json: string, id: string): void {
    if (this.#end()) this.#listener.reply(json, true, id);
  }

  /**
   * Ends the waiting.
   * @param error for the listener, if it did not end the waiting itself
   */
  stopWaiting(error?: Error): void {
    if (!this.#end()) return;
    if (this.#id !== undefined) this.#cancelStored(this.#id);
    else if (!this.#callbacks.takeBack(this)) this.#cancelOnceStored = true;
    if (error) this.#listener.failed(error);
  }

  #expire(): void {
    const within = `${String(this.replyWithin)} ms`;
    this.stopWaiting(new TimeoutExpiredError(`no response to '${this.#action}' within ${within}`));
  }

  #cancelStored(id: string): void {
    this.#callbacks.cancelStored(this, id, timestampOf(id) + this.#expiresWithin);
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#callbacks.ended(this);
    return true;
  }
}

import { randomBytes } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import { encodeEvent } from './codec.js';
import { COMMAND_TIMEOUT, Connection, type ConnectionListener } from './connection.js';
import { InvalidEventError, PayloadTooLargeError } from './errors.js';
import { GROUP, type QueueKeys } from './keys.js';
import { Producer } from './producer.js';
import type { RedisSource } from './redis-source.js';
import { callReliably } from './reliable-call.js';
import { failureOf, type ReplyFrame } from './reply-frame.js';
import { ReplyInbox } from './reply-inbox.js';
import { send } from './scripts.js';
import type { ServiceEvent } from './service-event.js';
import { WaitingRequest, type ReplyListener, type RequestTable } from './waiting-request.js';

export interface RequesterOptions {
  /** How long storing an event is tried while Redis is away, ms. */
  readonly enqueueTimeout: number;
  /** The longest payload, in bytes of UTF-8. */
  readonly maxPayloadBytes: number;
}

/**
 * The client's side of a queue: stores events, and hands replies to those who wait for them.
 *
 * One table of waiting requests and one inbox serve all calls.
 */
export class Requester {
  readonly clientId = randomBytes(12).toString('base64url');
  readonly connection: Connection;
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #options: RequesterOptions;
  readonly #listener: ConnectionListener;
  readonly #producer: Producer;
  readonly #waiting = new Map<string, WaitingRequest>();
  readonly #table: RequestTable = {
    ended: (requestId) => this.#waiting.delete(requestId),
    withdraw: (request) => this.#producer.withdraw(request),
    withdrawStored: (id) => {
      this.#withdraw(id);
    },
  };
  #inbox: ReplyInbox | undefined;
  #withdrawn: string[] = [];
  #withdrawal: Promise<void> = Promise.resolve();

  constructor(
    source: RedisSource,
    keys: QueueKeys,
    options: RequesterOptions,
    listener: ConnectionListener = {},
  ) {
    this.#source = source;
    this.#keys = keys;
    this.#options = options;
    this.#listener = listener;
    this.connection = new Connection(source, COMMAND_TIMEOUT, listener);
    this.#producer = new Producer(this.connection, keys, this.clientId, options.enqueueTimeout);
  }

  /**
   * Stores an event. @returns the id of its entry
   * @param fields further fields of the entry, name and value in turn
   * @param delay how long it is put off, whole ms
   * @throws {PayloadTooLargeError}
   */
  enqueue(event: ServiceEvent, fields: readonly string[] = [], delay = 0): Promise<string> {
    const json = this.encode(event);
    return new Promise((stored, failed) => {
      this.#producer.add({ json, fields, replyWithin: 0, delay, stored, failed });
    });
  }

  /**
   * Stores a request and hands its replies to `listener`.
   * @param timeout ms until the last reply, not counting the delay
   * @param delay how long it is put off, whole ms
   * @returns what withdraws the request, when nobody waits for it any more
   * @throws {PayloadTooLargeError}
   * @throws {InvalidEventError} when the same event is waiting already
   */
  request(
    event: ServiceEvent,
    fields: readonly string[],
    timeout: number,
    listener: ReplyListener,
    delay = 0,
  ): () => void {
    const json = this.encode(event);
    if (this.#waiting.has(event.requestId)) {
      throw new InvalidEventError(`a response to the event ${event.requestId} is being awaited already`);
    }
    this.#inbox ??= this.#openInbox();
    const request = new WaitingRequest(event, json, fields, delay, timeout, listener, this.#table);
    this.#waiting.set(event.requestId, request);
    this.#producer.add(request);
    return () => {
      request.abandon();
    };
  }

  /** Resolves when connected. @throws {ConnectionError} */
  connect(): Promise<void> {
    return this.connection.whenConnected(this.#options.enqueueTimeout);
  }

  /** Sends what is waiting, fails with `error` those who still wait for a reply, and leaves nothing in Redis. */
  async close(error: Error): Promise<void> {
    for (const request of this.#waiting.values()) request.abandon(error);
    await this.#producer.drained();
    await this.#withdrawal;
    await this.#inbox?.close();
    if (this.connection.isConnected) {
      const own = [this.#keys.producer(this.clientId)];
      if (this.#inbox) own.push(this.#keys.inbox(this.clientId) as string);
      // Best effort: both have a TTL.
      await send(this.connection.client, 'del', own).catch(() => undefined);
    }
    await this.connection.close();
  }

  /** The JSON of `event`. @throws {PayloadTooLargeError} */
  encode(event: ServiceEvent): string {
    const { maxPayloadBytes } = this.#options;
    const { payload } = event;
    // A character is at most three bytes of UTF-8, so most payloads need no counting.
    if (payload !== null && payload.length * 3 > maxPayloadBytes) {
      const bytes = Buffer.byteLength(payload);
      if (bytes > maxPayloadBytes) {
        throw new PayloadTooLargeError(
          `the payload of '${event.action}' has ${String(bytes)} bytes; maxPayloadBytes is ${String(maxPayloadBytes)}`,
        );
      }
    }
    return encodeEvent(event);
  }

  #openInbox(): ReplyInbox {
    const key = this.#keys.inbox(this.clientId) as string;
    const receive = ([requestId, attempt, number, last, body]: ReplyFrame): void => {
      const request = this.#waiting.get(requestId);
      if (last === 2) request?.failed(failureOf(body));
      else request?.receive(attempt, number, last === 1, body);
    };
    return new ReplyInbox(this.#source, key, receive, (error) => this.#listener.error?.(error));
  }

  /** Requests that are withdrawn in one tick go together. */
  #withdraw(id: string): void {
    this.#withdrawn.push(id);
    if (this.#withdrawn.length === 1) this.#withdrawal = this.#withdrawAll();
  }

  async #withdrawAll(): Promise<void> {
    await immediate();
    const ids = this.#withdrawn;
    this.#withdrawn = [];
    const { eventStream, delayed, delayedBodies } = this.#keys;
    const keys = [eventStream, delayed, delayedBodies];
    try {
      await callReliably(this.connection, 'cancel', keys, [GROUP, ...ids], COMMAND_TIMEOUT);
    } catch {
      // Best effort: a worker that takes such a request finds it expired.
    }
  }
}

import type { QueueContext } from '../context/queue-context.js';
import { setImmediate as immediate } from 'node:timers/promises';
import type { Deduplication } from '../model/deduplication.js';
import { COMMAND_TIMEOUT_MS } from '../redis/connection.js';
import { GROUP } from '../model/keys.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';

/** The number of requests in one call. Lua cannot pass on more of their arguments. */
const REQUESTS_PER_CALL = 1_000;

/** A request that Redis has stored. */
export interface StoredRequest {
  /** The id of its first entry. */
  readonly id: string;
  /** Empty when it has none. */
  readonly orderingKey: string;
  /** The time at which it expires, ms since 1970 on the clock of Redis. */
  readonly deadline: number;
}

/**
 * Cancels stored requests that nobody waits for any more, and has their workers notified. This is best
 * effort: without it, a worker finds such a request expired.
 */
export class RequestCanceller {
  readonly #context: QueueContext;
  #waiting: StoredRequest[] = [];
  readonly #calls = new Set<Promise<void>>();

  constructor(context: QueueContext) {
    this.#context = context;
  }

  /** Cancels a request. Requests that are cancelled in one tick go together. */
  cancelRequest(request: StoredRequest): void {
    this.#waiting.push(request);
    if (this.#waiting.length === 1) this.#track(this.#cancelAll());
  }

  /**
   * Cancels the waiting of one caller for a deduplicated request.
   * @param waiter client and request id of this caller, joined by a blank
   */
  leaveRequest(request: StoredRequest, { key }: Deduplication, waiter: string): void {
    this.#track(this.#leave(request, this.#context.keys.deduplication('request', key), waiter));
  }

  /** Resolves when all cancellations have been carried out. */
  async drained(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  async #leave(request: StoredRequest, record: string, waiter: string): Promise<void> {
    const { id: origin, orderingKey, deadline } = request;
    const { eventStream, delayed, delayedBodies, lanes, laneBodies, cancelled } = this.#context.keys;
    const keys = { eventStream, delayed, delayedBodies, lanes, laneBodies, cancelled, record };
    const args = { group: GROUP, origin, orderingKey, deadline, waiter };
    await this.#call(scripts.leaveRequest(keys, args));
  }

  async #cancelAll(): Promise<void> {
    await immediate();
    const waiting = this.#waiting;
    this.#waiting = [];
    const legacyConsumers = this.#context.legacy.hasConsumers;
    const calls: Promise<unknown>[] = [];
    for (let start = 0; start < waiting.length; start += REQUESTS_PER_CALL) {
      const requests = waiting.slice(start, start + REQUESTS_PER_CALL);
      calls.push(this.#call(scripts.cancel(this.#context.keys, { group: GROUP, legacyConsumers, requests })));
    }
    await Promise.all(calls);
  }

  #call(call: ScriptCall): Promise<unknown> {
    return callReliably(this.#context.connection, call, COMMAND_TIMEOUT_MS).catch(() => undefined);
  }

  #track(call: Promise<void>): void {
    this.#calls.add(call);
    void call.then(() => this.#calls.delete(call));
  }
}

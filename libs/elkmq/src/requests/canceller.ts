import type { QueueContext } from '../legacy/queue-context.js';
import { setImmediate as immediate } from 'node:timers/promises';
import type { Deduplication } from '../producer/batch.js';
import { COMMAND_TIMEOUT_MS } from '../redis/connection.js';
import { GROUP } from '../model/keys.js';
import { callReliably } from '../redis/reliable-call.js';
import type { ScriptName } from '../redis/scripts.js';

/** The number of requests in one call. Lua cannot pass on more ids and deadlines. */
const REQUESTS_PER_CALL = 1_000;

/**
 * Cancels stored requests that nobody waits for any more, and has their workers notified. This is best
 * effort: without it, a worker finds such a request expired.
 */
export class RequestCanceller {
  readonly #context: QueueContext;
  #waiting: [id: string, deadline: number][] = [];
  readonly #calls = new Set<Promise<void>>();

  constructor(context: QueueContext) {
    this.#context = context;
  }

  /**
   * Cancels a request. Requests that are cancelled in one tick go together.
   * @param id of the entry
   * @param deadline time at which nobody would wait for it anyway, ms since 1970 on the clock of Redis
   */
  cancelRequest(id: string, deadline: number): void {
    this.#waiting.push([id, deadline]);
    if (this.#waiting.length === 1) this.#track(this.#withdrawAll());
  }

  /**
   * Cancels the waiting of one caller for a deduplicated request.
   * @param waiter client and request id of this caller, joined by a blank
   */
  leaveRequest(id: string, deadline: number, { key }: Deduplication, waiter: string): void {
    this.#track(this.#leave(id, deadline, this.#context.keys.deduplication('request', key), waiter));
  }

  /** Resolves when all cancellations have been carried out. */
  async drained(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  async #leave(id: string, deadline: number, record: string, waiter: string): Promise<void> {
    const { eventStream, delayed, delayedBodies } = this.#context.keys;
    const isTaken = await this.#call(
      'leaveRequest',
      [eventStream, delayed, delayedBodies, record],
      [id, waiter],
    );
    if (isTaken === 1) this.cancelRequest(id, deadline);
  }

  async #withdrawAll(): Promise<void> {
    await immediate();
    const waiting = this.#waiting;
    this.#waiting = [];
    const { eventStream, delayed, delayedBodies, cancelled, messageQueue } = this.#context.keys;
    const keys = [eventStream, delayed, delayedBodies, cancelled];
    if (this.#context.legacy.legacyConsumers) keys.push(messageQueue);
    const calls: Promise<unknown>[] = [];
    for (let start = 0; start < waiting.length; start += REQUESTS_PER_CALL) {
      calls.push(this.#call('cancel', keys, waiting.slice(start, start + REQUESTS_PER_CALL).flat()));
    }
    await Promise.all(calls);
  }

  #call(script: ScriptName, keys: string[], args: (string | number)[]): Promise<unknown> {
    const call = callReliably(this.#context.connection, script, keys, [GROUP, ...args], COMMAND_TIMEOUT_MS);
    return call.catch(() => undefined);
  }

  #track(call: Promise<void>): void {
    this.#calls.add(call);
    void call.then(() => this.#calls.delete(call));
  }
}

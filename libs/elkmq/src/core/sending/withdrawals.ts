import { setImmediate as immediate } from 'node:timers/promises';
import type { Deduplication } from './batch.js';
import { COMMAND_TIMEOUT, type Connection } from '../redis/connection.js';
import { GROUP, type QueueKeys } from '../keys.js';
import { callReliably } from '../redis/reliable-call.js';
import type { ScriptName } from '../redis/scripts.js';

/** Requests in one call: no more ids and deadlines than Lua can pass on. */
const CHUNK = 1_000;

/**
 * Takes back stored requests that nobody waits for any more, and has the workers told that run one. Best effort: a worker
 * finds such a request expired.
 */
export class Withdrawals {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  #waiting: [id: string, deadline: number][] = [];
  readonly #calls = new Set<Promise<void>>();

  readonly #legacyConsumers: boolean;

  /** @param legacyConsumers original consumers compete for the requests */
  constructor(connection: Connection, keys: QueueKeys, legacyConsumers: boolean) {
    this.#connection = connection;
    this.#keys = keys;
    this.#legacyConsumers = legacyConsumers;
  }

  /**
   * Requests that are withdrawn in one tick go together.
   * @param id of the entry
   * @param deadline when nobody would wait for it anyway, ms since 1970 on the clock of Redis
   */
  add(id: string, deadline: number): void {
    this.#waiting.push([id, deadline]);
    if (this.#waiting.length === 1) this.#track(this.#withdrawAll());
  }

  /** @param waiter who does not wait any more: client and request id, joined by a blank */
  leave(id: string, deadline: number, { key }: Deduplication, waiter: string): void {
    this.#track(this.#leave(id, deadline, this.#keys.deduplication('request', key), waiter));
  }

  /** Resolves when all that were added have been taken back. */
  async drained(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  async #leave(id: string, deadline: number, record: string, waiter: string): Promise<void> {
    const { eventStream, delayed, delayedBodies } = this.#keys;
    const isTaken = await this.#call(
      'leaveRequest',
      [eventStream, delayed, delayedBodies, record],
      [id, waiter],
    );
    if (isTaken === 1) this.add(id, deadline);
  }

  async #withdrawAll(): Promise<void> {
    await immediate();
    const waiting = this.#waiting;
    this.#waiting = [];
    const { eventStream, delayed, delayedBodies, cancelled, messageQueue } = this.#keys;
    const keys = [eventStream, delayed, delayedBodies, cancelled];
    if (this.#legacyConsumers) keys.push(messageQueue);
    const calls: Promise<unknown>[] = [];
    for (let start = 0; start < waiting.length; start += CHUNK) {
      calls.push(this.#call('cancel', keys, waiting.slice(start, start + CHUNK).flat()));
    }
    await Promise.all(calls);
  }

  #call(script: ScriptName, keys: string[], args: (string | number)[]): Promise<unknown> {
    const call = callReliably(this.#connection, script, keys, [GROUP, ...args], COMMAND_TIMEOUT);
    return call.catch(() => undefined);
  }

  #track(call: Promise<void>): void {
    this.#calls.add(call);
    void call.then(() => this.#calls.delete(call));
  }
}

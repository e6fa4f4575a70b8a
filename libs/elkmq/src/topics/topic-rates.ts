import { RateCounter } from '../context/rate-counter.js';
import { RateFlush } from '../context/rate-flush.js';
import type { TopicKeys } from '../model/topic-keys.js';
import type { Connection } from '../redis/connection.js';
import type { Router } from './router.js';
import type { SubscriptionTable } from './table.js';

/** Counts the copies that a publisher has stored, for the rates of each subscription. */
export class TopicRates {
  readonly #connection: Connection;
  readonly #keys: TopicKeys;
  readonly #counters = new Map<string, RateCounter>();
  readonly #flushes: RateFlush[] = [];

  constructor(connection: Connection, keys: TopicKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** @param actions of the events that were stored */
  countCopies(actions: Iterable<string>, router: Router, { subscriptions }: SubscriptionTable): void {
    for (const action of actions) {
      for (const route of router.routesOf(action)) {
        const subscription = subscriptions[route];
        if (subscription) this.#counterOf(subscription.name).countStored(1);
      }
    }
  }

  /** Tells what is counted by now, and then nothing more. */
  async stopFlushing(): Promise<void> {
    await Promise.all(this.#flushes.map((flush) => flush.stopFlushing()));
  }

  #counterOf(name: string): RateCounter {
    const known = this.#counters.get(name);
    if (known) return known;
    const counter = new RateCounter();
    this.#counters.set(name, counter);
    this.#flushes.push(new RateFlush(this.#connection, this.#keys.queueKeys(name), counter));
    return counter;
  }
}

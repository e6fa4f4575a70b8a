import type { Cluster, Redis } from 'ioredis';
import type { QueueKeys } from '../model/keys.js';
import * as scripts from './scripts.generated.js';
import { runScript } from './scripts.js';

/** A round trip that gives the time well enough, ms. */
const GOOD_ROUND_TRIP_MS = 100;

/**
 * The clock of Redis, as this process sees it. Deadlines count from the timestamps that Redis gives. This
 * clock may be slow by a round trip, but is never fast: so nothing counts as expired too early.
 */
export class RedisClock {
  #offset = Date.now() - performance.now();
  #roundTrip = Infinity;

  /** Milliseconds since 1970 on the clock of Redis. */
  now(): number {
    return performance.now() + this.#offset;
  }

  /** Reads the clock. A reading that took too long is not used: the known time is better. */
  async synchronise(client: Redis | Cluster, keys: Pick<QueueKeys, 'eventStream'>): Promise<void> {
    const asked = performance.now();
    const [seconds, microseconds] = (await runScript(client, scripts.time(keys))) as [string, string];
    const answered = performance.now();
    if (answered - asked > Math.max(GOOD_ROUND_TRIP_MS, this.#roundTrip)) return;
    this.#roundTrip = answered - asked;
    this.#offset = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - answered;
  }
}

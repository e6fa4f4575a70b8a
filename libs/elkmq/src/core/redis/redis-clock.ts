import type { Cluster, Redis } from 'ioredis';
import type { QueueKeys } from '../keys.js';
import { runScript } from './scripts.js';

/** A round trip that says well enough what time it is, ms. */
const GOOD = 100;

/**
 * The clock of Redis, as this process sees it: deadlines count from the timestamps that Redis gives. It may be slow by a
 * round trip, but is never fast, so that nothing is taken for expired too early.
 */
export class RedisClock {
  #offset = Date.now() - performance.now();
  #roundTrip = Infinity;

  /** Milliseconds since 1970 on the clock of Redis. */
  now(): number {
    return performance.now() + this.#offset;
  }

  /** Reads the clock, unless that takes so long that what is known is better. */
  async synchronise(client: Redis | Cluster, { eventStream }: Pick<QueueKeys, 'eventStream'>): Promise<void> {
    const asked = performance.now();
    const [seconds, microseconds] = (await runScript(client, 'time', [eventStream], [])) as [string, string];
    const answered = performance.now();
    if (answered - asked > Math.max(GOOD, this.#roundTrip)) return;
    this.#roundTrip = answered - asked;
    this.#offset = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - answered;
  }
}

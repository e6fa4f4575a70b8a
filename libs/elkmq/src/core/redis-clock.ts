import type { Cluster, Redis } from 'ioredis';
import { send } from './scripts.js';

/** The clock of Redis, as this process sees it: deadlines count from the timestamps that Redis gives. */
export class RedisClock {
  #offset = Date.now() - performance.now();

  /** Milliseconds since 1970 on the clock of Redis. */
  now(): number {
    return performance.now() + this.#offset;
  }

  /** Reads the clock; half of the round trip is taken off. */
  async synchronise(client: Redis | Cluster): Promise<void> {
    const before = performance.now();
    const [seconds, microseconds] = (await send(client, 'time', [])) as [string, string];
    const middle = (before + performance.now()) / 2;
    this.#offset = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - middle;
  }
}

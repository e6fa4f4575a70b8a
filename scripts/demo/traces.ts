import { Redis } from 'ioredis';
import type { Check } from './checks.js';

/** What the demo leaves in Redis. */
export class Traces {
  /** Fails when the server goes away before its time: then there is nothing to wait for. */
  readonly lost: Promise<never>;
  readonly #redis: Redis;
  readonly #prefix: string;

  private constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.lost = new Promise((_, reject) => {
      redis.once('end', () => reject(new Error('The connection to Redis is lost.')));
    });
    this.lost.catch(() => {}); // reported to who waits for it
  }

  static async open(url: string, prefix: string): Promise<Traces> {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    let why = '';
    redis.on('error', (error: Error) => (why = error.message));
    await redis.connect().catch(() => {
      const host = new URL(url).host; // without a password
      throw new Error(`The Redis at ${host} cannot be reached: ${why}`);
    });
    return new Traces(redis, prefix);
  }

  /** Of a queue that is closed and done with, only its event stream is left, with nothing in it. */
  async check(): Promise<Check> {
    const problems: string[] = [];
    for (const key of await this.#keys()) problems.push(...(await this.#problemsOf(key)));
    return {
      what: 'The queues are empty, and all that is left in Redis is their streams, their rates, and the table of the topic',
      problems,
    };
  }

  async remove(): Promise<void> {
    if (this.#redis.status === 'end') return; // the server is gone
    const keys = await this.#keys();
    if (keys.length > 0) await this.#redis.del(...keys);
    this.#redis.disconnect();
  }

  async #problemsOf(key: string): Promise<string[]> {
    // The table of a topic stays with its subscriptions, and the other two have a TTL.
    if (/\((?:subscriptions|retention_turn|rates)\)$/.test(key)) return [];
    if (!key.endsWith('(event_stream)')) return [`${key} is left`];
    const length = await this.#redis.xlen(key);
    const groups = (await this.#redis.xinfo('GROUPS', key)) as unknown[][];
    const pending = groups.map((group) => Number(group[group.indexOf('pending') + 1]));
    const unsettled = pending.reduce((sum, count) => sum + count, 0);
    return length + unsettled > 0 ? [`${key} has ${length} entries, ${unsettled} of them pending`] : [];
  }

  async #keys(): Promise<string[]> {
    const keys = new Set<string>();
    let cursor = '0';
    do {
      const [next, page] = await this.#redis.scan(cursor, 'MATCH', `*${this.#prefix}-*`, 'COUNT', 1000);
      for (const key of page) keys.add(key);
      cursor = next;
    } while (cursor !== '0');
    return [...keys];
  }
}

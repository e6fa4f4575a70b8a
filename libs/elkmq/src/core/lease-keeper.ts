import type { Connection } from './connection.js';
import { GROUP, type QueueKeys } from './keys.js';
import { callReliably } from './reliable-call.js';

/** An attempt whose lease is to be renewed. */
export interface Leased {
  readonly id: string;
  /** The name in the group for which it is pending. */
  readonly consumer: string;
}

/** Ids in one call. */
const CHUNK = 500;

/** Renews the leases of running attempts, at a third of the lease and as soon as Redis is back. */
export class LeaseKeeper {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #lease: number;
  readonly #running: () => Iterable<Leased>;
  readonly #timer: NodeJS.Timeout;
  #renewing = false;

  /** @param lease ms @param running attempts in the order of their ids */
  constructor(connection: Connection, keys: QueueKeys, lease: number, running: () => Iterable<Leased>) {
    this.#connection = connection;
    this.#keys = keys;
    this.#lease = lease;
    this.#running = running;
    this.#timer = setInterval(() => {
      this.renew();
    }, lease / 3).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Renews all leases now, unless that is under way. */
  renew(): void {
    if (this.#renewing) return;
    this.#renewing = true;
    void this.#renewAll().finally(() => {
      this.#renewing = false;
    });
  }

  async #renewAll(): Promise<void> {
    const byConsumer = new Map<string, string[]>();
    for (const { id, consumer } of this.#running()) {
      const ids = byConsumer.get(consumer);
      if (ids) ids.push(id);
      else byConsumer.set(consumer, [id]);
    }
    for (const [consumer, ids] of byConsumer) {
      for (let start = 0; start < ids.length; start += CHUNK) {
        const args = [GROUP, consumer, ...ids.slice(start, start + CHUNK)];
        try {
          await callReliably(this.#connection, 'renew', [this.#keys.eventStream], args, this.#lease);
        } catch {
          // Redis is away for longer than a lease, or the group is gone. What matters then is the fence.
          return;
        }
      }
    }
  }
}

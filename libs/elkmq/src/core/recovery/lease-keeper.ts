import type { Connection } from '../redis/connection.js';
import { AbandonedError } from '../errors.js';
import { GROUP, type QueueKeys } from '../keys.js';
import type { Read } from '../handling/consumer-session.js';
import { callReliably } from '../redis/reliable-call.js';

/** An attempt whose lease is to be renewed. */
export interface Leased {
  readonly id: string;
  readonly read: Read;
  /** The attempt is not the consumer's any more. */
  abort(reason: Error): void;
}

const WHY = 'the worker was away for longer than its lease, or the queue was deleted from Redis';
export const LEASE_LOST = `it was given up while it was being handled: ${WHY}`;

/** @param count of messages, more than one */
export function leasesLost(count: number): string {
  return `${String(count)} messages were given up while they were being handled: ${WHY}`;
}

/** The number of ids in one call. */
const CHUNK = 500;

/** Renews the leases of running attempts, at a third of the lease and as soon as Redis is back. */
export class LeaseKeeper {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #lease: number;
  readonly #running: () => Iterable<Leased>;
  readonly #timer: NodeJS.Timeout;
  #renewing = false;

  /** @param lease ms */
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
    const byConsumer = new Map<string, Leased[]>();
    for (const attempt of this.#running()) {
      const { consumer } = attempt.read;
      const attempts = byConsumer.get(consumer);
      if (attempts) attempts.push(attempt);
      else byConsumer.set(consumer, [attempt]);
    }
    for (const [consumer, attempts] of byConsumer) {
      for (let start = 0; start < attempts.length; start += CHUNK) {
        const some = attempts.slice(start, start + CHUNK);
        const args = [GROUP, consumer, ...some.map(({ id }) => id)];
        try {
          const keys = [this.#keys.eventStream];
          const lost = (await callReliably(this.#connection, 'renew', keys, args, this.#lease)) as string[];
          if (lost.length === 0) continue;
          // Attempts that have ended meanwhile are among them. Nothing happens to these.
          for (const attempt of some)
            if (lost.includes(attempt.id)) attempt.abort(new AbandonedError(LEASE_LOST));
        } catch {
          // Redis is away for longer than a lease, or the group is gone. Then the fence protects the
          // messages: see `settle.lua`.
          return;
        }
      }
    }
  }
}

import type { Connection } from '../redis/connection.js';
import { after, leaseOf } from '../handling/consumer-session.js';
import { GROUP, type QueueKeys } from '../keys.js';
import { GracePeriod } from './grace-period.js';
import { isNoGroup } from '../redis/redis-errors.js';
import { runScript, send } from '../redis/scripts.js';

/** An entry whose worker has stopped renewing its lease. */
export interface Unrenewed {
  readonly id: string;
  readonly consumer: string;
  /** The lease of that worker, ms. */
  readonly lease: number;
  /** That worker has won it, where original consumers compete. */
  readonly isWon: boolean;
  /** A reply to it has gone out already. */
  readonly hasAnswered: boolean;
}

/** The side that looks for such entries, and decides what becomes of them. */
export interface Finder {
  /** The beginning of the names of its consumers. They stay in the group. */
  readonly worker: string;
  /** The lease of its consumers, ms. */
  readonly lease: number;
  /** An entry is found when it was not renewed for so many leases of its worker. */
  readonly patienceLeases: number;
  /** The ids of the entries that it works on. They are never found. */
  inHand(): Iterable<string>;
  found(entry: Unrenewed): Promise<void>;
}

type Pending = [id: string, consumer: string, idle: number, deliveries: number];

interface Sighting {
  readonly consumer: string;
  readonly idle: number;
  /** `performance.now()` */
  readonly at: number;
}

/** A consumer that lives reads every few seconds, or renews its leases. After as long as this it has gone, ms. */
const CONSUMER_IDLE = 60_000;
/** Until the first sweep at the most, and so far apart are the sweeps of workers that start together, ms. */
const SPREAD = 200;
/** The shortest lease that a worker can have, ms. */
const SHORTEST = 100;
/** Pending entries in one call. */
const PAGE = 1_000;

/**
 * Looks for pending entries whose worker has gone, twice a lease: the shortest that a worker of the queue has.
 *
 * Time alone does not tell: the idle time that Redis gives includes the time Redis was down. An entry counts as
 * unrenewed when this process has itself seen it twice, at least half of its worker's lease apart on its own clock,
 * with the idle time risen in between and longer than the lease. After an outage it counts anew, once the others have
 * had the time to reconnect and to renew their leases: time in which Redis answered.
 *
 * An entry that is pending for this process, which does not work on it, is found as well: a Redis that a failover set
 * back has forgotten that it was settled.
 */
export class Recoverer {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #finder: Finder;
  readonly #grace: GracePeriod;
  #seen = new Map<string, Sighting>();
  #shortestLease: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(connection: Connection, keys: QueueKeys, finder: Finder) {
    this.#connection = connection;
    this.#keys = keys;
    this.#finder = finder;
    this.#grace = new GracePeriod(connection);
    this.#shortestLease = finder.lease;
    // Soon for the first time, to learn what leases others have.
    this.#schedule(Math.random() * SPREAD);
  }

  /** A sweep that is under way ends with its connection. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(pause: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.#sweep()
        .catch(() => undefined) // Redis went away: the next sweep counts anew.
        .finally(() => {
          this.#schedule(this.#pause());
        });
    }, pause).unref();
  }

  /** Until the next sweep, ms. */
  #pause(): number {
    // Up to a tenth more, so that workers that started together do not sweep together.
    const usual = (this.#shortestLease / 2) * (1 + Math.random() / 10);
    const { left } = this.#grace;
    return left > 0 ? Math.min(left + Math.random() * SPREAD, usual) : usual;
  }

  async #sweep(): Promise<void> {
    if (!this.#connection.isConnected) return;
    if (await this.#grace.begin()) this.#seen.clear();
    if (this.#grace.left > 0) {
      // Only to see whether Redis stands still.
      await this.#page('-');
      return;
    }
    const pending = await this.#pending();
    const now = performance.now();
    const { lease: ownLease, patienceLeases } = this.#finder;
    const inHand = new Set(this.#finder.inHand());
    const seen = new Map<string, Sighting>();
    for (const [id, consumer, idle, deliveries] of pending) {
      if (inHand.has(id)) continue;
      const before = this.#seen.get(id);
      const lease = leaseOf(consumer, ownLease);
      if (before?.consumer !== consumer || idle <= before.idle) {
        seen.set(id, { consumer, idle, at: now });
      } else if (idle < patienceLeases * lease || now - before.at < lease / 2) {
        seen.set(id, before);
      } else {
        try {
          await this.#finder.found({
            id,
            consumer,
            lease,
            isWon: deliveries > 1,
            hasAnswered: deliveries > 2,
          });
        } catch {
          // Redis refuses this one. It is looked at again, and the others do not wait for it.
          seen.set(id, before);
        }
      }
      if (this.#stopped) return;
    }
    this.#seen = seen;
    await this.#lookAtConsumers();
  }

  /** Takes those that have gone out of the group, once nothing is pending for them. One that lives just comes back. */
  async #lookAtConsumers(): Promise<void> {
    const consumers = await send(this.#connection.client, 'xinfo', [
      'CONSUMERS',
      this.#keys.eventStream,
      GROUP,
    ]);
    const keys = [this.#keys.eventStream];
    const { worker, lease: ownLease } = this.#finder;
    let shortest = ownLease;
    for (const consumer of consumers as (string | number)[][]) {
      const { name, pending, idle } = Object.fromEntries(
        Array.from({ length: consumer.length / 2 }, (_, i) => [consumer[2 * i], consumer[2 * i + 1]]),
      ) as { name: string; pending: number; idle: number };
      const lease = leaseOf(name, ownLease);
      shortest = Math.min(shortest, lease);
      const isGone = idle > Math.max(2 * lease, CONSUMER_IDLE);
      if (pending === 0 && isGone && !name.startsWith(`${worker}.`)) {
        await runScript(this.#connection.client, 'leave', keys, [GROUP, name]);
      }
    }
    // Whoever wrote such a name: no more often than for the shortest lease that a worker can have.
    this.#shortestLease = Math.max(shortest, SHORTEST);
  }

  async #pending(): Promise<Pending[]> {
    const pending: Pending[] = [];
    for (let start = '-'; ;) {
      const page = await this.#page(start);
      pending.push(...page);
      const last = page.at(-1);
      if (!last || page.length < PAGE) return pending;
      start = after(last[0]);
    }
  }

  async #page(start: string): Promise<Pending[]> {
    try {
      const asked = performance.now();
      const args = [this.#keys.eventStream, GROUP, start, '+', PAGE];
      const page = (await send(this.#connection.client, 'xpending', args)) as Pending[];
      if (performance.now() - asked > this.#shortestLease / 4) {
        // Redis stood still, and the leases ran on: their owners could not renew them, nor come back.
        this.#seen.clear();
        this.#grace.prolong(asked);
      }
      return page;
    } catch (error) {
      if (isNoGroup(error)) return [];
      throw error;
    }
  }
}

import type { QueueContext } from '../context/queue-context.js';
import { HAS_ANSWERED, WON } from '../model/deliveries.js';
import { GROUP } from '../model/keys.js';
import { GracePeriod } from './grace-period.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { isNoGroup } from '../redis/redis-errors.js';
import { runScript, send } from '../redis/scripts.js';
import { nextId } from '../model/stream-id.js';
import { leaseOf } from '../consumer/consumer-name.js';
import * as scripts from '../redis/scripts.generated.js';

/** An entry whose worker has stopped renewing its lease. */
export interface Unrenewed {
  readonly id: string;
  readonly consumer: string;
  /** The lease of that worker, ms. */
  readonly leaseMs: number;
  /** Whether that worker has won it, where legacy consumers compete. */
  readonly isWon: boolean;
  /** Whether a reply to it has gone out already. */
  readonly hasAnswered: boolean;
}

/** The side that looks for such entries, and decides on them. */
export interface Finder {
  /** The first part of the names of its consumers. They stay in the group. */
  readonly worker: string;
  /** The lease of its consumers, ms. */
  readonly leaseMs: number;
  /** The number of leases of its worker after which an entry that was not renewed is found. */
  readonly patienceLeases: number;
  /** The ids of the entries that it works on. They are never found. */
  inHand(): Iterable<string>;
  found(entry: Unrenewed): Promise<void>;
}

type Pending = [id: string, consumer: string, idle: number, deliveries: number];

interface Sighting {
  readonly consumer: string;
  readonly idle: number;
  /** The `performance.now()` at which it was seen. */
  readonly at: number;
}

/** A live consumer reads every few seconds, or renews its leases. After this time, ms, it has gone. */
const CONSUMER_IDLE_MS = 60_000;
/**
 * The longest time until the first sweep, ms. The sweeps of workers that start together are spread over it.
 */
const SWEEP_SPREAD_MS = 200;
/** The shortest lease that a worker can have, ms. */
const SHORTEST_LEASE_MS = 100;
/** The number of pending entries in one call. */
const ENTRIES_PER_PAGE = 1_000;

/**
 * Looks for pending entries whose worker has gone. It looks twice within the shortest lease of the queue's
 * workers.
 *
 * Time alone is not enough, because the idle time that Redis gives includes the time in which Redis was down.
 * An entry counts as unrenewed under these conditions. This process has seen it twice, at least half of its
 * worker's lease apart on its own clock. The idle time has risen in between, and is at least `patienceLeases`
 * leases. After an outage the entry counts anew, once the other workers have had the time to reconnect and to
 * renew their leases. Only time in which Redis answers counts for that.
 *
 * An entry may be pending for this process, although the process does not work on it. It is found as well: a
 * failover has set Redis back, and Redis has forgotten that the entry was settled.
 */
export class Recoverer {
  readonly #context: QueueContext;
  readonly #finder: Finder;
  readonly #grace: GracePeriod;
  readonly #task: PeriodicTask;
  #seen = new Map<string, Sighting>();
  #shortestLeaseMs: number;

  constructor(context: QueueContext, finder: Finder) {
    this.#context = context;
    this.#finder = finder;
    this.#grace = new GracePeriod(context.connection);
    this.#shortestLeaseMs = finder.leaseMs;
    const options = { name: 'recovery', intervalMs: finder.leaseMs / 2 };
    this.#task = new PeriodicTask(options, async () => {
      // Redis went away: the next sweep counts anew.
      await this.#sweep().catch(() => undefined);
      return this.#pause();
    });
    // The first sweep comes soon, to learn the leases of others.
    this.#task.startTask(Math.random() * SWEEP_SPREAD_MS);
  }

  /** Stops the sweeps. A sweep that is under way ends with its connection. */
  stopAll(): void {
    void this.#task.stopTask();
  }

  /** The time until the next sweep, ms. */
  #pause(): number {
    // The pause is up to a tenth longer. Workers that started together then do not sweep together.
    const usual = (this.#shortestLeaseMs / 2) * (1 + Math.random() / 10);
    const { left } = this.#grace;
    return left > 0 ? Math.min(left + Math.random() * SWEEP_SPREAD_MS, usual) : usual;
  }

  async #sweep(): Promise<void> {
    if (!this.#context.connection.isConnected) return;
    if (await this.#grace.begin()) this.#seen.clear();
    if (this.#grace.left > 0) {
      // This call only shows whether Redis stands still.
      await this.#page('-');
      return;
    }
    const pending = await this.#pending();
    const now = performance.now();
    const { leaseMs: ownLeaseMs, patienceLeases } = this.#finder;
    const inHand = new Set(this.#finder.inHand());
    const seen = new Map<string, Sighting>();
    for (const [id, consumer, idle, deliveries] of pending) {
      if (inHand.has(id)) continue;
      const before = this.#seen.get(id);
      const leaseMs = leaseOf(consumer, ownLeaseMs);
      if (before?.consumer !== consumer || idle <= before.idle) {
        seen.set(id, { consumer, idle, at: now });
      } else if (idle < patienceLeases * leaseMs || now - before.at < leaseMs / 2) {
        seen.set(id, before);
      } else {
        try {
          await this.#finder.found({
            id,
            consumer,
            leaseMs,
            isWon: deliveries >= WON,
            hasAnswered: deliveries >= HAS_ANSWERED,
          });
        } catch {
          // Redis refuses this one. It is looked at again, and the others do not wait for it.
          seen.set(id, before);
        }
      }
      if (this.#task.isStopped) return;
    }
    this.#seen = seen;
    await this.#lookAtConsumers();
  }

  /**
   * Takes consumers that have gone out of the group, once nothing is pending for them. A live consumer just
   * comes back.
   */
  async #lookAtConsumers(): Promise<void> {
    const consumers = await send(this.#context.connection.client, 'xinfo', [
      'CONSUMERS',
      this.#context.keys.eventStream,
      GROUP,
    ]);
    const { worker, leaseMs: ownLeaseMs } = this.#finder;
    let shortestMs = ownLeaseMs;
    for (const consumer of consumers as (string | number)[][]) {
      const { name, pending, idle } = Object.fromEntries(
        Array.from({ length: consumer.length / 2 }, (_, i) => [consumer[2 * i], consumer[2 * i + 1]]),
      ) as { name: string; pending: number; idle: number };
      const leaseMs = leaseOf(name, ownLeaseMs);
      shortestMs = Math.min(shortestMs, leaseMs);
      const isGone = idle > Math.max(2 * leaseMs, CONSUMER_IDLE_MS);
      if (pending === 0 && isGone && !name.startsWith(`${worker}.`)) {
        const call = scripts.leaveGroup(this.#context.keys, { group: GROUP, consumer: name });
        await runScript(this.#context.connection.client, call);
      }
    }
    // Others can write any name. Sweeps are no more frequent than for the shortest lease that a worker can
    // have.
    this.#shortestLeaseMs = Math.max(shortestMs, SHORTEST_LEASE_MS);
  }

  async #pending(): Promise<Pending[]> {
    const pending: Pending[] = [];
    for (let start = '-'; ;) {
      const page = await this.#page(start);
      pending.push(...page);
      const last = page.at(-1);
      if (!last || page.length < ENTRIES_PER_PAGE) return pending;
      start = nextId(last[0]);
    }
  }

  async #page(start: string): Promise<Pending[]> {
    try {
      const asked = performance.now();
      const args = [this.#context.keys.eventStream, GROUP, start, '+', ENTRIES_PER_PAGE];
      const page = (await send(this.#context.connection.client, 'xpending', args)) as Pending[];
      if (performance.now() - asked > this.#shortestLeaseMs / 4) {
        // Redis stood still, and the leases ran on. Their owners could not renew them, nor come back.
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

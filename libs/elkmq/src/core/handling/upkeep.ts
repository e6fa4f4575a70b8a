import { hostname } from 'node:os';
import { Cancellations } from './cancellations.js';
import type { Connection } from '../redis/connection.js';
import type { Delivery } from './delivery.js';
import { Janitor } from '../interop/janitor.js';
import type { QueueKeys } from '../keys.js';
import { LeaseKeeper } from '../recovery/lease-keeper.js';
import { Promoter } from './promoter.js';
import { Recoverer } from '../recovery/recoverer.js';
import type { Recovery } from '../recovery/recovery.js';
import type { RedisClock } from '../redis/redis-clock.js';
import type { Running } from './running.js';
import { VERSION } from '../version.js';
import { WorkerRegistration } from '../workers/worker-registration.js';

/** The pause between two looks at the clock of Redis, ms. */
const CLOCK_INTERVAL = 15_000;
/** The pause between two looks at what legacy clients have left, ms. */
const JANITOR_PACE = 1_000;

/** The worker that needs this maintenance. */
export interface Upkept {
  /** The first part of the names of its consumers. */
  readonly worker: string;
  /** The number of messages that it handles at once. */
  readonly concurrency: number;
  /** The patterns that it has handlers for. */
  readonly handlers: readonly string[];
  /** The lease, ms. */
  readonly lease: number;
  readonly running: Running<Delivery>;
  readonly recovery: Recovery;
  /** A part of the maintenance is held up for now. */
  heldUp(what: string, error: Error): void;
}

/**
 * The maintenance of a worker. It serves the messages of this worker, those of workers that have gone, and
 * delayed ones.
 */
export class Upkeep {
  readonly #clockTimer: NodeJS.Timeout;
  readonly #leases: LeaseKeeper;
  readonly #cancellations: Cancellations;
  readonly #recoverer: Recoverer;
  readonly #promoter: Promoter;
  readonly #janitor: Janitor;
  readonly #registration: WorkerRegistration;

  constructor(connection: Connection, keys: QueueKeys, clock: RedisClock, upkept: Upkept) {
    const { worker, lease, running, recovery } = upkept;
    this.#clockTimer = setInterval(() => {
      // The clock goes on as it was while Redis is away.
      if (!connection.isConnected) return;
      clock.synchronise(connection.client, keys).catch(() => undefined);
    }, CLOCK_INTERVAL).unref();
    this.#leases = new LeaseKeeper(connection, keys, lease, () => running);
    this.#cancellations = new Cancellations(connection, keys, () => running);
    this.#recoverer = new Recoverer(connection, keys, {
      worker,
      lease,
      patienceLeases: 1,
      inHand: () => idsOf(running),
      found: (entry) => recovery.recover(entry),
    });
    this.#promoter = new Promoter(connection, keys, clock, (error) => {
      upkept.heldUp('delayed messages', error);
    });
    this.#janitor = new Janitor(connection, keys, JANITOR_PACE, (error) => {
      upkept.heldUp('cleaning up after original clients', error);
    });
    const description = {
      host: hostname(),
      pid: process.pid,
      version: VERSION,
      queue: keys.queue,
      handlers: [...upkept.handlers].sort(),
      concurrency: upkept.concurrency,
      since: Math.floor(clock.now()),
      lease,
      paused: false,
    };
    const describe = () => ({ ...description, running: running.size });
    this.#registration = new WorkerRegistration(connection, keys, worker, describe, (error) => {
      upkept.heldUp("the registry of the queue's workers", error);
    });
  }

  /**
   * Renews the leases, which have run on while Redis was away, and describes this worker to the registry
   * again.
   */
  renew(): void {
    this.#leases.renew();
    void this.#registration.announce();
  }

  /**
   * Enters the worker in the registry.
   * @returns warnings of workers that have other handlers
   */
  register(): Promise<string[]> {
    return this.#registration.register();
  }

  /** A message is due at this time, ms since 1970 on the clock of Redis. */
  expect(due: number): void {
    this.#promoter.expect(due);
  }

  /**
   * Takes nothing more out of the queue or from others, and leaves the registry. Running messages keep their
   * leases until `stop`.
   */
  async stopTaking(): Promise<void> {
    this.#recoverer.stop();
    await Promise.all([this.#promoter.stop(), this.#janitor.stop(), this.#registration.leave()]);
  }

  /** Cleans the legacy list of handled messages, when nothing is running any more. */
  clearList(): Promise<void> {
    return this.#janitor.clearList();
  }

  stop(): void {
    this.#cancellations.stop();
    this.#leases.stop();
    clearInterval(this.#clockTimer);
  }
}

function* idsOf(running: Iterable<Delivery>): Iterable<string> {
  for (const { id } of running) yield id;
}

import type { QueueContext } from '../context/queue-context.js';
import { hostname } from 'node:os';
import { RateFlush } from '../context/rate-flush.js';
import { CancellationPoller } from './cancellation-poller.js';
import type { Delivery } from '../settling/delivery.js';
import type { Cleaning } from '../legacy/bridge.js';
import { LaneSweeper } from './lane-sweeper.js';
import { LeaseRenewer } from './lease-renewer.js';
import type { Promoter } from './promoter.js';
import { Recoverer } from './recoverer.js';
import type { AbandonmentPolicy } from './abandonment-policy.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import type { InFlight } from '../settling/in-flight.js';
import { featuresOf } from '../model/features.js';
import { VERSION } from '../model/version.js';
import { WorkerRegistration } from './worker-registration.js';

/** The pause between two looks at the clock of Redis, ms. */
const CLOCK_INTERVAL_MS = 15_000;

/** The worker that needs this maintenance. */
export interface MaintainedWorker {
  /** The first part of the names of its consumers. */
  readonly name: string;
  /** The number of messages that it handles at once. */
  readonly concurrency: number;
  /** The patterns that it has handlers for. */
  readonly handlers: readonly string[];
  /** The lease, ms. */
  readonly leaseMs: number;
  readonly running: InFlight<Delivery>;
  readonly abandonmentPolicy: AbandonmentPolicy;
  /** Whether it takes nothing, because the queue is paused. */
  isPaused(): boolean;
  /** The predecessor that the queue waits for. */
  waitsFor(): string | undefined;
  /** A part of the maintenance is held up for now. */
  readonly onRefused: TaskRefused;
}

/**
 * The maintenance of a worker. It serves the messages of this worker, those of workers that have gone, and
 * delayed ones.
 */
export class Maintenance {
  readonly #clockTask: PeriodicTask;
  readonly #leases: LeaseRenewer;
  readonly #cancellations: CancellationPoller;
  readonly #recoverer: Recoverer;
  readonly #promoter: Promoter;
  readonly #cleaning: Cleaning;
  readonly #sweeper: LaneSweeper;
  readonly #registration: WorkerRegistration;
  readonly #rates: RateFlush;

  constructor(context: QueueContext, promoter: Promoter, maintained: MaintainedWorker) {
    const { connection, keys, clock } = context;
    const { name, leaseMs, running, abandonmentPolicy } = maintained;
    // The clock goes on as it was while Redis is away.
    const clockOptions = { name: 'the clock of Redis', intervalMs: CLOCK_INTERVAL_MS, connection };
    this.#clockTask = new PeriodicTask(clockOptions, () => clock.synchronise(connection.client, keys));
    this.#clockTask.startTask();
    this.#leases = new LeaseRenewer(context, leaseMs, () => running);
    this.#cancellations = new CancellationPoller(context, () => running);
    this.#recoverer = new Recoverer(context, {
      worker: name,
      leaseMs,
      patienceLeases: 1,
      inHand: () => idsOf(running),
      found: (entry) => abandonmentPolicy.recover(entry),
    });
    this.#promoter = promoter;
    this.#cleaning = context.legacy.cleanForConsumer(maintained.onRefused);
    this.#sweeper = new LaneSweeper(context, name, leaseMs, maintained.onRefused);
    this.#rates = new RateFlush(connection, keys, context.rates, maintained.onRefused);
    const description = {
      host: hostname(),
      pid: process.pid,
      version: VERSION,
      queue: keys.queue,
      handlers: [...maintained.handlers].sort(),
      concurrency: maintained.concurrency,
      since: Math.floor(clock.now()),
      lease: leaseMs,
      features: featuresOf(!context.legacy.hasConsumers, context.pushes !== ''),
    };
    const describe = () => {
      const waitsFor = maintained.waitsFor();
      const changing = { running: running.size, paused: maintained.isPaused() };
      return { ...description, ...changing, ...(waitsFor !== undefined && { waitsFor }) };
    };
    this.#registration = new WorkerRegistration(context, name, describe, maintained.onRefused);
  }

  /**
   * Renews the leases, which have run on while Redis was away, and describes this worker to the registry
   * again.
   */
  renew(): void {
    this.#leases.renew();
    void this.#registration.announce();
  }

  /** Describes this worker to the registry now. */
  announce(): void {
    void this.#registration.announce();
  }

  /**
   * Enters the worker in the registry.
   * @returns warnings of workers that have other handlers
   */
  register(): Promise<string[]> {
    return this.#registration.register();
  }

  /**
   * Takes nothing more out of the queue or from others, and leaves the registry. Running messages keep their
   * leases until `stop`.
   */
  async stopTaking(): Promise<void> {
    this.#recoverer.stopAll();
    await Promise.all([
      this.#promoter.stopPromoting(),
      this.#sweeper.stopSweeping(),
      this.#cleaning.stopCleaning(),
      this.#registration.leave(),
    ]);
  }

  /** Cleans the legacy list of handled messages, when nothing is running any more. */
  clearList(): Promise<void> {
    return this.#cleaning.clearList();
  }

  /** Tells Redis what this worker has handled, when it handles nothing more. */
  tellRates(): Promise<void> {
    return this.#rates.stopFlushing();
  }

  stop(): void {
    this.#cancellations.stopPolling();
    this.#leases.stopRenewing();
    void this.#clockTask.stopTask();
  }
}

function* idsOf(running: Iterable<Delivery>): Iterable<string> {
  for (const { id } of running) yield id;
}

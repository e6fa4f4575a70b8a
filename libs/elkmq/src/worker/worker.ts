import { setTimeout as sleep } from 'node:timers/promises';
import type { Read } from '../consumer/session.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import type { DeadLetterCap } from '../dead-letters/dead-letter.js';
import type { Delivery } from '../settling/delivery.js';
import { WorkerIntake } from './intake.js';
import { Endings, type AttemptListener } from '../settling/endings.js';
import { AbandonedError, ConnectionError, DequeueError, EnqueueError } from '../model/errors.js';
import { GroupConsumer, joinGroup } from '../consumer/group-consumer.js';
import { QueueContext } from '../legacy/queue-context.js';
import type { QueueKeys } from '../model/keys.js';
import { Outcomes } from '../settling/outcomes.js';
import { AbandonmentPolicy } from '../maintenance/abandonment-policy.js';
import { checkRedis } from '../redis/check.js';
import { needsOfWorker } from '../redis/needs.js';
import { isReplyError } from '../redis/redis-errors.js';
import { reliably } from '../redis/reliable-call.js';
import type { RedisSource } from '../redis/redis-source.js';
import { findRefusals, type Refusals } from '../redis/rights.js';
import { InFlight } from '../settling/in-flight.js';
import { SETTLE_TIMEOUT_MS, Settler } from '../settling/settler.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { TrimReport } from '../dead-letters/trim-report.js';
import { Maintenance } from '../maintenance/maintenance.js';

export interface WorkerOptions {
  /** The patterns that there are handlers for. */
  readonly handlers: readonly string[];
  /** The number of messages that are handled at once. */
  readonly concurrency: number;
  /** The time for which a worker that has gone keeps its messages, ms. */
  readonly lease: number;
  /** The largest number of times that a message is handed out, if it is handed out again at all. */
  readonly maxDeliveries: number;
  readonly deadLetters: DeadLetterCap;
  /** Whether legacy consumers read the queue too. */
  readonly legacyConsumers: boolean;
}

export interface WorkerListener extends AttemptListener {
  /** Something is wrong with Redis that the queue can live with. */
  warned(message: string): void;
  /**
   * Dead letters were dropped to make room, since the last call: those beyond the largest number, and those
   * that were too old.
   */
  trimmed(tooMany: number, tooOld: number): void;
  /** Handles a message. The delivery must be ended, whatever happens. */
  handle(delivery: Delivery): void;
}

/**
 * The server's side of a queue. It takes messages from the consumer group and has `concurrency` of them
 * handled at once. A message is running from `handle` until its outcome is in Redis. `Credit` limits the
 * number of running messages.
 */
export class Worker {
  readonly connection: Connection;
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #options: WorkerOptions;
  readonly #listener: WorkerListener;
  readonly #trims: TrimReport;
  readonly #context: QueueContext;
  readonly #recovery: AbandonmentPolicy;
  readonly #endings: Endings;
  readonly #intake: WorkerIntake;
  readonly #running = new InFlight<Delivery>();
  #consumer: GroupConsumer | undefined;
  #upkeep: Maintenance | undefined;
  /** Whether Redis refuses to hand out events. */
  #isRefused = false;
  #isStopped = false;
  #idle: (() => void) | undefined;

  constructor(source: RedisSource, keys: QueueKeys, options: WorkerOptions, listener: WorkerListener) {
    this.#source = source;
    this.#keys = keys;
    this.#options = options;
    this.#listener = listener;
    this.connection = new Connection(source, COMMAND_TIMEOUT_MS, {
      status: (status) => {
        // The leases have run on while Redis was away.
        if (status === 'connected') this.#upkeep?.renew();
        listener.status?.(status);
      },
      error: (error) => listener.error?.(error),
    });
    this.#trims = new TrimReport((tooMany, tooOld) => {
      listener.trimmed(tooMany, tooOld);
    });
    this.#context = new QueueContext(this.connection, keys, options.legacyConsumers);
    const dropped = (tooMany: number, tooOld: number): void => {
      this.#trims.countTrimmed(tooMany, tooOld);
    };
    const outcomes = new Outcomes(this.#context, SETTLE_TIMEOUT_MS, options.deadLetters, dropped);
    const settler = new Settler(this.#context, () => this.#consumer?.wakeReader());
    const expect = (due: number): void => this.#upkeep?.expect(due);
    this.#endings = new Endings(outcomes, settler, this.#context.clock, listener, {
      expect,
      ended: (delivery, error) => {
        this.#ended(delivery, error);
      },
    });
    this.#intake = new WorkerIntake(
      this.#context,
      {
        concurrency: options.concurrency,
        legacy: this.#context.legacy,
        outcomes,
        endings: this.#endings,
        running: this.#running,
        settler,
        lease: options.lease,
        consumer: () => this.#consumer,
      },
      {
        expect,
        handle: (delivery) => {
          listener.handle(delivery);
        },
        dropped: (what, reason, error) => {
          listener.dropped(what, reason, error);
        },
        heldUp: this.#heldUp,
      },
    );
    this.#recovery = new AbandonmentPolicy(this.#context, outcomes, options.maxDeliveries, listener);
  }

  /** The number of messages that are being handled or settled. */
  countRunning(): number {
    return this.#running.size;
  }

  /**
   * Resolves when messages are being taken.
   * @throws {ConnectionError} when Redis is away for longer than `patience` ms, or too old
   * @throws {DequeueError} when Redis refuses to hand out events
   */
  async start(patience: number): Promise<void> {
    try {
      const { essential, warnings } = await reliably(
        this.connection,
        (client) => this.#join(client),
        patience,
      );
      if (essential !== undefined) throw new DequeueError(`queue '${this.#keys.queue}': ${essential}`);
      for (const warning of warnings) this.#listener.warned(warning);
    } catch (error) {
      if (!isReplyError(error)) throw error;
      const what = `Redis refused to hand out events of the queue '${this.#keys.queue}': ${error.message}`;
      throw new DequeueError(what, { cause: error });
    }
    if (this.#isStopped) throw new ConnectionError('the worker was stopped before it had begun');
    const { lease, concurrency, handlers } = this.#options;
    const intake = {
      grantCredit: (arriving: number) => this.#intake.grantCredit(arriving),
      takeEntries: (entries: StreamEntry[], asked: number, read: Read) => {
        this.#isRefused = false;
        this.#intake.takeEntries(entries, asked, read);
      },
    };
    this.#consumer = new GroupConsumer(this.#source, this.#context, intake, lease, (error) => {
      // Reading is tried again and again.
      if (!this.#isRefused) this.#listener.error?.(error);
      this.#isRefused = true;
    });
    this.#upkeep = new Maintenance(this.#context, {
      worker: this.#consumer.worker,
      concurrency,
      handlers,
      lease,
      running: this.#running,
      recovery: this.#recovery,
      heldUp: this.#heldUp,
    });
    for (const warning of await this.#upkeep.register()) this.#listener.warned(warning);
  }

  /**
   * Takes nothing more, lets running messages finish for `drainTimeout` ms, gives up the rest, and leaves the
   * group.
   * @returns the number of handlers that were still running then, and of those that had finished without
   * being settled in Redis
   */
  async stop(drainTimeout: number): Promise<{ running: number; unsettled: number }> {
    this.#isStopped = true;
    // All stop at once: nothing is taken from now on, while the rest is waited for.
    await Promise.all([this.#consumer?.stopReading(), this.#upkeep?.stopTaking()]);
    await this.#intake.stopIntake();
    await this.#drained(drainTimeout);
    this.#upkeep?.stop();
    const running = [...this.#running].filter((delivery) => !delivery.isHandled);
    const unsettled = this.#running.size - running.length;
    this.#running.removeAll();
    for (const delivery of running) {
      delivery.abort(new AbandonedError(`the worker stopped; it waited for ${String(drainTimeout)} ms`));
    }
    if (this.connection.isConnected) {
      // This is best effort: a recoverer finds a message that cannot be given up now.
      const givenUp = Promise.allSettled(running.map((delivery) => this.#recovery.giveUp(delivery)));
      await Promise.race([givenUp, sleep(COMMAND_TIMEOUT_MS, undefined, { ref: false })]);
    }
    await this.#consumer?.leaveGroup();
    await this.#upkeep?.clearList();
    await this.connection.closeConnection();
    this.#trims.stopReporting();
    this.#endings.reportLosses();
    return { running: running.length, unsettled };
  }

  /**
   * Joins the group.
   * @returns the faults of Redis; nothing has been joined when one is essential
   */
  async #join(client: Connection['client']): Promise<Refusals> {
    const warnings = await checkRedis(client);
    const needs = needsOfWorker(client.isCluster);
    const refusals = await findRefusals(client, this.#keys.rights, needs);
    warnings.push(...refusals.warnings);
    if (refusals.essential !== undefined) return refusals;
    await joinGroup(this.#context);
    await this.#context.clock.synchronise(client, this.#keys);
    return { essential: undefined, warnings };
  }

  readonly #heldUp = (what: string, error: Error): void => {
    this.#listener.error?.(new EnqueueError(`${what}: held up: ${error.message}`, { cause: error }));
  };

  #ended(delivery: Delivery, error?: unknown): void {
    // A stopped worker has reported its remaining messages already.
    if (!this.#running.removeDelivery(delivery)) return;
    if (error !== undefined) {
      const why = error instanceof Error ? `: ${error.message}` : '';
      const what = `'${delivery.queued.event.action}' was handled, but Redis could not be told${why}`;
      this.#listener.error?.(new EnqueueError(what, { cause: error }));
    }
    this.#consumer?.wakeReader();
    if (this.#running.size === 0) this.#idle?.();
  }

  #drained(timeout: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

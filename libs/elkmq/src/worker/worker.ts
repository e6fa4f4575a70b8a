import { setTimeout as sleep } from 'node:timers/promises';
import { readControlIfAllowed, type QueueControl } from '../admin/queue-control.js';
import { GroupConsumer, joinGroup } from '../consumer/group-consumer.js';
import { RemovalReport } from '../dead-letters/removal-report.js';
import { Slots } from '../consumer/slots.js';
import { QueueContext } from '../context/queue-context.js';
import { AbandonmentPolicy } from '../maintenance/abandonment-policy.js';
import { ControlWatch } from '../maintenance/control-watch.js';
import { Maintenance } from '../maintenance/maintenance.js';
import { Promoter } from '../maintenance/promoter.js';
import { AbandonedError, ConnectionError, DequeueError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import { checkRedis } from '../redis/check.js';
import { refusePartitions, type PartitionNumber } from '../redis/partition-check.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../redis/connection.js';
import { needsOfSubscriber, needsOfWorker } from '../redis/needs.js';
import { isReplyError } from '../redis/redis-errors.js';
import type { RedisSource } from '../redis/redis-source.js';
import { reliably } from '../redis/reliable-call.js';
import { findRefusals, type Refusals } from '../redis/rights.js';
import type { Delivery } from '../settling/delivery.js';
import { InFlight } from '../settling/in-flight.js';
import { OutcomeWriter } from '../settling/outcome-writer.js';
import { Settler } from '../settling/settler.js';
import { SETTLE_TIMEOUT_MS } from '../settling/settlement-queue.js';
import { SubscriptionKeeper } from '../topics/subscription-keeper.js';
import { controlListener } from './control-listener.js';
import { heldUp, WorkerIntake } from './intake.js';
import type { SharedParts, WorkerListener, WorkerOptions } from './worker-options.js';
import { workerName } from '../consumer/consumer-name.js';

/** The parts that work while the worker takes messages. */
interface Parts {
  readonly consumer: GroupConsumer;
  readonly settler: Settler;
  readonly intake: WorkerIntake;
  readonly abandonmentPolicy: AbandonmentPolicy;
  readonly maintenance: Maintenance;
  readonly control: ControlWatch;
}

/**
 * The server's side of a queue. It takes messages from the consumer group and has `concurrency` of them
 * handled at once. A message is in flight from `handle` until its outcome is in Redis. Its slot is free when
 * the outcome was sent. `FlowControl` decides how many messages are read.
 */
export class Worker {
  readonly connection: Connection;
  readonly #source: RedisSource;
  readonly #context: QueueContext;
  readonly #options: WorkerOptions;
  readonly #listener: WorkerListener;
  readonly #slots: Slots;
  readonly #name: string;
  readonly #number: PartitionNumber | undefined;
  readonly #ownsConnection: boolean;
  readonly #removals: RemovalReport;
  readonly #inFlight = new InFlight<Delivery>();
  readonly #keeper: SubscriptionKeeper | undefined;
  /** They are there once the group has been joined. */
  #parts: Parts | undefined;
  #isStopped = false;
  /** The queue that must be empty before messages are taken. */
  #waitsFor: string | undefined;
  /** The control of the queue when the group was joined. */
  #controlAtStart: QueueControl = {};

  /** @param shared given to the worker of a partition */
  constructor(
    source: RedisSource,
    keys: QueueKeys,
    options: WorkerOptions,
    listener: WorkerListener,
    shared?: SharedParts,
  ) {
    this.#source = source;
    this.#options = options;
    this.#listener = listener;
    this.#slots = shared?.slots ?? new Slots(options.concurrency);
    this.#name = shared?.name ?? workerName();
    this.#number = shared?.number;
    this.#ownsConnection = shared === undefined;
    this.connection = shared?.connection ?? this.#newConnection();
    this.#context = new QueueContext(this.connection, keys, options.legacyConsumers, shared !== undefined);
    const { subscription } = options;
    // A topic takes no requests.
    if (subscription) this.#context.pushes = '';
    this.#keeper = subscription && new SubscriptionKeeper(this.#context, subscription, listener);
    this.#removals = new RemovalReport((tooMany, tooOld, freedKeys) => {
      listener.lettersRemoved(tooMany, tooOld, freedKeys);
    });
  }

  /** The number of messages that are being handled or settled. */
  countRunning(): number {
    return this.#inFlight.size;
  }

  /** Renews the leases, which have run on while Redis was away. */
  renewLeases(): void {
    this.#parts?.maintenance.renew();
  }

  /**
   * Takes nothing while the queue waits for its predecessor.
   * @param predecessor its name; `undefined` when messages are to be taken
   */
  waitFor(predecessor: string | undefined): void {
    this.#waitsFor = predecessor;
    if (predecessor === undefined) this.#parts?.consumer.resumeReading('predecessor');
    else this.#parts?.consumer.pauseReading('predecessor');
    this.#parts?.maintenance.announce();
  }

  /**
   * Resolves when messages are being taken.
   * @throws {ConnectionError} when Redis is away for longer than `timeoutMs` ms, or too old
   * @throws {DequeueError} when Redis refuses to hand out events
   * @throws {InvalidOptionError} when the queue has another number of partitions
   */
  async start(timeoutMs: number): Promise<void> {
    const { queue } = this.#context.keys;
    try {
      const { essential, warnings } = await reliably(
        this.connection,
        (client) => this.#join(client),
        timeoutMs,
      );
      if (essential !== undefined) throw new DequeueError(`queue '${queue}': ${essential}`);
      for (const warning of warnings) this.#listener.warned(warning);
    } catch (error) {
      if (!isReplyError(error)) throw error;
      const what = `Redis refused to hand out events of the queue '${queue}': ${error.message}`;
      throw new DequeueError(what, { cause: error });
    }
    if (this.#isStopped) throw new ConnectionError('the worker was stopped before it had begun');
    const parts = this.#build();
    this.#parts = parts;
    // No read is sent before the next tick, so a queue that is paused or limited already is not read.
    parts.consumer.startReading(parts.intake);
    if (this.#waitsFor !== undefined) parts.consumer.pauseReading('predecessor');
    parts.control.startLooking(this.#controlAtStart);
    this.#keeper?.startLooking();
    for (const warning of await parts.maintenance.register()) this.#listener.warned(warning);
  }

  /**
   * Takes nothing more, lets running messages finish for `drainTimeout` ms, gives up the rest, and leaves the
   * group.
   * @returns the number of handlers that were still running then, and of those that had finished without
   * being settled in Redis
   */
  async stop(drainTimeout: number): Promise<{ running: number; unsettled: number }> {
    this.#isStopped = true;
    const parts = this.#parts;
    // All stop at once: nothing is taken from now on, while the rest is waited for.
    await Promise.all([
      parts?.control.stopLooking(),
      parts?.consumer.stopReading(),
      parts?.maintenance.stopTaking(),
      this.#keeper?.stopLooking(),
    ]);
    await parts?.intake.stopIntake();
    await this.#inFlight.drained(drainTimeout);
    parts?.maintenance.stop();
    const running = [...this.#inFlight].filter(({ outcome }) => outcome === undefined);
    const unsettled = this.#inFlight.size - running.length;
    this.#inFlight.removeAll();
    for (const delivery of running) {
      delivery.abort(new AbandonedError(`the worker stopped; it waited for ${String(drainTimeout)} ms`));
    }
    if (parts && this.connection.isConnected) {
      // This is best effort: a recoverer finds a message that cannot be given up now.
      const givenUp = Promise.allSettled(running.map((delivery) => parts.abandonmentPolicy.giveUp(delivery)));
      await Promise.race([givenUp, sleep(COMMAND_TIMEOUT_MS, undefined, { ref: false })]);
    }
    await parts?.consumer.leaveGroup();
    await parts?.maintenance.clearList();
    await parts?.maintenance.tellRates();
    if (this.#ownsConnection) await this.connection.closeConnection();
    this.#removals.stopReporting();
    parts?.settler.reportLosses();
    return { running: running.length, unsettled };
  }

  #newConnection(): Connection {
    return new Connection(this.#source, COMMAND_TIMEOUT_MS, {
      status: (status) => {
        if (status === 'connected') this.renewLeases();
        this.#listener.status?.(status);
      },
      error: (error) => this.#listener.error?.(error),
    });
  }

  /** Builds the parts, each after those that it needs. */
  #build(): Parts {
    const { leaseMs, concurrency, handlers, maxDeliveries, deadLetters } = this.#options;
    const context = this.#context;
    const inFlight = this.#inFlight;
    const listener = this.#listener;
    const onRefused = (what: string, error: Error): void => listener.error?.(heldUp(what, error));
    const join = (connection: Connection): Promise<void> => this.#joinGroup(connection);
    const consumer = new GroupConsumer(this.#source, context, leaseMs, join, this.#name);
    const promoter = new Promoter(context, onRefused);
    const writer = new OutcomeWriter(context, {
      timeoutMs: SETTLE_TIMEOUT_MS,
      deadLetters,
      removals: this.#removals,
      holdsKey: (action) => listener.holdsKey(action),
    });
    const settler = new Settler(context, writer, inFlight, this.#slots, promoter, listener);
    const intake = new WorkerIntake(
      context,
      consumer,
      settler,
      inFlight,
      promoter,
      this.#slots,
      leaseMs,
      listener,
    );
    const abandonmentPolicy = new AbandonmentPolicy(context, writer, maxDeliveries, listener);
    const maintenance = new Maintenance(context, promoter, {
      name: consumer.worker,
      concurrency,
      handlers,
      leaseMs,
      running: inFlight,
      abandonmentPolicy,
      isPaused: () => consumer.isPausedBy('operator'),
      waitsFor: () => this.#waitsFor,
      onRefused,
    });
    const onControl = controlListener(consumer, maintenance, this.#options.legacyConsumers, listener);
    const control = new ControlWatch(context, onControl, onRefused);
    return { consumer, settler, intake, abandonmentPolicy, maintenance, control };
  }

  /** Makes the group, unless it is there. A subscription looks at the table of its topic first. */
  #joinGroup(connection: Connection): Promise<void> {
    return this.#keeper ? this.#keeper.join(connection) : joinGroup(this.#context, connection);
  }

  /**
   * Joins the group.
   * @returns the faults of Redis; nothing has been joined when one is essential
   */
  async #join(client: Connection['client']): Promise<Refusals> {
    const { keys, clock, pushes, hasPartitions } = this.#context;
    const warnings = await checkRedis(client);
    const needs = needsOfWorker(client.isCluster, { pushes: pushes !== '', hasPartitions });
    if (this.#keeper) needs.unshift(...needsOfSubscriber());
    const refusals = await findRefusals(client, keys.rights, needs);
    warnings.push(...refusals.warnings);
    if (refusals.essential !== undefined) return refusals;
    if (refusals.commands.has(pushes)) this.#context.pushes = '';
    await (this.#number ? this.#number.checkNumber(client) : refusePartitions(client, keys));
    await this.#joinGroup(this.connection);
    await clock.synchronise(client, keys);
    this.#controlAtStart = await readControlIfAllowed(client, keys);
    return { ...refusals, warnings };
  }
}

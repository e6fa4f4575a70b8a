import { Logger } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Cluster, Redis } from 'ioredis';
import { inOwnContext } from '../async-context.js';
import type { QueueState } from 'elkmq';
import {
  type DeclaredSchedule,
  type Delivery,
  keysOfPartitions,
  parseMilliseconds,
  PartitionedWorker,
  QueueContext,
  QueueKeys,
  readWholeState,
  Scheduler,
  SuccessorWorker,
  Worker,
  type WorkerListener,
} from 'elkmq/internal';
import { SERVER } from '../brands.js';
import { ConnectionEvents, type ElkMqEvents, type ElkMqStatus } from '../connection-events.js';
import { ElkMqContext } from './elk-mq.context.js';
import type { ElkMqServerOptions } from '../options.js';
import { serverOptions } from '../parsed-options.js';
import { Failures } from './failures.js';
import { Handlers, refuseRequestHandlers } from './handlers.js';
import { handlersOf, combineHandlers } from './joint-handler.js';
import { EventHandling, type Handling } from './event-handling.js';
import { RequestHandling } from './request-handling.js';
import { safeLog } from '../safe-log.js';
import { callSafely } from '../instrumentation.js';
import { ProcessInstrumentation, type ProcessingHooks } from './process-instrumentation.js';
import { workerLog } from './worker-log.js';

/** @internal */
export type WorkerLike = Pick<Worker, 'connection' | 'countRunning' | 'start' | 'stop'>;

/** The id of the transport. Handlers can be bound to it: `@MessagePattern('pattern', ELKMQ)`. */
export const ELKMQ = Symbol('ELKMQ');

/**
 * The strategy of a Nest microservice that takes its messages from a queue:
 * `NestFactory.createMicroservice(AppModule, { strategy: new ElkMqServer({ queue: 'orders' }) })`.
 */
export class ElkMqServer extends Server<ElkMqEvents, ElkMqStatus> implements CustomTransportStrategy {
  override readonly transportId: symbol;
  protected override readonly logger = new Logger('ElkMqServer');
  readonly #log = safeLog(this.logger);
  /** A failed event becomes a dead letter, and the log says so. Nest need not log it again. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: ReturnType<typeof serverOptions>;
  readonly #events: ConnectionEvents;
  readonly #failures: Failures;
  readonly #processing: ProcessInstrumentation;
  readonly #ofRequests: Handling;
  readonly #ofEvents: Handling;
  #worker: WorkerLike | undefined;
  /** Is there when a handler has a schedule. */
  #scheduler: Scheduler | undefined;
  #handlers: Handlers;
  #unwatch: (() => void) | undefined;
  /** The reason for which the server has stopped by itself. */
  #unsubscribed: Error | undefined;
  /** A module and Nest may both call `close`. They get the same promise. */
  #closed: Promise<void> = Promise.resolve();

  /** @throws {InvalidOptionError} */
  constructor(options: ElkMqServerOptions) {
    super();
    this.#options = serverOptions(options);
    this.#events = new ConnectionEvents(
      this.#options.queue,
      (status) => {
        this._status$.next(status);
      },
      this.#log,
    );
    this.#failures = new Failures(this.#options.retry, (message) => {
      this.#log.warn(message);
    });
    this.#handlers = new Handlers(new Map(), this.#failures, this.#options.delivery);
    this.transportId = this.#options.transportId ?? ELKMQ;
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
    this.#processing = new ProcessInstrumentation(this.#options.telemetry, this.#hooks(), this.#logError);
    this.#ofRequests = new RequestHandling(this.#failures, this.deserializer, {
      serializer: this.serializer,
      maxPayloadBytes: this.#options.maxPayloadBytes,
      log: this.#logError,
    });
    this.#ofEvents = new EventHandling(this.#failures, this.deserializer, this.#logError);
  }

  /** @internal */
  get [SERVER](): true {
    return true;
  }

  /**
   * Adds a handler, and warns when a pattern has two and one of them is for requests. Nest calls only the
   * last request handler, for events too, and does not warn. Several event handlers of a pattern become one,
   * because Nest's way to join them does not wait for all of them.
   */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const action = this.normalizePattern(pattern as never);
    const present = this.messageHandlers.get(action);
    if (present && !(isEventHandler && present.isEventHandler === true)) {
      const which = isEventHandler ? 'an earlier one' : 'the last one';
      this.#log.warn(
        `Queue '${this.#options.queue}' has more than one handler for '${action}', and ${which} is a request handler: only that one is called, for events too. Give each a pattern of its own`,
      );
    }
    if (!isEventHandler || present?.isEventHandler !== true) {
      super.addHandler(pattern, callback, isEventHandler, extras);
      return;
    }
    const added = Object.assign(callback, { isEventHandler, extras });
    this.messageHandlers.set(action, combineHandlers([...handlersOf(present), added]) as MessageHandler);
  }

  /**
   * Takes messages from now on. The callback gets a `ConnectionError` when Redis is away for
   * `connectTimeout`, and a `DequeueError` when Redis refuses. With a subscription it gets an
   * `InvalidOptionError` when a handler is for requests, an `UnsubscribedError` when the subscription was
   * removed, and a `TooManySubscriptionsError` beyond 200. It gets an `InvalidOptionError` when the queue has
   * another number of partitions. While the server listens, it gets an error that says so, and nothing else
   * happens.
   */
  listen(callback: (error?: Error) => void): void {
    if (this.#worker) {
      const { queue } = this.#options;
      callback(
        new Error(
          `The server of queue '${queue}' listens already. Call "listen" or "startAllMicroservices" once, and give each "connectMicroservice" an ElkMqServer of its own`,
        ),
      );
      return;
    }
    const { connectTimeout } = this.#options;
    const worker = this.openWorker({
      ...this.#workerLog(),
      status: (status) => {
        this.#events.status(status);
      },
      error: (error) => {
        this.#events.error(error);
      },
      unsubscribed: (error) => {
        this.#unsubscribed = error;
        this.#events.error(error);
        void this.close();
      },
      modeOf: (action) => this.#handlers.modeOf(action),
      holdsKey: (action) => this.#handlers.holdsKey(action),
      handle: (delivery) => {
        inOwnContext(this.#handle, delivery);
      },
    });
    this.#worker = worker;
    this.#start(worker, connectTimeout).then(
      () => {
        callback();
      },
      async (error: unknown) => {
        // After a `close` there may be another worker, which has nothing to do with this failure.
        await (this.#worker === worker ? this.close() : this.#closed);
        callback(error as Error);
      },
    );
  }

  /** @internal Makes the worker that takes messages. A test queue makes another one. */
  protected openWorker(listener: WorkerListener): WorkerLike {
    const { source, queue, subscription, partitions, after } = this.#options;
    const handlers = [...this.messageHandlers.keys()];
    const served = subscription && { ...subscription, patterns: handlers };
    const options = { ...this.#options, handlers, subscription: served };
    const keys = new QueueKeys(queue, source.isCluster);
    const worker =
      partitions === undefined
        ? new Worker(source, keys, options, listener)
        : new PartitionedWorker(source, queue, partitions, options, listener);
    if (after === undefined) return worker;
    return new SuccessorWorker(worker, keys, after, source.isCluster, this.#workerLog());
  }

  #workerLog() {
    const { queue, deadLetters } = this.#options;
    return workerLog(queue, deadLetters, (action) => this.#handlers.policyOf(action)?.attempts, this.#log);
  }

  async #start(worker: WorkerLike, connectTimeout: number): Promise<void> {
    const { queue, delivery, concurrency } = this.#options;
    this.#handlers = new Handlers(this.messageHandlers, this.#failures, delivery);
    if (this.#options.subscription) refuseRequestHandlers(this.messageHandlers, this.#options.subscription);
    for (const mistake of this.#handlers.check(concurrency)) this.#log.warn(`Queue '${queue}': ${mistake}`);
    const schedules = this.#handlers.schedules();
    await worker.start(connectTimeout);
    if (schedules.length > 0) await this.declareSchedules(schedules, worker);
    this.#unwatch = callSafely(
      () => this.#options.telemetry?.observeQueue(this.#options.queue, () => this.state()),
      this.#logError,
    );
  }

  /** @internal Has the events of schedules stored when they are due. A test queue has no schedules. */
  protected async declareSchedules(
    schedules: readonly DeclaredSchedule[],
    { connection }: WorkerLike,
  ): Promise<void> {
    const { source, queue, connectTimeout } = this.#options;
    // A queue with partitions has them in partition 0, which has the name of the queue.
    const keys = new QueueKeys(queue, source.isCluster);
    this.#scheduler = new Scheduler(new QueueContext(connection, keys, false), {
      warned: (message) => {
        this.#log.warn(message);
      },
      onRefused: (what, error) => {
        this.#log.error(`Redis refuses ${what}: ${error.message}`);
      },
    });
    await this.#scheduler.declare(schedules, connectTimeout);
  }

  /**
   * Takes no more messages, waits for running handlers for `drainTimeout` at the most, and closes the
   * connections.
   */
  close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    callSafely(() => this.#unwatch?.(), this.#logError);
    if (worker) this.#closed = this.#stop(worker);
    return this.#closed;
  }

  async #stop(worker: WorkerLike): Promise<void> {
    const { queue, drainTimeout } = this.#options;
    const count = worker.countRunning();
    if (count > 0) {
      const handled = `${String(count)} message(s) are being handled`;
      this.#log.log(
        `Queue '${queue}' drains: ${handled}, for ${String(drainTimeout)} ms (drainTimeout) at the most`,
      );
    }
    await this.#scheduler?.stopLooking();
    this.#scheduler = undefined;
    const endDraining = this.#handlers.drainBatches();
    const { running, unsettled } = await worker.stop(drainTimeout).finally(endDraining);
    const after = `after ${String(drainTimeout)} ms (drainTimeout)`;
    if (running > 0) this.#log.warn(`${String(running)} handler(s) still running ${after}`);
    if (unsettled > 0) {
      this.#log.warn(`${String(unsettled)} handled message(s) not settled in Redis ${after}`);
    }
  }

  on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#events.on(event, callback);
  }

  /**
   * Reads the state of the queue.
   * @param timeout the time that Redis may take, ms; default: the `connectTimeout`
   * @throws {ConnectionError}
   */
  async state(timeout?: number): Promise<QueueState> {
    const timeoutMs = parseMilliseconds('timeout', timeout, this.#options.connectTimeout);
    return this.readState(this.#listening(), timeoutMs);
  }

  /** @internal Reads the state from Redis. A test queue has another one. */
  protected readState({ connection }: WorkerLike, timeoutMs: number): Promise<QueueState> {
    const { source, queue, partitions } = this.#options;
    const keys = keysOfPartitions(queue, source.isCluster, partitions);
    return readWholeState(connection, keys, timeoutMs);
  }

  /**
   * @returns the ioredis client that settles messages
   * @throws {Error} when the server does not listen
   */
  unwrap<T = Redis | Cluster>(): T {
    return this.#listening().connection.client as T;
  }

  #listening(): WorkerLike {
    if (this.#unsubscribed) throw this.#unsubscribed;
    if (!this.#worker) throw new Error('Not listening. Call "listen" or "startAllMicroservices" first.');
    return this.#worker;
  }

  readonly #logError = (message: string): void => {
    this.#log.error(message);
  };

  /** Reads the hooks at each call, because Nest may set them at any time. */
  #hooks(): ProcessingHooks {
    return {
      start: (context, run) => (this.onProcessingStartHook as StartHook)(this.transportId, context, run),
      end: () => {
        // There may be no hook, which its type does not say.
        const hook = this.onProcessingEndHook as EndHook | undefined;
        return (
          hook &&
          ((context) => {
            hook(this.transportId, context);
          })
        );
      },
    };
  }

  readonly #handle = (delivery: Delivery): void => {
    const { event, isOurs } = delivery.queued;
    const isEvent = !isOurs || delivery.replyTo === undefined;
    const handler =
      this.#handlers.find(event.action, isEvent) ??
      // Clients of this package send normalised patterns. Other clients may spell an object pattern in
      // another way.
      this.getHandlerByPattern(event.action);
    // A legacy request looks the same as a legacy event. The handler tells which one it is.
    const isRequest = isOurs ? delivery.replyTo !== undefined : handler?.isEventHandler === false;
    // A later attempt can come after the deadline. Only the handler tells that the message is a request.
    if (isRequest && !isOurs && delivery.timeLeft <= 0) {
      delivery.end({ kind: 'dead-letter', reason: 'expired' });
      return;
    }
    const backoff = handler ? this.#failures.policyOf(handler)?.backoff : undefined;
    const context = new ElkMqContext(this.#options.queue, delivery, { isRequest, backoff });
    this.#processing.run(isRequest ? this.#ofRequests : this.#ofEvents, delivery, handler, context);
  };
}

type StartHook = (transportId: symbol, context: ElkMqContext, run: () => Promise<void>) => unknown;
type EndHook = (transportId: symbol, context: ElkMqContext) => void;

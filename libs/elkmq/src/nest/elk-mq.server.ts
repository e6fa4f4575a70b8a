import { Logger } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Cluster, Redis } from 'ioredis';
import type { DeadLetterReason } from '../core/dead-letters/dead-letters.js';
import type { Delivery } from '../core/handling/delivery.js';
import { QueueKeys } from '../core/keys.js';
import { readQueueState, type QueueState } from '../core/queue-state.js';
import type { DeliveryMode } from '../core/recovery/recovery.js';
import { Worker, type WorkerListener } from '../core/handling/worker.js';
import { ConnectionEvents, type ElkMqEvents, type ElkMqStatus } from './connection-events.js';
import { ElkMqContext } from './elk-mq.context.js';
import { deliveryMode, serverOptions, type ElkMqServerOptions } from './options.js';
import { Failures } from './failures.js';
import { EventHandling, messageOf, type Handling } from './handling.js';
import { RequestHandling } from './request-handling.js';
import type { ElkMqProcessing } from './telemetry.js';
import { Wildcards } from './wildcards.js';

/** @internal */
export type WorkerLike = Pick<Worker, 'connection' | 'start' | 'stop'>;

/** The transport's id: handlers can be bound to it, `@MessagePattern('pattern', ELKMQ)`. */
export const ELKMQ = Symbol('ELKMQ');

/**
 * The strategy of a Nest microservice that takes its messages from a queue:
 * `NestFactory.createMicroservice(AppModule, { strategy: new ElkMqServer({ queue: 'orders' }) })`.
 */
export class ElkMqServer extends Server<ElkMqEvents, ElkMqStatus> implements CustomTransportStrategy {
  override readonly transportId: symbol;
  protected override readonly logger = new Logger(ElkMqServer.name);
  /** A failed event becomes a dead letter, and the log says so; Nest need not log it as well. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: ReturnType<typeof serverOptions>;
  readonly #events: ConnectionEvents;
  readonly #failures: Failures;
  readonly #ofRequests: Handling;
  readonly #ofEvents: Handling;
  #worker: WorkerLike | undefined;
  #wildcards = new Wildcards(new Map());
  #unwatch: (() => void) | undefined;
  /** Closing may be asked for more than once: by a module and by Nest. */
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
      this.logger,
    );
    this.#failures = new Failures(this.#options.retry, (message) => {
      this.logger.warn(message);
    });
    this.transportId = this.#options.transportId ?? ELKMQ;
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
    this.#ofRequests = new RequestHandling(this.#failures, this.deserializer, {
      serializer: this.serializer,
      maxPayloadBytes: this.#options.maxPayloadBytes,
      log: (message) => {
        this.logger.error(message);
      },
    });
    this.#ofEvents = new EventHandling(this.#failures, this.deserializer);
  }

  /** As Nest's, which lets the last of two request handlers of one pattern win and says nothing. */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const action = this.normalizePattern(pattern as never);
    if (!isEventHandler && this.messageHandlers.has(action)) {
      const { queue } = this.#options;
      this.logger.warn(
        `Queue '${queue}' has more than one handler for '${action}', and the last one is a request handler: only that one is called. Give each a pattern of its own`,
      );
    }
    super.addHandler(pattern, callback, isEventHandler, extras);
  }

  /** Takes messages from now on. Calls back with a `ConnectionError` when Redis is away for `connectTimeout`. */
  listen(callback: (error?: Error) => void): void {
    const { queue, connectTimeout } = this.#options;
    this.#worker = this.openWorker({
      status: (status) => {
        this.#events.status(status);
      },
      error: (error) => {
        this.#events.error(error);
      },
      dropped: (what, reason, error) => {
        const why = EXPLAINED[reason] ?? messageOf(error);
        this.logger.error(`Queue '${queue}': ${what} was not handled (${reason}): ${why}`);
      },
      warned: (message) => {
        this.logger.warn(`Queue '${queue}': ${message}`);
      },
      trimmed: (tooMany, tooOld) => {
        const { max, maxAge } = this.#options.deadLetters;
        this.#warnOfDropped(tooMany, `more than deadLetters.max (${String(max)})`);
        this.#warnOfDropped(tooOld, `older than deadLetters.maxAge (${String(maxAge)} ms)`);
      },
      modeOf: (action) => this.#modeOf(action),
      handle: (delivery) => {
        this.#handle(delivery);
      },
    });
    this.#start(this.#worker, connectTimeout).then(
      () => {
        callback();
      },
      async (error: unknown) => {
        await this.close();
        callback(error as Error);
      },
    );
  }

  /** @internal What takes messages; a test has its own. */
  protected openWorker(listener: WorkerListener): WorkerLike {
    const { source, queue } = this.#options;
    return new Worker(source, new QueueKeys(queue, source.isCluster), this.#options, listener);
  }

  async #start(worker: WorkerLike, connectTimeout: number): Promise<void> {
    this.#wildcards = new Wildcards(this.messageHandlers);
    // A wrong extra is told now, not when the first worker dies.
    for (const [action, handler] of this.messageHandlers) {
      this.#modeOf(action);
      this.#failures.policyOf(handler);
    }
    await worker.start(connectTimeout);
    this.#unwatch = this.#options.telemetry?.watching(this.#options.queue, () => this.state());
  }

  /** Takes no more messages, lets running handlers finish for `drainTimeout`, and leaves. */
  close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#unwatch?.();
    if (worker) this.#closed = this.#stop(worker);
    return this.#closed;
  }

  async #stop(worker: WorkerLike): Promise<void> {
    const { drainTimeout } = this.#options;
    const { running, unsettled } = await worker.stop(drainTimeout);
    const after = `after ${String(drainTimeout)} ms (drainTimeout)`;
    if (running > 0) this.logger.warn(`${String(running)} handler(s) still running ${after}`);
    if (unsettled > 0) {
      this.logger.warn(`${String(unsettled)} handled message(s) not settled in Redis ${after}`);
    }
  }

  on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#events.on(event, callback);
  }

  /**
   * How the queue is now.
   * @param timeout how long Redis may take, ms; default: the `connectTimeout`
   * @throws {ConnectionError}
   */
  async state(timeout = this.#options.connectTimeout): Promise<QueueState> {
    const { source, queue } = this.#options;
    return readQueueState(this.#listening().connection, new QueueKeys(queue, source.isCluster), timeout);
  }

  /** The ioredis client that settles messages. */
  unwrap<T = Redis | Cluster>(): T {
    return this.#listening().connection.client as T;
  }

  #listening(): WorkerLike {
    if (!this.#worker) throw new Error('Not listening. Call "listen" or "startAllMicroservices" first.');
    return this.#worker;
  }

  #warnOfDropped(count: number, why: string): void {
    if (count === 0) return;
    const { queue } = this.#options;
    this.logger.warn(`${String(count)} dead letters of queue '${queue}' were dropped: ${why}`);
  }

  #modeOf(action: string): DeliveryMode {
    const handler = this.messageHandlers.get(action) ?? this.#wildcards.find(action);
    const given: unknown = handler?.extras?.['delivery'];
    return given === undefined ? this.#options.delivery : deliveryMode(given);
  }

  #handle(delivery: Delivery): void {
    const { event, isOurs } = delivery.queued;
    const isEvent = !isOurs || delivery.replyTo === undefined;
    const handler =
      this.messageHandlers.get(event.action) ??
      (isEvent ? this.#wildcards.find(event.action) : undefined) ??
      // Our clients send the normalised pattern; only another spelling of an object pattern has to be normalised.
      this.getHandlerByPattern(event.action);
    // On the original's wire a request and an event look the same: the handler knows which it is.
    const isRequest = isOurs ? delivery.replyTo !== undefined : handler?.isEventHandler === false;
    const backoff = handler ? this.#failures.policyOf(handler)?.backoff : undefined;
    const context = new ElkMqContext(this.#options.queue, delivery, { isRequest, backoff });
    const processing = this.#options.telemetry?.processing(context);
    const end = this.#onceAtEnd(context, delivery, processing);
    const handling = isRequest ? this.#ofRequests : this.#ofEvents;
    let running: Promise<void> | undefined;
    const run = () => (running = handling.run(delivery, handler, context, end));
    const hookFailed = (error: unknown): void => {
      handling.failed(delivery, error);
      processing?.ended(delivery.ending ?? 'failed', error);
    };
    try {
      const start = () => (this.onProcessingStartHook as StartHook)(this.transportId, context, run);
      const processed = processing ? processing.run(start) : start();
      // `run` itself does not fail.
      if (processed instanceof Promise && processed !== running) processed.catch(hookFailed);
    } catch (error) {
      hookFailed(error);
    }
  }

  #onceAtEnd(
    context: ElkMqContext,
    delivery: Delivery,
    processing: ElkMqProcessing | undefined,
  ): (error?: unknown) => void {
    // Without instrumentation there is no such hook, though its type does not say so.
    const hook = this.onProcessingEndHook as EndHook | undefined;
    if (!processing && !hook) return nobodyWatches;
    let ended = false;
    return (error) => {
      if (ended) return;
      ended = true;
      try {
        processing?.ended(delivery.ending ?? (error === undefined ? 'handled' : 'failed'), error);
        hook?.(this.transportId, context);
      } catch (failure) {
        this.logger.error(`What watches the messages has failed: ${messageOf(failure)}`);
      }
    };
  }
}

function nobodyWatches(): void {
  // Nothing to tell.
}

/** Answers the promise of `run`, or one of its own; Nest's type says nothing of either. */
type StartHook = (transportId: symbol, context: ElkMqContext, run: () => Promise<void>) => unknown;
type EndHook = (transportId: symbol, context: ElkMqContext) => void;

/** Why a message was not handled, where no error says it. */
const EXPLAINED: Partial<Record<DeadLetterReason, string>> = {
  unhandled: 'no handler has this pattern',
  expired: 'its timeout passed before a worker had it',
};

import { Logger } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Cluster, Redis } from 'ioredis';
import { isObservable, lastValueFrom, Subscription } from 'rxjs';
import { valueOf } from '../core/codec.js';
import type { Delivery } from '../core/delivery.js';
import { asText } from '../core/json.js';
import { QueueKeys } from '../core/keys.js';
import type { DeliveryMode } from '../core/recovery.js';
import { Worker } from '../core/worker.js';
import { ConnectionEvents, type ElkMqEvents, type ElkMqStatus } from './connection-events.js';
import { ElkMqContext } from './elk-mq.context.js';
import { deliveryMode, serverOptions, type ElkMqServerOptions } from './options.js';
import { Failures } from './failures.js';
import { ReplyWriter } from './reply-writer.js';

/** The transport's id: handlers can be bound to it, `@MessagePattern('pattern', ELKMQ)`. */
export const ELKMQ = Symbol('ELKMQ');

/** What Nest's own transports say. */
const NO_MESSAGE_HANDLER = 'There is no matching message handler defined in the remote service.';
const INTERNAL_ERROR = { status: 'error', message: 'Internal server error' };

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
  readonly #events = new ConnectionEvents((status) => {
    this._status$.next(status);
  }, this.logger);
  readonly #failures: Failures;
  #worker: Worker | undefined;

  /** @throws {InvalidOptionError} */
  constructor(options: ElkMqServerOptions) {
    super();
    this.#options = serverOptions(options);
    this.#failures = new Failures(this.#options.retry, (message) => {
      this.logger.warn(message);
    });
    this.transportId = this.#options.transportId ?? ELKMQ;
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
  }

  /** Takes messages from now on. Calls back with a `ConnectionError` when Redis is away for `connectTimeout`. */
  listen(callback: (error?: Error) => void): void {
    const { source, queue, connectTimeout } = this.#options;
    this.#worker = new Worker(source, new QueueKeys(queue, source.isCluster), this.#options, {
      status: (status) => {
        this.#events.status(status);
      },
      error: (error) => {
        this.#events.error(error);
      },
      dropped: (what, reason, error) => {
        this.logger.error(
          `${what} was not handled (${reason})${error === undefined ? '' : `: ${messageOf(error)}`}`,
        );
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

  async #start(worker: Worker, connectTimeout: number): Promise<void> {
    // A wrong extra is told now, not when the first worker dies.
    for (const [action, handler] of this.messageHandlers) {
      this.#modeOf(action);
      this.#failures.policyOf(handler);
    }
    await worker.start(connectTimeout);
  }

  /** Takes no more messages, lets running handlers finish for `drainTimeout`, and leaves. */
  async close(): Promise<void> {
    const { drainTimeout } = this.#options;
    const worker = this.#worker;
    this.#worker = undefined;
    if (!worker) return;
    const { running, unsettled } = await worker.stop(drainTimeout);
    const after = `after ${String(drainTimeout)} ms (drainTimeout)`;
    if (running > 0) this.logger.warn(`${String(running)} handlers were still running ${after}`);
    if (unsettled > 0)
      this.logger.warn(`${String(unsettled)} handled messages could not be settled ${after}`);
  }

  on<Event extends keyof ElkMqEvents>(event: Event, callback: ElkMqEvents[Event]): void {
    this.#events.on(event, callback);
  }

  /** The ioredis client that settles messages. */
  unwrap<T = Redis | Cluster>(): T {
    if (!this.#worker) throw new Error('Not listening. Call "listen" or "startAllMicroservices" first.');
    return this.#worker.connection.client as T;
  }

  #warnOfDropped(count: number, why: string): void {
    if (count === 0) return;
    const { queue } = this.#options;
    this.logger.warn(`${String(count)} dead letters of queue '${queue}' were dropped: ${why}`);
  }

  #modeOf(action: string): DeliveryMode {
    const given: unknown = this.messageHandlers.get(action)?.extras?.['delivery'];
    return given === undefined ? this.#options.delivery : deliveryMode(given);
  }

  #handle(delivery: Delivery): void {
    const { event, isOurs } = delivery.queued;
    // Our clients send the normalised pattern; only another spelling of an object pattern has to be normalised.
    const handler = this.messageHandlers.get(event.action) ?? this.getHandlerByPattern(event.action);
    // On the original's wire a request and an event look the same: the handler knows which it is.
    const isRequest = isOurs ? delivery.replyTo !== undefined : handler?.isEventHandler === false;
    const backoff = handler ? this.#failures.policyOf(handler)?.backoff : undefined;
    const context = new ElkMqContext(this.#options.queue, delivery, { isRequest, backoff });
    const end = this.#onceAtEnd(context);
    const run = () =>
      isRequest
        ? this.#answer(delivery, handler, context, end)
        : this.#process(delivery, handler, context, end);
    const hookFailed = (error: unknown): void => {
      if (isRequest) this.#fail(delivery, error);
      else delivery.deadLetter('failed', error);
    };
    try {
      const processed = (this.onProcessingStartHook as StartHook)(this.transportId, context, run);
      if (processed instanceof Promise) processed.catch(hookFailed);
    } catch (error) {
      hookFailed(error);
    }
  }

  async #answer(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: () => void,
  ): Promise<void> {
    const writer = this.#writer(delivery);
    if (!handler) {
      writer.error(NO_MESSAGE_HANDLER);
      end();
      return;
    }
    let hasAnswered = false;
    const fail = (error: unknown): void => {
      if (hasAnswered || !this.#failures.ofRequest(delivery, handler, context, error)) writer.error(error);
      end();
    };
    try {
      const result: unknown = await handler(await this.#read(delivery, context), context);
      const answer = new Subscription(end);
      const values = this.transformToObservable(result).subscribe({
        next: (value) => {
          hasAnswered = true;
          writer.value(value);
          if (writer.hasFailed) answer.unsubscribe();
        },
        error: fail,
        complete: () => {
          writer.end();
          end();
        },
      });
      answer.add(values);
      // Most handlers have answered by now, and need no timer.
      if (!values.closed)
        this.#endWhenOver(delivery, values, () => {
          answer.unsubscribe();
          writer.end();
        });
    } catch (error) {
      // What a handler throws is an Observable by now: this is the deserializer's, or an exception filter's.
      this.#fail(delivery, error);
      end();
    }
  }

  /** Nobody waits for longer than this. Without it, values without end would keep their slot for ever. */
  #endWhenOver({ queued }: Delivery, values: Subscription, end: () => void): void {
    const timer = setTimeout(end, queued.event.timeout * 1_000).unref();
    values.add(() => {
      clearTimeout(timer);
    });
  }

  #writer(delivery: Delivery): ReplyWriter {
    return new ReplyWriter(delivery, this.serializer, this.#options.maxPayloadBytes, (error) => {
      const { action } = delivery.queued.event;
      this.logger.error(`The response to '${action}' cannot be sent: ${messageOf(error)}`);
    });
  }

  /** Answers a failure that Nest knows nothing of, as Nest answers one that is not the handler's own. */
  #fail(delivery: Delivery, error: unknown): void {
    this.logger.error(`'${delivery.queued.event.action}' was not handled: ${messageOf(error)}`);
    this.#writer(delivery).error(INTERNAL_ERROR);
  }

  async #process(
    delivery: Delivery,
    handler: MessageHandler | null,
    context: ElkMqContext,
    end: () => void,
  ): Promise<void> {
    if (!handler) {
      delivery.deadLetter('unhandled');
      end();
      return;
    }
    try {
      const result: unknown = await handler(await this.#read(delivery, context), context);
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
      delivery.end();
    } catch (error) {
      this.#failures.ofEvent(delivery, handler, context, error);
    }
    end();
  }

  #read(delivery: Delivery, context: ElkMqContext): unknown {
    const { event, metadata } = delivery.queued;
    const packet = {
      pattern: event.action,
      data: valueOf(event.payload),
      ...(metadata !== undefined && { metadata: context.getMetadata() }),
    };
    const read = this.deserializer.deserialize(packet, { channel: event.action });
    return read instanceof Promise ? read.then(({ data }) => data as unknown) : (read.data as unknown);
  }

  #onceAtEnd(context: ElkMqContext): () => void {
    let ended = false;
    return () => {
      // Without instrumentation there is no such hook, though its type does not say so.
      if (!ended) (this.onProcessingEndHook as EndHook | undefined)?.(this.transportId, context);
      ended = true;
    };
  }
}

/** Answers the promise of `run`, or one of its own; Nest's type says nothing of either. */
type StartHook = (transportId: symbol, context: ElkMqContext, run: () => Promise<void>) => unknown;
type EndHook = (transportId: symbol, context: ElkMqContext) => void;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : asText(error);
}

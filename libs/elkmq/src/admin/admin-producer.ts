import { randomBytes } from 'node:crypto';
import { QueueContext } from '../context/queue-context.js';
import { RateFlush } from '../context/rate-flush.js';
import { encodeEvent } from '../model/codec.js';
import { headerFields } from '../model/headers.js';
import { checkGivenOptions, DEFAULTS, MAX_DELAY_MS, parseMilliseconds } from '../model/options.js';
import { checkIsEvent, type ServiceEvent } from '../model/service-event.js';
import { PlainEvent } from '../producer/batch.js';
import { Producer } from '../producer/producer.js';
import { send } from '../redis/scripts.js';
import type { AdminContext } from './admin-call.js';

/** The options of `QueueAdmin.enqueue`. */
export interface EnqueueOptions {
  /** The headers of the message. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The delay of the message, ms. Default 0. */
  readonly delay?: number | undefined;
}

/** Stores events in a queue. */
export interface QueueProducer {
  /** @returns the origin of the event */
  enqueue(event: ServiceEvent, options: EnqueueOptions): Promise<string>;
  /** Waits for the events that are being stored, and deletes what the producer leaves. */
  close(): Promise<void>;
}

/** Stores the events of an admin. It uses nothing until the first one. */
export class AdminProducer implements QueueProducer {
  readonly #context: AdminContext;
  readonly #clientId = randomBytes(12).toString('base64url');
  #producer: Producer | undefined;
  #rates: RateFlush | undefined;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async enqueue(event: ServiceEvent, options: EnqueueOptions): Promise<string> {
    checkIsEvent('event', event);
    checkGivenOptions('enqueue', options, ['headers', 'delay']);
    const { headers, delay } = options;
    const fields = headerFields(headers);
    const wait = Math.ceil(parseMilliseconds('delay', delay, 0, MAX_DELAY_MS, 0));
    this.#producer ??= this.#open();
    const producer = this.#producer;
    return new Promise<string>((stored, failed) => {
      const json = encodeEvent(event);
      producer.produce(new PlainEvent(event.requestId, json, fields, wait, undefined, stored, failed));
    });
  }

  async close(): Promise<void> {
    const { connection, keys } = this.#context;
    await this.#producer?.drained();
    await this.#rates?.stopFlushing();
    // This is best effort: the key has a TTL.
    if (this.#producer && connection.isConnected)
      await send(connection.client, 'del', [keys.producer(this.#clientId)]).catch(() => undefined);
  }

  #open(): Producer {
    const { connection, keys, timeoutMs: enqueueTimeout } = this.#context;
    const limits = { maxQueueLength: undefined, maxBufferedBytes: DEFAULTS.maxBufferedBytes };
    const options = { enqueueTimeout, ...limits, minReplicas: 0, legacyConsumers: false };
    const context = new QueueContext(connection, keys, false);
    this.#rates = new RateFlush(connection, keys, context.rates);
    return new Producer(context, this.#clientId, options, () => Promise.resolve());
  }
}

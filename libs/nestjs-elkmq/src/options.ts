import type {
  ConsumerDeserializer,
  ConsumerSerializer,
  ProducerDeserializer,
  ProducerSerializer,
} from '@nestjs/microservices';
import {
  type CredentialsFunction,
  type DeliveryMode,
  InvalidOptionError,
  type RedisSourceInput,
} from 'elkmq';
import {
  type DeadLetterCap,
  DEFAULTS,
  parseBoolean,
  MAX_DELAY_MS,
  MAX_TIMEOUT_SECONDS,
  parseMilliseconds,
  RedisSource,
  type SendingOptions,
  formatValue,
  parseInteger,
  refuseUnknown,
} from 'elkmq/internal';

import {
  partitionsOf,
  queueNameOf,
  sendingTo,
  servedSubscription,
  type Address,
  type ElkMqQueueAddress,
  type ElkMqSubscriptionAddress,
  type ElkMqTopicAddress,
} from './address-options.js';
import { retryPolicy, type ElkMqRetryOptions } from './server/retry-policy.js';
import { parseTelemetry, type ElkMqTelemetry } from './instrumentation.js';

/** The options that clients and servers have in common. */
export interface ElkMqOptions {
  /** The address of Redis: `redis://`, `rediss://` or `unix://`. Default redis://127.0.0.1:6379. */
  url?: string | undefined;
  /**
   * Options of ioredis, an instance of it (which is never closed), or a function that makes one; in place of
   * `url`.
   */
  redis?: Exclude<RedisSourceInput, string>;
  /**
   * Fetches credentials, in place of a password in `url` or `redis`. It is called before the first
   * connection, before `expiresAt`, and when Redis refuses the credentials. All connections share its result.
   * Open connections log in again with new credentials.
   */
  credentials?: CredentialsFunction;
  /** The greatest size of a payload, in bytes of UTF-8. Default 16 MiB. */
  maxPayloadBytes?: number;
  /** Follows messages, such as `new ElkMqOpenTelemetry()` of `nestjs-elkmq/opentelemetry`. */
  telemetry?: ElkMqTelemetry;
}

/** The options of a server: of a queue, or of a subscription. */
export type ElkMqServerOptions = ElkMqServerSettings & (ElkMqQueueAddress | ElkMqSubscriptionAddress);

/** The options of a server beside the name of what it serves. */
export interface ElkMqServerSettings extends ElkMqOptions {
  /** The number of messages that are handled at once. Default 256. */
  concurrency?: number;
  /**
   * Whether a message whose worker died is handled again. With `once` it is not: it becomes a dead letter,
   * and the caller of a request gets an `AbandonedError`. With `at-least-once` another worker gets it. A
   * handler can have its own, in the extras of its decorator: `elkMqExtras({ delivery: 'at-least-once' })`.
   * Default `once`.
   */
  delivery?: DeliveryMode;
  /**
   * The time for which a worker keeps its messages after it stopped renewing its lease, ms. A worker that was
   * killed is found within two leases. A worker counts as dead when its handlers block the event loop for two
   * thirds of a lease. Default 10,000, at least 100.
   */
  lease?: number;
  /** The greatest number of times that a message is handed out with `at-least-once`. Default 5. */
  maxDeliveries?: number;
  /**
   * The limits of the dead letters. When a new one is added, those beyond the limits are removed, and the log
   * says so.
   */
  deadLetters?: {
    /** The number of dead letters that are kept, the newest. Default 10,000. */
    max?: number;
    /** The time for which they are kept, ms. Default 1,209,600,000 (14 days). */
    maxAge?: number;
  };
  /**
   * When events whose handler failed are tried again. A handler can have its own policy, in the extras of its
   * decorator: `elkMqExtras({ retry: { attempts: 5 } })`. A request is tried again only if its handler has
   * one. Default: never; a failed event becomes a dead letter at once.
   */
  retry?: ElkMqRetryOptions;
  /** Whether legacy consumers, those of the original ElkMQ, read the queue too. Default false. */
  legacyConsumers?: boolean;
  /** The time that running handlers may take to finish at shutdown, ms. Default 10,000. */
  drainTimeout?: number;
  /** The time that `listen` waits for Redis, ms. Default 10,000. */
  connectTimeout?: number;
  /** Tells several ElkMQ servers of one application apart. Default `ELKMQ`. */
  transportId?: symbol;
  /** Changes a reply of a handler before it is written as JSON. */
  serializer?: ConsumerSerializer;
  /** Changes a packet that was read, `{ pattern, data }`, before a handler gets it. */
  deserializer?: ConsumerDeserializer;
}

/** The options of a client: of a queue, or of a topic. */
export type ElkMqClientOptions = ElkMqClientSettings & (ElkMqQueueAddress | ElkMqTopicAddress);

/** The options of a client beside the name of where it sends to. */
export interface ElkMqClientSettings extends ElkMqOptions, SendingOptions {
  /** The time that `send` waits for the last response, ms. Default 30,000. */
  timeout?: number;
  /**
   * The time after `emit` for which an event is worth handling, ms. Default 65,535,000 (18 hours), which is
   * the most.
   */
  eventTimeout?: number;
  /** Changes `{ pattern, data }` before `data` is written as JSON. */
  serializer?: ProducerSerializer;
  /** Changes a reply that was read, `{ response }` or `{ err }`, before the caller gets it. */
  deserializer?: ProducerDeserializer;
}

const COMMON = [
  'queue',
  'partitions',
  'partitionsForTests',
  'url',
  'redis',
  'credentials',
  'maxPayloadBytes',
  'serializer',
  'deserializer',
  'telemetry',
];
const SERVER = [
  ...COMMON,
  'topic',
  'subscription',
  'retention',
  'concurrency',
  'delivery',
  'lease',
  'maxDeliveries',
  'deadLetters',
  'retry',
  'legacyConsumers',
  'drainTimeout',
  'connectTimeout',
  'transportId',
];
const CLIENT = [
  ...COMMON,
  'topic',
  'requireSubscription',
  'timeout',
  'eventTimeout',
  'enqueueTimeout',
  'maxQueueLength',
  'maxBufferedBytes',
  'minReplicas',
  'legacyConsumers',
];
const MAX_TIMEOUT = MAX_TIMEOUT_SECONDS * 1_000;

/** @throws {InvalidOptionError} */
export function serverOptions(given: ElkMqServerOptions) {
  const common = commonOptions('ElkMqServer', given, SERVER);
  const { transportId, legacyConsumers } = given;
  if (transportId !== undefined && typeof transportId !== 'symbol') {
    throw new InvalidOptionError(`transportId must be a symbol, got ${formatValue(transportId)}`);
  }
  return {
    ...common,
    subscription: servedSubscription(given),
    transportId,
    concurrency: concurrencyFor(given.concurrency, common.partitions),
    delivery: deliveryMode(given.delivery),
    lease: parseInteger('lease', given.lease, DEFAULTS.lease, 100),
    maxDeliveries: parseInteger('maxDeliveries', given.maxDeliveries, 5, 1),
    deadLetters: deadLetterCap(given.deadLetters),
    retry: retryPolicy(given.retry),
    legacyConsumers: parseBoolean('legacyConsumers', legacyConsumers),
    drainTimeout: parseMilliseconds('drainTimeout', given.drainTimeout, 10_000),
    connectTimeout: parseMilliseconds('connectTimeout', given.connectTimeout, 10_000),
  };
}

/** Each partition has a read on its way, and each read may bring a message. */
function concurrencyFor(given: unknown, partitions: number | undefined): number {
  const concurrency = parseInteger('concurrency', given, 256, 1);
  if (partitions === undefined || concurrency >= partitions) return concurrency;
  throw new InvalidOptionError(
    `concurrency must be at least the number of partitions (${String(partitions)}), got ${String(concurrency)}`,
  );
}

function deadLetterCap(given: unknown = {}): DeadLetterCap {
  const known = ['max', 'maxAge'];
  if (typeof given !== 'object' || given === null) {
    throw new InvalidOptionError(
      `deadLetters must be an object of ${known.join(', ')}, got ${formatValue(given)}`,
    );
  }
  refuseUnknown('deadLetters', given, known);
  const { max, maxAge } = given as Record<string, unknown>;
  const defaults = DEFAULTS.deadLetters;
  return {
    max: parseInteger('deadLetters.max', max, defaults.max, 1),
    // No timer runs for it, so it may be longer than the 24 days of the longest timer.
    maxAge: parseMilliseconds('deadLetters.maxAge', maxAge, defaults.maxAge, Number.MAX_SAFE_INTEGER),
  };
}

/** @throws {InvalidOptionError} */
export function deliveryMode(given: unknown): DeliveryMode {
  if (given === undefined || given === 'once') return 'once';
  if (given === 'at-least-once') return given;
  throw new InvalidOptionError(`delivery must be 'once' or 'at-least-once', got ${formatValue(given)}`);
}

/** @throws {InvalidOptionError} */
export function clientOptions(given: ElkMqClientOptions) {
  const common = commonOptions('ElkMqClient', given, CLIENT);
  return {
    ...common,
    timeout: requestTimeout(given.timeout, 30_000),
    eventTimeout: parseMilliseconds('eventTimeout', given.eventTimeout, MAX_TIMEOUT, MAX_TIMEOUT),
    ...sendingTo(given, common.source.isCluster),
  };
}

/** @internal */
export type ClientSettings = ReturnType<typeof clientOptions>;

/** @throws {InvalidOptionError} */
export function requestTimeout(given: unknown, fallback: number): number {
  return parseMilliseconds('timeout', given, fallback, MAX_TIMEOUT);
}

/** @throws {InvalidOptionError} */
export function messageDelay(given: unknown): number {
  return parseMilliseconds('delay', given, 0, MAX_DELAY_MS, 0);
}

function commonOptions(owner: string, given: ElkMqOptions & Address, known: readonly string[]) {
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw new InvalidOptionError(
      `${owner} needs options, at least { queue: '…' }, got ${formatValue(given)}`,
    );
  }
  refuseUnknown(owner, given, known);
  if (given.url !== undefined && given.redis !== undefined) {
    throw new InvalidOptionError('url and redis must not both be given');
  }
  const queue = queueNameOf(given);
  const source = new RedisSource(given.url ?? given.redis, given.credentials);
  return {
    queue,
    source,
    partitions: partitionsOf(given, queue, source.isCluster),
    telemetry: parseTelemetry(given.telemetry),
    maxPayloadBytes: parseInteger('maxPayloadBytes', given.maxPayloadBytes, DEFAULTS.maxPayloadBytes, 1),
  };
}

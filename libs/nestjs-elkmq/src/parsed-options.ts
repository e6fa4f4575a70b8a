import { type DeliveryMode, InvalidOptionError } from 'elkmq';
import {
  type DeadLetterCap,
  DEFAULTS,
  formatValue,
  parseBoolean,
  parseInteger,
  parseMembers,
  parseMilliseconds,
  readMember,
  RedisSource,
  refuseUnknown,
} from 'elkmq/internal';
import {
  partitionsOf,
  predecessorOf,
  queueNameOf,
  sendingTo,
  servedSubscription,
  type Address,
} from './address-options.js';
import { parseTelemetry } from './instrumentation.js';
import { MAX_TIMEOUT_MS, requestTimeout } from './message-options.js';
import type { ElkMqClientOptions, ElkMqOptions, ElkMqServerOptions } from './options.js';
import { retryPolicy } from './server/retry-policy.js';

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
  'after',
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
    after: predecessorOf(given, common.queue, common.source.isCluster),
    transportId,
    concurrency: concurrencyFor(given.concurrency, common.partitions),
    delivery: deliveryMode(given.delivery),
    leaseMs: parseInteger('lease', given.lease, DEFAULTS.lease, 100),
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
  const { max, maxAge } = parseMembers('deadLetters', given, ['max', 'maxAge']);
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
    eventTimeout: parseMilliseconds('eventTimeout', given.eventTimeout, MAX_TIMEOUT_MS, MAX_TIMEOUT_MS),
    ...sendingTo(given, common.source.isCluster),
  };
}

/** @internal */
export type ClientSettings = ReturnType<typeof clientOptions>;

function commonOptions(owner: string, given: ElkMqOptions & Address, known: readonly string[]) {
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw new InvalidOptionError(
      `${owner} needs options, at least { queue: '…' }, got ${formatValue(given)}`,
    );
  }
  refuseUnknown(owner, given, known);
  checkMethod(given, 'serializer', 'serialize');
  checkMethod(given, 'deserializer', 'deserialize');
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

/** Checks that an option is an object with a method: otherwise each message would fail. */
function checkMethod(options: object, name: string, method: string): void {
  const given = readMember(options, name);
  if (given === undefined || typeof readMember(given, method) === 'function') return;
  throw new InvalidOptionError(`${name} must have the method ${method}, got ${formatValue(given)}`);
}

import { InvalidOptionError } from '../model/errors.js';
import { DEFAULTS, parseBoolean, parseMilliseconds, parseInteger } from '../model/options.js';
import type { RequesterOptions } from './requester-options.js';

/** The options of every sender: of an `EventQueue` and, beside others, of an `ElkMqClient`. */
export interface SendingOptions {
  /**
   * The time for which storing a message is tried while Redis is away, ms. Time in which this process is too
   * busy to notice an answer does not count. Default 10,000.
   */
  enqueueTimeout?: number;
  /** The longest payload, in bytes of UTF-8. Default 16 MiB. */
  maxPayloadBytes?: number;
  /**
   * The number of messages that the queue may hold: waiting, in hand and delayed together. Further messages
   * are refused with a `QueueFullError`. Default: any number.
   */
  maxQueueLength?: number;
  /**
   * The amount that may wait for Redis in this process, counted as characters of JSON. A further message
   * fails at once with a `BufferFullError`. Default 64 MiB.
   */
  maxBufferedBytes?: number;
  /**
   * The number of replicas of Redis that must confirm a message within 400 ms (less, if `enqueueTimeout` is
   * below 5,000). With fewer it fails with an `EnqueueError`, although it is stored. Not on Redis Cluster.
   * Default 0.
   */
  minReplicas?: number;
  /** Whether consumers of the original ElkMQ read the queue too. Default false. */
  legacyConsumers?: boolean;
}

/** @throws {InvalidOptionError} */
export function sendingOptions(given: SendingOptions, isCluster: boolean): RequesterOptions {
  const { enqueueTimeout, maxPayloadBytes, maxQueueLength, maxBufferedBytes } = given;
  const minReplicas = parseInteger('minReplicas', given.minReplicas, 0, 0);
  // ioredis sends WAIT, which has no key, to any node.
  if (isCluster && minReplicas > 0) {
    throw new InvalidOptionError(`minReplicas must be 0 on Redis Cluster, got ${String(minReplicas)}`);
  }
  return {
    enqueueTimeout: parseMilliseconds('enqueueTimeout', enqueueTimeout, DEFAULTS.enqueueTimeout),
    maxPayloadBytes: parseInteger('maxPayloadBytes', maxPayloadBytes, DEFAULTS.maxPayloadBytes, 1),
    maxQueueLength:
      maxQueueLength === undefined ? undefined : parseInteger('maxQueueLength', maxQueueLength, 0, 1),
    minReplicas,
    legacyConsumers: parseBoolean('legacyConsumers', given.legacyConsumers),
    maxBufferedBytes: parseInteger('maxBufferedBytes', maxBufferedBytes, DEFAULTS.maxBufferedBytes, 1),
  };
}

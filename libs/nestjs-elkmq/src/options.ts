import type {
  ConsumerDeserializer,
  ConsumerSerializer,
  ProducerDeserializer,
  ProducerSerializer,
} from '@nestjs/microservices';
import type { CredentialsFunction, DeliveryMode, RedisSourceInput } from 'elkmq';
import type { SendingOptions } from 'elkmq/internal';
import type { ElkMqQueueAddress, ElkMqSubscriptionAddress, ElkMqTopicAddress } from './address-options.js';
import type { ElkMqTelemetry } from './instrumentation.js';
import type { ElkMqRetryOptions } from './server/retry-policy.js';

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
  /**
   * With `at-least-once` a message whose worker died is tried again while fewer workers than this number have
   * died with it. Attempts that failed do not count. Default 5.
   */
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
  /**
   * The name of another queue, the predecessor, that this queue comes after. The server takes no messages
   * until nothing waits, runs or is delayed in the predecessor, in any of its partitions. Messages of an
   * ordering key keep their order across both, once all clients send to this queue. Default: none.
   */
  after?: string;
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

import type { BenchTransport } from './bench-transport.js';
import { withPayload } from './payloads.js';

type Imports = Record<string, () => Promise<BenchTransport>>;

const elkmq = async () => (await import('./elkmq.js')).elkmq;
const elkmqBuffering = async () => (await import('./elkmq.js')).elkmqBuffering;
const raw = async () => (await import('./raw-loop.js')).rawLoop;
const redis = async () => (await import('./redis.js')).redis;

/**
 * Every transport by the name that `--only` takes, ours first. They are imported one at a time, so that a process
 * holds the code of the one transport it measures.
 */
const transports = {
  elkmq,
  'elkmq-aof': async () => (await import('./elkmq.js')).elkmqAof,
  'elkmq-aof-memory': async () => (await import('./elkmq.js')).elkmqAofInMemory,
  raw,
  tcp: async () => (await import('./tcp.js')).tcp,
  redis,
  nats: async () => (await import('./nats.js')).nats,
  mqtt: async () => (await import('./mqtt.js')).mqtt,
  rmq: async () => (await import('./rmq.js')).rmq,
  'rmq-ack': async () => (await import('./rmq.js')).rmqAck,
  bullmq: async () => (await import('./bullmq.js')).bullmq,
} satisfies Imports;

const options = {
  'elkmq-headers': async () => (await import('./elkmq-options.js')).headers,
  'elkmq-deduplicated': async () => (await import('./elkmq-options.js')).deduplicated,
  'elkmq-delayed': async () => (await import('./elkmq-options.js')).delayed,
  'elkmq-retried': async () => (await import('./elkmq-handlers.js')).retried,
  'elkmq-many-keys': async () => (await import('./elkmq-options.js')).manyKeys,
  'elkmq-one-key': async () => (await import('./elkmq-options.js')).oneKey,
  'elkmq-limited': async () => (await import('./elkmq-options.js')).limited,
  'elkmq-legacy': async () => (await import('./elkmq-options.js')).legacyConsumers,
  'elkmq-replicated': async () => (await import('./elkmq-options.js')).replicated,
  'elkmq-topic-1': async () => (await import('./elkmq-handlers.js')).subscribed(1),
  'elkmq-topic-5': async () => (await import('./elkmq-handlers.js')).subscribed(5),
  'elkmq-topic-20': async () => (await import('./elkmq-handlers.js')).subscribed(20),
  'elkmq-streamed': async () => (await import('./elkmq-handlers.js')).streamed,
  'elkmq-uncounted': async () => (await import('./elkmq-rates.js')).uncounted,
  'elkmq-telemetry': async () => (await import('./elkmq-telemetry.js')).telemetry,
} satisfies Imports;

const payloads = {
  'elkmq-1k': async () => withPayload(await elkmqBuffering(), 1),
  'raw-1k': async () => withPayload(await raw(), 1),
  'redis-1k': async () => withPayload(await redis(), 1),
  'elkmq-16k': async () => withPayload(await elkmqBuffering(), 16),
  'raw-16k': async () => withPayload(await raw(), 16),
  'redis-16k': async () => withPayload(await redis(), 16),
  'elkmq-256k': async () => withPayload(await elkmqBuffering(), 256),
  'raw-256k': async () => withPayload(await raw(), 256),
  'redis-256k': async () => withPayload(await redis(), 256),
} satisfies Imports;

const http = {
  'http-elkmq': async () => (await import('./http.js')).httpElkmq,
  'http-redis': async () => (await import('./http.js')).httpRedis,
} satisfies Imports;

const peers = {
  jetstream: async () => (await import('./jetstream.js')).jetstream,
  asynq: async () => (await import('./programs.js')).asynq,
  original: async () => (await import('./programs.js')).original,
} satisfies Imports;

const all = { ...transports, ...options, ...payloads, ...http, ...peers };

export type TransportName = keyof typeof all;

/** The transport that the others are compared with. */
export const OURS: TransportName = 'elkmq';

const namesOf = (imports: Imports) => Object.keys(imports) as TransportName[];

export const transportNames = namesOf(transports);
/** ElkMQ with one option each. */
export const optionNames = namesOf(options);
export const payloadNames = namesOf(payloads);
export const httpNames = namesOf(http);
/** What users of other projects would take. */
export const peerNames = namesOf(peers);

/** ElkMQ under the same conditions, if these are not the usual ones. */
const OURS_FOR: Partial<Record<TransportName, TransportName>> = {
  'raw-1k': 'elkmq-1k',
  'redis-1k': 'elkmq-1k',
  'raw-16k': 'elkmq-16k',
  'redis-16k': 'elkmq-16k',
  'raw-256k': 'elkmq-256k',
  'redis-256k': 'elkmq-256k',
  'http-redis': 'http-elkmq',
};

/** What a transport is compared with: ElkMQ under the same conditions. */
export function oursFor(name: TransportName): TransportName {
  return OURS_FOR[name] ?? OURS;
}

export function isTransportName(name: string): name is TransportName {
  return Object.hasOwn(all, name);
}

export function loadTransport(name: TransportName): Promise<BenchTransport> {
  return all[name]();
}

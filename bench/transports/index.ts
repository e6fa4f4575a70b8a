import type { BenchTransport } from './bench-transport.js';

/**
 * Every transport by the name that `--only` takes, ours first. They are imported one at a time, so that a process
 * holds the code of the one transport it measures.
 */
const imports = {
  elkmq: async () => (await import('./elkmq.js')).elkmq,
  'elkmq-aof': async () => (await import('./elkmq.js')).elkmqAof,
  raw: async () => (await import('./raw-loop.js')).rawLoop,
  tcp: async () => (await import('./tcp.js')).tcp,
  redis: async () => (await import('./redis.js')).redis,
  nats: async () => (await import('./nats.js')).nats,
  mqtt: async () => (await import('./mqtt.js')).mqtt,
  rmq: async () => (await import('./rmq.js')).rmq,
  'rmq-ack': async () => (await import('./rmq.js')).rmqAck,
  bullmq: async () => (await import('./bullmq.js')).bullmq,
} satisfies Record<string, () => Promise<BenchTransport>>;

const options = {
  'elkmq-headers': async () => (await import('./elkmq-options.js')).headers,
  'elkmq-deduplicated': async () => (await import('./elkmq-options.js')).deduplicated,
  'elkmq-delayed': async () => (await import('./elkmq-options.js')).delayed,
  'elkmq-many-keys': async () => (await import('./elkmq-options.js')).manyKeys,
  'elkmq-one-key': async () => (await import('./elkmq-options.js')).oneKey,
  'elkmq-limited': async () => (await import('./elkmq-options.js')).limited,
  'elkmq-legacy': async () => (await import('./elkmq-options.js')).legacyConsumers,
  'elkmq-replicated': async () => (await import('./elkmq-options.js')).replicated,
} satisfies Record<string, () => Promise<BenchTransport>>;

const all = { ...imports, ...options };

export type TransportName = keyof typeof all;

/** The transport that the others are compared with. */
export const OURS: TransportName = 'elkmq';

export const transportNames = Object.keys(imports) as TransportName[];

/** ElkMQ with one option each. */
export const optionNames = Object.keys(options) as TransportName[];

export function isTransportName(name: string): name is TransportName {
  return Object.hasOwn(all, name);
}

export function loadTransport(name: TransportName): Promise<BenchTransport> {
  return all[name]();
}

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

export type TransportName = keyof typeof imports;

/** The transport that the others are compared with. */
export const OURS: TransportName = 'elkmq';

export const transportNames = Object.keys(imports) as TransportName[];

export function isTransportName(name: string): name is TransportName {
  return Object.hasOwn(imports, name);
}

export function loadTransport(name: TransportName): Promise<BenchTransport> {
  return imports[name]();
}

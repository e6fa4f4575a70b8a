import { LOOPBACK } from '../../bench/addresses.js';
import { randomUUID } from 'node:crypto';
import { Transport } from '@nestjs/microservices';
import { it } from 'vitest';
import { nats as broker } from '../../bench/transports/nats.js';
import { type TestedTransport } from './transport.js';

/** Subjects are the same for all of a server: an address of its own is a server of its own. */
export const nats: TestedTransport = {
  name: 'NATS',
  id: Transport.NATS,
  async newAddress() {
    const server = await broker.startBroker(LOOPBACK);
    const at = (options: object) => ({
      transport: Transport.NATS as const,
      options: { servers: [server.url], ...options },
    });
    const address = { server: (more = {}) => at(more), client: (more = {}) => at(more) };
    return { address, release: () => server.stop() };
  },
};

export const rmq = (url: string): TestedTransport => ({
  name: 'RMQ',
  id: Transport.RMQ,
  newAddress() {
    const queue = `suite-${randomUUID()}`;
    const at = (options: object) => ({
      transport: Transport.RMQ as const,
      options: { urls: [url], queue, ...options },
    });
    const address = { server: (more = {}) => at(more), client: (more = {}) => at(more) };
    return Promise.resolve({ address, release: () => Promise.resolve() });
  },
});

/** Runs the tests where the broker is there, and says so where it is not. */
export async function whereInstalled(
  missing: string | undefined,
  tests: () => void | Promise<void>,
): Promise<void> {
  if (missing === undefined) await tests();
  else it.skip(`not tried: ${missing}`);
}

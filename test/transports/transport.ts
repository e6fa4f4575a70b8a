import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { Transport, type ClientProvider, type MicroserviceOptions } from '@nestjs/microservices';
import { ElkMqClient, ElkMqServer, ELKMQ } from 'nestjs-elkmq';
import { startRedis } from '../../scripts/redis.js';

export type TransportName = 'TCP' | 'Redis' | 'NATS' | 'RMQ' | 'ElkMQ';

/** Where a server listens and its clients send to; the only thing that the suite knows of a transport. */
export interface Address {
  server(options?: object): MicroserviceOptions;
  client(options?: object): ClientProvider;
}

export interface TestedTransport {
  readonly name: TransportName;
  /** The id to which handlers are bound. */
  readonly id: Transport | symbol;
  /** An address that nobody uses, and how to give it back. */
  readonly newAddress: () => Promise<{ address: Address; release: () => Promise<void> }>;
}

const nothing = (): Promise<void> => Promise.resolve();

export const tcp: TestedTransport = {
  name: 'TCP',
  id: Transport.TCP,
  async newAddress() {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const at = (options: object) => ({
      transport: Transport.TCP as const,
      options: { host: '127.0.0.1', port, ...options },
    });
    return {
      address: { server: (more = {}) => at(more), client: (more = {}) => at(more) },
      release: nothing,
    };
  },
};

/** Channels are the same in every database of a server: an address of its own is a server of its own. */
export const nestRedis: TestedTransport = {
  name: 'Redis',
  id: Transport.REDIS,
  async newAddress() {
    const redis = await startRedis();
    const at = (options: object) => ({
      transport: Transport.REDIS as const,
      options: { host: '127.0.0.1', port: redis.port, ...options },
    });
    const address = { server: (more = {}) => at(more), client: (more = {}) => at(more) };
    return { address, release: () => redis.stop() };
  },
};

export const elkmq = (url: string): TestedTransport => ({
  name: 'ElkMQ',
  id: ELKMQ,
  newAddress() {
    const queue = `suite-${randomUUID()}`;
    const address: Address = {
      server: (more = {}) => ({ strategy: new ElkMqServer({ queue, url, ...more }) }),
      client: (more = {}) => ({ customClass: ElkMqClient, options: { queue, url, ...more } }),
    };
    return Promise.resolve({ address, release: nothing });
  },
});

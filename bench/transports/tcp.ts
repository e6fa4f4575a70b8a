import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import type { Addresses } from '../addresses.js';
import type { BenchTransport, Broker } from './bench-transport.js';
import { startNestWorker } from './nest.js';

/** There is no broker: the worker itself listens, on a port that was free a moment ago. */
async function findAddress({ worker }: Addresses): Promise<Broker> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return { url: `tcp://${worker}:${port}`, stop: () => Promise.resolve() };
}

function options(url: string) {
  const { hostname, port } = new URL(url);
  return { transport: Transport.TCP as const, options: { host: hostname, port: Number(port) } };
}

export const tcp: BenchTransport = {
  title: 'Nest TCP',
  stores: false,
  keeps: 'nothing is stored, no broker: each client is connected to one worker',
  missing: () => undefined,
  startBroker: findAddress,
  startWorker: (url, ...rest) => startNestWorker(options(url), ...rest),
  client: (url) => ClientProxyFactory.create(options(url)),
};

import { ClientProxyFactory, Transport, type ClientProxy } from '@nestjs/microservices';
import type { BenchTransport } from './bench-transport.js';
import { startRedisBroker } from './redis-broker.js';
import { startNestWorker } from './nest.js';

function options(url: string) {
  const { hostname, port, protocol } = new URL(url);
  const tls = protocol === 'rediss:' && { tls: {} };
  return { transport: Transport.REDIS as const, options: { host: hostname, port: Number(port), ...tls } };
}

export const redisClient = (url: string): ClientProxy => ClientProxyFactory.create(options(url));

export const redis: BenchTransport = {
  title: 'Nest Redis',
  stores: false,
  keeps: 'nothing is stored (pub/sub), every worker gets every message',
  missing: () => undefined,
  startBroker: startRedisBroker,
  speaksTls: true,
  startWorker: (url, ...rest) => startNestWorker(options(url), ...rest),
  client: redisClient,
};

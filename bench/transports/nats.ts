import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { findOnPath } from '../../scripts/install-redis.js';
import type { BenchTransport } from './bench-transport.js';
import { startProcess, versionOf } from './broker-process.js';
import { startNestWorker } from './nest.js';

const options = (url: string) => ({ transport: Transport.NATS as const, options: { servers: [url] } });

export const nats: BenchTransport = {
  title: 'Nest NATS',
  stores: false,
  keeps: 'nothing is stored, every worker gets every message unless they share a queue group',
  missing: () => (findOnPath('nats-server') === undefined ? 'nats-server is not installed' : undefined),
  async startBroker() {
    const broker = await startProcess((port) => ['nats-server', '-a', '127.0.0.1', '-p', String(port)]);
    return {
      url: `nats://127.0.0.1:${broker.port}`,
      software: `NATS ${versionOf('nats-server', '--version')}`,
      pid: broker.pid,
      stop: () => broker.stop(),
    };
  },
  startWorker: (url, handled) => startNestWorker(options(url), handled),
  client: (url) => ClientProxyFactory.create(options(url)),
};

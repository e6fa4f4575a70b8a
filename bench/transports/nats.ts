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
  async startBroker({ broker: host }) {
    const command = (port: number) => ['nats-server', '-a', host, '-p', String(port)];
    const broker = await startProcess(command, undefined, host);
    return {
      url: `nats://${host}:${broker.port}`,
      software: `NATS ${versionOf('nats-server', '--version')}`,
      pid: broker.pid,
      stop: () => broker.stop(),
    };
  },
  startWorker: (url, ...rest) => startNestWorker(options(url), ...rest),
  client: (url) => ClientProxyFactory.create(options(url)),
};

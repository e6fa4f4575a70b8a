import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import type { BenchTransport } from './bench-transport.js';
import { startRedisBroker } from './redis-broker.js';

const queue = 'bench';

export const elkmq: BenchTransport = {
  title: 'ElkMQ',
  keeps: 'stored in Redis until a worker has settled it, handed to one worker',
  missing: () => undefined,
  startBroker: startRedisBroker,
  server: (url) => ({ strategy: new ElkMqServer({ queue, url }) }),
  client: (url) => new ElkMqClient({ queue, url }),
};

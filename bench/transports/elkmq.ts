import { existsSync } from 'node:fs';
import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import type { BenchTransport } from './bench-transport.js';
import { startNestWorker } from './nest.js';
import { startPersistentRedisBroker, startRedisBroker } from './redis-broker.js';

const queue = 'bench';

export const elkmq: BenchTransport = {
  title: 'ElkMQ',
  stores: true,
  keeps: 'stored in Redis until a worker has settled it, handed to one worker',
  missing: () => undefined,
  startBroker: startRedisBroker,
  shares: true,
  speaksTls: true,
  startWorker(url, handled, conditions) {
    const { concurrency } = conditions;
    const strategy = new ElkMqServer({ queue, url, ...(concurrency !== undefined && { concurrency }) });
    return startNestWorker({ strategy }, handled, conditions);
  },
  client: (url) => new ElkMqClient({ queue, url }),
};

/** For large payloads: by default 64 MiB may wait in a client, which are 255 of 256 KiB. */
export const elkmqBuffering: BenchTransport = {
  ...elkmq,
  client: (url) => new ElkMqClient({ queue, url, maxBufferedBytes: 256 * 2 ** 20 }),
};

export const elkmqAof: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, AOF',
  keeps: 'as ElkMQ, and written to disk every second (appendfsync everysec)',
  startBroker: (at) => startPersistentRedisBroker(at),
};

/** Where Linux has a file system in memory. */
const MEMORY = '/dev/shm';

/** What AOF costs without a disk. */
export const elkmqAofInMemory: BenchTransport = {
  ...elkmqAof,
  title: 'ElkMQ, AOF in RAM',
  keeps: `as ElkMQ, AOF, and the file is in ${MEMORY}, so that the disk has no share in it`,
  missing: () => (existsSync(MEMORY) ? undefined : `there is no ${MEMORY}`),
  startBroker: (at) => startPersistentRedisBroker(at, MEMORY),
};

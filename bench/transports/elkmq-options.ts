import { ElkMqClient, ElkMqRecordBuilder, ElkMqServer } from 'nestjs-elkmq';
import type { Addresses } from '../addresses.js';
import { startRedis } from '../../scripts/redis.js';
import type { BenchClient, BenchTransport, Broker } from './bench-transport.js';
import { elkmq } from './elkmq.js';
import { startNestWorker } from './nest.js';
import { startRedisBroker } from './redis-broker.js';

/** ElkMQ with one option each, to be compared with ElkMQ without it in the same run. */

const queue = 'bench';
/** So many messages have another ordering key each. */
const ORDERING_KEYS = 1_000;
/** A limit that is asked for and never reached. */
const QUEUE_LENGTH = 1_000_000;
const DELAY_MS = 1;
const KEY_WINDOW_MS = 1_000;

type Configure = (record: ElkMqRecordBuilder<object>, number: number) => ElkMqRecordBuilder<object>;

function withMessageOption(title: string, configure: Configure): BenchTransport {
  return {
    ...elkmq,
    title: `ElkMQ, ${title}`,
    client(url): BenchClient {
      const client = new ElkMqClient({ queue, url });
      let number = 0;
      const record = (data: object) => configure(new ElkMqRecordBuilder(data), number++).build();
      return {
        connect: () => client.connect(),
        send: (pattern, data) => client.send(pattern, record(data)),
        emit: (pattern, data) => client.emit(pattern, record(data)),
        close: () => client.close(),
      };
    },
  };
}

export const headers = withMessageOption('headers', (record) =>
  record.setHeaders({ tenant: 'acme', 'request-id': '01jd9y2m' }),
);

/** Each message has a key of its own, so all are stored. */
export const deduplicated = withMessageOption('deduplication key', (record, number) =>
  record.setDeduplicationKey(`order-${number}`, KEY_WINDOW_MS),
);

export const delayed = withMessageOption(`delay of ${DELAY_MS} ms`, (record) => record.setDelay(DELAY_MS));

export const manyKeys = withMessageOption(`${ORDERING_KEYS} ordering keys`, (record, number) =>
  record.setOrderingKey(`customer-${number % ORDERING_KEYS}`),
);

export const oneKey = withMessageOption('one ordering key', (record) => record.setOrderingKey('customer-1'));

export const limited: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, maxQueueLength',
  client: (url) => new ElkMqClient({ queue, url, maxQueueLength: QUEUE_LENGTH }),
};

export const legacyConsumers: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, legacyConsumers',
  startWorker: (url, handled) =>
    startNestWorker({ strategy: new ElkMqServer({ queue, url, legacyConsumers: true }) }, handled),
  client: (url) => new ElkMqClient({ queue, url, legacyConsumers: true }),
};

export const replicated: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, minReplicas 1',
  keeps:
    'as ElkMQ, and a message is stored when one replica has it; the CPU of the replica is not in the figures',
  startBroker: startReplicatedBroker,
  client: (url) => new ElkMqClient({ queue, url, minReplicas: 1 }),
};

async function startReplicatedBroker(at: Addresses): Promise<Broker> {
  const master = await startRedisBroker(at);
  try {
    const { hostname, port } = new URL(master.url);
    const replica = await startRedis({
      args: ['--replicaof', hostname, port, '--repl-diskless-sync-delay', '0'],
    });
    return {
      ...master,
      async stop() {
        await replica.stop();
        await master.stop();
      },
    };
  } catch (error) {
    await master.stop();
    throw error;
  }
}

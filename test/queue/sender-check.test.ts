import { ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { SendBuffer } from '../../libs/elkmq/src/producer/send-buffer.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../libs/elkmq/src/redis/connection.js';
import { PartitionNumber } from '../../libs/elkmq/src/redis/partition-check.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { PartitionWatch } from '../../libs/elkmq/src/requests/partition-watch.js';
import { Requester } from '../../libs/elkmq/src/requests/requester.js';
import { closing, newQueueName, redis, url } from '../support/queue.js';

it('nothing is stored before a check that a broken connection has ended was made again', async () => {
  const source = new RedisSource(url);
  const keys = new QueueKeys(newQueueName(), false);
  const connection = new Connection(source, COMMAND_TIMEOUT_MS, {});
  closing({ close: () => connection.closeConnection() });
  /** The check fails as ioredis fails a command of a Cluster whose connections come and go. */
  class BreakingNumber extends PartitionNumber {
    readonly lengths: number[] = [];

    override async checkNumber(client: Connection['client']): Promise<void> {
      this.lengths.push(await redis.xlen(keys.eventStream));
      if (this.lengths.length <= 2) throw new Error('Connection is closed.');
      return super.checkNumber(client);
    }
  }
  const number = new BreakingNumber([keys]);
  const options = {
    maxPayloadBytes: 1_000,
    maxQueueLength: undefined,
    maxBufferedBytes: 1_000_000,
    minReplicas: 0,
    enqueueTimeout: 60_000,
    legacyConsumers: false,
  };
  const parts = {
    clientId: 'client',
    connection,
    number,
    buffer: new SendBuffer(1_000_000),
    watch: new PartitionWatch(connection, keys),
  };
  const requester = new Requester(source, keys, options, {}, parts);
  await requester.enqueue(new ServiceEvent(10, 'note', '1'), { orderingKey: 'k' });
  expect(number.lengths).toEqual([0, 0, 0]);
  expect(await redis.xlen(keys.eventStream)).toBe(1);
  await requester.close(new Error('over'));
});

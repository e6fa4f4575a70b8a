import { ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { SendBuffer } from '../../libs/elkmq/src/producer/send-buffer.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../libs/elkmq/src/redis/connection.js';
import { PartitionNumber } from '../../libs/elkmq/src/redis/partition-check.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { PartitionWatch } from '../../libs/elkmq/src/requests/partition-watch.js';
import { Requester } from '../../libs/elkmq/src/requests/requester.js';
import { sendingOptions } from '../../libs/elkmq/src/requests/sending-options.js';
import { closing, newQueueName, redis, url } from '../support/queue.js';

/** Says what the test says, while Redis answers. */
class SetWatch extends PartitionWatch {
  isSet = true;

  override get isAnswering(): boolean {
    return this.isSet;
  }
}

it.each([true, false])(
  'a client that is closed tidies up in a partition only when that answers: %s',
  async (isAnswering) => {
    const source = new RedisSource(url);
    const keys = new QueueKeys(newQueueName(), false);
    const connection = new Connection(source, COMMAND_TIMEOUT_MS);
    closing({ close: () => connection.closeConnection() });
    const watch = new SetWatch(connection, keys);
    watch.isSet = isAnswering;
    const parts = {
      clientId: 'client',
      connection,
      number: new PartitionNumber([keys]),
      buffer: new SendBuffer(1_000_000),
      watch,
    };
    const requester = new Requester(source, keys, sendingOptions({}, false), {}, parts);
    await requester.enqueue(new ServiceEvent(10, 'note', '1'));
    const own = keys.producer('client');
    expect(await redis.pttl(own)).toBeGreaterThan(0);
    await requester.close(new Error('over'));
    // What is left has a TTL.
    expect(await redis.exists(own)).toBe(isAnswering ? 0 : 1);
  },
);

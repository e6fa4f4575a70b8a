import { expect, it } from 'vitest';
import { EventQueue, ServiceEvent } from '../../libs/elkmq/src/index.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName } from '../support/queue.js';

it('a client opens a connection for the responses of legacy consumers only where there are some', async () => {
  const server = await ownRedis();
  const look = clientOf(server);
  const opened = async (): Promise<number> => {
    const [, count] = /total_connections_received:(\d+)/.exec(await look.info('stats')) ?? [];
    return Number(count);
  };
  const name = newQueueName();
  const worker = new EventQueue(name, server.url);
  // One request, from the first connection of a client to its end.
  const connectionsOf = async (legacyConsumers: boolean): Promise<number> => {
    const client = new EventQueue(name, server.url, { legacyConsumers });
    const before = await opened();
    const answer = client.awaitResponse(new ServiceEvent(60, 'ask', null));
    const [, request] = await worker.dequeueBlocking(0);
    await worker.enqueueResponse(ServiceEvent.responseTo(request, 'answer', null));
    await answer;
    await client.close();
    return (await opened()) - before;
  };
  // The worker has all its connections then.
  await connectionsOf(false);
  expect(await connectionsOf(true)).toBe((await connectionsOf(false)) + 1);
  await worker.close();
});

import { expect, it } from 'vitest';
import { startClient } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';
import { sendSteps, type Step } from '../support/steps.js';
import { startWorker } from '../support/workers.js';

it('messages whose lanes somebody has deleted by hand are handled, in their order', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  await sendSteps(client, ['gone', 'odd']);
  await redis.hdel(`${queue}(lanes)`, 'gone');
  await redis.hset(`${queue}(lanes)`, 'odd', 'of no known form');
  await expectAllHandled(queue);
});

it('they are so when all lanes were deleted', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  await sendSteps(client, ['gone', 'odd']);
  await redis.del(`${queue}(lanes)`);
  await expectAllHandled(queue);
});

async function expectAllHandled(queue: string): Promise<void> {
  const seen: Step[] = [];
  await startWorker({ queue }, { 'step event': (payload) => Promise.resolve(seen.push(payload as Step)) });
  await until(() => seen.length === 6);
  for (const key of ['gone', 'odd'])
    expect(seen.filter((step) => step.key === key).map(({ number }) => number)).toEqual([1, 2, 3]);
  await until(async () => (await redis.exists(`${queue}(lanes)`, `${queue}(lane_bodies)`)) === 0);
}

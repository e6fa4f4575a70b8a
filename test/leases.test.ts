import { ElkMqServer } from 'nestjs-elkmq';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { clientOf, ownRedis } from './support/own-redis.js';
import { newQueueName, redis, until, url } from './support/queue.js';
import { deadLettersOf, listening, logs, startClient } from './support/nest.js';

/** A message in the hands of a worker elsewhere, which is this test. */
async function takenElsewhere(lease: number, client = redis) {
  const queue = newQueueName();
  const stream = `${queue}(event_stream)`;
  const consumer = `elsewhere.1.${lease}`;
  await client.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
  const json = '{"request_uuid":7,"timeout":60,"action":"a","payload":null}';
  const id = String(await client.xadd(stream, '*', 'event', json, 'reply_to', ''));
  await client.xreadgroup('GROUP', 'elkmq', consumer, 'STREAMS', stream, '>');
  return {
    queue,
    isTaken: async () => (await client.xpending(stream, 'elkmq'))[0] === 1,
    /** As if that worker had renewed its lease so many ms ago. */
    renew: (idle = 0) => client.xclaim(stream, 'elkmq', consumer, 0, id, 'IDLE', idle, 'JUSTID'),
  };
}

it('a worker does not take what looks long abandoned, as after an outage of Redis, before it has watched it for half its lease', async () => {
  const { queue, isTaken, renew } = await takenElsewhere(2_000);
  await renew(60_000);
  await listening(new ElkMqServer({ queue, url, lease: 100 }));
  await sleep(800);
  expect(await isTaken()).toBe(true);
  // The others are back.
  await renew();
  await sleep(800);
  expect(await isTaken()).toBe(true);
  await renew(60_000);
  await until(async () => (await deadLettersOf(queue)).length === 1);
});

it('a worker that is closing keeps what it is still handling', async () => {
  const queue = newQueueName();
  const lease = 300;
  const worker = new ElkMqServer({ queue, url, lease });
  let isDone = false;
  let start: (() => void) | undefined;
  const started = new Promise<void>((resolve) => (start = resolve));
  worker.addHandler(
    'note',
    async () => {
      start?.();
      await sleep(5 * lease);
      isDone = true;
    },
    true,
  );
  await listening(worker);
  startClient({ queue }).emit('note', 1);
  await started;
  await listening(new ElkMqServer({ queue, url, lease }));
  await worker.close();
  expect(isDone).toBe(true);
  expect(await deadLettersOf(queue)).toEqual([]);
  expect(logs.filter((line) => line.includes(queue) && line.includes('given up'))).toEqual([]);
});

it('a worker whose connection was lost gives the others five seconds to come back as well', async () => {
  const server = await ownRedis();
  const admin = clientOf(server);
  const { queue, isTaken, renew } = await takenElsewhere(1_000, admin);
  await listening(new ElkMqServer({ queue, url: server.url, lease: 200 }));
  await sleep(600);
  await renew(600);
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await sleep(3_000);
  expect(await isTaken()).toBe(true);
});

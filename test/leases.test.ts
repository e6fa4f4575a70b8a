import { ElkMqServer } from 'nestjs-elkmq';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

it('a worker that went away an hour ago is no member of the group any more, unless a message is pending for it', async () => {
  const server = await ownRedis('--rdbchecksum', 'no');
  const queue = newQueueName();
  const stream = `${queue}(event_stream)`;
  const before = clientOf(server);
  await before.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
  const gone = ['done.1.1000', 'busy.1.1000000'];
  for (const consumer of gone) {
    const id = String(await before.xadd(stream, '*', 'event', '', 'reply_to', ''));
    await before.xreadgroup('GROUP', 'elkmq', consumer, 'STREAMS', stream, '>');
    if (consumer === gone[0]) await before.xack(stream, 'elkmq', id);
  }
  await before.save();
  await server.kill();
  // Redis has no command that sets back when it has seen a consumer. In its file that follows the name, in ms.
  const file = join(server.dir, 'dump.rdb');
  const saved = await readFile(file);
  for (const consumer of gone) {
    const place = saved.indexOf(consumer) + consumer.length;
    saved.writeBigUInt64LE(saved.readBigUInt64LE(place) - 3_600_000n, place);
  }
  await writeFile(file, saved);
  await server.restart();
  await listening(new ElkMqServer({ queue, url: server.url, lease: 100 }));
  const consumers = async () =>
    ((await before.xinfo('CONSUMERS', stream, 'elkmq')) as string[][]).map(([, name]) => name);
  await until(async () => !(await consumers()).includes('done.1.1000'));
  expect(await consumers()).toContain('busy.1.1000000');
});

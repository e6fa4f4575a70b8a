import { ElkMqServer } from 'nestjs-elkmq';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';
import { renewals, startWorker } from '../support/workers.js';
import { deadLettersOf, listening, logs, startClient } from '../support/nest.js';

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
    /** Makes it look as if that worker had renewed its lease `idle` ms ago. */
    renew: (idle = 0, by = consumer) => client.xclaim(stream, 'elkmq', by, 0, id, 'IDLE', idle, 'JUSTID'),
  };
}

describe('a worker does not take what looks long abandoned, as after an outage of Redis, before it has watched it', () => {
  it('for half its lease', async () => {
    const { queue, renew } = await takenElsewhere(2_000);
    await renew(60_000);
    const start = performance.now();
    await startWorker({ queue, url, lease: 100 });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(performance.now() - start).toBeGreaterThanOrEqual(1_000);
  });

  it('for so long again when its worker was back meanwhile', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const { queue, renew } = await takenElsewhere(2_000, admin);
    await renew(60_000);
    // A server that has just started is one after an outage.
    await until(async () => /^uptime_in_seconds:[5-9]/m.test(await admin.info('server')));
    await startWorker({ queue, url: server.url, lease: 100 });
    /** Each sweep ends with a look at the consumers. */
    const sweeps = async () => {
      const stats = (await admin.info('commandstats')).matchAll(/^cmdstat_xinfo\S*:calls=(\d+)/gm);
      return [...stats].reduce((sum, [, calls]) => sum + Number(calls), 0);
    };
    await until(async () => (await sweeps()) >= 5);
    const renewed = performance.now();
    await renew();
    const before = await sweeps();
    await until(async () => (await sweeps()) >= before + 2);
    await renew(60_000);
    await until(async () => (await admin.hlen(`${queue}(dead_letter_bodies)`)) === 1);
    expect(performance.now() - renewed).toBeGreaterThanOrEqual(1_000);
  });
});

it('a worker that is closing keeps what it is still handling', async () => {
  const queue = newQueueName();
  const worker = new ElkMqServer({ queue, url, lease: 1_000 });
  let finish: (() => void) | undefined;
  worker.addHandler('note', () => new Promise<void>((resolve) => (finish = resolve)), true);
  await listening(worker);
  startClient({ queue }).emit('note', 1);
  await until(() => finish !== undefined);
  let isClosed = false;
  const closed = worker.close().then(() => (isClosed = true));
  // The handler runs for longer than its lease.
  await renewals(queue, 4);
  expect(isClosed).toBe(false);
  finish?.();
  await closed;
  expect(await deadLettersOf(queue)).toEqual([]);
  expect(logs.filter((line) => line.includes(queue) && line.includes('given up'))).toEqual([]);
});

it('a worker whose connection was lost gives the others five seconds to come back as well', async () => {
  const proxy = closing(await Proxy.before(url));
  const { queue, renew } = await takenElsewhere(600_000);
  await startWorker({ queue, url: proxy.url, lease: 200 });
  const cut = performance.now();
  proxy.cut();
  await renew(60_000, 'elsewhere.1.1000');
  await until(async () => (await deadLettersOf(queue)).length === 1);
  expect(performance.now() - cut).toBeGreaterThanOrEqual(5_000);
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
  await startWorker({ queue, url: server.url, lease: 100 });
  const consumers = async () =>
    ((await before.xinfo('CONSUMERS', stream, 'elkmq')) as string[][]).map(([, name]) => name);
  await until(async () => !(await consumers()).includes('done.1.1000'));
  expect(await consumers()).toContain('busy.1.1000000');
});

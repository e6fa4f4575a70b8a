import { expect, it } from 'vitest';
import { QueueContext } from '../../libs/elkmq/src/context/queue-context.js';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { RetryQueue } from '../../libs/elkmq/src/settling/retry-queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, rejection, url } from '../support/queue.js';

const TIMEOUT_MS = 60_000;
const HOUR_MS = 3_600_000;

/** A queue of attempts that a worker has in hand, and the place where it has them tried again. */
async function attemptsInHand(count: number, { admin = redis, address = url } = {}) {
  const keys = new QueueKeys(newQueueName(), false);
  await admin.xgroup('CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM');
  for (let n = 0; n < count; n++) await admin.xadd(keys.eventStream, '*', 'event', String(n));
  await admin.xreadgroup('GROUP', GROUP, 'worker', 'STREAMS', keys.eventStream, '>');
  const ids = (await admin.xrange(keys.eventStream, '-', '+')).map(([id]) => id);
  const connection = new Connection(new RedisSource(address), TIMEOUT_MS);
  closing({ close: () => connection.closeConnection() });
  await connection.whenConnected(TIMEOUT_MS);
  const retries = new RetryQueue(new QueueContext(connection, keys, false), TIMEOUT_MS);
  const fields = (id: string) => JSON.stringify(['event', '{}', 'origin', id]);
  const retry = (id: string, { orderingKey = '' } = {}) =>
    retries.delayMessage({ id, origin: id, orderingKey, delay: HOUR_MS, fields: fields(id) });
  const delayed = () => admin.zrange(keys.delayed, 0, -1);
  return { keys, ids, fields, retry, delayed };
}

it('attempts that fail in one tick are delayed by one call', async () => {
  const server = await ownRedis();
  const admin = clientOf(server);
  const { keys, ids, fields, retry, delayed } = await attemptsInHand(10, { admin, address: server.adminUrl });
  const before = Date.now();
  expect(await Promise.all(ids.map((id) => retry(id)))).toEqual(ids.map(() => true));
  expect(await delayed()).toEqual(ids);
  for (const id of ids) {
    expect(await admin.hget(keys.delayedBodies, id)).toBe(fields(id));
    expect(Number(await admin.zscore(keys.delayed, id))).toBeGreaterThan(before + HOUR_MS);
  }
  expect(await admin.xlen(keys.eventStream)).toBe(0);
  expect((await admin.xpending(keys.eventStream, GROUP))[0]).toBe(0);
  // One call looks once whether it can write there.
  expect(/cmdstat_zcard:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1]).toBe('1');
});

it('an attempt that others have ended is told so, and those beside it are delayed', async () => {
  const { keys, ids, retry, delayed } = await attemptsInHand(3);
  const [first, second, third] = ids as [string, string, string];
  await redis.xack(keys.eventStream, GROUP, second);
  await redis.xdel(keys.eventStream, second);
  expect(await Promise.all(ids.map((id) => retry(id)))).toEqual([true, false, true]);
  expect(await delayed()).toEqual([first, third]);
});

it('attempts whose answer was lost are delayed once, and count as delayed', async () => {
  const proxy = closing(await Proxy.before(url));
  const { ids, retry, delayed } = await attemptsInHand(3, { address: proxy.url });
  proxy.loseAnswers(new RegExp(SCRIPTS.delay.sha1));
  expect(await Promise.all(ids.map((id) => retry(id)))).toEqual([true, true, true]);
  expect(proxy.lost).toBe(1);
  expect(await delayed()).toEqual(ids);
});

it('attempts with and without an ordering key go in one call, and the lane knows that its head is delayed', async () => {
  const { keys, ids, retry, delayed } = await attemptsInHand(3);
  const [first, second, third] = ids as [string, string, string];
  await redis.hset(keys.lanes, 'k', second);
  const outcomes = [retry(first), retry(second, { orderingKey: 'k' }), retry(third)];
  expect(await Promise.all(outcomes)).toEqual([true, true, true]);
  expect(await delayed()).toEqual(ids);
  expect(await redis.hget(keys.lanes, 'k')).toBe(`${second} d 1 0`);
});

it('a call that fails in its middle holds up none of its attempts', async () => {
  const { keys, ids, retry, delayed } = await attemptsInHand(3);
  const [first, second, third] = ids as [string, string, string];
  // The script looks there after it has delayed the second one.
  await redis.set(keys.lanes, 'no lanes');
  const outcomes = [retry(first), retry(second, { orderingKey: 'k' }), retry(third)];
  expect(await Promise.all(outcomes)).toEqual([true, true, true]);
  expect(await delayed()).toEqual(ids);
  expect(await redis.xlen(keys.eventStream)).toBe(0);
});

it('a refusal is told to each attempt, and ends none', async () => {
  const { keys, ids, retry } = await attemptsInHand(3);
  await redis.set(keys.delayed, 'something else');
  for (const error of await Promise.all(ids.map((id) => rejection(retry(id)))))
    expect(String(error)).toContain('WRONGTYPE');
  expect((await redis.xpending(keys.eventStream, GROUP))[0]).toBe(3);
});

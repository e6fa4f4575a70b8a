import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RedisClock } from '../libs/elkmq/src/core/redis/redis-clock.js';
import { clientOf, ownRedis } from './support/own-redis.js';

it('the clock of Redis, as a worker sees it, is never fast, also when Redis was slow to tell the time', async () => {
  const server = await ownRedis();
  const client = clientOf(server);
  const clock = new RedisClock();
  const keys = { eventStream: 'orders(event_stream)' };
  const isFastBy = async () => {
    const now = clock.now();
    const [seconds, microseconds] = await client.time();
    return now - (Number(seconds) * 1_000 + Number(microseconds) / 1_000);
  };
  await clock.synchronise(client, keys);
  expect(await isFastBy()).toBeLessThanOrEqual(0);

  const known = clock.now() - performance.now();
  process.kill(server.pid, 'SIGSTOP');
  const asked = clock.synchronise(client, keys);
  await sleep(500);
  process.kill(server.pid, 'SIGCONT');
  await asked;
  expect(await isFastBy()).toBeLessThanOrEqual(0);
  // What was known is better than that.
  expect(clock.now() - performance.now()).toBeCloseTo(known, 2);
});

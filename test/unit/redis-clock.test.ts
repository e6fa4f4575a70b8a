import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RedisClock } from '../../libs/elkmq/src/redis/clock.js';
import { clientOf, ownRedis } from '../support/own-redis.js';

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
  const start = performance.now();
  await clock.synchronise(client, keys);
  const roundTrip = performance.now() - start;
  expect(await isFastBy()).toBeLessThanOrEqual(0);

  // Between two looks at the clock of this process.
  const offsets = () => {
    const [before, now, after] = [performance.now(), clock.now(), performance.now()];
    return { least: now - after, most: now - before };
  };
  const known = offsets();
  process.kill(server.pid, 'SIGSTOP');
  const asked = clock.synchronise(client, keys);
  // Slower than it was on a busy machine.
  await sleep(500 + 2 * roundTrip);
  process.kill(server.pid, 'SIGCONT');
  await asked;
  expect(await isFastBy()).toBeLessThanOrEqual(0);
  // The earlier answer was better than that.
  const kept = offsets();
  expect(kept.most).toBeGreaterThanOrEqual(known.least);
  expect(kept.least).toBeLessThanOrEqual(known.most);
});

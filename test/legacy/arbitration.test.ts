import { expect, it } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, redis as shared, rejection } from '../support/queue.js';

const MINE = 'mine';
const DELETABLE = '1';

/** Entries that are pending for `MINE`, and whose ids are in the list of legacy consumers. */
async function contested(count: number, redis = shared) {
  const keys = new QueueKeys(newQueueName(), false);
  await redis.xgroup('CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM');
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const id = (await redis.xadd(keys.eventStream, '*', 'event', String(n))) as string;
    ids.push(id);
    await redis.lpush(keys.messageQueue, id);
    await redis.zadd(keys.leftovers, DELETABLE, id);
  }
  await redis.xreadgroup('GROUP', GROUP, MINE, 'STREAMS', keys.eventStream, '>');
  const decide = async (of: readonly string[], deletable = '') => {
    const entries = of.map((id) => ({ id, deletable }));
    return (await runScript(
      redis,
      scripts.arbitrate(keys, { group: GROUP, consumer: MINE, entries }),
    )) as number[];
  };
  /** The ids that are pending, with the number of their deliveries. */
  const pending = async () => {
    const all = (await redis.xpending(keys.eventStream, GROUP, '-', '+', 100)) as [
      string,
      string,
      number,
      number,
    ][];
    return all.map(([id, consumer, , deliveries]) => [id, consumer, deliveries]);
  };
  return { redis, keys, ids, decide, pending };
}

it('a worker wins the entries whose ids are in the list, and says so again when it is asked again', async () => {
  const { redis, keys, ids, decide, pending } = await contested(5);
  expect(await decide(ids)).toEqual([1, 1, 1, 1, 1]);
  expect(await pending()).toEqual(ids.map((id) => [id, MINE, 2]));
  expect(await redis.llen(keys.messageQueue)).toBe(0);
  expect(await redis.zcard(keys.leftovers)).toBe(0);
  expect(await decide(ids)).toEqual([1, 1, 1, 1, 1]);
});

it('each entry of one look is decided for itself', async () => {
  const { redis, keys, ids, decide, pending } = await contested(5);
  const [won, taken, elsewhere, settled, last] = ids as [string, string, string, string, string];
  await redis.lrem(keys.messageQueue, 0, taken);
  await redis.xclaim(keys.eventStream, GROUP, 'theirs', 0, elsewhere);
  await redis.xack(keys.eventStream, GROUP, settled);
  expect(await decide(ids)).toEqual([1, 0, -1, -1, 1]);
  expect((await pending()).map(([id]) => id)).toEqual([won, taken, elsewhere, last]);
  expect(await decide([taken], DELETABLE)).toEqual([0]);
  // A legacy consumer has it: it stays in the stream for that one.
  expect((await pending()).map(([id]) => id)).toEqual([won, elsewhere, last]);
  expect(await redis.xlen(keys.eventStream)).toBe(5);
});

it('entries that do not follow each other are found too', async () => {
  const { ids, decide } = await contested(20);
  const [first, second, tenth, last] = [ids[0], ids[1], ids[9], ids[19]] as [string, string, string, string];
  expect(await decide([first, second, last])).toEqual([1, 1, 1]);
  // In another order than that of the stream.
  expect(await decide([last, tenth, first])).toEqual([1, 1, 1]);
});

it('a list that is empty is not looked at again', async () => {
  const own = clientOf(await ownRedis());
  const { keys, ids, decide } = await contested(4, own);
  const [, second] = ids as [string, string];
  await own.del(keys.messageQueue);
  await own.lpush(keys.messageQueue, second);
  expect(await decide(ids)).toEqual([0, 1, 0, 0]);
  // For the first entry, and for the one that was there.
  expect(/cmdstat_lrem:calls=(\d+)/.exec(await own.info('commandstats'))?.[1]).toBe('2');
});

it('entries are won, whatever is refused afterwards', async () => {
  const own = clientOf(await ownRedis());
  const { ids, decide, pending } = await contested(2, own);
  await own.call('ACL', 'SETUSER', 'default', '-zrem');
  expect(String(await rejection(decide(ids)))).toMatch(/no permissions|NOPERM|can't run/i);
  await own.call('ACL', 'SETUSER', 'default', '+zrem');
  expect(await pending()).toEqual(ids.map((id) => [id, MINE, 2]));
  expect(await decide(ids)).toEqual([1, 1]);
});

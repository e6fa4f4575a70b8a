import { EventQueue, ServiceEvent, Topic } from 'elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { closing, redis, rejection, until, url } from '../support/queue.js';
import {
  event,
  newPartitionedTopic,
  newTopic,
  PARTITIONED,
  PARTITIONS,
  queueOf,
  waitingFor,
} from '../support/topics.js';

const HANDLERS = moduleOf(events({ a: () => 0 }));

/** What happens to all who use a topic with these options. */
async function attempts(name: string, options: object): Promise<unknown[]> {
  const topic = closing(new Topic(name, url, options));
  const served = { topic: name, subscription: 'billing', ...options };
  const client = startClient({ topic: name, ...options });
  return Promise.all([
    rejection(client.connect()),
    rejection(lastValueFrom(client.emit('a', 1))),
    rejection(startApp(HANDLERS, served)),
    rejection(topic.publish(event('a'))),
    rejection(topic.subscribe('billing', { patterns: ['a'] })),
    rejection(topic.removePatterns('billing', ['a'])),
    rejection(topic.unsubscribe('billing')),
    rejection(topic.subscriptions()),
    rejection(topic.state()),
  ]);
}

describe('the number of partitions of a topic', () => {
  it('is registered by a client before there is a subscription, and another one is refused with both numbers', async () => {
    const { name } = newTopic();
    await startClient({ topic: name, ...PARTITIONED }).connect();
    const numbers = partitionNames(name, PARTITIONS).map((each) => `{${each}}(topic_partitions)`);
    expect(await redis.mget(numbers)).toEqual(['4', '4', '4', '4']);
    for (const [options, got] of [
      [{ ...PARTITIONED, partitions: 8 }, '8'],
      [{ ...PARTITIONED, partitions: 2 }, '2'],
      [{}, 'none'],
    ] as const) {
      for (const error of await attempts(name, options)) {
        expect(String(error)).toMatch(
          /: partitions must be 4 for the (topic 'topic-.*'|queue '{topic-.*'), got/,
        );
        expect(String(error)).toContain(
          `, got ${got}: all its clients and workers must have the same number`,
        );
        expect(error).toHaveProperty('code', 'INVALID_OPTION');
      }
    }
    expect(await redis.keys(`{${name}*}(subscriptions)`)).toEqual([]);
  });

  it.each(['a server', 'a subscribe'])(
    'is registered by %s, and is that of the queue of each subscription',
    async (who) => {
      const topic = newPartitionedTopic();
      if (who === 'a subscribe') await topic.subscribe('billing', { patterns: ['a'] });
      else await startApp(HANDLERS, { topic: topic.name, subscription: 'billing', ...PARTITIONED });
      const names = partitionNames(topic.name, PARTITIONS);
      const keys = names.map((name) => `{${name}}(topic_partitions)`);
      expect(await redis.mget(keys)).toEqual(keys.map(() => '4'));
      const queue = closing(new EventQueue(queueOf(topic, 'billing'), url));
      const refusal = `partitions must be 4 for the queue '${queueOf(topic, 'billing')}', got none`;
      await expect(queue.enqueue(new ServiceEvent(1, 'a'))).rejects.toThrow(refusal);
      expect(await topic.unsubscribe('billing')).toBe(true);
      expect(await redis.keys(`{${topic.name}*}/billing*`)).toEqual([]);
    },
  );

  it('is not registered by somebody who uses the queue of a subscription as a queue', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    const queue = queueOf(topic, 'billing');
    expect(await rejection(startClient({ queue, ...PARTITIONED }).connect())).toHaveProperty(
      'message',
      `partitions must not be given for the queue '${queue}': its topic '${topic.name}' has none`,
    );
    await newPartitionedTopic({}, topic.name).subscriptions();
    await startClient({ queue, ...PARTITIONED }).connect();
  });

  it('is not that of a queue with the same tag', async () => {
    const topic = newPartitionedTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await startClient({ queue: `{${topic.name}}` }).connect();
  });
});

describe('a topic that had no partitions', () => {
  it('gets them with its subscriptions, and keeps what waits, in partition 0', async () => {
    const before = newTopic();
    await before.subscribe('billing', { patterns: ['a'], retention: { max: 10 } });
    await before.subscribe('idle', { patterns: ['#'] });
    await before.publish(event('a', 'from before'));
    const topic = newPartitionedTopic({}, before.name);
    // Nobody subscribes again.
    for (let n = 0; n < 8; n++) expect(await topic.publish(event('a', String(n)))).toBe(2);
    expect(await topic.state()).toMatchObject({
      subscriptions: [
        { name: 'billing', waiting: 9, retention: { max: 10 }, patterns: ['a'] },
        { name: 'idle', waiting: 9 },
      ],
      unrouted: 0,
    });
    expect(await waitingFor(topic, 'billing')).toContain('from before');
    // Who has started before knows partition 0 only.
    for (let n = 0; n < 4; n++) expect(await before.publish(event('a', 'late'))).toBe(2);
    expect((await waitingFor(topic, 'billing')).filter((payload) => payload === 'late')).toHaveLength(4);
  });

  it('is not seen by a server that has started before: it takes what is in partition 0, and others take the rest', async () => {
    const before = newTopic();
    const seen: string[] = [];
    const handlersOf = (who: string) => moduleOf(events({ a: () => void seen.push(who) }));
    const served = { topic: before.name, subscription: 'billing' };
    const old = await startApp(handlersOf('old'), served);
    const topic = newPartitionedTopic({}, before.name);
    for (let n = 0; n < 2 * PARTITIONS; n++) expect(await topic.publish(event('a'))).toBe(1);
    await until(() => seen.length === 2);
    expect((await topic.state()).subscriptions[0]?.waiting).toBe(2 * (PARTITIONS - 1));
    await old.close();
    await startApp(handlersOf('new'), { ...served, ...PARTITIONED });
    await until(() => seen.length === 2 * PARTITIONS);
    expect(seen.filter((who) => who === 'new')).toHaveLength(2 * (PARTITIONS - 1));
  });

  it('is refused them while a subscription has messages with ordering keys', async () => {
    const before = newTopic();
    const key = Array.from({ length: 99 }, (_, n) => String(n)).find(
      (each) => partitionOf(each, PARTITIONS) === 2,
    );
    await before.subscribe('billing', { patterns: ['a'] });
    await before.publish(event('a'), { orderingKey: String(key) });
    const refused = newPartitionedTopic({}, before.name);
    expect(await rejection(refused.publish(event('a')))).toHaveProperty(
      'message',
      `partitions must not be given (got 4) while the topic '${before.name}', which had none, has messages with ordering keys: let its workers finish them first`,
    );
    let isSeen = false;
    const seen = (): void => {
      isSeen = true;
    };
    const served = { topic: before.name, subscription: 'billing' };
    const old = await startApp(moduleOf(events({ a: seen })), served);
    const lanes = `${queueOf(before, 'billing')}(lanes)`;
    await until(async () => isSeen && (await redis.exists(lanes)) === 0);
    await old.close();
    expect(await refused.publish(event('a'), { orderingKey: String(key) })).toBe(1);
  });
});

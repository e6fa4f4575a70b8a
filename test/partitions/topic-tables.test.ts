import { UnsubscribedError } from 'elkmq';
import { ElkMqServer } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { topicPartitions, type TopicKeys } from '../../libs/elkmq/src/model/topic-keys.js';
import { followSubscription } from '../../libs/elkmq/src/topics/partitioned-table.js';
import type { ScriptCall } from '../../libs/elkmq/src/redis/scripts.js';
import type { SubscriptionTable } from '../../libs/elkmq/src/topics/table.js';
import {
  callsOf,
  changeSubscription,
  readTable,
  removeSubscription,
} from '../../libs/elkmq/src/topics/table-changes.js';
import { events, listening, logs, moduleOf, startApp, startClient } from '../support/nest.js';
import { redis, rejection, until, url } from '../support/queue.js';
import { event, newPartitionedTopic, PARTITIONED, PARTITIONS } from '../support/topics.js';

type Topic = ReturnType<typeof newPartitionedTopic>;

const calls = callsOf(redis);

function partitionsOf({ name }: Topic): [TopicKeys, ...TopicKeys[]] {
  return topicPartitions(name, PARTITIONS) as [TopicKeys, ...TopicKeys[]];
}

/** The patterns of a subscription in the table of each partition; undefined where it is not there. */
async function patternsInEach(topic: Topic, subscription: string) {
  const tables = await Promise.all(partitionsOf(topic).map((keys) => readTable(redis, keys)));
  return tables.map(({ subscriptions }) => subscriptions.find(({ name }) => name === subscription)?.patterns);
}

function each<T>(value: T): T[] {
  return Array.from({ length: PARTITIONS }, () => value);
}

/** Changes the patterns in partition 0, as a call that is cut after that. */
async function cutChange(topic: Topic, name: string, patterns: string[]): Promise<void> {
  const change = { patterns: () => patterns, mayReturn: true };
  await changeSubscription(partitionsOf(topic)[0], name, change, calls);
}

/** Removes a subscription from partition 0, as a call that is cut after that. */
async function cutRemoval(topic: Topic, name: string): Promise<void> {
  await removeSubscription(partitionsOf(topic)[0], name, calls);
}

function serverOf(
  topic: Topic,
  patterns: readonly string[],
  handle = (): Promise<void> => Promise.resolve(),
) {
  const server = new ElkMqServer({ url, topic: topic.name, subscription: 'billing', ...PARTITIONED });
  for (const pattern of patterns) server.addHandler(pattern, handle, true);
  return server;
}

/** Publishes in all partitions, so their publishers look at the tables. */
async function publishInEach(topic: Topic): Promise<void> {
  for (let n = 0; n < PARTITIONS; n++) await topic.publish(event('other'));
}

describe('a change of the table that is cut after partition 0 is completed', () => {
  it('by the next call, whatever it changes', async () => {
    const topic = newPartitionedTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await cutChange(topic, 'billing', ['a', 'b']);
    expect(await patternsInEach(topic, 'billing')).toEqual([['a', 'b'], ['a'], ['a'], ['a']]);
    await topic.subscribe('billing', { patterns: ['c'] });
    expect(await patternsInEach(topic, 'billing')).toEqual(each(['a', 'b', 'c']));
    await cutChange(topic, 'billing', ['c']);
    await topic.removePatterns('billing', ['d']);
    expect(await patternsInEach(topic, 'billing')).toEqual(each(['c']));
    await cutRemoval(topic, 'billing');
    // A partition had it.
    expect(await topic.unsubscribe('billing')).toBe(true);
    expect(await patternsInEach(topic, 'billing')).toEqual(each(undefined));
    expect(await redis.keys(`{${topic.name}*}/billing*`)).toEqual([]);
    expect(await topic.unsubscribe('billing')).toBe(false);
  });

  it.each(['that is new', 'that was removed', 'with other patterns'])(
    'by those who publish: a subscription %s',
    async (which) => {
      const topic = newPartitionedTopic();
      const [keys] = partitionsOf(topic);
      // Whoever registers the number makes the tables equal.
      await topic.subscriptions();
      if (which !== 'that is new') await topic.subscribe('billing', { patterns: ['a'] });
      if (which === 'that was removed') await cutRemoval(topic, 'billing');
      else await cutChange(topic, 'billing', ['a', 'b']);
      const wanted = (await readTable(redis, keys)).subscriptions[0]?.patterns;
      expect(await patternsInEach(topic, 'billing')).not.toEqual(each(wanted));
      await publishInEach(topic);
      await until(async () => {
        const found = await patternsInEach(topic, 'billing');
        return JSON.stringify(found) === JSON.stringify(each(wanted));
      });
    },
  );

  it('by a server that starts, and by one that runs', async () => {
    const topic = newPartitionedTopic();
    await cutChange(topic, 'billing', ['a']);
    await listening(serverOf(topic, ['a']));
    expect(await patternsInEach(topic, 'billing')).toEqual(each(['a']));
    await cutChange(topic, 'billing', ['a', 'b']);
    await until(async () => (await patternsInEach(topic, 'billing')).every((found) => found?.length === 2));
  });

  it('and is seen in the state of the topic: patterns are those of partition 0, which decides', async () => {
    const topic = newPartitionedTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    for (let n = 0; n < PARTITIONS; n++) await topic.publish(event('a'));
    await cutChange(topic, 'billing', ['b']);
    expect((await topic.state()).subscriptions).toMatchObject([{ patterns: ['b'], waiting: PARTITIONS }]);
    await cutRemoval(topic, 'billing');
    expect(await topic.subscriptions()).toEqual([]);
    expect((await topic.state()).subscriptions).toMatchObject([{ name: 'billing', waiting: PARTITIONS - 1 }]);
  });
});

describe('a partition that follows partition 0', () => {
  it('undoes nothing that somebody else changes meanwhile', async () => {
    const topic = newPartitionedTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    const [leader, second] = partitionsOf(topic) as [TopicKeys, TopicKeys];
    await cutChange(topic, 'billing', ['b']);
    let reads = 0;
    const read = async (keys: TopicKeys): Promise<SubscriptionTable> => {
      if (++reads === 2) await topic.subscribe('billing', { patterns: ['c'] });
      return readTable(redis, keys);
    };
    await followSubscription(leader, second, 'billing', { ...calls, read });
    expect(await patternsInEach(topic, 'billing')).toEqual(each(['b', 'c']));
  });

  it('removes no subscription that has come back meanwhile, nor its messages', async () => {
    const topic = newPartitionedTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    for (let n = 0; n < PARTITIONS; n++) await topic.publish(event('a', String(n)));
    const [leader, second] = partitionsOf(topic) as [TopicKeys, TopicKeys];
    await cutRemoval(topic, 'billing');
    let runs = 0;
    const run = async (call: ScriptCall): Promise<unknown> => {
      if (++runs === 1) await topic.subscribe('billing', { patterns: ['b'] });
      return calls.run(call);
    };
    await followSubscription(leader, second, 'billing', { ...calls, run });
    expect(await patternsInEach(topic, 'billing')).toEqual(each(['b']));
    expect((await topic.state()).subscriptions).toMatchObject([{ waiting: PARTITIONS - 1 }]);
  });
});

describe('a subscription of a topic with partitions', () => {
  it('that is added while events are published misses nothing from then on', async () => {
    const topic = newPartitionedTopic();
    const other = newPartitionedTopic({}, topic.name);
    await topic.subscribe('first', { patterns: ['a'] });
    const subscribed = new AbortController();
    let published = 0;
    const since: Promise<number>[] = [];
    const publishing = (async () => {
      while (since.length < 200) {
        const copies = topic.publish(event('a', String(published++)));
        if (subscribed.signal.aborted) since.push(copies);
        else await copies;
        // Each tick has a batch, which goes to the next partition.
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await until(() => published > 100);
    await other.subscribe('late', { patterns: ['a'] });
    subscribed.abort();
    await publishing;
    expect(new Set(await Promise.all(since))).toEqual(new Set([2]));
    const [first, late] = (await topic.state()).subscriptions;
    expect(first?.waiting).toBe(published);
    expect(late?.waiting).toBeGreaterThanOrEqual(since.length);
  });

  it('that is removed under load stops its servers once, with an error that says why, and no key is left', async () => {
    const topic = newPartitionedTopic();
    let handled = 0;
    const server = serverOf(topic, ['a'], () => {
      handled++;
      return Promise.resolve();
    });
    const errors: Error[] = [];
    server.on('error', (error) => errors.push(error));
    await listening(server);
    const client = startClient({ topic: topic.name, ...PARTITIONED });
    const over = new AbortController();
    const load = (async () => {
      while (!over.signal.aborted) await lastValueFrom(client.emit('a', 1), { defaultValue: 0 });
    })();
    await until(() => handled > 100);
    await topic.unsubscribe('billing');
    const isRemoval = (error: Error) => error instanceof UnsubscribedError;
    // The loss of the messages that handlers were working on is an error as well, and may come first.
    await until(() => errors.some(isRemoval));
    over.abort();
    await load;
    await server.close();
    const unsubscribed = errors.filter(isRemoval);
    expect(unsubscribed).toHaveLength(1);
    expect(String(unsubscribed[0])).toMatch(
      new RegExp(`'billing' was removed from the topic '${topic.name}' at \\d{4}-`),
    );
    expect(await rejection(server.state())).toBe(unsubscribed[0]);
    expect(await redis.keys(`{${topic.name}*}/*`)).toEqual([]);
    expect(await rejection(listening(serverOf(topic, ['a'])))).toBeInstanceOf(UnsubscribedError);
    await topic.subscribe('billing', { patterns: ['a'] });
    await listening(serverOf(topic, ['a']));
  });

  it('stops its servers also when its removal was cut after partition 0', async () => {
    const topic = newPartitionedTopic();
    const server = serverOf(topic, ['a']);
    const errors: Error[] = [];
    server.on('error', (error) => errors.push(error));
    await listening(server);
    await cutRemoval(topic, 'billing');
    await until(() => errors.length > 0);
    await server.close();
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(UnsubscribedError);
  });

  it.each([0, 2])(
    'whose table is deleted by hand in partition %d is added again, and keeps what waits',
    async (lost) => {
      const topic = newPartitionedTopic();
      let isOpen = false;
      const got: unknown[] = [];
      const open: (() => void)[] = [];
      const handle = async (data: unknown): Promise<void> => {
        if (!isOpen) await new Promise<void>((resolve) => open.push(resolve));
        got.push(data);
      };
      const served = { topic: topic.name, subscription: 'billing', ...PARTITIONED };
      await startApp(moduleOf(events({ a: handle })), { ...served, concurrency: PARTITIONS });
      // More than the server takes at once.
      for (let n = 0; n < 8 * PARTITIONS; n++) await topic.publish(event('a', String(n)));
      const keys = partitionsOf(topic)[lost] as TopicKeys;
      await redis.del(keys.subscriptions);
      const isTold = () =>
        logs.some((line) => line.includes(`the table of the topic '${keys.topic}' had lost`));
      // In another partition those who publish come first.
      if (lost === 0) await until(isTold);
      const textsInEach = async () => {
        const tables = await Promise.all(partitionsOf(topic).map((each) => readTable(redis, each)));
        return tables.map(({ texts }) => texts.get('billing'));
      };
      // They have the time at which it was added, too.
      await until(async () => new Set(await textsInEach()).size === 1);
      expect(await patternsInEach(topic, 'billing')).toEqual(each(['a']));
      isOpen = true;
      for (const resolve of open) resolve();
      await until(() => got.length === 8 * PARTITIONS);
    },
  );
});
